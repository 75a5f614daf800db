/** What a request says, read by schemas: its address, its query, its body. What they refuse is a 4xx for people. */
import type { Request } from "express";
import { z } from "zod";
import { type HostId, type Provider, parseHostKey } from "../core/model.ts";
import { BadCursor, type PageQuery } from "../engine/store-port.ts";
import { WebError } from "./errors.ts";

const DEFAULT_LIMIT = 30;
const WRONG_LIMIT = "limit must be a whole number from 1 to 100.";

/** `limit` and `cursor` of a list. */
export const PAGE_QUERY = z.object({
  limit: z
    .string(WRONG_LIMIT)
    .regex(/^(?:[1-9]\d?|100)$/, WRONG_LIMIT)
    .default(String(DEFAULT_LIMIT))
    .transform(Number)
    .meta({
      description: "How many to answer at most.",
      override: { type: "integer", minimum: 1, maximum: 100, default: DEFAULT_LIMIT },
    }),
  cursor: z
    .string()
    .regex(/^[\x21-\x7e]{1,500}$/)
    .optional()
    .transform((cursor): string | null => cursor ?? null)
    .meta({ description: "`next` of the page before; left out: the newest." }),
});

/** A query that says nothing. */
export const NO_QUERY = z.object({});

const WRONG_INSTALLATION =
  "installation must be PROVIDER:HOST:ID, as github:default:7. GET /api/v1/installations lists them.";

/** `PROVIDER:HOST:ID`, read. */
export const HOST_KEY = z
  .string(WRONG_INSTALLATION)
  .transform((text, context): HostId => {
    const id = parseHostKey(text);
    if (id !== null) return id;
    context.addIssue({ code: "custom", message: WRONG_INSTALLATION });
    return z.NEVER;
  })
  .meta({
    description: "`PROVIDER:HOST:ID`, as `github:default:7`.",
    override: { type: "string", pattern: "^(github|bitbucket):[^:]+:.+$" },
  });

/** Throws what the first problem says: `bad-<name>` of the one that is wrong. Those a schema does not name are let pass. */
export function readQuery<T>(schema: z.ZodType<T>, { query }: Request): T {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0] ?? "query");
  if (name === "cursor") throw new BadCursor();
  throw new WebError(400, `bad-${name}`, issue?.message ?? "The query is not understood.");
}

export function pageQuery(req: Request): PageQuery {
  return readQuery(PAGE_QUERY, req);
}

const PROVIDERS: readonly Provider[] = ["github", "bitbucket"];

/** What an address `…/:provider/:host/:id` names; null: no provider is called so. */
export function hostIdIn({ params }: Request): HostId | null {
  const provider = PROVIDERS.find((known) => known === params["provider"]);
  return provider === undefined ? null : { provider, host: params["host"] ?? "", id: params["id"] ?? "" };
}

/** The installation an address of the API names; throws where there can be none of the kind. */
export function installationIn(req: Request): HostId {
  const id = hostIdIn(req);
  if (id === null) throw noInstallation();
  return id;
}

export function noInstallation(): WebError {
  const message = "There is no such installation. GET /api/v1/installations lists them with provider, host and id.";
  return new WebError(404, "not-found", message);
}

export interface BodySpec<T> {
  readonly schema: z.ZodType<T>;
  /** What no body at all is read as; left out: there has to be one. */
  readonly absent?: null | Readonly<Record<string, never>>;
  /** As Express counts: `8kb`. Null: the route reads none, and what is sent all the same is not looked at. */
  readonly limit: string | null;
  /** What to answer where the schema refuses; left out: the schema's own words. For what may hold a secret, they quote it. */
  readonly refuse?: (given: unknown) => WebError;
}

export const NO_BODY: BodySpec<null> = { schema: z.null(), absent: null, limit: null };

/** Throws 415 where it is not said to be JSON, and what is wrong with it otherwise. It has to be parsed by then. */
export function readBody<T>(spec: BodySpec<T>, req: Request): T {
  const sent = spec.limit !== null && (spec.absent === undefined || hasBody(req));
  if (sent) demandJson(req);
  const given: unknown = sent ? req.body : spec.absent;
  const parsed = spec.schema.safeParse(given);
  if (parsed.success) return parsed.data;
  if (spec.refuse !== undefined) throw spec.refuse(given);
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") ?? "";
  const what = `${where === "" ? "The body" : `"${where}"`}: ${issue?.message ?? "not understood"}.`;
  throw new WebError(400, "bad-request", what.replace(/\.\.$/, "."));
}

/** Whether there is a body to read, however its length is told. */
export function hasBody({ headers }: Request): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
}

/** Throws where the body is not said to be JSON. */
export function demandJson(req: Request): void {
  if (req.is("application/json")) return;
  throw new WebError(415, "not-json", "Send a JSON object, with Content-Type: application/json.");
}
