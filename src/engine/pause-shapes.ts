/** Pauses as the API and the command line tell them: fields may be added, none renamed. Unknown is null, never left out. */
import type { PlannedBuild, Skip } from "../core/model.ts";
import type { Pause, Scope } from "../core/pause.ts";
import type { ListedPause, Paused, Resumed, WaitingLane } from "./pause-port.ts";
import { LOST, type Preview, type PreviewedLane } from "./replay.ts";
import { byJson } from "./shapes.ts";

export function scopeJson(scope: Scope): object {
  const { provider = null, host = null, id = null } = scope.kind === "instance" ? {} : scope.id;
  return { kind: scope.kind, provider, host, id };
}

function pauseJson({ kind, since, by, stops }: Pause): object {
  return { kind, since, by: byJson(by), stops };
}

export function listedPauseJson(pause: ListedPause): object {
  return { ...scopeJson(pause.scope), name: pause.name, since: pause.since, by: byJson(pause.by), stops: pause.stops };
}

export function pausedJson(scope: Scope, { pause, began, stopped }: Paused): object {
  return { scope: scopeJson(scope), pause: pauseJson(pause), began, stopped };
}

export function resumedJson(scope: Scope, { ended, remaining, deliveries, lanes, lost }: Resumed): object {
  return {
    scope: scopeJson(scope),
    ended: ended === null ? null : pauseJson(ended),
    remaining: remaining.map(pauseJson),
    deliveries,
    lanes: lanes.map(laneJson),
    lost: lost.map((lane) => ({ ...laneJson(lane), why: LOST })),
  };
}

/** `builds`: how many wait and run now. */
export function previewJson(scope: Scope, { queued, running, lanes, further }: Preview): object {
  return { scope: scopeJson(scope), builds: { queued, running }, lanes: lanes.map(previewedJson), further };
}

function laneJson({ repository, lane, sha, delivery }: WaitingLane): object {
  return { repository: repository.fullName, lane, sha, delivery: delivery.id };
}

function previewedJson({ lane, answer }: PreviewedLane): object {
  const { repository, sha, delivery } = lane;
  const planned = answer.kind === "planned" ? answer : { builds: [], held: [], skips: [] };
  return {
    repository: repository.fullName,
    lane: lane.lane,
    sha,
    delivery,
    builds: planned.builds.map(buildJson),
    held: planned.held.map(buildJson),
    skips: planned.skips.map(skipJson),
    unknown: answer.kind === "unknown" ? answer.why : null,
  };
}

function buildJson({ image, tags, push, sha }: PlannedBuild): object {
  return { image, tags, push, sha };
}

function skipJson({ image, rule, reason, detail }: Skip): object {
  return { image, rule, reason, detail };
}
