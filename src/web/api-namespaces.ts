import { z } from "zod";
import { parseActorJson } from "../core/actors.ts";
import type { By } from "../core/audit.ts";
import type { Actor, HostId } from "../core/model.ts";
import type { Authorizer } from "../engine/authorize.ts";
import type { Decided, NamespaceDesk } from "../engine/namespace-desk.ts";
import { claimJson, ledgerJson, namespaceJson } from "../engine/namespace-shapes.ts";
import type { ApiKit, Call, RouteSpec } from "./api-kit.ts";
import { BY, HOST_ID, OWNER, pageOf, REPOSITORY, TIME, TIME_OR_NULL } from "./api-shapes.ts";
import { demandAllowed, WebError } from "./errors.ts";
import { HOST_KEY, NO_BODY, NO_QUERY, PAGE_QUERY } from "./requests.ts";
import { pageJson } from "./wire.ts";

const INSISTS = {
  share: z.boolean().default(false).meta({ description: "Others may write it already, and go on to." }),
  anyway: z
    .boolean()
    .default(false)
    .meta({ description: "Although it looks like another one, was somebody's, or has images already." }),
};
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
  .optional()
  .meta({
    description:
      "For whom it is done: their host is asked, by id, whether they own the account. Left out: the operator.",
    override: {
      type: ["object", "null"],
      properties: { id: { type: "string" }, login: { type: "string" } },
      required: ["id", "login"],
      additionalProperties: false,
    },
  });

const LIMIT = "8kb";

const WRITER = z.object({
  account: HOST_ID.extend({ login: z.string() }),
  since: TIME,
  why: z.string(),
  by: BY,
  installations: z.array(HOST_ID.extend({ state: z.enum(["active", "suspended", "paused", "removed"]) })),
});
const NAMESPACE = z
  .object({ name: z.string(), registry: z.string(), createdAt: TIME, writers: z.array(WRITER) })
  .meta({ id: "Namespace" });
const CLAIM = z
  .object({
    id: z.string(),
    account: OWNER,
    installation: HOST_ID,
    namespace: z.string().nullable().meta({ description: "Null: the account's name makes none." }),
    state: z.enum(["pending", "approved", "refused", "withdrawn"]),
    reason: z.string(),
    why: z.string(),
    madeAt: TIME,
    decidedAt: TIME_OR_NULL,
    decidedBy: BY.nullable(),
  })
  .meta({ id: "Claim", description: "An account's wish for a namespace." });
const LEDGER = NAMESPACE.extend({
  images: z.array(z.object({ name: z.string(), public: z.boolean(), repository: REPOSITORY })),
  claims: z.array(CLAIM),
  codeUntil: TIME_OR_NULL.meta({ description: "When the code that is open ends." }),
}).meta({ id: "Ledger" });
const GIVEN = z.object({ namespace: z.string() });

const DECIDES = { tag: "namespaces", method: "post", query: NO_QUERY } as const;
const ASSIGNS = { ...DECIDES, access: { action: "namespace.assign", at: "instance" } } as const;
const REFUSED = { 409: "It can not be; the message says why, and what to do." } as const;
const NOT_THERE = { 404: "There is no such claim or installation.", ...REFUSED } as const;

const LIST = {
  id: "listNamespaces",
  method: "get",
  path: "/namespaces",
  tag: "namespaces",
  summary: "Namespaces, and who may write each.",
  access: { action: "namespace.assign", at: "instance" },
  query: PAGE_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: pageOf(NAMESPACE) },
  errors: {},
} as const satisfies RouteSpec;

const ONE = {
  ...LIST,
  id: "getNamespace",
  path: "/namespaces/{namespace}",
  summary: "Everything about one namespace.",
  query: NO_QUERY,
  answer: { status: 200, schema: LEDGER },
  errors: { 404: "Nobody owns this namespace." },
} as const satisfies RouteSpec;

const CLAIMS = {
  ...LIST,
  id: "listClaims",
  path: "/claims",
  summary: "Claims that wait for somebody to decide.",
  access: { action: "claim.decide", at: "instance" },
  query: PAGE_QUERY.extend({
    all: z
      .string()
      .optional()
      .transform((all) => all === "true")
      .meta({ description: "Those that were decided, too.", override: { type: "boolean", default: false } }),
  }),
  answer: { status: 200, schema: pageOf(CLAIM) },
} as const satisfies RouteSpec;

const APPROVE = {
  ...DECIDES,
  id: "approveClaim",
  path: "/claims/{id}/approve",
  summary: "Gives the account the namespace it asks for, or another one.",
  access: { action: "claim.decide", at: "instance" },
  body: {
    schema: z.strictObject({
      as: z.string().nullable().default(null).meta({ description: "Another namespace than the account asks for." }),
      ...INSISTS,
    }),
    absent: {},
    limit: LIMIT,
  },
  answer: { status: 200, schema: GIVEN },
  errors: NOT_THERE,
} as const satisfies RouteSpec;

const REFUSE = {
  ...APPROVE,
  id: "refuseClaim",
  path: "/claims/{id}/refuse",
  summary: "Refuses a claim for good.",
  body: { schema: z.strictObject({}), absent: {}, limit: LIMIT },
  answer: { status: 200, schema: z.object({}) },
} as const satisfies RouteSpec;

const GRANT = {
  ...ASSIGNS,
  id: "grantNamespace",
  path: "/namespaces/{namespace}/grant",
  summary: "Lets the account of an installation write a namespace.",
  body: { schema: z.strictObject({ installation: HOST_KEY, ...INSISTS }), limit: LIMIT },
  answer: { status: 200, schema: GIVEN },
  errors: NOT_THERE,
} as const satisfies RouteSpec;

const REVOKE = {
  ...ASSIGNS,
  id: "revokeNamespace",
  path: "/namespaces/{namespace}/revoke",
  summary: "Takes a namespace from the account of an installation. What was published stays.",
  body: { schema: z.strictObject({ installation: HOST_KEY }), limit: LIMIT },
  answer: { status: 200, schema: z.object({ canceled: z.int().meta({ description: "Builds." }) }) },
  errors: NOT_THERE,
} as const satisfies RouteSpec;

const SHARES = { ...DECIDES, access: { action: "namespace.share", at: "body" } } as const;
const HOST_SAYS = {
  ...NOT_THERE,
  502: "The actor's host does not say what they may.",
  503: "The actor's host is away.",
} as const;

const CODE = {
  ...SHARES,
  id: "makeNamespaceCode",
  path: "/namespaces/{namespace}/codes",
  summary: "Makes a one-time code that lets one more account in.",
  body: {
    schema: z.strictObject({
      installation: HOST_KEY.nullable()
        .default(null)
        .meta({ description: "Whose owner hands the code on; null: nobody's." }),
      actor: ACTOR,
    }),
    absent: {},
    limit: LIMIT,
  },
  answer: { status: 200, schema: z.object({ code: z.string(), until: TIME }) },
  errors: HOST_SAYS,
} as const satisfies RouteSpec;

const JOIN = {
  ...SHARES,
  id: "joinNamespace",
  path: "/namespaces/{namespace}/join",
  summary: "Enters such a code.",
  body: {
    schema: z.strictObject({ installation: HOST_KEY, code: z.string().max(100), actor: ACTOR }),
    limit: LIMIT,
  },
  answer: { status: 200, schema: GIVEN },
  errors: HOST_SAYS,
} as const satisfies RouteSpec;

export const NAMESPACE_ROUTES: readonly RouteSpec[] = [LIST, ONE, CLAIMS, APPROVE, REFUSE, GRANT, REVOKE, CODE, JOIN];

/** Namespaces, claims, and what is decided about them. */
export function addNamespaces(api: ApiKit, desk: NamespaceDesk, authorizer: Authorizer): void {
  /** Either side's consent is its owners' to give. */
  async function sharing(
    { by, within }: Pick<Call<unknown, unknown>, "by" | "within">,
    actor: Actor | null | undefined,
    installation: HostId,
  ): Promise<By> {
    if (actor === undefined || actor === null) return by;
    if (within !== null) throw new WebError(400, "bad-request", "actor: an API token acts for itself; leave it out.");
    demandAllowed(await authorizer.may(actor, "namespace.share", { installation, repository: null }));
    return { kind: "person", provider: installation.provider, host: installation.host, actor };
  }

  api.serve(LIST, async ({ query }) => pageJson(await desk.namespaces(query), namespaceJson));
  api.serve(ONE, async ({ param }) => {
    const ledger = await desk.ledger(param("namespace"));
    if (ledger !== null) return ledgerJson(ledger);
    throw new WebError(404, "not-found", "Nobody owns this namespace. GET /api/v1/namespaces lists them.");
  });
  api.serve(CLAIMS, async ({ query: { all, ...query } }) => {
    return pageJson(await desk.claims({ ...query, waiting: !all }), claimJson);
  });
  api.serve(APPROVE, async ({ param, body, by }) => done(await desk.approve(param("id"), body, by)));
  api.serve(REFUSE, async ({ param, by }) => done(await desk.refuse(param("id"), by)));
  api.serve(GRANT, async ({ param, body: { installation, ...insists }, by }) => {
    return done(await desk.grant(param("namespace"), installation, insists, by));
  });
  api.serve(REVOKE, async ({ param, body, by }) => {
    return done(await desk.revoke(param("namespace"), body.installation, by));
  });
  api.serve(CODE, async (call) => {
    const { installation, actor } = call.body;
    if (installation === null && actor) {
      throw new WebError(400, "bad-request", "installation: say of which account the actor is an owner.");
    }
    const by = installation === null ? call.by : await sharing(call, actor, installation);
    return done(await desk.code(call.param("namespace"), installation, by));
  });
  api.serve(JOIN, async (call) => {
    const { installation, code, actor } = call.body;
    const by = await sharing(call, actor, installation);
    return done(await desk.join(call.param("namespace"), code, installation, by));
  });
}

function done<T extends object>(decided: Decided<T>): object {
  if (decided.kind === "unknown") throw new WebError(404, "not-found", decided.why);
  if (decided.kind === "refused") throw new WebError(409, decided.reason, decided.why);
  const { kind: _done, ...answer } = decided;
  return answer;
}
