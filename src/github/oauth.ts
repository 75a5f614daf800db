/** Signing in with a GitHub account: the web flow of a GitHub App, with PKCE (S256 only) and state. */
import { z } from "zod";
import { failed, type HostId, type Outcome, ok } from "../core/model.ts";
import type { Identity, SignedIn } from "../engine/identity-port.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import { type Api, type ApiRequest, apiPath, createApi, misshapen, nextPage, refusal } from "./api.ts";
import { ownInstallationsSchema, ownUserSchema } from "./payloads.ts";

export interface GithubIdentityOptions {
  readonly host: string;
  readonly appId: number;
  readonly clientId: string;
  readonly clientSecret: string;
  /** `https://github.com`: where people agree, and codes are exchanged. */
  readonly webUrl: string;
  readonly apiUrl: string;
  /** Exactly one of the App's callback URLs. */
  readonly redirectUri: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly fetch?: typeof fetch;
  /** Milliseconds for one call. */
  readonly timeoutMs?: number;
}

/** Of 100 installations each: whoever sees more than these finds the others by their address. */
const MAX_PAGES = 5;
/** Bytes; a token's answer has some hundred. */
const MAX_ANSWER = 64 * 1024;

const exchangedSchema = z.union([
  z.object({ access_token: z.string().regex(/^[\x21-\x7e]{10,1000}$/) }),
  z.object({ error: z.string() }),
]);

export function createGithubIdentity(options: GithubIdentityOptions): Identity {
  const { host, appId, clientId, clientSecret, redirectUri, log } = options;
  const webUrl = options.webUrl.replace(/\/+$/, "");
  const timeoutMs = options.timeoutMs ?? 15_000;
  const fetched = options.fetch ?? fetch;
  const { apiUrl, clock } = options;
  const api = createApi({ apiUrl, clock, userAgent: "wharfinger", fetch: fetched, timeoutMs });

  /** The token of whoever agreed. Nothing of GitHub's answer is repeated: what is in it opens something. */
  async function exchange(code: string, verifier: string): Promise<Outcome<string>> {
    const form = {
      client_id: clientId,
      client_secret: clientSecret,
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    };
    let text: string;
    try {
      const response = await fetched(`${webUrl}/login/oauth/access_token`, {
        method: "POST",
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
        headers: { accept: "application/json", "user-agent": "wharfinger" },
        body: new URLSearchParams(form),
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        const retryable = response.status >= 500 || response.status === 429;
        return failed(`GitHub answered ${response.status} when it was asked about the sign-in.`, { retryable });
      }
      text = await readShort(response);
    } catch (error) {
      // Only its name: the message of a failed request may hold its address.
      const why = error instanceof Error ? error.name : "the connection failed";
      return failed(`GitHub did not answer about the sign-in (${why}).`, { retryable: true });
    }
    const answer = exchangedSchema.safeParse(parseJson(text));
    if (!answer.success) return failed("GitHub's answer is not of the documented shape.", { retryable: false });
    return "error" in answer.data
      ? failed(errorWords(answer.data.error), { retryable: false })
      : ok(answer.data.access_token);
  }

  async function vouch(token: string): Promise<Outcome<SignedIn>> {
    const user = await asUser(api, token, { method: "GET", path: "/user" });
    if (!user.ok) return user;
    const known = ownUserSchema.safeParse(user.value.body);
    if (!known.success) return misshapen(user.value);
    const reach = await readReach(token);
    if (!reach.ok) return reach;
    const { id, login } = known.data;
    return ok({ person: { provider: "github", host, actor: { id, login } }, reach: reach.value });
  }

  async function readReach(token: string): Promise<Outcome<readonly HostId[]>> {
    const found: HostId[] = [];
    let request: ApiRequest | null = { method: "GET", path: "/user/installations?per_page=100" };
    for (let page = 0; request !== null && page < MAX_PAGES; page += 1) {
      const answer = await asUser(api, token, request);
      if (!answer.ok) return answer;
      const listed = ownInstallationsSchema.safeParse(answer.value.body);
      if (!listed.success) return misshapen(answer.value);
      const ours = listed.data.installations.filter(({ app_id }) => app_id === appId);
      found.push(...ours.map(({ id }) => ({ provider: "github" as const, host, id })));
      request = nextPage(answer.value);
    }
    return ok(found);
  }

  /** Gives the token back. Where GitHub does not take it, it ends by itself after eight hours, known to nobody. */
  async function revoke(token: string): Promise<void> {
    const basic = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`;
    const path = apiPath(["applications", clientId, "token"]);
    const answer = await api.send({ method: "DELETE", path, body: { access_token: token } }, basic);
    const given = answer.ok && answer.value.status === 204;
    if (!given)
      log.warn({ why: answer.ok ? answer.value.status : answer.message }, "a sign-in's token was not taken back");
  }

  return {
    provider: "github",
    host,
    begin: ({ state, challenge }) =>
      `${webUrl}/login/oauth/authorize?${new URLSearchParams({
        client_id: clientId,
        redirect_uri: redirectUri,
        state,
        code_challenge: challenge,
        code_challenge_method: "S256",
      })}`,
    async finish({ code, verifier }) {
      const token = await exchange(code, verifier);
      if (!token.ok) return token;
      try {
        return await vouch(token.value);
      } finally {
        await revoke(token.value);
      }
    },
  };
}

/** A 200 to what is asked with somebody's own token. */
async function asUser(api: Api, token: string, request: ApiRequest) {
  const answer = await api.send(request, `Bearer ${token}`);
  if ("unauthorized" in answer) return failed(answer.message, { retryable: false });
  return answer.ok && answer.value.status !== 200 ? refusal(answer.value) : answer;
}

/** GitHub's own codes ("Troubleshooting OAuth app access token request errors"). */
function errorWords(error: string): string {
  switch (error) {
    case "bad_verification_code":
      return "the sign-in took more than ten minutes, or was used already. Begin again.";
    case "incorrect_client_credentials":
      return "it does not accept GITHUB_CLIENT_ID with GITHUB_CLIENT_SECRET. The operator of this server has to set them right.";
    case "redirect_uri_mismatch":
      return "the App has other callback URLs than this server's. Its operator has to add PUBLIC_URL/auth/github/callback.";
    case "unverified_user_email":
      return "your GitHub account has no verified e-mail address yet. Verify it at GitHub, then begin again.";
    default:
      return "it refused the sign-in. Begin again.";
  }
}

async function readShort(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER) throw new RangeError("The answer is too long.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No JSON fails the schema, which is the answer.
    return null;
  }
}
