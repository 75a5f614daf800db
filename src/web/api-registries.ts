import express, { type Request, type Router } from "express";
import { z } from "zod";
import type { By } from "../core/audit.ts";
import type { Done, Refused, RegistryDesk } from "../engine/registry-desk.ts";
import { registryJson } from "../engine/shapes.ts";
import { demandJson, methodNotAllowed, route, WebError } from "./errors.ts";

const OPERATOR: By = { kind: "operator" };

const CREDENTIAL = z.strictObject({
  username: z.string().min(1).max(1_024),
  // No header or file can hold control characters as they are.
  password: z
    .string()
    .min(1)
    .max(8_192)
    .regex(/^[^\p{Cc}]*$/u),
});

/** A bundle of certificates is some hundred kilobytes. */
const json = express.json({ limit: "400kb" });

/**
 * `GET /registries`, `PUT` and `DELETE /registries/{name}`, `POST …/test`, `PUT` and `DELETE …/credential` of a registry
 * and of a namespace in it, `PUT /registries/{name}/namespaces/{namespace}`. No password is ever answered.
 */
export function addRegistries(api: Router, desk: RegistryDesk): void {
  api.get(
    "/registries",
    route(async (_req, res) => {
      res.json({ items: (await desk.list()).map(registryJson), next: null });
    }),
  );
  api.put(
    "/registries/:name",
    json,
    route(async (req, res) => {
      const { credential, ...given } = objectIn(req);
      const opens = credential === undefined ? null : credentialIn(credential);
      res.json(registryJson(demand(await desk.save(nameIn(req), given, opens, OPERATOR))));
    }),
  );
  api.delete(
    "/registries/:name",
    route(async (req, res) => {
      demand(await desk.remove(nameIn(req), OPERATOR));
      res.status(204).end();
    }),
  );
  api.post(
    "/registries/:name/test",
    route(async (req, res) => {
      const trials = demand(await desk.test(nameIn(req)));
      res.json({ ok: trials.every((one) => one.ok), trials });
    }),
  );
  for (const path of ["/registries/:name/credential", "/registries/:name/namespaces/:namespace/credential"]) {
    api.put(
      path,
      json,
      route(async (req, res) => {
        demand(await desk.setCredential(nameIn(req), namespaceIn(req), credentialIn(objectIn(req)), OPERATOR));
        res.status(204).end();
      }),
    );
    api.delete(
      path,
      route(async (req, res) => {
        demand(await desk.removeCredential(nameIn(req), namespaceIn(req), OPERATOR));
        res.status(204).end();
      }),
    );
    api.all(path, (_req, _res, next) => next(methodNotAllowed("PUT, DELETE")));
  }
  api.put(
    "/registries/:name/namespaces/:namespace",
    route(async (req, res) => {
      demand(await desk.use(nameIn(req), namespaceIn(req) ?? "", OPERATOR));
      res.status(204).end();
    }),
  );
  api.all("/registries/:name/namespaces/:namespace", (_req, _res, next) => next(methodNotAllowed("PUT")));
  api.all("/registries/:name/test", (_req, _res, next) => next(methodNotAllowed("POST")));
  api.all("/registries/:name", (_req, _res, next) => next(methodNotAllowed("PUT, DELETE")));
}

function nameIn({ params }: Request): string {
  return String(params["name"] ?? "");
}

function namespaceIn({ params }: Request): string | null {
  return params["namespace"] === undefined ? null : String(params["namespace"]);
}

function objectIn(req: Request): Readonly<Record<string, unknown>> {
  demandJson(req);
  const body: unknown = req.body;
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return { ...body };
  throw new WebError(400, "bad-request", "Send a JSON object.");
}

function credentialIn(value: unknown): z.infer<typeof CREDENTIAL> {
  const parsed = CREDENTIAL.safeParse(value);
  if (parsed.success) return parsed.data;
  // Not zod's own words: they may hold what was sent.
  throw new WebError(400, "bad-credential", 'Send {"username":"…","password":"…"}, each one line of text.');
}

const STATUS: Readonly<Record<Refused["kind"], readonly [number, string]>> = {
  bad: [400, "bad-registry"],
  unknown: [404, "not-found"],
  conflict: [409, "conflict"],
  refused: [422, "registry-refused"],
};

function demand<T>(done: Done<T>): T {
  if (done.ok) return done.value;
  const [status, code] = STATUS[done.kind];
  throw new WebError(status, code, `${done.message.slice(0, 1).toUpperCase()}${done.message.slice(1)}`);
}
