import { z } from "zod";
import { TOKEN_DAYS } from "../core/access-tokens.ts";
import { API_TOKEN_ROLES, type ApiTokenWish, parseApiTokenWish } from "../core/api-tokens.ts";
import { type ApiTokens, apiTokenJson, madeApiTokenJson, type RefusedApiToken } from "../engine/api-tokens.ts";
import type { ApiKit, RouteSpec } from "./api-kit.ts";
import { HOST_ID, pageOf, TIME, TIME_OR_NULL } from "./api-shapes.ts";
import { WebError } from "./errors.ts";
import { type BodySpec, installationIn, NO_BODY, NO_QUERY, noInstallation, PAGE_QUERY } from "./requests.ts";
import { pageJson } from "./wire.ts";

const ALL = "/installations/{provider}/{host}/{id}/api-tokens";

const TOKEN = z
  .object({
    id: z.string(),
    installation: HOST_ID,
    name: z.string(),
    role: z.enum(API_TOKEN_ROLES),
    createdAt: TIME,
    expiresAt: TIME,
    revokedAt: TIME_OR_NULL,
    lastUsedAt: TIME_OR_NULL.meta({ description: "To the minute; null: never." }),
  })
  .meta({ id: "ApiToken", description: "For this API, about one installation." });
const MADE = TOKEN.extend({ token: z.string().meta({ description: "Shown this once." }) }).meta({ id: "MadeApiToken" });

const WISH: BodySpec<ApiTokenWish> = {
  schema: z
    .strictObject({
      name: z.string().meta({ description: "What it is for. 1 to 64 letters, digits, spaces, `.`, `_` or `-`." }),
      role: z.enum(API_TOKEN_ROLES).default("read").meta({ description: "What it may, as a person with this role." }),
      days: z.int().min(TOKEN_DAYS.least).max(TOKEN_DAYS.most).default(TOKEN_DAYS.usual),
    })
    .refine((wish) => parseApiTokenWish(wish).ok),
  limit: "8kb",
  refuse(given) {
    const parsed = parseApiTokenWish(given);
    return new WebError(400, "bad-token", parsed.ok ? "The token can not be like this." : `${parsed.message}.`);
  },
};

/** A token that could make tokens would outlive its own end, and its own revocation. */
const COMMON = {
  tag: "tokens",
  access: { action: "token.change", at: "installation", tokens: false },
  query: NO_QUERY,
} as const;

const LIST = {
  ...COMMON,
  id: "listApiTokens",
  method: "get",
  path: ALL,
  summary: "An installation's API tokens, newest first; those that do not work any more, too.",
  query: PAGE_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: pageOf(TOKEN) },
  errors: { 404: "There is no such installation." },
} as const satisfies RouteSpec;

const MAKE = {
  ...COMMON,
  id: "makeApiToken",
  method: "post",
  path: ALL,
  summary: "Makes an API token, and shows it once.",
  body: WISH,
  answer: { status: 201, schema: MADE },
  errors: {
    404: "There is no such installation, or it is not active.",
    409: "Another one is called so, or there are too many.",
  },
  once: "secret",
} as const satisfies RouteSpec;

const REVOKE = {
  ...COMMON,
  id: "revokeApiToken",
  method: "delete",
  path: `${ALL}/{token}`,
  summary: "Ends an API token for good. It is given by its id, or by its name.",
  body: NO_BODY,
  answer: { status: 200, schema: TOKEN },
  errors: { 404: "The installation has no such token." },
} as const satisfies RouteSpec;

export const OWN_TOKEN_ROUTES: readonly RouteSpec[] = [LIST, MAKE, REVOKE];

/** Tokens for the API itself. */
export function addOwnTokens(api: ApiKit, tokens: ApiTokens): void {
  api.serve(LIST, async (call) => {
    const listed = await tokens.list(installationIn(call.req), call.query);
    if (listed === null) throw noInstallation();
    return pageJson(listed, apiTokenJson);
  });
  api.serve(MAKE, async (call) => {
    const made = await tokens.make(installationIn(call.req), call.body, call.by);
    if (made.kind === "refused") throw new WebError(STATUS[made.code], made.code, made.why);
    return madeApiTokenJson(made);
  });
  api.serve(REVOKE, async (call) => {
    const revoked = await tokens.revoke(installationIn(call.req), call.param("token"), call.by);
    if (revoked === null) throw new WebError(404, "not-found", "This installation has no such API token.");
    return apiTokenJson(revoked);
  });
}

const STATUS: Readonly<Record<RefusedApiToken["code"], number>> = {
  "unknown-installation": 404,
  "name-taken": 409,
  "too-many": 409,
};
