import type { Request } from "express";
import { failureAdvice } from "../core/failure-advice.ts";
import type { Build } from "../core/model.ts";
import { reproduceLines } from "../core/reproduce.ts";
import { approveHeld } from "../engine/approval.ts";
import type { Clock } from "../engine/ports.ts";
import type { Decision } from "../engine/store-port.ts";
import { deciderOf } from "../engine/viewer.ts";
import { type ApiStore, demandApproved, knownBuild } from "./api.ts";
import { pageQuery } from "./errors.ts";
import { type Logs, logHtml, sendLog } from "./log.ts";
import { paging } from "./paging.ts";
import { buildView, pullCommand, stepViews, timeView } from "./present.ts";
import { holdView } from "./verdicts.ts";
import type { PageKit } from "./visit.ts";

export interface BuildPages {
  readonly store: ApiStore;
  readonly logs: Logs;
  readonly clock: Clock;
  registryHost(build: Build): Promise<string | null>;
}

/** `/builds`, and what can be done with one. */
export function addBuildPages({ page, form, send }: PageKit, parts: BuildPages): void {
  const { store, logs, clock } = parts;

  page(["/", "/builds"], async (req, res, visit) => {
    const found = await store.listBuilds(pageQuery(req));
    const now = clock.now();
    const builds = found.items.map((build) => buildView(build, now));
    send(res, visit, "builds", { title: "Builds", section: "builds", builds, ...paging("/", req, found) });
  });

  page("/builds/:id", async (req, res, visit) => {
    const build = await knownBuild(store, req.params["id"]);
    const now = clock.now();
    const view = buildView(build, now);
    send(res, visit, "build", {
      title: `${view.stateText}: ${build.image}`,
      section: "builds",
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
      pull: pullCommand(build, await parts.registryHost(build)),
      delivery: build.deliveryId,
      trust: build.planned.trust,
      hold: await holdView(store, build, now),
      decision: await decisionOf(store, build),
      log: await logHtml(logs, build.id),
    });
  });

  page("/builds/:id/log", async (req, res) => {
    const { id } = await knownBuild(store, req.params["id"]);
    await sendLog(logs, id, req, res);
  });

  form(
    "/builds/:id/approve",
    async (req, res, { viewer }) => {
      demandApproved(await approveHeld(store, req.params["id"] ?? "", deciderOf(viewer)));
      res.redirect(303, buildOf(req));
    },
    buildOf,
  );
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
