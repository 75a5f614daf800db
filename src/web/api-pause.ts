import express, { type Request, type Router } from "express";
import { z } from "zod";
import type { By } from "../core/audit.ts";
import type { Scope } from "../core/pause.ts";
import type { PauseStore } from "../engine/pause-port.ts";
import { listedPauseJson, pausedJson, previewJson, resumedJson, scopeJson } from "../engine/pause-shapes.ts";
import type { Logger } from "../engine/ports.ts";
import { type Replay, tellReplayed } from "../engine/replay.ts";
import { demandJson, hasBody, hostIdIn, methodNotAllowed, route, WebError } from "./errors.ts";

export interface Pausing extends Pick<Replay, "preview"> {
  readonly store: Pick<PauseStore, "pause" | "resume" | "listPauses" | "countBuilds">;
  readonly log: Logger;
}

const OPERATOR: By = { kind: "operator" };

/** Each is looked for in the order of this list. */
const SCOPES: readonly { readonly path: string; readonly kind: Scope["kind"] }[] = [
  { path: "/instance", kind: "instance" },
  { path: "/installations/:provider/:host/:id", kind: "installation" },
  { path: "/repositories/:provider/:host/:id", kind: "repository" },
];

const PAUSE = z.strictObject({ stop: z.boolean().default(false), dryRun: z.boolean().default(false) });
const RESUME = z.strictObject({ dryRun: z.boolean().default(false) });

/** `POST …/pause` and `…/resume`, of the instance, an installation and a repository; `GET /pauses` lists what is paused. */
export function addPauses(api: Router, pausing: Pausing): void {
  const { store, log } = pausing;
  api.get(
    "/pauses",
    route(async (_req, res) => {
      res.json({ items: (await store.listPauses()).map(listedPauseJson), next: null });
    }),
  );
  for (const { path, kind } of SCOPES) {
    api.post(
      `${path}/pause`,
      express.json({ limit: "8kb" }),
      route(async (req, res) => {
        const { stop, dryRun } = read(PAUSE, req);
        const scope = scopeIn(req, kind);
        if (dryRun) {
          const builds = await store.countBuilds(scope);
          if (builds === null) throw unknown(kind);
          res.json({ dryRun, stop, scope: scopeJson(scope), builds });
          return;
        }
        const paused = await store.pause(scope, { by: OPERATOR, stop });
        if (paused === null) throw unknown(kind);
        log.warn({ scope: scopeJson(scope), stopped: paused.stopped }, "paused");
        res.json({ dryRun, ...pausedJson(scope, paused) });
      }),
    );
    api.post(
      `${path}/resume`,
      express.json({ limit: "8kb" }),
      route(async (req, res) => {
        const { dryRun } = read(RESUME, req);
        const scope = scopeIn(req, kind);
        if (dryRun) {
          const preview = await pausing.preview(scope);
          if (preview === null) throw unknown(kind);
          res.json({ dryRun, ...previewJson(scope, preview) });
          return;
        }
        const resumed = await store.resume(scope, OPERATOR);
        if (resumed === null) throw unknown(kind);
        log.warn({ scope: scopeJson(scope) }, "resumed");
        tellReplayed(resumed, log);
        res.json({ dryRun, ...resumedJson(scope, resumed) });
      }),
    );
    for (const verb of ["pause", "resume"]) {
      api.all(`${path}/${verb}`, (_req, _res, next) => next(methodNotAllowed("POST")));
    }
  }
}

function scopeIn(req: Request, kind: Scope["kind"]): Scope {
  if (kind === "instance") return { kind };
  const id = hostIdIn(req);
  if (id === null) throw unknown(kind);
  return { kind, id };
}

/** No body at all asks for nothing in particular. */
function read<T>(shape: z.ZodType<T>, req: Request): T {
  if (hasBody(req)) demandJson(req);
  const parsed = shape.safeParse(req.body ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") ?? "";
  const message = `${where === "" ? "The body" : `"${where}"`}: ${issue?.message ?? "not understood"}.`;
  throw new WebError(400, "bad-request", message);
}

function unknown(kind: Scope["kind"]): WebError {
  const message = `There is no such ${kind}. GET /api/v1/installations lists installations with provider, host and id.`;
  return new WebError(404, "not-found", message);
}
