import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { textAt } from "../json.ts";
import { appJwt, type CallOptions, call, mint } from "./client.ts";
import type { GithubHost, HostInstallation, HostRepository } from "./index.ts";
import { createGithubHost, HOST_KINDS } from "./index.ts";

const TOKEN = { classic: /^ghs_[A-Za-z0-9]{36}$/, stateless: /^ghs_\d+_[\w-]+\.[\w-]+\.[\w-]+$/ };

describe.each(HOST_KINDS)("on $kind", (kind) => {
  let host: GithubHost;
  let installation: HostInstallation;
  let other: HostInstallation;
  let api: HostRepository;
  let secret: HostRepository;
  let foreign: HostRepository;
  let sha: string;
  let known: number;

  beforeAll(async () => {
    host = await createGithubHost(kind);
    const acme = host.organization("acme");
    api = await host.repository(acme, "api", { private: true });
    secret = await host.repository(acme, "secret", { private: true });
    await host.repository(acme, "open");
    foreign = await host.repository(host.user("eve"), "foreign", { private: true });
    sha = (await api.commit({ files: { Dockerfile: "FROM scratch\n" } })).sha;
    installation = await host.install(acme, { permissions: { contents: "read", checks: "write" } });
    other = await host.install(host.user("eve"));
  });
  afterAll(() => host.close());
  beforeEach(() => {
    known = host.violations.length;
  });

  /** What was found wrong since the test began. */
  function violations(): readonly string[] {
    return host.violations.slice(known);
  }

  const NOW = Math.floor(Date.now() / 1000);

  describe("the app's JWT", () => {
    const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const strangersKey = stranger.privateKey.export({ type: "pkcs1", format: "pem" }).toString();

    it.each<[string, () => string, string]>([
      ["is signed by somebody else", () => appJwt(host, {}, { key: strangersKey }), "could not be decoded"],
      ["says it is not signed", () => appJwt(host, {}, { header: { alg: "none" } }), "could not be decoded"],
      [
        "says it is signed with a shared secret",
        () => appJwt(host, {}, { header: { alg: "HS256" } }),
        "could not be decoded",
      ],
      ["is no JWT", () => "abc", "could not be decoded"],
      ["lost its signature", () => appJwt(host).replace(/[^.]+$/, ""), "could not be decoded"],
      ["names another app", () => appJwt(host, { iss: host.appId + 1 }), "('iss')"],
      ["was issued in the future", () => appJwt(host, { iat: NOW + 3600 }), "('iat')"],
      ["has expired", () => appJwt(host, { exp: NOW - 1 }), "('exp')"],
      ["lives longer than ten minutes", () => appJwt(host, { exp: NOW + 3600 }), "too far in the future"],
      ["has no expiry", () => appJwt(host, { exp: undefined }), "('exp')"],
    ])("is refused when it %s", async (_, make, message) => {
      const answer = await call(host, make(), "GET /app");
      expect(answer.status).toBe(401);
      expect(answer.body["message"]).toContain(message);
    });

    it("may name the app by its client id", async () => {
      const app = await call(host, appJwt(host), "GET /app");
      const clientId = String(app.body["client_id"]);
      expect((await call(host, appJwt(host, { iss: clientId }), "GET /app")).status).toBe(200);
    });

    it("does not open what an installation may do, nor the other way round", async () => {
      expect((await call(host, appJwt(host), "GET /repos/acme/api")).status).toBe(401);
      expect((await call(host, await mint(host, installation), "GET /app")).status).toBe(401);
    });
  });

  describe("minting a token", () => {
    it.each<[string, () => object, number]>([
      ["a permission the installation lacks", () => ({ permissions: { administration: "read" } }), 422],
      ["a level the installation lacks", () => ({ permissions: { contents: "write" } }), 422],
      ["a permission that does not exist", () => ({ permissions: { everything: "read" } }), 422],
      ["a level that does not exist", () => ({ permissions: { contents: "admin" } }), 422],
      ["a repository of somebody else", () => ({ repository_ids: [foreign.id] }), 422],
      ["a repository by a name it does not cover", () => ({ repositories: ["foreign"] }), 422],
      ["no repository at all", () => ({ repository_ids: [] }), 422],
      ["an id that is text", () => ({ repository_ids: [String(api.id)] }), 422],
      ["more than 500 repositories", () => ({ repository_ids: Array.from({ length: 501 }, (_, index) => index) }), 422],
      ["what it covers", () => ({ repository_ids: [api.id], permissions: { checks: "read" } }), 201],
    ])("for %s", async (_, body, status) => {
      const path = `/app/installations/${installation.id}/access_tokens`;
      expect((await call(host, appJwt(host), `POST ${path}`, { body: body() })).status).toBe(status);
    });

    it("of an installation that does not exist is a 404", async () => {
      expect((await call(host, appJwt(host), "POST /app/installations/7/access_tokens")).status).toBe(404);
    });

    it("echoes what the token is narrowed to", async () => {
      const path = `/app/installations/${installation.id}/access_tokens`;
      const answer = await call(host, appJwt(host), `POST ${path}`, {
        body: { repository_ids: [api.id], permissions: { contents: "read" } },
      });
      expect(answer.body).toMatchObject({
        token: expect.stringMatching(TOKEN[kind.tokenFormat]),
        permissions: { contents: "read", metadata: "read" },
        repository_selection: "selected",
        repositories: [{ id: api.id }],
      });
      const hours = (Date.parse(String(answer.body["expires_at"])) - Date.now()) / 3_600_000;
      expect(hours).toBeGreaterThan(0.99);
      expect(hours).toBeLessThanOrEqual(1);
    });

    it.each([
      ["enabled", "stateless"],
      ["disabled", "classic"],
    ] as const)("with the long format %s gives the %s one", async (wanted, format) => {
      const path = `POST /app/installations/${installation.id}/access_tokens`;
      const answer = await call(host, appJwt(host), path, { headers: { "x-github-stateless-s2s-token": wanted } });
      const token = textAt(answer.body, "token") ?? "";
      expect(token).toMatch(TOKEN[format]);
      if (format === "stateless") expect(token.length).toBeGreaterThan(500);
      expect((await call(host, token, "GET /repos/acme/api")).status).toBe(200);
      // Nobody can make one up who has seen another.
      const changed = token.slice(0, -1) + (token.endsWith("x") ? "y" : "x");
      expect((await call(host, changed, "GET /repos/acme/api")).status).toBe(401);
    });
  });

  describe("an installation's token", () => {
    type Case = [string, () => object | undefined, () => string, CallOptions, number];
    const run = () => ({ body: { name: "w", head_sha: sha } });
    it.each<Case>([
      ["reads what it covers", () => undefined, () => "GET /repos/acme/api/contents/Dockerfile", {}, 200],
      ["is blind to a private repository of others", () => undefined, () => "GET /repos/eve/foreign", {}, 404],
      [
        "is blind to repositories outside its list",
        () => ({ repository_ids: [api.id] }),
        () => "GET /repos/acme/secret",
        {},
        404,
      ],
      [
        "sees public repositories outside its list",
        () => ({ repository_ids: [api.id] }),
        () => "GET /repos/acme/open",
        {},
        200,
      ],
      [
        "needs contents for files",
        () => ({ permissions: { checks: "write" } }),
        () => "GET /repos/acme/api/contents/Dockerfile",
        {},
        403,
      ],
      [
        "needs contents for comparing",
        () => ({ permissions: { checks: "write" } }),
        () => `GET /repos/acme/api/compare/${sha}...${sha}`,
        {},
        403,
      ],
      [
        "needs checks for listing checks",
        () => ({ permissions: { contents: "read" } }),
        () => `GET /repos/acme/api/commits/${sha}/check-runs`,
        {},
        403,
      ],
    ])("%s", async (_, narrowed, operation, options, status) => {
      const answer = await call(host, await mint(host, installation, narrowed()), operation(), options);
      expect([answer.status, violations()]).toEqual([status, []]);
    });

    it("needs checks: write for writing, and says so", async () => {
      for (const permissions of [{ checks: "read" }, { contents: "read" }]) {
        const token = await mint(host, installation, { permissions });
        const answer = await call(host, token, "POST /repos/acme/api/check-runs", run());
        expect(answer.status).toBe(403);
        expect(answer.body["message"]).toBe("Resource not accessible by integration");
        expect(answer.headers.get("x-accepted-github-permissions")).toBe("checks=write");
      }
    });

    it("of another installation does not reach", async () => {
      expect((await call(host, await mint(host, other), "GET /repos/acme/api")).status).toBe(404);
    });

    it("ends by expiry, by revocation, by suspension and with the installation", async () => {
      const own = await createGithubHost(kind);
      try {
        const acme = own.organization("acme");
        await own.repository(acme, "api", { private: true });
        const here = await own.install(acme);
        const ask = async (token: string) => (await call(own, token, "GET /repos/acme/api")).status;
        const [expired, revoked] = [await mint(own, here), await mint(own, here)];
        expect(await ask(revoked)).toBe(200);
        expect((await call(own, revoked, "DELETE /installation/token")).status).toBe(204);
        expect([await ask(revoked), await ask(expired)]).toEqual([401, 200]);
        own.expireTokens();
        expect(await ask(expired)).toBe(401);
        const last = await mint(own, here);
        await own.suspend(here);
        expect(await ask(last)).toBe(403);
        const path = `POST /app/installations/${here.id}/access_tokens`;
        expect((await call(own, appJwt(own), path)).status).toBe(403);
        await own.unsuspend(here);
        expect(await ask(last)).toBe(200);
        await own.uninstall(here);
        expect(await ask(last)).toBe(401);
        expect((await call(own, appJwt(own), path)).status).toBe(404);
        expect(own.violations).toEqual([]);
      } finally {
        await own.close();
      }
    });
  });

  describe("a check run", () => {
    const output = { title: "t", summary: "s" };
    const annotation = { path: "a", start_line: 1, end_line: 1, annotation_level: "failure", message: "m" };
    const action = { label: "l", description: "d", identifier: "i" };

    it.each<[string, object]>([
      ["without a commit", { head_sha: undefined }],
      ["with an abbreviated commit", { head_sha: "abc1234" }],
      ["with an empty name", { name: "" }],
      ["with an unknown status", { status: "done" }],
      ["completed without a conclusion", { status: "completed" }],
      ["with GitHub's own conclusion", { conclusion: "stale" }],
      ["with an unknown conclusion", { conclusion: "ok" }],
      ["with an output without summary", { output: { title: "t" } }],
      ["with too long a summary", { output: { ...output, summary: "x".repeat(65_536) } }],
      ["with too long a text", { output: { ...output, text: "x".repeat(65_536) } }],
      ["with 51 annotations", { output: { ...output, annotations: Array.from({ length: 51 }, () => annotation) } }],
      ["with an annotation on no line", { output: { ...output, annotations: [{ ...annotation, start_line: 0 }] } }],
      [
        "with an annotation that ends before it starts",
        { output: { ...output, annotations: [{ ...annotation, start_line: 2 }] } },
      ],
      [
        "with an annotation's title too long",
        { output: { ...output, annotations: [{ ...annotation, title: "x".repeat(256) }] } },
      ],
      [
        "with an annotation too long",
        { output: { ...output, annotations: [{ ...annotation, message: "x".repeat(65_537) }] } },
      ],
      ["with four actions", { actions: [action, action, action, action] }],
      ["with an action's label too long", { actions: [{ ...action, label: "x".repeat(21) }] }],
      ["with an action's description too long", { actions: [{ ...action, description: "x".repeat(41) }] }],
      ["with an address that is no web address", { details_url: "javascript:alert(1)" }],
      ["with a time that is none", { started_at: "yesterday" }],
      ["with a word the API does not know", { externalId: "x" }],
    ])("%s is refused and noted", async (_, fields) => {
      const before = api.checkRuns(sha).length;
      const token = await mint(host, installation);
      const answer = await call(host, token, "POST /repos/acme/api/check-runs", {
        body: { name: "w", head_sha: sha, ...fields },
      });
      expect(answer.status).toBe(422);
      expect(violations()).not.toEqual([]);
      expect(api.checkRuns(sha)).toHaveLength(before);
    });

    it("at the limits is taken, and annotations add up over writes", async () => {
      const token = await mint(host, installation);
      const full = {
        ...output,
        summary: "x".repeat(65_535),
        annotations: Array.from({ length: 50 }, () => annotation),
      };
      const body = { name: "limits", head_sha: sha, output: full, actions: [action, action, action] };
      const made = await call(host, token, "POST /repos/acme/api/check-runs", { body });
      expect(made.status).toBe(201);
      const path = `/repos/acme/api/check-runs/${String(made.body["id"])}`;
      await call(host, token, `PATCH ${path}`, { body: { output: full } });
      expect(api.checkRuns(sha).find((item) => item.name === "limits")?.output.annotations).toHaveLength(100);
      expect((await call(host, token, `PATCH ${path}`, { body: { status: "completed" } })).status).toBe(422);
      expect(violations()).not.toEqual([]);
    });

    it("needs a commit the repository has", async () => {
      const token = await mint(host, installation);
      const body = { name: "w", head_sha: "1".repeat(40) };
      const answer = await call(host, token, "POST /repos/acme/api/check-runs", { body });
      expect([answer.status, answer.body["message"]]).toEqual([422, `No commit found for SHA: ${"1".repeat(40)}`]);
      expect(violations()).toEqual([]);
    });

    it("is listed by name, newest of a name first unless all are asked for", async () => {
      const token = await mint(host, installation);
      const make = (conclusion: string) =>
        call(host, token, "POST /repos/acme/api/check-runs", { body: { name: "twice", head_sha: sha, conclusion } });
      await make("failure");
      await make("success");
      const list = (query: string) => call(host, token, `GET /repos/acme/api/commits/${sha}/check-runs?${query}`);
      expect((await list("check_name=twice")).body).toMatchObject({
        total_count: 1,
        check_runs: [{ conclusion: "success" }],
      });
      expect((await list("check_name=twice&filter=all")).body).toMatchObject({ total_count: 2 });
      expect((await list(`check_name=twice&app_id=${host.appId + 1}`)).body).toMatchObject({ total_count: 0 });
      expect((await list("check_name=nothing")).body).toMatchObject({ total_count: 0, check_runs: [] });
      expect(violations()).toEqual([]);
    });
  });

  describe("a request", () => {
    it.each<[string, string, CallOptions, number, string]>([
      ["for an operation outside the description", "GET /repos/acme/api/issues", {}, 404, "no such operation"],
      ["with another method", "PUT /repos/acme/api/contents/a", {}, 404, "no such operation"],
      ["with a query the operation does not know", "GET /repos/acme/api?per_page=1", {}, 200, "per_page"],
      ["with a page that is no number", "GET /installation/repositories?page=x", {}, 422, "page"],
      ["with too large a page", "GET /installation/repositories?per_page=101", {}, 422, "per_page"],
      ["with broken escapes", "GET /repos/acme/api/contents/%zz", {}, 404, "no such operation"],
      [
        "without the API version",
        "GET /repos/acme/api",
        { headers: { "x-github-api-version": null } },
        200,
        "X-GitHub-Api-Version",
      ],
      [
        "for another API version",
        "GET /repos/acme/api",
        { headers: { "x-github-api-version": "2026-03-10" } },
        200,
        "2022-11-28",
      ],
      ["with a body that is not JSON", "POST /repos/acme/api/check-runs", { body: "{" }, 400, "not JSON"],
      ["with a body where none belongs", "DELETE /installation/token", { body: {} }, 422, "takes no body"],
    ])("%s is noted", async (_, operation, options, status, problem) => {
      const answer = await call(host, await mint(host, installation), operation, options);
      expect(answer.status).toBe(status);
      expect(violations()).toEqual([expect.stringContaining(problem)]);
    });

    it("without credentials, or with odd ones, gets nothing", async () => {
      expect((await call(host, null, "GET /repos/acme/api")).status).toBe(401);
      const basic = { headers: { authorization: "Basic eDp5" } };
      expect((await call(host, null, "GET /repos/acme/api", basic)).status).toBe(401);
      expect(violations()).toEqual([expect.stringContaining("neither Bearer nor token")]);
      expect((await call(host, "ghs_made-up", "GET /repos/acme/api")).body["message"]).toBe("Bad credentials");
    });

    it("for a renamed repository is sent on, by those who may see it", async () => {
      const renamed = await host.repository(host.organization("acme"), "old-name", { private: true });
      await host.rename(renamed, "new-name");
      const token = await mint(host, installation);
      const moved = await call(host, token, "GET /repos/acme/old-name");
      expect(moved.status).toBe(301);
      const location = moved.headers.get("location") ?? "";
      expect(location.startsWith(host.apiUrl)).toBe(true);
      const answer = await call(host, token, `GET ${location.slice(host.apiUrl.length)}`);
      expect(textAt(answer.body, "full_name")).toBe("acme/new-name");
      expect((await call(host, await mint(host, other), "GET /repos/acme/old-name")).status).toBe(404);
      expect(violations()).toEqual([]);
    });

    it("that repeats its ETag costs no body", async () => {
      const token = await mint(host, installation);
      const first = await call(host, token, "GET /repos/acme/api/git/matching-refs/heads");
      const etag = first.headers.get("etag");
      const again = await call(host, token, "GET /repos/acme/api/git/matching-refs/heads", {
        headers: { "if-none-match": etag },
      });
      expect([again.status, host.calls.at(-1)?.status]).toEqual([304, 304]);
    });

    it("is written down with its route and kind of token", async () => {
      const token = await mint(host, installation);
      await call(host, token, "GET /repos/acme/secret");
      const [minted, asked] = host.calls.slice(-2);
      expect(minted).toMatchObject({ method: "POST", token: "app", status: 201 });
      expect(asked).toMatchObject({
        route: "/repos/{owner}/{repo}",
        path: "/repos/acme/secret",
        token: "installation",
      });
      expect(secret.fullName).toBe("acme/secret");
    });
  });

  describe("an injected fault", () => {
    const runs = "/repos/{owner}/{repo}/check-runs";
    const create = async (name: string) =>
      call(host, await mint(host, installation), "POST /repos/acme/api/check-runs", { body: { name, head_sha: sha } });
    const made = (name: string) => api.checkRuns(sha).filter((item) => item.name === name).length;

    it("answers in place of the operation, as often as asked", async () => {
      const limited = { status: 429, headers: { "retry-after": "7" }, body: { message: "slow down" } };
      host.inject({ match: ({ route }) => route === runs, times: 2, effect: limited });
      const first = await create("faulty");
      expect([first.status, first.headers.get("retry-after"), first.body["message"]]).toEqual([429, "7", "slow down"]);
      expect((await create("faulty")).status).toBe(429);
      expect(made("faulty")).toBe(0);
      expect((await create("faulty")).status).toBe(201);
    });

    it("can cut the connection before or after the operation", async () => {
      host.inject({ match: ({ route }) => route === runs, effect: { reset: true } });
      await expect(create("cut-before")).rejects.toThrow();
      expect(made("cut-before")).toBe(0);
      host.inject({ match: ({ route }) => route === runs, effect: { afterwards: "reset" } });
      await expect(create("cut-after")).rejects.toThrow();
      expect(made("cut-after")).toBe(1);
      host.inject({ match: ({ route }) => route === runs, effect: { afterwards: { status: 502 } } });
      expect((await create("lost")).status).toBe(502);
      expect(made("lost")).toBe(1);
    });

    it("can leave the caller waiting", async () => {
      host.inject({ match: ({ route }) => route === "/meta", effect: { hang: true } });
      const headers = { "x-github-api-version": "2022-11-28" };
      const waiting = fetch(`${host.apiUrl}/meta`, { headers, signal: AbortSignal.timeout(100) });
      await expect(waiting).rejects.toMatchObject({ name: "TimeoutError" });
      expect(host.calls.at(-1)).toMatchObject({ route: "/meta", status: 0 });
    });
  });
});
