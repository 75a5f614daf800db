/** Who is signed in, as the database keeps it: several processes serve the same people. */
import type { HostId, Provider } from "../core/model.ts";
import type { HostRole } from "../core/roles.ts";
import type { Person } from "./viewer.ts";

export interface StoredSession {
  /** Digest of the cookie's value: what leaks from the database opens nothing. */
  readonly key: string;
  /** Null: whoever had the operator's token. */
  readonly person: Person | null;
  /** Of the operator's token and the key, so that a new token ends what the former one opened; null for people. */
  readonly proof: string | null;
  /** Installations the host named when they signed in, or that they were seen in since: what to list, no proof of anything. */
  readonly reach: readonly HostId[];
  readonly vouched: readonly Vouched[];
  /** Milliseconds since 1970. */
  readonly openedAt: number;
}

/**
 * Roles that a host tells nobody but the person themself, and so were asked with the token they signed in with. They
 * count for {@link VOUCHED_MS}.
 */
export interface Vouched {
  readonly installation: HostId;
  /** Towards the account. */
  readonly role: HostRole;
  /** By repository id; one that is missing: none. */
  readonly repositories: Readonly<Record<string, HostRole>>;
}

/** Somebody was sent to a host, and has not come back yet. */
export interface SignInAttempt {
  /** Digest of the cookie the browser got before it left. */
  readonly key: string;
  readonly provider: Provider;
  readonly host: string;
  /** Path of ours where they go afterwards. */
  readonly next: string;
}

/** A session ends this long after it was opened, whatever happens. */
export const SESSION_MS = 8 * 60 * 60 * 1_000;
/** And when nobody used it for this long. */
export const IDLE_MS = 30 * 60 * 1_000;
export const VOUCHED_MS = 15 * 60 * 1_000;
/** As long as hosts keep their codes. */
export const SIGN_IN_MS = 10 * 60 * 1_000;
/** Of one person, and of the operator's token; the oldest end. */
export const MAX_SESSIONS = 20;
/** Of everybody; the oldest are forgotten. */
export const MAX_SIGN_INS = 1_000;

export interface SessionStore {
  /** Forgets on the way what has ended, and what is too many. */
  openSession(session: Omit<StoredSession, "openedAt">): Promise<void>;
  /** Null: there is none, or it has ended. Counts as a use, which is written at most once a minute. */
  session(key: string): Promise<StoredSession | null>;
  /** Whether it has not ended. Does not count as a use. */
  lasts(key: string): Promise<boolean>;
  /** The installation is one of those to list from now on; nothing where the session has ended. */
  widenReach(key: string, installation: HostId): Promise<void>;
  endSession(key: string): Promise<void>;
  /** All of a person (an id of a user of that host), or of the operator's token (null); answers how many there were. */
  endSessionsOf(whose: HostId | null): Promise<number>;
  beginSignIn(attempt: SignInAttempt): Promise<void>;
  /** Once: the second who asks, and who asks after {@link SIGN_IN_MS}, gets null. */
  takeSignIn(key: string): Promise<SignInAttempt | null>;
}
