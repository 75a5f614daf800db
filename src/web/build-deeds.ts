/** What people do with builds on their pages: approve, cancel, repeat, build the ref anew. */
import type { Request, Response } from "express";
import type { Build } from "../core/model.ts";
import { approveHeld } from "../engine/approval.ts";
import type { BuildActions } from "../engine/build-actions.ts";
import type { Store } from "../engine/store-port.ts";
import { deciderOf } from "../engine/viewer.ts";
import { buildAddress } from "./addresses.ts";
import { demandStarted } from "./api-builds.ts";
import { demandApproved } from "./api-records.ts";
import { placeOf, seenBuild } from "./build-view.ts";
import { WebError } from "./errors.ts";
import type { PageKit, Visit } from "./visit.ts";

export interface BuildDeeds {
  readonly store: Pick<Store, "getBuild" | "approveBuild" | "getInstallation">;
  /** Left out: builds are only approved here. */
  readonly buildActions?: BuildActions;
}

/** How long somebody who starts a build waits to be led to it, and not to its delivery. */
const PLANNED_MS = 3_000;

/** Forms of the page of a build. Who may not see it finds nothing, who may not do it is told so. */
export function addBuildDeeds({ form }: PageKit, { store, buildActions: actions }: BuildDeeds): void {
  deed("approve", async (build, res, visit) => {
    demandApproved(await approveHeld(store, build.id, deciderOf(visit.viewer)));
    res.redirect(303, buildAddress(build.id));
  });
  if (actions === undefined) return;

  deed("cancel", async (build, res, visit) => {
    const answer = await actions.cancel(build.id, deciderOf(visit.viewer));
    if (answer.kind === "final") throw new WebError(409, "build-ended", answer.why);
    res.redirect(303, `${buildAddress(build.id)}${answer.kind === "canceling" ? "?asked=stop" : ""}`);
  });

  deed("retry", async (build, res, visit) => {
    const answer = await actions.retry(build.id, deciderOf(visit.viewer));
    if (answer.kind === "refused") throw new WebError(409, "not-retried", answer.why);
    res.redirect(303, buildAddress(answer.kind === "no-build" ? build.id : answer.build));
  });

  deed("start", async ({ repository, planned }, res, visit) => {
    const order = { repository, ref: planned.ref, image: planned.image };
    const delivery = demandStarted(await actions.start(order, deciderOf(visit.viewer)));
    const [only, ...others] = (await actions.planned(delivery, PLANNED_MS))?.builds ?? [];
    res.redirect(303, only !== undefined && others.length === 0 ? buildAddress(only) : `/deliveries/${delivery}`);
  });

  function deed(
    what: "approve" | "cancel" | "retry" | "start",
    act: (build: Build, res: Response, visit: Visit) => Promise<void>,
  ): void {
    form(
      `/builds/:id/${what}`,
      async (req, res, visit) => {
        const build = await seenBuild(store, visit, req.params["id"]);
        await visit.demand(`build.${what}`, placeOf(build));
        await act(build, res, visit);
      },
      (req: Request) => buildAddress(req.params["id"] ?? ""),
    );
  }
}
