/** What bodies may cost. */
export interface IntakeLimits {
  /** Milliseconds from a request's head to the last byte of its body. GitHub and Bitbucket hang up after 10 seconds. */
  readonly bodyMs: number;
  /** Bytes of all bodies that are arriving or waiting to be stored. */
  readonly maxInFlightBytes: number;
  /** After a refusal we keep reading for this long, or the sender may lose our answer to a reset. Milliseconds. */
  readonly lingerMs: number;
}

export const INTAKE_LIMITS: IntakeLimits = {
  bodyMs: 10_000,
  maxInFlightBytes: 64 * 1024 * 1024,
  lingerMs: 1_000,
};

/**
 * Options for `http.createServer` that go with this intake. Node looks for late connections only every
 * `connectionsCheckingInterval`, 30 seconds unless told otherwise. `requestTimeout` is the backstop for bodies that are not
 * the intake's; the intake's own limit is shorter, and answers.
 */
export function serverLimits() {
  return {
    maxHeaderSize: 16 * 1024,
    headersTimeout: 5_000,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 15_000,
  } as const;
}
