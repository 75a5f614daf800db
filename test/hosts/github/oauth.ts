/**
 * Signing in with an account of the host, as documented under "Generating a user access token for a GitHub App" and
 * "Authorizing OAuth apps": a page where somebody says who they are and agrees, and the exchange of what comes of it.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { escapeHtml, htmlPage } from "../bitbucket/html.ts";
import type { AccountState, State } from "./state.ts";

const AUTHORIZE = "/login/oauth/authorize";
const EXCHANGE = "/login/oauth/access_token";
const CODE_MS = 10 * 60 * 1000;
const TOKEN_SECONDS = 8 * 60 * 60;

export interface Code {
  readonly account: AccountState;
  readonly redirectUri: string;
  /** Of S256; null: none was sent, which GitHub takes. */
  readonly challenge: string | null;
  readonly expiresAt: number;
}

export interface UserToken {
  readonly account: AccountState;
  readonly expiresAt: number;
}

interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface SiteAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Null: the address is another. */
export function answerOAuth(state: State, asked: Asked): SiteAnswer | null {
  if (asked.url.pathname === AUTHORIZE) return authorize(state, asked);
  if (asked.url.pathname === EXCHANGE && asked.method === "POST") return exchange(state, asked);
  return null;
}

function authorize(state: State, { method, url, body }: Asked): SiteAnswer {
  const query = url.searchParams;
  if (query.get("client_id") !== state.clientId) return htmlPage(404, "There is no such application", "");
  const redirectUri = query.get("redirect_uri") ?? state.callbackUrls[0];
  if (redirectUri === undefined || !state.callbackUrls.includes(redirectUri)) {
    const words = "The redirect_uri is not associated with this application.";
    return htmlPage(400, "Be careful!", `<p>${escapeHtml(words)}</p>`);
  }
  const challenge = query.get("code_challenge");
  const s256 = challenge === null || (query.get("code_challenge_method") === "S256" && /^[\w-]{43}$/.test(challenge));
  if (!s256) return sentBack(state, query, redirectUri, { error: "invalid_request" });
  if (method !== "POST") return consentPage(state);
  const form = new URLSearchParams(body.toString("utf8"));
  if (form.get("decision") !== "authorize") {
    const words = "The user has denied your application access.";
    return sentBack(state, query, redirectUri, { error: "access_denied", error_description: words });
  }
  const account = state.accounts.find((one) => one.type === "User" && one.login === form.get("login"));
  if (account === undefined) return htmlPage(403, "Nobody is signed in", "");
  const code = randomBytes(10).toString("hex");
  state.codes.set(code, { account, redirectUri, challenge, expiresAt: state.now() + CODE_MS });
  return sentBack(state, query, redirectUri, { code });
}

/** Whoever looks may be any of the host's users: it is their browser. */
function consentPage(state: State): SiteAnswer {
  const people = state.accounts.filter(({ type }) => type === "User");
  const options = people.map(({ login }) => `<option>${escapeHtml(login)}</option>`).join("");
  const form = `<form method="post">
      <p>${escapeHtml(state.slug)} would like permission to verify your identity, know which resources you can access, and act
        on your behalf.</p>
      <label>You are <select name="login">${options}</select></label>
      <button name="decision" value="authorize">Authorize ${escapeHtml(state.slug)}</button>
      <button name="decision" value="cancel">Cancel</button>
    </form>`;
  return htmlPage(200, `Authorize ${state.slug}`, form);
}

function sentBack(
  _state: State,
  query: URLSearchParams,
  redirectUri: string,
  told: Readonly<Record<string, string>>,
): SiteAnswer {
  const address = new URL(redirectUri);
  for (const [name, value] of Object.entries(told)) address.searchParams.set(name, value);
  const state = query.get("state");
  if (state !== null) address.searchParams.set("state", state);
  return { status: 302, headers: { location: address.href } };
}

function exchange(state: State, { body, headers }: Asked): SiteAnswer {
  const form = new URLSearchParams(body.toString("utf8"));
  const answer = exchanged(state, form);
  // Without asking for JSON it is a form, too.
  if (headers["accept"] === "application/json") return { status: 200, body: answer };
  const text = new URLSearchParams(
    Object.entries(answer).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  const type = { "content-type": "application/x-www-form-urlencoded" };
  return { status: 200, body: Buffer.from(text), headers: type };
}

function exchanged(state: State, form: URLSearchParams): Readonly<Record<string, string | number>> {
  const fails = (error: string, description: string) => ({ error, error_description: description });
  if (form.get("client_id") !== state.clientId || !same(form.get("client_secret") ?? "", state.clientSecret))
    return fails("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.");
  const text = form.get("code") ?? "";
  const code = state.codes.get(text);
  // Whatever comes of it, it counts once.
  state.codes.delete(text);
  const none = fails("bad_verification_code", "The code passed is incorrect or expired.");
  if (code === undefined || code.expiresAt <= state.now()) return none;
  const redirectUri = form.get("redirect_uri");
  if (redirectUri !== null && redirectUri !== code.redirectUri)
    return fails(
      "redirect_uri_mismatch",
      "The redirect_uri MUST match the registered callback URL for this application.",
    );
  if (code.challenge !== null) {
    const verifier = form.get("code_verifier") ?? "";
    if (!same(createHash("sha256").update(verifier).digest("base64url"), code.challenge)) return none;
  }
  const token = `ghu_${randomBytes(18).toString("hex")}`;
  state.userTokens.set(token, { account: code.account, expiresAt: state.now() + TOKEN_SECONDS * 1000 });
  return {
    access_token: token,
    expires_in: TOKEN_SECONDS,
    refresh_token: `ghr_${randomBytes(38).toString("hex")}`,
    refresh_token_expires_in: 15_897_600,
    token_type: "bearer",
    scope: "",
  };
}

function same(given: string, expected: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}
