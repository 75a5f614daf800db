/** docs/openapi.json: the JSON API as an OpenAPI document, made of the declarations it is served from. */
import { z } from "zod";
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiResponseObject,
  type ZodOpenApiResponsesObject,
} from "zod-openapi";
import { ACTIONS, type Role } from "../core/roles.ts";
import { ACCESS_ROUTES } from "./api-access.ts";
import { AUDIT_ROUTES } from "./api-audit.ts";
import { BUILD_ROUTES } from "./api-builds.ts";
import type { Answering, ApiKit, RouteSpec, Tag } from "./api-kit.ts";
import { NAMESPACE_ROUTES } from "./api-namespaces.ts";
import { NOTICE_ROUTES } from "./api-notices.ts";
import { OWN_TOKEN_ROUTES } from "./api-own-tokens.ts";
import { PAUSE_ROUTES } from "./api-pause.ts";
import { RECEIPT_ROUTES } from "./api-receipts.ts";
import { RECORD_ROUTES } from "./api-records.ts";
import { REGISTRY_ROUTES } from "./api-registries.ts";
import { ERROR, PROVIDER } from "./api-shapes.ts";
import { STATUS_ROUTES } from "./api-status.ts";
import { TOKEN_ROUTES } from "./api-tokens.ts";
import { VARIABLE_ROUTES } from "./api-variables.ts";
import { NO_BODY, NO_QUERY } from "./requests.ts";

const DOCUMENT = {
  id: "getOpenApi",
  method: "get",
  path: "/openapi.json",
  tag: "service",
  summary: "This document.",
  access: "public",
  query: NO_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: z.looseObject({ openapi: z.string() }) },
  errors: {},
} as const satisfies RouteSpec;

/** Every route of `/api/v1`. */
export const API_ROUTES: readonly RouteSpec[] = [
  ...RECORD_ROUTES,
  ...BUILD_ROUTES,
  ...AUDIT_ROUTES,
  ...RECEIPT_ROUTES,
  ...VARIABLE_ROUTES,
  ...ACCESS_ROUTES,
  ...NOTICE_ROUTES,
  ...PAUSE_ROUTES,
  ...NAMESPACE_ROUTES,
  ...REGISTRY_ROUTES,
  ...TOKEN_ROUTES,
  ...OWN_TOKEN_ROUTES,
  ...STATUS_ROUTES,
  DOCUMENT,
];

const TAGS: Readonly<Record<Tag, string>> = {
  builds: "What was built, is being built and waits.",
  deliveries: "Webhooks that came in, and what was decided about them.",
  installations: "Accounts that installed the app.",
  settings: "What an installation allows and gives its builds.",
  pauses: "What is not built for now.",
  namespaces: "Who may publish where.",
  registries: "Where images are published.",
  tokens: "Access tokens for the registry, API tokens for this API.",
  service: "The service itself.",
};

/** Of paths: what stands at each `{name}`. */
const PARAMS: Readonly<Record<string, z.ZodType>> = {
  provider: PROVIDER,
  host: z.string().meta({ description: "`default`, or the name of a further host." }),
  repository: z.string().meta({ description: "The host's id of a repository." }),
  reads: z.string().meta({ description: "The host's id of the repository that is read." }),
  namespace: z.string().meta({ description: "The first part of image names." }),
  name: z.string(),
  token: z.string().meta({ description: "Its id, or the name of one that works." }),
  id: z.string(),
};

const IDEMPOTENCY_KEY = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/)
  .optional()
  .meta({ description: "What is sent again with the same key within a day is done once, and answered as before." });

/** The document is made once, when it is first asked for. */
export function addDocument(api: ApiKit): void {
  let made: object | null = null;
  api.serve(DOCUMENT, async () => {
    made ??= apiDocument();
    return made;
  });
}

export function apiDocument(): object {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const spec of API_ROUTES) {
    const path = `/api/v1${spec.path}`;
    paths[path] = { ...paths[path], [spec.method]: operation(spec) };
  }
  return createDocument(
    {
      openapi: "3.1.0",
      info: {
        title: "Wharfinger",
        version: "1",
        description: "What pages and command line do, for programs. docs/api.md tells it in order.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      paths,
      components: {
        responses: Object.fromEntries(
          Object.entries(REFUSALS).map(([status, description]) => [`Error${status}`, error(description)]),
        ),
        securitySchemes: {
          operator: { type: "http", scheme: "bearer", description: "ADMIN_TOKEN: everything." },
          token: {
            type: "http",
            scheme: "bearer",
            description: "An API token: what its role may of one installation.",
          },
        },
      },
    },
    {
      override({ jsonSchema, zodSchema, io }) {
        // Fields may be added to answers; only what is sent is closed.
        if (io === "output" && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
        // Names of records are any text, and the form of times is said by `format`.
        delete jsonSchema.propertyNames;
        // In addresses numbers are texts of digits, and the schema that reads them has a pattern.
        if (jsonSchema.type === "integer") delete jsonSchema.pattern;
        if (zodSchema._zod.def.type === "string" && jsonSchema.format === "date-time") delete jsonSchema.pattern;
      },
    },
  );
}

function operation(spec: RouteSpec): ZodOpenApiOperationObject {
  const { access, body, once } = spec;
  const path = Object.fromEntries(names(spec.path).map((name) => [name, PARAMS[name] ?? z.string()]));
  const about = [spec.description, needs(access)].filter((text) => text !== undefined).join("\n\n");
  return {
    operationId: spec.id,
    tags: [spec.tag],
    summary: spec.summary,
    ...(about === "" ? {} : { description: about }),
    security: access === "public" ? [] : forTokens(access) ? [{ operator: [] }, { token: [] }] : [{ operator: [] }],
    requestParams: {
      ...(names(spec.path).length === 0 ? {} : { path: z.object(path) }),
      ...(spec.query instanceof z.ZodObject ? { query: spec.query } : {}),
      ...(once === undefined ? {} : { header: z.object({ "Idempotency-Key": IDEMPOTENCY_KEY }) }),
    },
    ...(body.limit === null
      ? {}
      : {
          requestBody: {
            required: body.absent === undefined,
            content: { "application/json": { schema: body.schema } },
          },
        }),
    responses: responses(spec),
  };
}

function responses(spec: RouteSpec): ZodOpenApiResponsesObject {
  const { access, answer, body, once, query } = spec;
  const queried = query instanceof z.ZodObject && Object.keys(query.shape).length > 0;
  const may: Readonly<Record<keyof typeof REFUSALS, boolean>> = {
    400: queried || body.limit !== null || once !== undefined,
    401: access !== "public",
    403: access !== "public",
    413: body.limit !== null,
    415: body.limit !== null,
    429: access !== "public",
    500: true,
  };
  const common = Object.entries(may).filter(([, possible]) => possible);
  const own: Readonly<Record<string, string>> = once === undefined ? spec.errors : { ...ONCE, ...spec.errors };
  return {
    [String(answer.status)]: answered(answer),
    ...Object.fromEntries(common.map(([status]) => [status, { $ref: `#/components/responses/Error${status}` }])),
    ...Object.fromEntries(Object.entries(own).map(([status, description]) => [status, error(description)])),
  };
}

/** What many routes may answer. */
const REFUSALS = {
  400: "The query or the body is not as described.",
  401: "There is no token, or none that works.",
  403: "The token may not do this; or no ADMIN_TOKEN is configured.",
  413: "The body is too large.",
  415: "The body is not said to be JSON.",
  429: "Too many requests of this token, or too many wrong tokens. See `Retry-After`.",
  500: "A bug, or the database is away. The server's log has the details.",
} as const;

const ONCE: Readonly<Record<string, string>> = {
  409: "A request with this Idempotency-Key is being done, or its answer held a secret.",
  422: "The Idempotency-Key was sent with another request before.",
};

const WORDS: Readonly<Record<Answering["status"], string>> = { 200: "OK", 201: "Made.", 202: "Taken.", 204: "Done." };

function answered(answer: Answering): ZodOpenApiResponseObject {
  if ("text" in answer) {
    return { description: answer.text, content: { "text/plain": { schema: { type: "string" } } } };
  }
  const { status } = answer;
  if (!("schema" in answer)) return { description: WORDS[status] };
  return {
    description: answer.description ?? WORDS[status],
    content: { "application/json": { schema: answer.schema } },
  };
}

function error(description: string): ZodOpenApiResponseObject {
  return { description, content: { "application/json": { schema: ERROR } } };
}

function names(path: string): readonly string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => name ?? []);
}

function needs(access: RouteSpec["access"]): string | undefined {
  if (access === "public") return "Open to everybody.";
  if (!forTokens(access)) return "For the operator.";
  return `An API token needs the role \`${least(access)}\`.`;
}

function forTokens(access: Exclude<RouteSpec["access"], "public">): boolean {
  return access.at !== "instance" && access.tokens !== false;
}

function least({ action }: Exclude<RouteSpec["access"], "public">): Role {
  return ACTIONS[action].least;
}
