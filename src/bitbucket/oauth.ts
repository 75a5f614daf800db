/**
 * Signing in with a Bitbucket account, through an OAuth consumer. Where a workspace is connected by signed webhooks nobody
 * but the person themself is told their role there, so it is asked with their token while there is one.
 */
import { z } from "zod";
import { failed, type HostId, type Outcome, ok } from "../core/model.ts";
import { type HostRole, roleInRepository } from "../core/roles.ts";
import type { GrantStore } from "../engine/grants-port.ts";
import type { Identity, SignedIn } from "../engine/identity-port.ts";
import type { Vouched } from "../engine/sessions-port.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  apiPath,
  createApi,
  misshapen,
  nextPage,
  refusal,
  TOKEN_PATH,
} from "./api.ts";
import { nameOf, personSchema } from "./members.ts";
import { parseUuid } from "./uuid.ts";

export interface BitbucketIdentityOptions {
  readonly host: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** `https://bitbucket.org`. */
  readonly webUrl: string;
  /** Without `/2.0`. */
  readonly apiUrl: string;
  /** What workspaces have given us. */
  readonly grants: Pick<GrantStore, "connectClientsOf" | "connectionsOf">;
  readonly fetch?: typeof fetch;
  /** Milliseconds for one call. */
  readonly timeoutMs?: number;
}

/** Of 100 entries each. */
const MAX_PAGES = 5;
/** Whose roles are asked at a sign-in: two calls or more each, while somebody waits. */
const MAX_VOUCHED = 20;

const uuid = z
  .string()
  .transform((text) => parseUuid(text))
  .pipe(z.string());
const tokenSchema = z.object({ access_token: z.string().regex(/^[\x21-\x7e]{10,4000}$/) });
const workspacesSchema = z.object({ values: z.array(z.object({ workspace: z.object({ uuid }) })) });
const membershipSchema = z.object({ permission: z.string(), user: z.object({ uuid }).nullish() });
const permissionsSchema = z.object({
  values: z.array(z.object({ permission: z.enum(["admin", "write", "read"]), repository: z.object({ uuid }) })),
});

export function createBitbucketIdentity(options: BitbucketIdentityOptions): Identity {
  const { host, clientId, clientSecret, webUrl, apiUrl, grants } = options;
  const site = webUrl.replace(/\/+$/, "");
  const fetched = options.fetch ?? fetch;
  const timeoutMs = options.timeoutMs ?? 15_000;
  const api = createApi({ apiUrl, webUrl, userAgent: "wharfinger", fetch: fetched, timeoutMs });
  const basic = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`;

  async function exchange(code: string): Promise<Outcome<string>> {
    const form = { grant_type: "authorization_code", code };
    const answer = await api.send({ method: "POST", path: TOKEN_PATH, form }, basic);
    if ("unauthorized" in answer)
      return failed(
        "it does not accept BITBUCKET_CLIENT_ID with BITBUCKET_CLIENT_SECRET. The operator of this server has to set them right.",
        { retryable: false },
      );
    if (!answer.ok) return answer;
    const { status, body } = answer.value;
    // Nothing of the answer is repeated: what is in it opens something.
    if (status === 400)
      return failed("the sign-in took too long, or was used already. Begin again.", { retryable: false });
    const token = status === 200 ? tokenSchema.safeParse(body) : null;
    return token?.success
      ? ok(token.data.access_token)
      : failed(`it answered ${status} when it was asked about the sign-in, which it does not document.`, {
          retryable: false,
        });
  }

  async function vouch(token: string): Promise<Outcome<SignedIn>> {
    const ask = async (request: ApiRequest): Promise<Outcome<ApiAnswer>> => {
      const answer = await api.send(request, `Bearer ${token}`);
      if ("unauthorized" in answer) return failed(answer.message, { retryable: false });
      return answer.ok && answer.value.status !== 200 ? refusal(answer.value) : answer;
    };
    const told = await ask({ method: "GET", path: apiPath(["user"]) });
    if (!told.ok) return told;
    const user = personSchema.safeParse(told.value.body);
    if (!user.success) return misshapen(told.value);
    const listed = await listAll(ask, ["user", "workspaces"], workspacesSchema);
    if (!listed.ok) return listed;
    const reach: HostId[] = [];
    const vouched: Vouched[] = [];
    for (const { workspace } of listed.value) {
      const installation: HostId = { provider: "bitbucket", host, id: workspace.uuid };
      const clients = await grants.connectClientsOf(workspace.uuid);
      const connected = clients.length === 0 && (await grants.connectionsOf(workspace.uuid)).length > 0;
      if (clients.length === 0 && !connected) continue;
      reach.push(installation);
      if (!connected || vouched.length === MAX_VOUCHED) continue;
      const roles = await readRoles(ask, installation, user.data.uuid);
      if (!roles.ok) return roles;
      vouched.push(roles.value);
    }
    return ok({
      person: { provider: "bitbucket", host, actor: { id: user.data.uuid, login: nameOf(user.data) } },
      reach,
      vouched,
    });
  }

  return {
    provider: "bitbucket",
    host,
    // Bitbucket documents no PKCE: what keeps a code from being somebody else's is the state, and the consumer's secret.
    begin: ({ state }) =>
      `${site}/site/oauth2/authorize?${new URLSearchParams({ client_id: clientId, response_type: "code", state })}`,
    async finish({ code }) {
      const token = await exchange(code);
      // There is no address to give a token back at; this one is known to nobody from here on, and ends within two hours.
      return token.ok ? vouch(token.value) : token;
    },
  };
}

type Ask = (request: ApiRequest) => Promise<Outcome<ApiAnswer>>;

async function readRoles(ask: Ask, installation: HostId, user: string): Promise<Outcome<Vouched>> {
  const path = ["user", "workspaces", installation.id];
  const told = await ask({ method: "GET", path: apiPath([...path, "permission"]) });
  if (!told.ok) return told;
  const membership = membershipSchema.safeParse(told.value.body);
  if (!membership.success) return misshapen(told.value);
  const listed = await listAll(ask, [...path, "permissions", "repositories"], permissionsSchema);
  if (!listed.ok) return listed;
  const repositories = listed.value.map(({ permission, repository }) => [
    repository.uuid,
    roleInRepository(permission),
  ]);
  const { permission, user: whose } = membership.data;
  const role = (whose?.uuid ?? user) === user ? roleTowards(permission) : "none";
  return ok({ installation, role, repositories: Object.fromEntries(repositories) });
}

/** Collaborators were let into single repositories, where their rights are listed. */
function roleTowards(permission: string): HostRole {
  if (permission === "owner") return "owner";
  return permission === "member" || permission === "create-project" ? "read" : "none";
}

async function listAll<T>(
  ask: Ask,
  path: readonly string[],
  schema: z.ZodType<{ readonly values: readonly T[] }>,
): Promise<Outcome<readonly T[]>> {
  const found: T[] = [];
  let request: ApiRequest | null = { method: "GET", path: apiPath(path, { pagelen: "100" }) };
  for (let page = 0; request !== null && page < MAX_PAGES; page += 1) {
    const answer: Outcome<ApiAnswer> = await ask(request);
    if (!answer.ok) return answer;
    const listed = schema.safeParse(answer.value.body);
    if (!listed.success) return misshapen(answer.value);
    found.push(...listed.data.values);
    request = nextPage(answer.value);
  }
  return ok(found);
}
