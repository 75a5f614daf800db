import type { Request } from "express";
import type { Clock } from "../engine/ports.ts";
import { createCookie, derived, newSecret, sameSecret } from "./cookies.ts";

/**
 * Who may set the instance up: whoever opened the link first that was printed where the program was started. It works
 * once, and what it opens is a session of one browser; another link, for the same at another address, ends the first.
 */
export interface SetupSessions {
  /** A new link's secret part; the one before it, if nobody has used it, ends. */
  link(): string;
  /** Opens a session with the secret part of the link. Null: that is not it (any more); else the value of `Set-Cookie`. */
  open(secret: string, secure: boolean): string | null;
  /** Null: whoever asks is not who opened the link. */
  of(req: Request): SetupSession | null;
}

export interface SetupSession {
  /** Sent along with every form. */
  readonly formToken: string;
}

const LINK_MS = 60 * 60 * 1_000;
const SESSION_MS = 8 * 60 * 60 * 1_000;
const COOKIE = "wharfinger-setup";

export function createSetupSessions(clock: Clock): SetupSessions {
  const cookies = { plain: createCookie(COOKIE, false), secure: createCookie(COOKIE, true) };
  let link: { readonly digest: string; readonly until: number } | null = null;
  let session: (SetupSession & { readonly digest: string; readonly until: number }) | null = null;
  return {
    link() {
      const secret = newSecret();
      link = { digest: derived(secret, "link"), until: clock.now() + LINK_MS };
      return secret;
    },
    open(secret, secure) {
      if (link === null || link.until <= clock.now() || !sameSecret(derived(secret, "link"), link.digest)) return null;
      link = null;
      const value = newSecret();
      session = { digest: derived(value, "session"), formToken: newSecret(), until: clock.now() + SESSION_MS };
      return cookies[secure ? "secure" : "plain"].set(value, SESSION_MS / 1_000);
    },
    of(req) {
      const current = session;
      if (current === null || current.until <= clock.now()) return null;
      const values = [...cookies.secure.read(req), ...cookies.plain.read(req)];
      return values.some((value) => sameSecret(derived(value, "session"), current.digest)) ? current : null;
    },
  };
}
