import type { Build } from "../core/model.ts";
import { isFinal } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { ApiStore } from "./api.ts";
import { addBuildDeeds, type BuildDeeds } from "./build-deeds.ts";
import { askedFilter } from "./build-filters.ts";
import { buildPageData, placeOf, seenBuild } from "./build-view.ts";
import { durationChart } from "./duration-chart.ts";
import { createLive, idOf } from "./live.ts";
import { type Logs, sendLog } from "./log.ts";
import { lastLines } from "./log-view.ts";
import { paging } from "./paging.ts";
import { buildView } from "./present.ts";
import { pageQuery } from "./requests.ts";
import { onlySeen, withinReach } from "./seen.ts";
import type { Views } from "./views.ts";
import type { PageKit } from "./visit.ts";

export interface BuildPages extends BuildDeeds {
  readonly store: ApiStore;
  readonly logs: Logs;
  readonly clock: Clock;
  readonly views: Views;
  /** Aborted when the server stops: who follows a build must not hold it up. */
  readonly stopping: AbortSignal;
  /** Host and port of a build's registry, as image names carry it; null: it is not configured any more. */
  registryHost(build: Build): Promise<string | null>;
}

/** `/builds`, and what can be done with one. */
export function addBuildPages(kit: PageKit, parts: BuildPages): void {
  const { page, send } = kit;
  const { store, logs, clock, views } = parts;
  const live = createLive(parts);
  addBuildDeeds(kit, parts);

  page(["/", "/builds"], async (req, res, visit) => {
    const { filter, view: asked } = askedFilter(req);
    const { installation, ...rest } = filter;
    const found = await store.listBuilds({ ...pageQuery(req), ...rest, ...withinReach(visit, installation) });
    const seen = await onlySeen(visit, found.items, placeOf);
    const now = clock.now();
    send(res, visit, "builds", {
      title: "Builds",
      section: "builds",
      asked,
      builds: seen.map((build) => buildView(build, now)),
      chart: durationChart(seen),
      hidden: seen.length < found.items.length,
      reach: visit.viewer.kind === "operator" || visit.session.reach.length > 0,
      ...paging("/", req, found),
    });
  });

  page("/builds/:id", async (req, res, visit) => {
    // With its log.
    const build = await seenBuild(store, visit, req.params["id"], "build.log");
    const final = isFinal(build.state);
    const log = await lastLines(logs, build.id, final);
    send(res, visit, "build", {
      ...(await buildPageData(parts, build, visit, clock.now())),
      told: false,
      stopping: !final && req.query["asked"] === "stop",
      live: !final,
      log,
      logPlace: idOf({ attempt: build.attempt, ...log.next }),
    });
  });

  page("/builds/:id/log", async (req, res, visit) => {
    const { id } = await seenBuild(store, visit, req.params["id"], "build.log");
    await sendLog(logs, id, req, res);
  });

  page("/builds/:id/live", async (req, res, visit) => {
    const first = await seenBuild(store, visit, req.params["id"], "build.log");
    const { formToken, key } = visit.session;
    await live.follow(req, res, {
      session: key,
      build: first.id,
      async state(build) {
        const data = await buildPageData(parts, build, visit, clock.now());
        return views.render("build-state", { ...data, told: true, formToken });
      },
      log: (log) => views.render("build-log", { title: "", section: null, formToken, log, build: { final: false } }),
      lasts: async () => (await visit.lasts()) && (await visit.may("build.log", placeOf(first))).kind !== "refused",
    });
  });
}
