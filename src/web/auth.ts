import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Request } from "express";
import type { HostId } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { Viewer } from "../engine/viewer.ts";

/**
 * Who may see anything: whoever has the operator's token, as a bearer or after signing in. Without a token configured
 * nobody may, on this machine either: a reverse proxy with ordinary settings makes all the world look like loopback.
 */
export interface Gate {
  /** False: no ADMIN_TOKEN is configured. */
  readonly configured: boolean;
  /** Judges a token somebody sent. `slow-down`: too many wrong ones came from there, right or wrong is not looked at. */
  judge(req: Request, token: string): Verdict;
  /** A new session; answers the value of `Set-Cookie`. */
  open(viewer: Session["viewer"], reach?: Session["reach"]): Promise<string>;
  session(req: Request): Promise<Session | null>;
  /** Ends the session; answers the value of `Set-Cookie` that removes it. */
  close(session: Session): Promise<string>;
}

export type Verdict = "right" | "wrong" | "slow-down";

export interface Session {
  /** Digest of the cookie's value: what leaks from memory opens nothing. */
  readonly key: string;
  /** Sent along with forms that change something. */
  readonly formToken: string;
  readonly viewer: Exclude<Viewer, { readonly kind: "token" }>;
  /** Installations the host named when they signed in: what to list, and no proof of anything. Of operators empty. */
  readonly reach: readonly HostId[];
}

const SESSION_MS = 12 * 60 * 60 * 1000;
const MAX_SESSIONS = 200;
const MAX_WRONG = 10;
const WRONG_WINDOW_MS = 60 * 1000;
const MAX_ADDRESSES = 10_000;

export function createGate(options: { adminToken: string | null; secure: boolean; clock: Clock }): Gate {
  const { adminToken, clock } = options;
  // `__Host-`: browsers take it over HTTPS only, for this host alone; no neighbour's subdomain can plant one.
  const cookie = options.secure ? "__Host-wharfinger" : "wharfinger";
  const attributes = `Path=/; HttpOnly; SameSite=Lax${options.secure ? "; Secure" : ""}`;
  const sessions = new Map<string, Omit<Session, "key"> & { readonly until: number }>();
  const guesses = createGuesses(clock);
  return {
    configured: adminToken !== null,
    judge(req, token) {
      const address = clientAddress(req);
      if (guesses.tooMany(address)) {
        return "slow-down";
      }
      if (adminToken !== null && sameSecret(token, adminToken)) {
        return "right";
      }
      guesses.add(address);
      return "wrong";
    },
    async open(viewer, reach = []) {
      const value = randomBytes(32).toString("base64url");
      makeRoom(sessions, MAX_SESSIONS);
      sessions.set(digest(value), {
        formToken: randomBytes(32).toString("base64url"),
        viewer,
        reach,
        until: clock.now() + SESSION_MS,
      });
      return `${cookie}=${value}; ${attributes}; Max-Age=${SESSION_MS / 1000}`;
    },
    async session(req) {
      for (const value of cookieValues(req.headers.cookie ?? "", cookie)) {
        const key = digest(value);
        const found = sessions.get(key);
        if (found !== undefined && found.until > clock.now()) {
          const { formToken, viewer, reach } = found;
          return { key, formToken, viewer, reach };
        }
        sessions.delete(key);
      }
      return null;
    },
    async close(session) {
      sessions.delete(session.key);
      return `${cookie}=; ${attributes}; Max-Age=0`;
    },
  };
}

/** Equal or not in the same time, whatever the lengths. */
export function sameSecret(given: string, expected: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}

/** Wrong tokens by address: some a minute, then none is looked at until the minute is over. */
function createGuesses(clock: Clock): { tooMany(address: string): boolean; add(address: string): void } {
  const wrong = new Map<string, { readonly count: number; readonly until: number }>();
  const current = (address: string) => {
    const found = wrong.get(address);
    return found !== undefined && found.until > clock.now()
      ? found
      : { count: 0, until: clock.now() + WRONG_WINDOW_MS };
  };
  return {
    tooMany: (address) => current(address).count >= MAX_WRONG,
    add(address) {
      const { count, until } = current(address);
      makeRoom(wrong, MAX_ADDRESSES);
      wrong.set(address, { count: count + 1, until });
    },
  };
}

/**
 * Where a guess comes from. Behind a proxy on this machine that is what the proxy appended last: otherwise a stranger's
 * guesses would lock out the operator. Who lies here gains some more guesses at a long random text.
 */
export function clientAddress(req: Request): string {
  const peer = req.socket.remoteAddress ?? "";
  const forwarded = req.headers["x-forwarded-for"];
  const last = String(forwarded ?? "")
    .split(",")
    .at(-1)
    ?.trim();
  return last && /^(?:127\.|::1$|::ffff:127\.)/.test(peer) ? last.slice(0, 64) : peer;
}

function cookieValues(header: string, name: string): string[] {
  return header
    .split(";", 64)
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
}

function digest(value: string): string {
  return createHash("sha256").update(value).digest("base64url");
}

/** Maps keep the order of insertion: the oldest entry leaves first. */
function makeRoom(map: Map<string, unknown>, max: number): void {
  const oldest = map.keys().next();
  if (map.size >= max && !oldest.done) {
    map.delete(oldest.value);
  }
}
