import type { Request } from "express";
import { type HostId, hostKey } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import { SESSION_MS, type SessionStore, type StoredSession, VOUCHED_MS } from "../engine/sessions-port.ts";
import type { Person, Viewer } from "../engine/viewer.ts";
import { createAttempts } from "./attempts.ts";
import { createCookie, derived, newSecret, sameSecret } from "./cookies.ts";

export { clientAddress } from "./attempts.ts";
export { sameSecret } from "./cookies.ts";

/**
 * Who may see anything: whoever has the operator's token, as a bearer or after signing in, and people their host has vouched
 * for. Where neither is configured nobody may, on this machine either: a reverse proxy with ordinary settings makes all the
 * world look like loopback.
 */
export interface Gate {
  /** False: no ADMIN_TOKEN is configured. */
  readonly configured: boolean;
  /** False: nobody can sign in, neither with a token nor with a host's account. */
  readonly usable: boolean;
  /** Judges a token somebody sent. `slow-down`: too many wrong ones came from there, right or wrong is not looked at. */
  judge(req: Request, token: string): Verdict;
  /** A new session with a new id; the one of that browser before ends. Answers the value of `Set-Cookie`. */
  open(req: Request, who: Admitted): Promise<string>;
  session(req: Request): Promise<Session | null>;
  /** Whether it has not ended; does not keep it from ending. */
  lasts(session: Session): Promise<boolean>;
  /** Ends the session, or all of whoever has it; answers the value of `Set-Cookie` that removes it. */
  close(session: Session, options?: { readonly everywhere: boolean }): Promise<string>;
}

export type Verdict = "right" | "wrong" | "slow-down";

/** Who is let in. `person` null: whoever has the operator's token. */
export interface Admitted extends Pick<StoredSession, "person"> {
  readonly reach?: StoredSession["reach"];
  readonly vouched?: StoredSession["vouched"];
}

export interface Session extends Pick<StoredSession, "key" | "reach" | "vouched" | "openedAt"> {
  /** Sent along with forms that change something. */
  readonly formToken: string;
  readonly viewer: Exclude<Viewer, { readonly kind: "token" }>;
}

export interface GateOptions {
  readonly adminToken: string | null;
  /** People who are operators; see {@link hostKey}. */
  readonly operators: ReadonlySet<string>;
  /** Whether there is any host people can sign in with. */
  readonly hosts: boolean;
  readonly secure: boolean;
  readonly sessions: SessionStore;
  readonly clock: Clock;
}

const MAX_WRONG = 10;
const WRONG_WINDOW_MS = 60 * 1000;

export function createGate({ adminToken, operators, hosts, secure, sessions, clock }: GateOptions): Gate {
  const cookie = createCookie("wharfinger", secure);
  const wrong = createAttempts({ max: MAX_WRONG, windowMs: WRONG_WINDOW_MS, clock });
  /** Several parts of one answer ask who it is for. */
  const asked = new WeakMap<Request, Promise<Session | null>>();

  /** What only whoever knows the operator's token can have made of the key. */
  function proofOf(key: string): string | null {
    return adminToken === null ? null : derived(adminToken, `operator's session ${key}`);
  }

  function viewerOf({ key, person, proof, vouched, openedAt }: StoredSession): Session["viewer"] | null {
    if (person !== null) {
      if (operators.has(hostKey(userOf(person)))) return { kind: "operator", person };
      return { kind: "person", person, vouched: clock.now() - openedAt < VOUCHED_MS ? vouched : [] };
    }
    const expected = proofOf(key);
    return expected !== null && proof !== null && sameSecret(proof, expected)
      ? { kind: "operator", person: null }
      : null;
  }

  async function find(req: Request): Promise<Session | null> {
    for (const value of cookie.read(req)) {
      const stored = await sessions.session(keyOf(value));
      const viewer = stored === null ? null : viewerOf(stored);
      if (stored === null || viewer === null) continue;
      const { key, reach, vouched, openedAt } = stored;
      return { key, reach, vouched, openedAt, viewer, formToken: derived(value, "form") };
    }
    return null;
  }

  return {
    configured: adminToken !== null,
    usable: adminToken !== null || hosts,
    judge(req, token) {
      if (wrong.tooMany(req)) return "slow-down";
      if (adminToken !== null && sameSecret(token, adminToken)) return "right";
      wrong.add(req);
      return "wrong";
    },
    async open(req, { person, reach = [], vouched = [] }) {
      for (const former of cookie.read(req)) await sessions.endSession(keyOf(former));
      const value = newSecret();
      const key = keyOf(value);
      await sessions.openSession({ key, person, proof: person === null ? proofOf(key) : null, reach, vouched });
      return cookie.set(value, SESSION_MS / 1_000);
    },
    session(req) {
      const known = asked.get(req);
      if (known !== undefined) return known;
      const answer = find(req);
      asked.set(req, answer);
      return answer;
    },
    lasts: ({ key }) => sessions.lasts(key),
    async close({ key, viewer: { person } }, { everywhere } = { everywhere: false }) {
      if (everywhere) await sessions.endSessionsOf(person === null ? null : userOf(person));
      else await sessions.endSession(key);
      return cookie.clear();
    },
  };
}

/** The database never has what is in the cookie. */
function keyOf(value: string): string {
  return derived(value, "session");
}

function userOf({ provider, host, actor }: Person): HostId {
  return { provider, host, id: actor.id };
}
