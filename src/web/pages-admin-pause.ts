import type { Request, Response } from "express";
import type { Scope } from "../core/pause.ts";
import { type PreviewedLane, tellReplayed } from "../engine/replay.ts";
import { deciderOf } from "../engine/viewer.ts";
import { deliveryAddress, pauseAddress } from "./addresses.ts";
import { field, readForm } from "./forms.ts";
import { type AdminParts, adminPage, checked } from "./operations.ts";
import { pauseSentence } from "./pause-notice.ts";
import { shortRef } from "./present.ts";
import { hostIdIn } from "./requests.ts";
import { nothingHere, type PageKit, type Visit } from "./visit.ts";

type PauseParts = Pick<AdminParts, "store" | "preview" | "log">;

interface Place {
  readonly scope: Exclude<Scope, { readonly kind: "repository" }>;
  /** As people call it. */
  readonly name: string;
  readonly address: string;
}

/** Stopping the whole instance, or one installation, and what would be built if it went on. */
export function addPausePages({ formPage, send }: PageKit, { store, preview, log }: PauseParts): void {
  for (const path of ["/admin/pause", "/admin/installations/:provider/:host/:id/pause"]) {
    formPage(
      path,
      async (req, res, visit) => show(res, visit, await placeOf(req, visit), req.query),
      async (req, res, visit) => {
        const { scope, address } = await placeOf(req, visit);
        const by = deciderOf(visit.viewer);
        if (field(req, "change") === "resume") {
          const resumed = await store.resume(scope, by);
          if (resumed === null) throw nothingHere(visit);
          log.warn({ scope, by }, "resumed");
          tellReplayed(resumed, log);
          const told = { done: "resumed", planned: String(resumed.lanes.length), lost: String(resumed.lost.length) };
          res.redirect(303, `${address}?${new URLSearchParams(told)}`);
          return;
        }
        const paused = await store.pause(scope, { by, stop: checked(req, "stop") });
        if (paused === null) throw nothingHere(visit);
        log.warn({ scope, by, stopped: paused.stopped }, "paused");
        res.redirect(303, `${address}?${new URLSearchParams({ done: "paused", stopped: String(paused.stopped) })}`);
      },
      readForm,
    );
  }

  async function placeOf(req: Request, visit: Visit): Promise<Place> {
    if (req.params["id"] === undefined) {
      return { scope: { kind: "instance" }, name: "this whole instance", address: "/admin/pause" };
    }
    const id = hostIdIn(req);
    const installation = id === null ? null : await store.getInstallation(id);
    if (id === null || installation === null) throw nothingHere(visit);
    const address = pauseAddress(id);
    return { scope: { kind: "installation", id }, name: installation.account.login, address };
  }

  async function show(res: Response, visit: Visit, place: Place, query: Request["query"]): Promise<void> {
    const { scope, name, address } = place;
    const [counts, pauses] = await Promise.all([
      store.countBuilds(scope),
      store.pausesOf(scope.kind === "instance" ? {} : { installation: scope.id }),
    ]);
    if (counts === null) throw nothingHere(visit);
    const own = pauses.find(({ kind }) => kind === scope.kind) ?? null;
    const wider = pauses.find(({ kind }) => kind !== scope.kind) ?? null;
    // Hosts are asked: only where somebody wants to know.
    const looked = own !== null && query["preview"] === "yes" ? await preview(scope) : null;
    send(res, visit, "admin-pause", {
      ...adminPage(
        scope.kind === "instance" ? "Kill switch" : `Pause ${name}`,
        scope.kind === "instance" ? "pause" : "installations",
      ),
      name,
      address,
      instance: scope.kind === "instance",
      paused: own === null ? null : { sentence: pauseSentence(own), stops: own.stops },
      wider: wider === null ? null : pauseSentence(wider),
      counts,
      done: doneText(query),
      preview: looked === null ? null : { lanes: looked.lanes.map(laneView), further: looked.further },
    });
  }
}

function laneView({ lane, answer }: PreviewedLane) {
  const { repository, sha, delivery } = lane;
  const planned = answer.kind === "planned" ? answer : { builds: [], held: [], skips: [] };
  const text = ({ image, tags, push }: { image: string; tags: readonly string[]; push: boolean }) =>
    push ? `${image} as ${tags.join(", ")}` : `${image}, not published`;
  return {
    repository: repository.fullName,
    lane: shortRef(lane.lane),
    sha: sha?.slice(0, 7) ?? null,
    delivery: deliveryAddress(delivery),
    builds: planned.builds.map(text),
    held: planned.held.map(text),
    skips: planned.builds.length + planned.held.length > 0 ? [] : planned.skips.map(({ detail }) => detail),
    unknown: answer.kind === "unknown" ? answer.why : null,
  };
}

/** What the form before has done; the address says only how many. */
function doneText(query: Request["query"]): string | null {
  const number = (name: string) => (/^\d{1,6}$/.test(String(query[name])) ? Number(query[name]) : 0);
  switch (query["done"]) {
    case "paused": {
      const stopped = number("stopped");
      return stopped === 0
        ? "Paused: nothing new is begun."
        : `Paused, and ${stopped} running stopped: they wait in the queue.`;
    }
    case "resumed": {
      const [planned, lost] = [number("planned"), number("lost")];
      const gone = lost === 0 ? "" : ` ${lost} can not be built any more: their deliveries are past retention.`;
      return planned === 0
        ? `Resumed. Nothing waited to be planned.${gone}`
        : `Resumed. ${planned} branches, tags or pull requests are planned again.${gone}`;
    }
    default:
      return null;
  }
}
