import express, { type Request, type Router } from "express";
import { z } from "zod";
import { parseActorJson } from "../core/actors.ts";
import type { By } from "../core/audit.ts";
import { type Actor, type HostId, parseHostKey } from "../core/model.ts";
import type { Authorizer } from "../engine/authorize.ts";
import type { Decided, NamespaceDesk } from "../engine/namespace-desk.ts";
import { claimJson, ledgerJson, namespaceJson } from "../engine/namespace-shapes.ts";
import { demandAllowed, demandJson, hasBody, methodNotAllowed, pageQuery, route, WebError } from "./errors.ts";
import { pageJson } from "./wire.ts";

const OPERATOR: By = { kind: "operator" };

const INSISTS = { share: z.boolean().default(false), anyway: z.boolean().default(false) };
const APPROVE = z.strictObject({ as: z.string().nullable().default(null), ...INSISTS });
const REFUSE = z.strictObject({});
/** `PROVIDER:HOST:ID` of an installation. */
const INSTALLATION = z.string();
const GRANT = z.strictObject({ installation: INSTALLATION, ...INSISTS });
const REVOKE = z.strictObject({ installation: INSTALLATION });
/** Whom the host is asked about; left out or null: the operator. */
const ACTOR = z
  .unknown()
  .transform((actor, context): Actor | null => {
    if (actor === undefined || actor === null) return null;
    const parsed = parseActorJson({ actor });
    if (parsed.ok) return parsed.actor;
    context.addIssue({ code: "custom", message: "is not an id and a login, as the host spells them" });
    return z.NEVER;
  })
  .optional();
const CODE = z.strictObject({ installation: INSTALLATION.nullable().default(null), actor: ACTOR });
const JOIN = z.strictObject({ installation: INSTALLATION, code: z.string().max(100), actor: ACTOR });

/** `GET namespaces`, `namespaces/{name}`, `claims`; what is decided about them is posted. */
export function addNamespaces(api: Router, desk: NamespaceDesk, authorizer: Authorizer): void {
  /** Either side's consent is its owners' to give. */
  async function sharing(actor: Actor | null | undefined, installation: HostId): Promise<By> {
    if (actor === undefined || actor === null) return OPERATOR;
    demandAllowed(await authorizer.may(actor, "namespace.share", { installation, repository: null }));
    return { kind: "person", provider: installation.provider, host: installation.host, actor };
  }

  const post = (path: string, decide: (req: Request) => Promise<object>): void => {
    api.post(
      path,
      express.json({ limit: "8kb" }),
      route(async (req, res) => {
        res.json(await decide(req));
      }),
    );
    api.all(path, (_req, _res, next) => next(methodNotAllowed("POST")));
  };
  api.get(
    "/namespaces",
    route(async (req, res) => {
      res.json(pageJson(await desk.namespaces(pageQuery(req)), namespaceJson));
    }),
  );
  api.get(
    "/claims",
    route(async (req, res) => {
      const waiting = req.query["all"] !== "true";
      res.json(pageJson(await desk.claims({ ...pageQuery(req), waiting }), claimJson));
    }),
  );
  post("/claims/:id/approve", async (req) => {
    return done(await desk.approve(param(req, "id"), read(APPROVE, req), OPERATOR));
  });
  post("/claims/:id/refuse", async (req) => {
    read(REFUSE, req);
    return done(await desk.refuse(param(req, "id"), OPERATOR));
  });
  post("/namespaces/:name/grant", async (req) => {
    const { installation, ...insists } = read(GRANT, req);
    return done(await desk.grant(param(req, "name"), installationOf(installation), insists, OPERATOR));
  });
  post("/namespaces/:name/revoke", async (req) => {
    const { installation } = read(REVOKE, req);
    return done(await desk.revoke(param(req, "name"), installationOf(installation), OPERATOR));
  });
  post("/namespaces/:name/codes", async (req) => {
    const { installation, actor } = read(CODE, req);
    const from = installation === null ? null : installationOf(installation);
    if (from === null && actor)
      throw new WebError(400, "bad-request", "installation: say of which account the actor is an owner.");
    const by = from === null ? OPERATOR : await sharing(actor, from);
    return done(await desk.code(param(req, "name"), from, by));
  });
  post("/namespaces/:name/join", async (req) => {
    const { installation, code, actor } = read(JOIN, req);
    const joining = installationOf(installation);
    return done(await desk.join(param(req, "name"), code, joining, await sharing(actor, joining)));
  });
  api.get(
    "/namespaces/:name",
    route(async (req, res) => {
      const ledger = await desk.ledger(param(req, "name"));
      if (ledger === null) {
        throw new WebError(404, "not-found", "Nobody owns this namespace. GET /api/v1/namespaces lists them.");
      }
      res.json(ledgerJson(ledger));
    }),
  );
}

function param({ params }: Request, name: string): string {
  const value = params[name];
  return typeof value === "string" ? value : "";
}

function read<T>(schema: z.ZodType<T>, req: Request): T {
  if (hasBody(req)) demandJson(req);
  const parsed = schema.safeParse(req.body ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") ?? "";
  throw new WebError(400, "bad-request", `${where === "" ? "The body" : where}: ${issue?.message ?? "is wrong"}.`);
}

function installationOf(key: string): HostId {
  const id = parseHostKey(key);
  if (id !== null) return id;
  throw new WebError(400, "bad-request", "installation must be PROVIDER:HOST:ID, such as github:default:17.");
}

function done<T extends object>(decided: Decided<T>): object {
  if (decided.kind === "unknown") throw new WebError(404, "not-found", decided.why);
  if (decided.kind === "refused") throw new WebError(409, decided.reason, decided.why);
  const { kind: _done, ...answer } = decided;
  return answer;
}
