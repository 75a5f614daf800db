/**
 * Signing in with an account of a host (RFC 6749 section 4.1, RFC 7636). The browser gets a cookie before it leaves; state
 * and verifier are made of that, so that what comes back counts only in the browser that left, and once.
 */
import { createHash } from "node:crypto";
import type { Request, Response, Router } from "express";
import type { Identity } from "../engine/identity-port.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import { type SessionStore, SIGN_IN_MS } from "../engine/sessions-port.ts";
import { signInPath } from "./addresses.ts";
import { createAttempts } from "./attempts.ts";
import type { Gate } from "./auth.ts";
import { createCookie, derived, newSecret, sameSecret } from "./cookies.ts";
import { methodNotAllowed, route, WebError } from "./errors.ts";
import { hostName } from "./host-names.ts";
import { comesFromElsewhere, localPath } from "./own-site.ts";
import type { Views } from "./views.ts";

export interface SignInOptions {
  readonly gate: Gate;
  readonly views: Views;
  /** Hosts people can sign in with. */
  readonly identities: readonly Identity[];
  readonly sessions: Pick<SessionStore, "beginSignIn" | "takeSignIn">;
  /** The site's address is HTTPS. */
  readonly secure: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Shows the page to sign in on, with what went wrong on it. */
export type ShowSignIn = (res: Response, status: number, next: string, problem: string | null) => void;

/** Of one address in a minute: a household signs in now and then, a flood would fill the table. */
const MAX_BEGUN = 30;
const WINDOW_MS = 60_000;

export function addHostSignIn(router: Router, options: SignInOptions & { readonly show: ShowSignIn }): void {
  const { gate, identities, sessions, secure, clock, log, show } = options;
  const cookie = createCookie("wharfinger-sign-in", secure);
  const begun = createAttempts({ max: MAX_BEGUN, windowMs: WINDOW_MS, clock });

  /** Whoever this browser set out as, if that was to this host and is what comes back; whatever comes of it, only once. */
  async function cameBack(req: Request, { provider, host }: Identity) {
    const state = one(req.query["state"]);
    for (const secret of cookie.read(req)) {
      if (state === null || !sameSecret(state, derived(secret, "state"))) continue;
      const attempt = await sessions.takeSignIn(derived(secret, "sign-in"));
      if (attempt?.provider === provider && attempt.host === host)
        return { next: attempt.next, verifier: derived(secret, "verifier") };
    }
    return null;
  }

  async function finish(req: Request, res: Response, identity: Identity): Promise<void> {
    const name = hostName(identity);
    const back = await cameBack(req, identity);
    if (back === null) {
      log.warn({ host: `${identity.provider}:${identity.host}`, reason: "not-begun-here" }, "a sign-in was not taken");
      const problem = `This sign-in was not begun in this browser, or is over. Begin again, and finish within ${SIGN_IN_MS / 60_000} minutes.`;
      return show(res, 400, "/", problem);
    }
    const { next, verifier } = back;
    res.append("Set-Cookie", cookie.clear());
    const error = one(req.query["error"]);
    const code = one(req.query["code"]);
    if (error !== null || code === null) return show(res, 403, next, refusedWords(name, error));
    const signedIn = await identity.finish({ code, verifier });
    if (!signedIn.ok) {
      log.warn({ host: `${identity.provider}:${identity.host}`, why: signedIn.message }, "somebody could not sign in");
      return show(res, signedIn.retryable ? 503 : 403, next, `${name} did not say who you are: ${signedIn.message}`);
    }
    const { person, reach, vouched = [] } = signedIn.value;
    res.append("Set-Cookie", await gate.open(req, { person, reach, vouched }));
    log.info({ provider: person.provider, host: person.host, actor: person.actor.id }, "somebody signed in");
    res.redirect(303, next);
  }

  for (const identity of identities) {
    const { provider, host } = identity;
    // This router is below `/auth`.
    const path = signInPath(identity).replace(/^\/auth/, "");
    router.get(
      path,
      route(async (req, res) => {
        const next = localPath(req.query["next"]);
        // Nobody is sent to a host without having read what for.
        if (comesFromElsewhere(req)) {
          res.redirect(303, `/auth/sign-in?${new URLSearchParams({ next })}`);
          return;
        }
        if (begun.tooMany(req)) {
          res.set("Retry-After", "60");
          show(res, 429, next, "Too many sign-ins were begun from where you are. Wait a minute, then try again.");
          return;
        }
        begun.add(req);
        const secret = newSecret();
        await sessions.beginSignIn({ key: derived(secret, "sign-in"), provider, host, next });
        const verifier = derived(secret, "verifier");
        const challenge = createHash("sha256").update(verifier).digest("base64url");
        res.set("Set-Cookie", cookie.set(secret, SIGN_IN_MS / 1_000));
        res.redirect(303, identity.begin({ state: derived(secret, "state"), challenge }));
      }),
    );
    router.get(
      `${path}/callback`,
      route((req, res) => finish(req, res, identity)),
    );
    router.all([path, `${path}/callback`], (_req, _res, next) => next(methodNotAllowed("GET, HEAD")));
  }
  router.use(["/github", "/bitbucket"], (_req, _res, next) => {
    next(new WebError(404, "not-configured", "Nobody can sign in with an account of that host here."));
  });
}

/** A parameter that came once, and is of a length that means something. */
function one(value: unknown): string | null {
  return typeof value === "string" && /^[\x21-\x7e]{1,500}$/.test(value) ? value : null;
}

/** Of the codes of RFC 6749 section 4.1.2.1 and GitHub's own, those that somebody can do something about. */
function refusedWords(name: string, error: string | null): string {
  switch (error) {
    case null:
      return `${name} sent you back without a word. Try again.`;
    case "access_denied":
      return `You told ${name} not to say who you are, so you are not signed in. Nothing was done.`;
    case "application_suspended":
      return `${name} has suspended this App. Tell the operator of this server.`;
    case "redirect_uri_mismatch":
    case "unauthorized_client":
    case "invalid_scope":
      return `${name} does not know this server under this address (${error}). Tell its operator: docs/sign-in.md.`;
    case "temporarily_unavailable":
    case "server_error":
      return `${name} can not sign you in at the moment. Try again in a minute.`;
    default:
      return `${name} did not sign you in. Try again.`;
  }
}
