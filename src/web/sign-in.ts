import express, { type Response, type Router } from "express";
import type { Gate } from "./auth.ts";
import { methodNotAllowed, route, WebError } from "./errors.ts";
import { demandOwnForm, field, readForm } from "./forms.ts";
import type { Views } from "./views.ts";

/** Signing in and out with the operator's token. */
export function createSignIn(gate: Gate, views: Views): Router {
  const router = express.Router({ caseSensitive: true });
  const show = (res: Response, status: number, next: string, problem: string | null) => {
    const data = { title: "Sign in", section: null, formToken: null, next, problem } as const;
    res.status(status).send(views.render("sign-in", data));
  };

  router.get(
    "/token",
    route((req, res) => {
      demandToken(gate);
      show(res, 200, localPath(req.query["next"]), null);
    }),
  );
  router.post(
    "/token",
    readForm,
    route(async (req, res) => {
      demandToken(gate);
      const next = localPath(field(req, "next"));
      const verdict = gate.judge(req, field(req, "token"));
      if (verdict === "right") {
        const cookie = await gate.open({ kind: "operator", person: null });
        res.set("Set-Cookie", cookie).redirect(303, next);
      } else if (verdict === "slow-down") {
        res.set("Retry-After", "60");
        show(res, 429, next, "Too many wrong tokens. Wait a minute, then try again.");
      } else {
        show(res, 403, next, "This is not the ADMIN_TOKEN of this server.");
      }
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
        res.set("Set-Cookie", await gate.close(session));
      }
      res.redirect(303, "/auth/token");
    }),
  );
  router.all("/token", (_req, _res, next) => next(methodNotAllowed("GET, HEAD, POST")));
  router.all("/sign-out", (_req, _res, next) => next(methodNotAllowed("POST")));
  return router;
}

/** Where to go after signing in: only to ourselves, however browsers read slashes and backslashes. */
function localPath(value: unknown): string {
  const base = "http://local.invalid";
  if (typeof value !== "string" || !value.startsWith("/") || !URL.canParse(value, base)) {
    return "/";
  }
  const url = new URL(value, base);
  return url.origin === base && !url.pathname.startsWith("//") ? url.pathname + url.search : "/";
}

/** Without a token nobody may see anything, and nobody can sign in. */
export function demandToken(gate: Gate): void {
  if (!gate.configured) {
    const message =
      "These pages show private names and logs, so they stay closed until the server has an ADMIN_TOKEN. " +
      "Make one with: openssl rand -hex 32, set it in the environment or in .env, and restart.";
    throw new WebError(403, "admin-token-not-set", message);
  }
}
