import express, { type Request, type Router } from "express";
import { IDLE_MS, SESSION_MS } from "../engine/sessions-port.ts";
import { signInPath } from "./addresses.ts";
import type { Gate } from "./auth.ts";
import { methodNotAllowed, route, WebError } from "./errors.ts";
import { demandOwnForm, field, readForm } from "./forms.ts";
import { hostName } from "./host-names.ts";
import { comesFromElsewhere, localPath } from "./own-site.ts";
import { timeView } from "./present.ts";
import { addHostSignIn, type ShowSignIn, type SignInOptions } from "./sign-in-host.ts";

/** Below `/auth`: signing in with an account of a host or with the operator's token, and out again. */
export function createSignIn(options: SignInOptions): Router {
  const { gate, views, identities, clock } = options;
  const router = express.Router({ caseSensitive: true });
  const show: ShowSignIn = (res, status, next, problem) => {
    const ways = identities.map((one) => ({
      provider: one.provider,
      name: hostName(one),
      href: `${signInPath(one)}?${new URLSearchParams({ next })}`,
    }));
    const data = { title: "Sign in", section: null, formToken: null, token: gate.configured, ways, next, problem };
    res.status(status).send(views.render("sign-in", data));
  };

  router.get(
    ["/sign-in", "/token"],
    route((req, res) => {
      demandUsable(gate);
      show(res, 200, localPath(req.query["next"]), null);
    }),
  );
  router.post(
    "/token",
    readForm,
    route(async (req, res) => {
      if (!gate.configured) throw closed();
      demandOwnSite(req);
      const next = localPath(field(req, "next"));
      const verdict = gate.judge(req, field(req, "token"));
      if (verdict === "right") {
        res.set("Set-Cookie", await gate.open(req, { person: null })).redirect(303, next);
      } else if (verdict === "slow-down") {
        res.set("Retry-After", "60");
        show(res, 429, next, "Too many wrong tokens. Wait a minute, then try again.");
      } else {
        show(res, 403, next, "This is not the ADMIN_TOKEN of this server.");
      }
    }),
  );
  addHostSignIn(router, { ...options, show });
  router.get(
    "/you",
    route(async (req, res) => {
      const session = await gate.session(req);
      if (session === null) {
        res.redirect(303, "/auth/sign-in?next=%2Fauth%2Fyou");
        return;
      }
      const { viewer, formToken, openedAt, reach } = session;
      const { person } = viewer;
      const name = person === null ? "Operator" : person.actor.login;
      const operator = viewer.kind === "operator";
      res.send(
        views.render("you", {
          title: name,
          section: null,
          formToken,
          who: { name, operator },
          person: person === null ? null : { id: person.actor.id, provider: person.provider, name: hostName(person) },
          operator,
          installations: reach.length,
          opened: timeView(new Date(openedAt).toISOString(), clock.now()),
          ends: timeView(new Date(openedAt + SESSION_MS).toISOString(), clock.now()),
          idleMinutes: IDLE_MS / 60_000,
        }),
      );
    }),
  );
  // Leaving changes something, so another site must not be able to cause it: the form carries the session's own token.
  router.post(
    "/sign-out",
    readForm,
    route(async (req, res) => {
      const session = await gate.session(req);
      if (session !== null) {
        demandOwnForm(req, session);
        res.set("Set-Cookie", await gate.close(session, { everywhere: field(req, "everywhere") === "yes" }));
      }
      res.redirect(303, "/auth/sign-in");
    }),
  );
  router.all("/token", (_req, _res, next) => next(methodNotAllowed("GET, HEAD, POST")));
  router.all(["/sign-in", "/you"], (_req, _res, next) => next(methodNotAllowed("GET, HEAD")));
  router.all("/sign-out", (_req, _res, next) => next(methodNotAllowed("POST")));
  return router;
}

/**
 * Nobody is signed in by another site's form: they would not notice as whom. Browsers say where a request comes from in a
 * header that no page can set; whatever sends none is no browser, and has no cookies to be misused.
 */
function demandOwnSite(req: Request): void {
  if (comesFromElsewhere(req)) {
    throw new WebError(
      403,
      "foreign-form",
      "This form is not from this page. Open the sign-in page here, and try again.",
    );
  }
}

/** Without any way to sign in nobody may see anything. */
export function demandUsable(gate: Gate): void {
  if (!gate.usable) throw closed();
}

function closed(): WebError {
  const message =
    "These pages show private names and logs, so they stay closed until the server has an ADMIN_TOKEN. " +
    "Make one with: openssl rand -hex 32, set it in the environment or in .env, and restart.";
  return new WebError(403, "admin-token-not-set", message);
}
