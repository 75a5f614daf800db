import { z } from "zod";
import type { Scope } from "../core/pause.ts";
import type { PauseStore } from "../engine/pause-port.ts";
import { listedPauseJson, pausedJson, previewJson, resumedJson, scopeJson } from "../engine/pause-shapes.ts";
import type { Logger } from "../engine/ports.ts";
import { type Replay, tellReplayed } from "../engine/replay.ts";
import type { ApiKit, Call, RouteSpec } from "./api-kit.ts";
import { BY, listOf, PROVIDER, TIME } from "./api-shapes.ts";
import { WebError } from "./errors.ts";
import { type BodySpec, hostIdIn, NO_BODY, NO_QUERY } from "./requests.ts";

export interface Pausing extends Pick<Replay, "preview"> {
  readonly store: Pick<PauseStore, "pause" | "resume" | "listPauses" | "countBuilds">;
  readonly log: Logger;
}

const DRY_RUN = z.boolean().default(false).meta({ description: "Only say what would become of it." });

const PAUSE: BodySpec<{ stop: boolean; dryRun: boolean }> = {
  schema: z.strictObject({
    stop: z.boolean().default(false).meta({ description: "Stop what is being built, too; it waits in the queue." }),
    dryRun: DRY_RUN,
  }),
  absent: {},
  limit: "8kb",
};
const RESUME: BodySpec<{ dryRun: boolean }> = {
  schema: z.strictObject({ dryRun: DRY_RUN }),
  absent: {},
  limit: "8kb",
};

const SCOPE_KIND = z.enum(["instance", "installation", "repository"]);
const SCOPE = z
  .object({
    kind: SCOPE_KIND,
    provider: PROVIDER.nullable(),
    host: z.string().nullable(),
    id: z.string().nullable(),
  })
  .meta({ id: "Scope", description: "What is paused. Of the instance all but `kind` is null." });
const ONE_PAUSE = z
  .object({ kind: SCOPE_KIND, since: TIME, by: BY, stops: z.boolean() })
  .meta({ id: "Pause", description: "`stops`: what was being built was stopped, too." });
const LISTED = SCOPE.extend({ name: z.string(), since: TIME, by: BY, stops: z.boolean() }).meta({ id: "ListedPause" });
const COUNTS = z.object({ queued: z.int(), running: z.int() });
const PAUSED = z
  .union([
    z.object({
      dryRun: z.literal(false),
      scope: SCOPE,
      pause: ONE_PAUSE,
      began: z.boolean().meta({ description: "False: it was paused already." }),
      stopped: z.int(),
    }),
    z.object({ dryRun: z.literal(true), stop: z.boolean(), scope: SCOPE, builds: COUNTS }),
  ])
  .meta({ id: "Paused" });
const LANE = z.object({
  repository: z.string(),
  lane: z.string().meta({ description: "A ref, or the head of a pull request." }),
  sha: z.string().nullable(),
  delivery: z.string(),
});
const PLANNED = z.object({
  image: z.string(),
  tags: z.array(z.string()),
  push: z.boolean(),
  sha: z.string(),
});
const RESUMED = z
  .union([
    z.object({
      dryRun: z.literal(false),
      scope: SCOPE,
      ended: ONE_PAUSE.nullable().meta({ description: "Null: it was not paused." }),
      remaining: z.array(ONE_PAUSE),
      deliveries: z.array(z.string()),
      lanes: z.array(LANE),
      lost: z.array(LANE.extend({ why: z.string() })),
    }),
    z.object({
      dryRun: z.literal(true),
      scope: SCOPE,
      builds: COUNTS,
      lanes: z.array(
        LANE.extend({
          builds: z.array(PLANNED),
          held: z.array(PLANNED),
          skips: z.array(
            z.object({
              image: z.string().nullable(),
              rule: z.string().nullable(),
              reason: z.string(),
              detail: z.string(),
            }),
          ),
          unknown: z.string().nullable().meta({ description: "Why nobody knows; null: it is known." }),
        }),
      ),
      further: z.int(),
    }),
  ])
  .meta({ id: "Resumed" });

const LIST = {
  id: "listPauses",
  method: "get",
  path: "/pauses",
  tag: "pauses",
  summary: "Everything that is paused.",
  access: { action: "instance.pause", at: "instance" },
  query: NO_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: listOf(LISTED) },
  errors: {},
} as const satisfies RouteSpec;

/** Each is looked for in the order of this list. */
const SCOPES = [
  { path: "/instance", kind: "instance", id: "Instance", access: { action: "instance.pause", at: "instance" } },
  {
    path: "/installations/{provider}/{host}/{id}",
    kind: "installation",
    id: "Installation",
    access: { action: "account.pause", at: "installation" },
  },
  {
    path: "/repositories/{provider}/{host}/{id}",
    kind: "repository",
    id: "Repository",
    access: { action: "repository.pause", at: "repository" },
  },
] as const;

function routesOf({ path, kind, id, access }: (typeof SCOPES)[number]) {
  const both = { method: "post", tag: "pauses", access, query: NO_QUERY } as const;
  const errors: Readonly<Record<number, string>> = kind === "instance" ? {} : { 404: `There is no such ${kind}.` };
  const what = kind === "instance" ? "the whole instance" : `this ${kind}`;
  return {
    pause: {
      ...both,
      id: `pause${id}`,
      path: `${path}/pause`,
      summary: `Begins no more builds of ${what}.`,
      body: PAUSE,
      answer: { status: 200, schema: PAUSED },
      errors,
    },
    resume: {
      ...both,
      id: `resume${id}`,
      path: `${path}/resume`,
      summary: `Ends the pause of ${what}, and builds the newest of what waited.`,
      body: RESUME,
      answer: { status: 200, schema: RESUMED },
      errors,
    },
  } as const satisfies Readonly<Record<string, RouteSpec>>;
}

const ROUTES = SCOPES.map((scope) => ({ kind: scope.kind, ...routesOf(scope) }));

export const PAUSE_ROUTES: readonly RouteSpec[] = [LIST, ...ROUTES.flatMap(({ pause, resume }) => [pause, resume])];

/** Pauses of the instance, an installation and a repository. */
export function addPauses(api: ApiKit, pausing: Pausing): void {
  const { store, log } = pausing;
  api.serve(LIST, async () => ({ items: (await store.listPauses()).map(listedPauseJson), next: null }));
  for (const { kind, pause, resume } of ROUTES) {
    api.serve(pause, async (call) => {
      const { stop, dryRun } = call.body;
      const scope = scopeIn(call, kind);
      if (dryRun) {
        const builds = await store.countBuilds(scope);
        if (builds === null) throw unknown(kind);
        return { dryRun, stop, scope: scopeJson(scope), builds };
      }
      const paused = await store.pause(scope, { by: call.by, stop });
      if (paused === null) throw unknown(kind);
      log.warn({ scope: scopeJson(scope), stopped: paused.stopped }, "paused");
      return { dryRun, ...pausedJson(scope, paused) };
    });
    api.serve(resume, async (call) => {
      const { dryRun } = call.body;
      const scope = scopeIn(call, kind);
      if (dryRun) {
        const preview = await pausing.preview(scope);
        if (preview === null) throw unknown(kind);
        return { dryRun, ...previewJson(scope, preview) };
      }
      const resumed = await store.resume(scope, call.by);
      if (resumed === null) throw unknown(kind);
      log.warn({ scope: scopeJson(scope) }, "resumed");
      tellReplayed(resumed, log);
      return { dryRun, ...resumedJson(scope, resumed) };
    });
  }
}

function scopeIn({ req }: Pick<Call<unknown, unknown>, "req">, kind: Scope["kind"]): Scope {
  if (kind === "instance") return { kind };
  const id = hostIdIn(req);
  if (id === null) throw unknown(kind);
  return { kind, id };
}

function unknown(kind: Scope["kind"]): WebError {
  const message = `There is no such ${kind}. GET /api/v1/installations lists installations with provider, host and id.`;
  return new WebError(404, "not-found", message);
}
