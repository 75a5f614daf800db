import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import { failureAdvice } from "../core/failure-advice.ts";
import type { Build } from "../core/model.ts";
import { reproduceLines } from "../core/reproduce.ts";
import { approveHeld } from "../engine/approval.ts";
import type { Clock } from "../engine/ports.ts";
import type { Decision, Page } from "../engine/store-port.ts";
import type { Surveys } from "../engine/surveys.ts";
import { type ApiStore, demandApproved, knownBuild } from "./api.ts";
import { noReceipt } from "./api-receipts.ts";
import type { Gate, Session } from "./auth.ts";
import { hostIdIn, methodNotAllowed, pageQuery, route, WebError } from "./errors.ts";
import { demandOwnForm, readForm } from "./forms.ts";
import { type InstallationsStore, installationData, installationsData } from "./installations.ts";
import { type Logs, logHtml, sendLog } from "./log.ts";
import { buildView, decisionView, deliveryView, pullCommand, stepViews, timeView } from "./present.ts";
import { receiptView } from "./receipts.ts";
import { createSignIn, demandToken } from "./sign-in.ts";
import { holdView, traceView } from "./verdicts.ts";
import type { Views } from "./views.ts";

/** The pages people see, all behind the gate. */
export function createPages(options: {
  store: ApiStore & InstallationsStore;
  surveys: Pick<Surveys, "within">;
  logs: Logs;
  gate: Gate;
  views: Views;
  clock: Clock;
  registryHost(build: Build): Promise<string | null>;
}): Router {
  const { store, surveys, logs, gate, views, clock } = options;
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
      pull: pullCommand(build, await options.registryHost(build)),
      delivery: build.deliveryId,
      trust: build.planned.trust,
      hold: await holdView(store, build, now),
      decision: await decisionOf(store, build),
      log: await logHtml(logs, build.id),
    } as const;
    res.send(views.render("build", data));
  });

  page("/builds/:id/log", async (req, res) => {
    const { id } = await knownBuild(store, req.params["id"]);
    await sendLog(logs, id, req, res);
  });

  pages.post("/builds/:id/approve", readForm, gated(gate, approve, buildOf));
  pages.all("/builds/:id/approve", (_req, _res, next) => next(methodNotAllowed("POST")));

  async function approve(req: Request, res: Response, session: Session): Promise<void> {
    demandOwnForm(req, session);
    demandApproved(await approveHeld(store, req.params["id"] ?? "", { kind: "operator" }));
    res.redirect(303, buildOf(req));
  }

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
      trace: traceView(delivery.trace),
    } as const;
    res.send(views.render("delivery", data));
  });

  page("/installations", async (req, res, { formToken }) => {
    const found = await store.listInstallations(pageQuery(req));
    const data = await installationsData(store, found.items);
    const more = paging("/installations", req, found);
    res.send(
      views.render("installations", { ...data, title: "Installations", section: "installations", formToken, ...more }),
    );
  });

  page("/installations/:provider/:host/:id", async (req, res, { formToken }) => {
    const data = await installationData({ store, surveys, now: clock.now }, req);
    res.send(views.render("installation", { ...data, title: data.login, section: "installations", formToken }));
  });

  page("/installations/:provider/:host/:id/receipt", async (req, res, { formToken }) => {
    const id = hostIdIn(req);
    const receipt = id === null ? null : await store.receipt(id);
    if (receipt === null) throw noReceipt();
    const data = receiptView(receipt, clock.now());
    const title = `Receipt of ${data.login}`;
    res.send(views.render("receipt", { ...data, title, section: "installations", formToken }));
  });

  pages.use("/auth", createSignIn(gate, views));
  return pages;
}

/** The page of the build that a form on it is about. */
function buildOf(req: Request): string {
  return `/builds/${encodeURIComponent(req.params["id"] ?? "")}`;
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

/** `back`: where to go once signed in; a form that was sent is not sent again. */
function gated(
  gate: Gate,
  show: (req: Request, res: Response, session: Session) => Promise<void>,
  back = (req: Request) => req.originalUrl,
): RequestHandler {
  return route(async (req, res) => {
    demandToken(gate);
    const session = gate.session(req);
    if (session === null) {
      res.redirect(303, `/auth/token?${new URLSearchParams({ next: back(req) })}`);
      return;
    }
    await show(req, res, session);
  });
}

const refuseMethod: RequestHandler = (_req, _res, next) => next(methodNotAllowed("GET, HEAD"));
