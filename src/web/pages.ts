import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import { failureAdvice } from "../core/failure-advice.ts";
import type { Build } from "../core/model.ts";
import { reproduceLines } from "../core/reproduce.ts";
import type { Clock } from "../engine/ports.ts";
import type { Decision, Page } from "../engine/store-port.ts";
import { type ApiStore, knownBuild, methodNotAllowed } from "./api.ts";
import type { Gate, Session } from "./auth.ts";
import { pageQuery, route, WebError } from "./errors.ts";
import { type Logs, logHtml, sendLog } from "./log.ts";
import { buildView, decisionView, deliveryView, pullCommand, stepViews, timeView } from "./present.ts";
import type { Views } from "./views.ts";

/** The pages people see, all behind the gate. */
export function createPages(options: {
  store: ApiStore;
  logs: Logs;
  gate: Gate;
  views: Views;
  clock: Clock;
  registryName: string;
}): Router {
  const { store, logs, gate, views, clock, registryName } = options;
  const pages = express.Router({ caseSensitive: true });

  const page = (path: string | string[], show: (req: Request, res: Response, session: Session) => Promise<void>) => {
    pages.get(path, gated(gate, show));
    pages.all(path, refuseMethod);
  };

  page(["/", "/builds"], async (req, res, { formToken }) => {
    const found = await store.listBuilds(pageQuery(req));
    const now = clock.now();
    const builds = found.items.map((build) => buildView(build, now));
    const data = { title: "Builds", section: "builds", formToken, builds, ...paging("/", req, found) } as const;
    res.send(views.render("builds", data));
  });

  page("/builds/:id", async (req, res, { formToken }) => {
    const build = await knownBuild(store, req.params["id"]);
    const now = clock.now();
    const view = buildView(build, now);
    const data = {
      title: `${view.stateText}: ${build.image}`,
      section: "builds",
      formToken,
      build: view,
      digest: build.digest,
      older: build.tags?.older ?? [],
      requestDigest: build.requestDigest,
      trigger: build.trigger,
      attempt: build.attempt,
      fullSha: build.planned.sha,
      inputs: build.planned.inputs,
      rules: build.planned.rules,
      failure: build.failure,
      advice: build.failure === null ? "" : failureAdvice(build.failure.class).replaceAll("`", ""),
      reproduce: build.failure === null ? "" : reproduceLines(build).join("\n"),
      started: build.startedAt === null ? null : timeView(build.startedAt, now),
      finished: build.finishedAt === null ? null : timeView(build.finishedAt, now),
      steps: stepViews(build.steps, now),
      pull: pullCommand(build, registryName),
      delivery: build.deliveryId,
      decision: await decisionOf(store, build),
      log: await logHtml(logs, build.id),
    } as const;
    res.send(views.render("build", data));
  });

  page("/builds/:id/log", async (req, res) => {
    const { id } = await knownBuild(store, req.params["id"]);
    await sendLog(logs, id, req, res);
  });

  page("/deliveries", async (req, res, { formToken }) => {
    const found = await store.listDeliveries(pageQuery(req));
    const deliveries = found.items.map((delivery) => deliveryView(delivery, clock.now()));
    const data = { title: "Deliveries", section: "deliveries", formToken, deliveries } as const;
    res.send(views.render("deliveries", { ...data, ...paging("/deliveries", req, found) }));
  });

  page("/deliveries/:id", async (req, res, { formToken }) => {
    const delivery = await store.findDelivery(req.params["id"] ?? "");
    if (delivery === null) {
      throw new WebError(404, "not-found", "There is no such delivery. It may be past its retention.");
    }
    const found = await store.listBuilds({ limit: 100, cursor: null, deliveryId: delivery.id });
    const builds = new Map(found.items.map((build): [string, Build] => [build.id, build]));
    const data = {
      title: `${delivery.event} of ${delivery.repositoryName ?? delivery.provider}`,
      section: "deliveries",
      formToken,
      delivery: deliveryView(delivery, clock.now()),
      hostId: delivery.deliveryId,
      provider: delivery.provider,
      host: delivery.host,
      attempts: delivery.attempts,
      note: delivery.note,
      decisions: delivery.decisions.map((decision) => decisionView(decision, builds)),
      built: delivery.builds.length > 0,
    } as const;
    res.send(views.render("delivery", data));
  });

  pages.use("/auth", createSignIn(gate, views));
  return pages;
}

/** The decision that led to the build; null when its delivery is past retention. */
async function decisionOf(store: ApiStore, build: Build): Promise<Decision | null> {
  const delivery = await store.getDelivery(build.deliveryId);
  return delivery?.decisions.find((decision) => decision.build === build.id) ?? null;
}

function paging(path: string, req: Request, found: Page<unknown>): { older: string | null; newest: string | null } {
  const { limit } = req.query;
  const query = new URLSearchParams(typeof limit === "string" ? { limit } : {});
  const newest = query.size === 0 ? path : `${path}?${query}`;
  if (found.next !== null) {
    query.set("cursor", found.next);
  }
  return {
    older: found.next === null ? null : `${path}?${query}`,
    newest: req.query["cursor"] === undefined ? null : newest,
  };
}

function gated(gate: Gate, show: (req: Request, res: Response, session: Session) => Promise<void>): RequestHandler {
  return route(async (req, res) => {
    demandToken(gate);
    const session = gate.session(req);
    if (session === null) {
      res.redirect(303, `/auth/token?${new URLSearchParams({ next: req.originalUrl })}`);
      return;
    }
    await show(req, res, session);
  });
}

function demandToken(gate: Gate): void {
  if (!gate.configured) {
    const message =
      "These pages show private names and logs, so they stay closed until the server has an ADMIN_TOKEN. " +
      "Make one with: openssl rand -hex 32, set it in the environment or in .env, and restart.";
    throw new WebError(403, "admin-token-not-set", message);
  }
}

const refuseMethod: RequestHandler = (_req, _res, next) => next(methodNotAllowed("GET, HEAD"));

/** Signing in and out with the operator's token. */
function createSignIn(gate: Gate, views: Views): Router {
  const router = express.Router({ caseSensitive: true });
  const form = express.urlencoded({ extended: false, limit: "8kb", parameterLimit: 10 });
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
    form,
    route((req, res) => {
      demandToken(gate);
      const next = localPath(field(req, "next"));
      const verdict = gate.judge(req, field(req, "token"));
      if (verdict === "right") {
        res.set("Set-Cookie", gate.open()).redirect(303, next);
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
    form,
    route((req, res) => {
      const session = gate.session(req);
      if (session !== null) {
        if (field(req, "form_token") !== session.formToken) {
          throw new WebError(403, "foreign-form", "This form is not from this page, or is old. Load the page again.");
        }
        res.set("Set-Cookie", gate.close(session));
      }
      res.redirect(303, "/auth/token");
    }),
  );
  router.all("/token", (_req, _res, next) => next(methodNotAllowed("GET, HEAD, POST")));
  router.all("/sign-out", (_req, _res, next) => next(methodNotAllowed("POST")));
  return router;
}

/** One text field of a form; empty when it is missing or given twice. */
function field(req: Request, name: string): string {
  const body: unknown = req.body;
  const value = typeof body === "object" && body !== null && Object.hasOwn(body, name) ? Reflect.get(body, name) : "";
  return typeof value === "string" ? value : "";
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
