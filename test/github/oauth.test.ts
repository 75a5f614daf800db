import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Identity } from "../../src/engine/identity-port.ts";
import { createGithubIdentity, type GithubIdentityOptions } from "../../src/github/oauth.ts";
import { createGithubHost, type GithubHost } from "../hosts/github/index.ts";
import { agree } from "../support/consent.ts";

const CALLBACK = "https://builds.example.com/auth/github/callback";
const VERIFIER = "v".repeat(43);
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");

let github: GithubHost;
const warnings: string[] = [];

beforeAll(async () => {
  github = await createGithubHost();
  github.setCallbackUrls([CALLBACK]);
});
afterAll(async () => {
  const { violations } = github;
  await github.close();
  expect(violations).toEqual([]);
});

function identity(changes: Partial<GithubIdentityOptions> = {}): Identity {
  const warn = (_fields: object, message: string) => void warnings.push(message);
  return createGithubIdentity({
    host: "default",
    appId: github.appId,
    clientId: github.clientId,
    clientSecret: github.clientSecret,
    webUrl: github.url,
    apiUrl: github.apiUrl,
    redirectUri: CALLBACK,
    clock: { now: () => Date.now() },
    log: { info: warn, warn, error: warn },
    ...changes,
  });
}

const begin = (of = identity(), challenge = CHALLENGE) => of.begin({ state: "some-state", challenge });

/** A code of whoever agrees to it. */
async function codeOf(login: string, address = begin()): Promise<string> {
  return new URL(await agree(address, { login })).searchParams.get("code") ?? "";
}

describe("signing in with GitHub", () => {
  it("sends people to GitHub with state and the digest of a verifier, and to nowhere else", () => {
    const address = new URL(begin());
    expect(address.origin + address.pathname).toBe(`${github.url}/login/oauth/authorize`);
    expect(Object.fromEntries(address.searchParams)).toEqual({
      client_id: github.clientId,
      redirect_uri: CALLBACK,
      state: "some-state",
      code_challenge: CHALLENGE,
      code_challenge_method: "S256",
    });
  });

  it("learns who somebody is by id, and which installations they can see", async () => {
    const acme = github.organization("acme");
    const ann = github.user("ann");
    const bob = github.user("bob");
    github.setMembership(acme, ann, { role: "member", state: "active" });
    github.setMembership(acme, bob, { role: "member", state: "pending" });
    const installation = await github.install(acme);
    const own = await github.install(bob);
    const cases = [
      ["ann", ann, [installation.id]],
      ["bob", bob, [own.id]],
    ] as const;
    for (const [login, { id }, seen] of cases) {
      const signedIn = await identity().finish({ code: await codeOf(login), verifier: VERIFIER });
      expect(signedIn).toEqual({
        ok: true,
        value: {
          person: { provider: "github", host: "default", actor: { id: String(id), login } },
          reach: seen.map((one) => ({ provider: "github", host: "default", id: String(one) })),
        },
      });
    }
  });

  it("keeps no token: GitHub gets back the one it gave, also where it then does not say who somebody is", async () => {
    github.user("ann");
    await identity().finish({ code: await codeOf("ann"), verifier: VERIFIER });
    expect(github.userTokens).toEqual([]);
    github.inject({ match: ({ route }) => route === "/user", effect: { status: 503 }, times: 1 });
    const failed = await identity().finish({ code: await codeOf("ann"), verifier: VERIFIER });
    expect(failed).toMatchObject({ ok: false, retryable: true });
    expect(github.userTokens).toEqual([]);
  });

  it("signs in all the same where the token can not be given back, and says so in the log", async () => {
    warnings.length = 0;
    github.inject({ match: ({ method }) => method === "DELETE", effect: { status: 500 }, times: 1 });
    const code = await codeOf("ann");
    expect(await identity().finish({ code, verifier: VERIFIER })).toMatchObject({ ok: true });
    expect(warnings).toEqual(["a sign-in's token was not taken back"]);
  });

  it("takes a code once, for ten minutes, and only with its own verifier", async () => {
    const code = await codeOf("ann");
    expect(await identity().finish({ code, verifier: VERIFIER })).toMatchObject({ ok: true });
    const tries: [string, string][] = [
      [code, VERIFIER],
      [await codeOf("ann"), "w".repeat(43)],
      ["no-such-code", VERIFIER],
    ];
    for (const [given, verifier] of tries) {
      const refused = await identity().finish({ code: given, verifier });
      expect(refused).toMatchObject({ ok: false, retryable: false });
      expect(refused.ok ? "" : refused.message).toContain("Begin again");
    }
    const late = await codeOf("ann");
    github.advance(10 * 60 * 1000);
    expect(await identity().finish({ code: late, verifier: VERIFIER })).toMatchObject({ ok: false });
  });

  it("says what the operator has to put right", async () => {
    const cases: [Partial<GithubIdentityOptions>, string][] = [
      [{ clientSecret: "of another app" }, "GITHUB_CLIENT_SECRET"],
      [{ redirectUri: "https://elsewhere.example.com/" }, "PUBLIC_URL/auth/github/callback"],
    ];
    for (const [changes, words] of cases) {
      const refused = await identity(changes).finish({ code: await codeOf("ann"), verifier: VERIFIER });
      expect(refused.ok ? "" : refused.message).toContain(words);
    }
  });

  it.each([
    ["a redirect", { status: 302, headers: { location: "https://evil.example/" } }, true],
    ["something else than JSON", { status: 200, body: "<html>" }, false],
    ["too much", { status: 200, body: "x".repeat(100_000) }, true],
    ["JSON of another shape", { status: 200, body: '{"access_token":5}' }, false],
    ["a token with a line break", { status: 200, body: '{"access_token":"ghu_abcdefghijkl\\r\\nX: y"}' }, false],
    ["a fault", { status: 502, body: "" }, true],
    ["a refusal", { status: 403, body: "" }, false],
  ])("fails, without repeating any of it, where GitHub answers with %s", async (_what, answer, retryable) => {
    const { status, body = "" } = answer as { status: number; body?: string };
    const fetched = async (_url: string | URL | Request, init?: RequestInit) => {
      // As fetch does with `redirect: "error"`.
      if (status === 302 && init?.redirect === "error") throw new TypeError("fetch failed to https://evil.example/");
      return new Response(body, { status });
    };
    const outcome = await identity({ fetch: fetched as typeof fetch }).finish({ code: "c", verifier: VERIFIER });
    expect(outcome).toMatchObject({ ok: false, retryable });
    expect(outcome.ok ? "" : outcome.message).not.toMatch(/evil|html|ghu_|xxx/);
  });
});
