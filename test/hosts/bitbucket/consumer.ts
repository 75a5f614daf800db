/**
 * An OAuth consumer, as documented under "OAuth 2.0", Authorization Code Grant (4.1): a page where somebody says who they
 * are and agrees, and the exchange of the code. Bitbucket documents no PKCE.
 */
import { randomBytes } from "node:crypto";
import type { Scope } from "./contract.ts";
import { escapeHtml, htmlPage } from "./html.ts";
import type { ApiAnswer } from "./operation.ts";
import { Refusal } from "./refusal.ts";
import type { State, UserState } from "./state.ts";

const AUTHORIZE = "/site/oauth2/authorize";
const CODE_MS = 10 * 60 * 1000;

export interface Consumer {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Where people are sent back to; null: the consumer has none, and nobody can sign in. */
  callbackUrl: string | null;
  /** What it asks of people; a consumer's are ticked when it is made. */
  scopes: readonly Scope[];
  readonly codes: Map<string, { readonly user: UserState; readonly expiresAt: number }>;
  /** Tokens of people. */
  readonly tokens: Map<string, { readonly user: UserState; readonly expiresAt: number }>;
}

export function createConsumer(): Consumer {
  const clientSecret = randomBytes(16).toString("hex");
  return {
    ...{ clientId: "stand-in-consumer", clientSecret, callbackUrl: null, scopes: ["account", "repository"] },
    ...{ codes: new Map(), tokens: new Map() },
  };
}

/** Null: the address is another. */
export function answerAuthorize(
  state: State,
  { method, url, body }: { readonly method: string; readonly url: URL; readonly body: Buffer },
): ApiAnswer | null {
  if (url.pathname !== AUTHORIZE) return null;
  const { consumer } = state;
  const query = url.searchParams;
  const known = query.get("client_id") === consumer.clientId && query.get("response_type") === "code";
  const given = query.get("redirect_uri");
  // "It must be appended to the same URL configured in the consumer."
  const base = consumer.callbackUrl;
  if (!known || base === null || (given !== null && !given.startsWith(base))) {
    return htmlPage(400, "Invalid request", "<p>Check the consumer and its callback URL.</p>");
  }
  if (method !== "POST") return consentPage(state);
  const form = new URLSearchParams(body.toString("utf8"));
  const user = state.users.find(({ nickname }) => nickname === form.get("login"));
  const address = new URL(given ?? base);
  const back = query.get("state");
  if (back !== null) address.searchParams.set("state", back);
  if (form.get("decision") !== "authorize" || user === undefined) {
    address.searchParams.set("error", "access_denied");
    return { status: 302, headers: { location: address.href } };
  }
  const code = randomBytes(9).toString("base64url");
  consumer.codes.set(code, { user, expiresAt: state.now() + CODE_MS });
  address.searchParams.set("code", code);
  return { status: 302, headers: { location: address.href } };
}

function consentPage({ users }: State): ApiAnswer {
  const options = users.map(({ nickname }) => `<option>${escapeHtml(nickname)}</option>`).join("");
  const form = `<form method="post">
      <p>This app wants to read your account information.</p>
      <label>You are <select name="login">${options}</select></label>
      <button name="decision" value="authorize">Grant access</button>
      <button name="decision" value="cancel">Cancel</button>
    </form>`;
  return htmlPage(200, "Confirm access to your account", form);
}

/** `grant_type=authorization_code` of the token endpoint. */
export function exchangeCode(state: State, authorization: string | undefined, form: URLSearchParams): ApiAnswer {
  const { consumer } = state;
  const refused = (status: 400 | 401, error: string, text: string) => ({
    status,
    body: { error, error_description: text },
  });
  const pair = Buffer.from(`${consumer.clientId}:${consumer.clientSecret}`).toString("base64");
  if (authorization !== `Basic ${pair}`) return refused(401, "unauthorized_client", "Invalid OAuth client credentials");
  const text = form.get("code") ?? "";
  const code = consumer.codes.get(text);
  consumer.codes.delete(text);
  if (code === undefined || code.expiresAt <= state.now()) {
    return refused(400, "invalid_grant", "The specified code is not valid.");
  }
  const token = randomBytes(48).toString("base64url");
  const seconds = state.tokenSeconds;
  consumer.tokens.set(token, { user: code.user, expiresAt: state.now() + seconds * 1000 });
  return {
    status: 200,
    body: {
      access_token: token,
      expires_in: seconds,
      refresh_token: randomBytes(12).toString("base64url"),
      scopes: consumer.scopes.join(" "),
      token_type: "bearer",
    },
    headers: { "cache-control": "no-store" },
  };
}

/** Whose token it is; null: no person's. */
export function personOf(state: State, authorization: string | undefined): UserState | null {
  const token = /^Bearer (\S+)$/i.exec(authorization ?? "")?.[1];
  const found = token === undefined ? undefined : state.consumer.tokens.get(token);
  if (found === undefined) return null;
  if (found.expiresAt <= state.now()) throw new Refusal(401, "Access token expired.");
  return found.user;
}
