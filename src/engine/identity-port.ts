/** Signing in with an account of a host. */
import type { HostId, Outcome, Provider } from "../core/model.ts";
import type { Vouched } from "./sessions-port.ts";
import type { Person } from "./viewer.ts";

/** Whom a host has just vouched for. What it was asked with is thrown away by then. */
export interface SignedIn {
  readonly person: Person;
  /** Installations of ours the host shows them: what to list, no proof of anything. */
  readonly reach: readonly HostId[];
  /** Left out: the host can be asked at any time. */
  readonly vouched?: readonly Vouched[];
}

export interface Identity {
  readonly provider: Provider;
  readonly host: string;
  /**
   * The host's address to send the browser to. `state` comes back with it; `challenge`: of the verifier, for hosts that know
   * RFC 7636 (S256).
   */
  begin(keys: { readonly state: string; readonly challenge: string }): string;
  /**
   * Who it is that came back with this code; `verifier`: 43 to 128 characters, whose SHA-256 was the challenge. Fails for
   * good where the code is none (any more); the message is for the one who tries.
   */
  finish(answer: { readonly code: string; readonly verifier: string }): Promise<Outcome<SignedIn>>;
}
