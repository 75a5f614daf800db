import type { NextFunction, Request, RequestHandler, Response } from "express";
import type { Authorization } from "../engine/authorize.ts";
import { BadCursor } from "../engine/store-port.ts";

/** An answer other than the one asked for. `message` is for the reader: what is wrong and what to do. */
export class WebError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "WebError";
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Of what an id may have stood for once. */
export const NO_BUILD = "There is no such build. It may be past its retention.";
export const NO_DELIVERY = "There is no such delivery. It may be past its retention.";

/** What may be told of an error. A bug's words are for the log, never for the reader. */
export function publicError(error: unknown): WebError {
  if (error instanceof WebError) {
    return error;
  }
  if (error instanceof BadCursor) {
    return new WebError(
      400,
      "bad-cursor",
      "The cursor is not one this list gave out. Leave it out to start at the top.",
    );
  }
  // Express' own: a path that is not valid percent-encoding, a body that is too large or not what it says.
  const status = typeof error === "object" && error !== null && "status" in error ? error.status : null;
  if (typeof status === "number" && status >= 400 && status < 500) {
    return new WebError(status, "bad-request", "The request could not be read. Check its address and its body.");
  }
  return new WebError(500, "internal", "Something went wrong here. The server's log has the details.");
}

/** Express 4 does not hand on what an async handler rejects with. */
export function route(handler: (req: Request, res: Response) => Promise<void> | void): RequestHandler {
  return (req: Request, res: Response, next: NextFunction) => {
    Promise.resolve()
      .then(() => handler(req, res))
      .catch(next);
  };
}

export function methodNotAllowed(allow: string): WebError {
  return new WebError(405, "method-not-allowed", `Only ${allow} is understood here.`, { Allow: allow });
}

/** Passes where somebody may; throws what says why not otherwise. */
export function demandAllowed(answer: Authorization): void {
  if (answer.kind !== "allowed") throw notAllowed(answer);
}

/** Where the host could not say: perhaps later (503), or not before somebody changes something (502). */
export function notAllowed(answer: Exclude<Authorization, { readonly kind: "allowed" }>): WebError {
  const { why } = answer;
  if (answer.kind === "refused") return new WebError(403, "not-allowed", why);
  if (!answer.retryable) return new WebError(502, "host-refused", why);
  const { retryAfter } = answer;
  return new WebError(503, "host-unavailable", why, retryAfter === null ? {} : { "Retry-After": String(retryAfter) });
}
