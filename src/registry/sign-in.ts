import { failed, type Outcome, ok } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import { bounded, readUpTo, refusal, unreachable } from "./answers.ts";
import { type Challenge, parseToken } from "./challenge.ts";

export interface Credential {
  readonly username: string;
  readonly password: string;
}

/** Makes a token for the scopes, e.g. `repository:acme/api:pull,push`; `seconds` it lives. */
export type IssueToken = (scopes: readonly string[]) => Promise<{ readonly token: string; readonly seconds: number }>;

export interface SignInOptions {
  readonly base: URL;
  readonly name: string;
  readonly credential: Credential | null;
  readonly issue: IssueToken | null;
  readonly send: typeof fetch;
  readonly clock: Clock;
  /** Milliseconds for getting one token. */
  readonly timeoutMs: number;
}

/** Authorization headers for one registry: kept while they last, and got once however many requests wait for one. */
export interface SignIn {
  /** What to send at once; null: nothing, the registry has not asked for credentials yet. */
  header(scopes: readonly string[], signal?: AbortSignal): Promise<Outcome<string | null>>;
  /** What to send after a 401. `refused` is what the refused request carried. */
  answer(
    challenge: Challenge,
    refused: string | null,
    scopes: readonly string[],
    signal?: AbortSignal,
  ): Promise<Outcome<string>>;
  denied(why: string): Outcome<never>;
  /** Host and port of the token service that was named last; null: none was, or it is ours. */
  realm(): string | null;
  /** The text without passwords and tokens. */
  hide(text: string): string;
}

interface Grant {
  readonly header: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

const MAX_ANSWER = 64 * 1024;
/** Seconds. However long a token lives, it is not trusted for longer, and not remembered for longer. */
const MAX_LIFE = 60 * 60;

export function createSignIn(options: SignInOptions): SignIn {
  const { base, name, credential, issue, clock, timeoutMs } = options;
  const grants = new Map<string, Grant>();
  const under = new Map<string, Promise<Outcome<Grant>>>();
  /** Once a registry has asked, later requests need not be refused first. */
  let asked: Challenge | null = null;

  async function grant(
    challenge: Challenge,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Outcome<string>> {
    const key = keyOf(challenge, scopes);
    const running = under.get(key) ?? obtain(challenge, scopes).finally(() => under.delete(key));
    under.set(key, running);
    let obtained: Outcome<Grant>;
    try {
      // Whoever stops waiting does not stop the others.
      obtained = await bounded(timeoutMs, signal, () => running);
    } catch (error) {
      return unreachable(`token service of ${name}`, error, signal);
    }
    if (!obtained.ok) return obtained;
    for (const [other, { until }] of grants) if (until <= clock.now()) grants.delete(other);
    grants.set(key, obtained.value);
    return ok(obtained.value.header);
  }

  async function obtain(challenge: Challenge, scopes: readonly string[]): Promise<Outcome<Grant>> {
    if (challenge.scheme === "basic") {
      if (credential === null) return denied("it wants a user name and password, and none is configured");
      return ok({ header: basic(credential), until: Number.POSITIVE_INFINITY });
    }
    const token = issue === null ? await fetchToken(challenge, scopes) : await issueToken(issue, scopes);
    if (!token.ok) return token;
    // A quarter less than the token's life, so that none expires under way.
    const life = Math.min(token.value.seconds, MAX_LIFE) * 750;
    return ok({ header: `Bearer ${token.value.token}`, until: clock.now() + life });
  }

  async function issueToken(make: IssueToken, scopes: readonly string[]) {
    try {
      return ok(await bounded(timeoutMs, undefined, () => make(scopes)));
    } catch (error) {
      const why = error instanceof Error ? error.message : "no reason is known";
      return failed(`No token for the registry ${name} could be made: ${why}`, { retryable: true });
    }
  }

  async function fetchToken(challenge: Challenge & { readonly scheme: "bearer" }, scopes: readonly string[]) {
    const realm = new URL(challenge.realm);
    // A password that is sent over https must not become readable because the registry names an http address.
    if (credential !== null && base.protocol === "https:" && realm.protocol !== "https:") {
      return denied("its token service is not an https address");
    }
    if (challenge.service !== null) realm.searchParams.set("service", challenge.service);
    for (const scope of scopes) realm.searchParams.append("scope", scope);
    const headers: Record<string, string> = credential === null ? {} : { authorization: basic(credential) };
    let response: Response;
    let bytes: Buffer;
    try {
      [response, bytes] = await bounded(timeoutMs, undefined, async (signal) => {
        const answer = await options.send(realm, { headers, redirect: "error", signal });
        return [answer, (await readUpTo(answer, MAX_ANSWER)).bytes];
      });
    } catch (error) {
      return unreachable(`token service of ${name}`, error);
    }
    const { status, headers: told } = response;
    if (!response.ok) return refusal("The registry's token service", { status, headers: told, bytes }, hide);
    const token = parseToken(bytes.toString("utf8"));
    return token === null ? failed("The registry's token service gave no token.", { retryable: false }) : ok(token);
  }

  function denied(why: string): Outcome<never> {
    return failed(`The registry ${name} refuses access: ${why}.`, { retryable: false });
  }

  function hide(text: string): string {
    const secrets = [...grants.values()].map(({ header }) => header.replace(/^\w+ /, ""));
    if (credential !== null) secrets.push(credential.password);
    return secrets.filter((secret) => secret !== "").reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
  }

  return {
    async header(scopes, signal) {
      // Without a password there is nothing to give; what is open to everybody may still be had.
      if (asked === null || (asked.scheme === "basic" && credential === null)) return ok(null);
      const held = grants.get(keyOf(asked, scopes));
      if (held !== undefined && held.until > clock.now()) return ok(held.header);
      return await grant(asked, scopes, signal);
    },

    async answer(challenge, refused, scopes, signal) {
      asked = challenge;
      const key = keyOf(challenge, scopes);
      const held = grants.get(key);
      // Another request may have signed in meanwhile.
      if (held !== undefined && held.header !== refused && held.until > clock.now()) return ok(held.header);
      grants.delete(key);
      return await grant(challenge, scopes, signal);
    },

    denied,
    realm: () => (asked?.scheme === "bearer" && issue === null ? new URL(asked.realm).host : null),
    hide,
  };
}

/** A password opens everything at once, a token what it was asked for. */
function keyOf(challenge: Challenge, scopes: readonly string[]): string {
  return challenge.scheme === "basic" ? "" : `${challenge.realm} ${challenge.service} ${scopes.join(" ")}`;
}

function basic(credential: Credential): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString("base64")}`;
}
