import { z } from "zod";
import { parseTokenWish, TOKEN_DAYS, type TokenWish } from "../core/access-tokens.ts";
import { type AccessTokens, accessTokenJson, madeTokenJson, type RefusedToken } from "../engine/access-tokens.ts";
import type { ApiKit, RouteSpec } from "./api-kit.ts";
import { pageOf, TIME, TIME_OR_NULL } from "./api-shapes.ts";
import { WebError } from "./errors.ts";
import { type BodySpec, NO_BODY, NO_QUERY, PAGE_QUERY } from "./requests.ts";
import { pageJson } from "./wire.ts";

const ALL = "/namespaces/{namespace}/tokens";

const TOKEN = z
  .object({
    id: z.string(),
    namespace: z.string(),
    name: z.string(),
    access: z.enum(["pull", "push"]),
    account: z.string().meta({ description: "Whose right to the namespace it stands on." }),
    createdAt: TIME,
    expiresAt: TIME,
    revokedAt: TIME_OR_NULL,
    lastUsedAt: TIME_OR_NULL,
  })
  .meta({ id: "AccessToken", description: "For `docker login` and image pull secrets." });
const MADE = TOKEN.extend({
  token: z.string().meta({ description: "Shown this once." }),
  username: z.string(),
  registry: z.string(),
}).meta({ id: "MadeAccessToken" });

const WISH: BodySpec<TokenWish> = {
  schema: z
    .strictObject({
      name: z.string().meta({ description: "What it is for. 1 to 64 letters, digits, spaces, `.`, `_` or `-`." }),
      access: z.enum(["pull", "push"]).default("pull").meta({ description: "`push` pulls as well." }),
      days: z.int().min(TOKEN_DAYS.least).max(TOKEN_DAYS.most).default(TOKEN_DAYS.usual),
      account: z
        .string()
        .nullable()
        .default(null)
        .meta({ description: "`PROVIDER:HOST:ID`, where several accounts may write to the namespace." }),
    })
    .refine((wish) => parseTokenWish(wish).ok),
  limit: "8kb",
  refuse(given) {
    const parsed = parseTokenWish(given);
    return new WebError(400, "bad-token", parsed.ok ? "The token can not be like this." : `${parsed.message}.`);
  },
};

const COMMON = { tag: "tokens", access: { action: "token.change", at: "namespace" }, query: NO_QUERY } as const;

const LIST = {
  ...COMMON,
  id: "listAccessTokens",
  method: "get",
  path: ALL,
  summary: "A namespace's access tokens, newest first; those that do not work any more, too.",
  query: PAGE_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: pageOf(TOKEN) },
  errors: { 404: "Nobody has this namespace." },
} as const satisfies RouteSpec;

const MAKE = {
  ...COMMON,
  id: "makeAccessToken",
  method: "post",
  path: ALL,
  summary: "Makes an access token, and shows it once.",
  body: WISH,
  answer: { status: 201, schema: MADE },
  errors: { 404: "Nobody has this namespace.", 409: "It can not be; the message says why, and what to do." },
  once: "secret",
} as const satisfies RouteSpec;

const REVOKE = {
  ...COMMON,
  id: "revokeAccessToken",
  method: "delete",
  path: `${ALL}/{token}`,
  summary: "Ends an access token for good. It is given by its id, or by its name.",
  body: NO_BODY,
  answer: { status: 200, schema: TOKEN },
  errors: { 404: "The namespace has no such token." },
} as const satisfies RouteSpec;

export const TOKEN_ROUTES: readonly RouteSpec[] = [LIST, MAKE, REVOKE];

/** Access tokens of namespaces. */
export function addTokens(api: ApiKit, tokens: AccessTokens): void {
  api.serve(LIST, async ({ param, query }) => {
    const listed = await tokens.list(param("namespace"), query);
    if (listed === null) throw new WebError(404, "not-found", "Nobody has this namespace.");
    return pageJson(listed, accessTokenJson);
  });
  api.serve(MAKE, async ({ param, body, by }) => {
    const made = await tokens.make(param("namespace"), body, by);
    if (made.kind === "refused") throw new WebError(STATUS[made.code], made.code, made.why);
    return madeTokenJson(made);
  });
  api.serve(REVOKE, async ({ param, by }) => {
    const revoked = await tokens.revoke(param("namespace"), param("token"), by);
    if (revoked === null) throw new WebError(404, "not-found", "This namespace has no such token.");
    return accessTokenJson(revoked);
  });
}

const STATUS: Readonly<Record<RefusedToken["code"], number>> = {
  "unknown-namespace": 404,
  "no-token-registry": 409,
  account: 400,
  "not-standing": 409,
  "name-taken": 409,
  "too-many": 409,
};
