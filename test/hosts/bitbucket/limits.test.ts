import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runClient } from "../git/git-client.ts";
import { objectAt } from "../json.ts";
import { type AppStub, createAppStub } from "./app-stub.ts";
import { appJwt, call, connectToken, messageOf } from "./client.ts";
import { type BitbucketHost, createBitbucketHost, type HostRepository, type HostWorkspace } from "./index.ts";

const HOUR = 60 * 60 * 1000;
const REPO = "/repositories/acme/api";

let host: BitbucketHost;
let acme: HostWorkspace;
let repository: HostRepository;

beforeEach(async () => {
  host = await createBitbucketHost({ hourlyLimit: 10 });
  acme = host.workspace("acme");
  repository = await host.repository(acme, "api", { private: true });
});

afterEach(async () => {
  await host.close();
});

describe("the hourly allowance", () => {
  it("is used up by calls of repositories, and returns as they become an hour old", async () => {
    const { token } = host.accessToken({ workspace: acme, scopes: ["repository"] });
    for (let count = 0; count < 9; count += 1) expect((await call(host, token, `GET ${REPO}`)).status).toBe(200);
    host.advance(HOUR / 2);
    const last = await call(host, token, `GET ${REPO}/refs/tags`);
    expect([last.status, last.headers.get("x-ratelimit-limit")]).toEqual([200, "10"]);
    expect([last.headers.get("x-ratelimit-resource"), last.headers.get("x-ratelimit-nearlimit")]).toEqual([
      "api",
      "true",
    ]);
    const refused = await call(host, token, `GET ${REPO}`);
    expect([refused.status, messageOf(refused)]).toEqual([429, "Rate limit for this resource has been exceeded"]);
    expect((await call(host, token, "GET /workspaces/acme")).status).toBe(200);
    host.advance(HOUR / 2 + 1000);
    for (let count = 0; count < 9; count += 1) expect((await call(host, token, `GET ${REPO}`)).status).toBe(200);
    expect((await call(host, token, `GET ${REPO}`)).status).toBe(429);
    expect(host.violations).toEqual([]);
  });

  it("is one for each access token, which may have its own", async () => {
    const one = host.accessToken({ workspace: acme, scopes: ["repository"] });
    const two = host.accessToken({ workspace: acme, scopes: ["repository"], hourlyLimit: 4000 });
    host.exhaust(one);
    expect((await call(host, one.token, `GET ${REPO}`)).status).toBe(429);
    const { status, headers } = await call(host, two.token, `GET ${REPO}`);
    expect([status, headers.get("x-ratelimit-limit"), headers.get("x-ratelimit-nearlimit")]).toEqual([
      200,
      "4000",
      "false",
    ]);
  });

  it("is not kept when a test says so", async () => {
    const other = await createBitbucketHost({ hourlyLimit: null });
    await other.repository(other.workspace("acme"), "api", { private: true });
    const token = other.accessToken({ workspace: other.workspace("acme"), scopes: ["repository"] });
    const { status, headers } = await call(other, token.token, `GET ${REPO}`);
    expect([status, headers.get("x-ratelimit-limit")]).toEqual([200, null]);
    expect(() => other.exhaust(token)).toThrow("no hourly limit");
    await other.close();
  });

  it("does not count git", async () => {
    const token = host.accessToken({ workspace: acme, scopes: ["repository"] });
    host.exhaust(token);
    await runClient(["ls-remote", repository.cloneUrl], token.token, "x-token-auth");
    expect(host.gitCalls.map(({ status }) => status)).toContain(200);
  });
});

describe("a Connect app", () => {
  let app: AppStub;

  beforeEach(async () => {
    app = await createAppStub();
  });

  afterEach(async () => {
    await app.close();
  });

  async function install() {
    return (await host.install(acme, { descriptor: `${app.url}/descriptor.json` })).install;
  }

  it("has one allowance for all its tokens of a workspace, and is told nothing of it", async () => {
    const installed = await install();
    const [one, two] = [await connectToken(host, installed), await connectToken(host, installed)];
    const { status, headers } = await call(host, one, `GET ${REPO}`);
    expect([status, headers.get("x-ratelimit-limit")]).toEqual([200, null]);
    host.exhaust(installed);
    for (const token of [one, two]) expect((await call(host, token, `GET ${REPO}`)).status).toBe(429);
  });

  it("may ask who may do what, and acts as its workspace", async () => {
    const token = await connectToken(host, await install());
    const [mona, hubot] = [host.user("mona"), host.user("hubot")];
    host.setPermission(acme, mona, "owner");
    host.setPermission(acme, hubot, "member");
    host.setRepositoryPermission(repository, hubot, "write");
    const owners = `/workspaces/acme/permissions?q=${encodeURIComponent('permission="owner"')}`;
    const uuids = async (path: string) => {
      const { values } = await call(host, token, `GET ${path}`);
      return values.map((item) => [item["permission"], objectAt(item, "user")["uuid"]]);
    };
    expect(await uuids(owners)).toEqual([
      ["owner", host.user("acme-owner").uuid],
      ["owner", mona.uuid],
    ]);
    expect(await uuids("/workspaces/acme/permissions/repositories/api")).toEqual([
      ["admin", host.user("acme-owner").uuid],
      ["admin", mona.uuid],
      ["write", hubot.uuid],
    ]);
    host.setPermission(acme, mona, null);
    expect(await uuids(owners)).toHaveLength(1);
    expect((await call(host, token, "GET /user")).body).toMatchObject({ type: "team", uuid: acme.uuid });
    host.workspace("other");
    expect((await call(host, token, "GET /workspaces/other/permissions")).status).toBe(403);
    expect(host.violations).toEqual([]);
  });

  it("reaches one repository and nothing of the workspace with a token limited to it", async () => {
    const web = await host.repository(acme, "web", { private: true });
    await repository.commit({ files: { a: "1" } });
    await web.commit({ files: { a: "1" } });
    const token = await connectToken(host, await install(), { bitbucket_repository: repository.uuid });
    expect((await call(host, token, `GET ${REPO}`)).status).toBe(200);
    expect((await call(host, token, "GET /repositories/acme/web")).status).toBe(404);
    expect((await call(host, token, "GET /workspaces/acme/permissions")).status).toBe(403);
    expect((await call(host, token, "GET /workspaces/acme/permissions/repositories/api")).status).toBe(403);
    expect((await call(host, token, "GET /user")).status).toBe(401);
    expect((await call(host, token, "GET /repositories/acme")).values.map((item) => item["slug"])).toEqual(["api"]);
    await runClient(["ls-remote", repository.cloneUrl], token, "x-token-auth");
    await expect(runClient(["ls-remote", web.cloneUrl], token, "x-token-auth")).rejects.toThrow();
  });

  it("loses its tokens with time, and when it deletes itself", async () => {
    const installed = await install();
    const token = await connectToken(host, installed);
    host.advance(7200 * 1000 + 1);
    expect((await call(host, token, `GET ${REPO}`)).status).toBe(401);
    const fresh = await connectToken(host, installed);
    expect((await call(host, fresh, `GET ${REPO}`)).status).toBe(200);
    const address = `${host.apiUrl}/2.0/addon`;
    expect((await call(host, fresh, `DELETE ${address}`)).status).toBe(401);
    expect((await call(host, `JWT ${appJwt(installed, "DELETE", address)}`, `DELETE ${address}`)).status).toBe(204);
    expect((await call(host, fresh, `GET ${REPO}`)).status).toBe(401);
    expect(host.violations).toEqual([]);
  });
});

describe("git", () => {
  let sha: string;

  beforeEach(async () => {
    sha = (await repository.commit({ files: { a: "1" } })).sha;
  });

  function list(url: string, token: string | null, user = "x-token-auth") {
    return runClient(["ls-remote", url, "main"], token, user).then(({ stdout }) => stdout.split("\t")[0]);
  }

  it("is read with a token behind x-token-auth, under the names and the uuids", async () => {
    const { token } = host.accessToken({ workspace: acme, scopes: ["repository"] });
    expect(await list(repository.cloneUrl, token)).toBe(sha);
    const byUuid = `${host.url}/${encodeURIComponent(acme.uuid)}/${encodeURIComponent(repository.uuid)}.git`;
    expect(await list(byUuid, token)).toBe(sha);
  });

  it("is refused 401 without credentials, with another user name, and with a token that is none", async () => {
    const { token } = host.accessToken({ workspace: acme, scopes: ["repository"] });
    await expect(list(repository.cloneUrl, null)).rejects.toThrow();
    await expect(list(repository.cloneUrl, token, "x-access-token")).rejects.toThrow();
    await expect(list(repository.cloneUrl, "made-up")).rejects.toThrow();
    expect(new Set(host.gitCalls.map(({ status }) => status))).toEqual(new Set([401]));
  });

  it("is refused without the scope, and for a repository the token does not reach", async () => {
    const blind = host.accessToken({ workspace: acme, scopes: ["account"] });
    await expect(list(repository.cloneUrl, blind.token)).rejects.toThrow();
    expect(host.gitCalls.at(-1)?.status).toBe(403);
    const other = host.accessToken({ workspace: host.workspace("other"), scopes: ["repository"] });
    await expect(list(repository.cloneUrl, other.token)).rejects.toThrow();
    expect(host.gitCalls.at(-1)?.status).toBe(404);
  });

  it("lists all refs at once, annotated tags as their object and as what they lead to", async () => {
    await repository.push([
      { tag: "v1", to: sha },
      { tag: "v2", to: sha, annotated: true },
    ]);
    const { token } = host.accessToken({ workspace: acme, scopes: ["repository"] });
    const { stdout } = await runClient(["ls-remote", repository.cloneUrl], token, "x-token-auth");
    const object = await repository.ref("refs/tags/v2");
    expect(object).not.toBe(sha);
    expect(stdout.trim().split("\n")).toEqual([
      `${sha}\tHEAD`,
      `${sha}\trefs/heads/main`,
      `${sha}\trefs/tags/v1`,
      `${object}\trefs/tags/v2`,
      `${sha}\trefs/tags/v2^{}`,
    ]);
  });

  it("is refused with a token that has expired or was revoked", async () => {
    const access = host.accessToken({ workspace: acme, scopes: ["repository"] });
    expect(await list(repository.cloneUrl, access.token)).toBe(sha);
    host.revoke(access);
    await expect(list(repository.cloneUrl, access.token)).rejects.toThrow();
    expect(host.gitCalls.at(-1)?.status).toBe(401);
  });

  it("fails as it is told to, apart from the API", async () => {
    const { token } = host.accessToken({ workspace: acme, scopes: ["repository"] });
    const git = { of: "git", match: ({ route }: { readonly route: string | null }) => route === null } as const;
    host.inject({ ...git, effect: { status: 500 } });
    await expect(list(repository.cloneUrl, token)).rejects.toThrow(/500/);
    host.inject({ ...git, effect: { reset: true } });
    await expect(list(repository.cloneUrl, token)).rejects.toThrow();
    expect(host.gitCalls.map(({ status }) => status)).toEqual([500, 0]);
    host.inject({ match: () => true, effect: { status: 502 } });
    expect(await list(repository.cloneUrl, token)).toBe(sha);
    expect((await call(host, token, `GET ${REPO}`)).status).toBe(502);
  });

  it("is open where the repository is public, and not writable", async () => {
    await host.setPrivate(repository, false);
    expect(await list(repository.cloneUrl, null)).toBe(sha);
    const asked = await fetch(`${repository.cloneUrl}/info/refs?service=git-receive-pack`);
    const pushed = await fetch(`${repository.cloneUrl}/git-receive-pack`, { method: "POST" });
    expect([asked.status, pushed.status]).toEqual([403, 403]);
  });
});

describe("faults", () => {
  let token: string;

  beforeEach(async () => {
    token = host.accessToken({ workspace: acme, scopes: ["repository"] }).token;
    await repository.commit({ files: { a: "1" } });
  });

  it("are injected as answers, as often as told", async () => {
    const match = (one: { readonly route: string | null }) => one.route === "/repositories/{workspace}/{repo_slug}";
    host.inject({ match, times: 2, effect: { status: 503, headers: { "retry-after": "7" } } });
    const first = await call(host, token, `GET ${REPO}`);
    expect([first.status, first.headers.get("retry-after")]).toEqual([503, "7"]);
    expect((await call(host, token, "GET /repositories/acme")).status).toBe(200);
    expect((await call(host, token, `GET ${REPO}`)).status).toBe(503);
    expect((await call(host, token, `GET ${REPO}`)).status).toBe(200);
    expect(host.calls.map(({ status }) => status)).toEqual([503, 200, 503, 200]);
    expect(host.calls[0]).toMatchObject({ method: "GET", path: `/2.0${REPO}`, token: "access" });
  });

  it("cut the connection, before or after the work", async () => {
    const sha = (await repository.ref("refs/heads/main")) ?? "";
    const path = `POST ${REPO}/commit/${sha}/statuses/build`;
    const body = { key: "k", state: "FAILED" };
    host.inject({ match: () => true, effect: { reset: true } });
    await expect(call(host, token, path, body)).rejects.toThrow();
    expect(repository.statuses(sha)).toEqual([]);
    host.inject({ match: () => true, effect: { afterwards: "reset" } });
    await expect(call(host, token, path, body)).rejects.toThrow();
    expect(repository.statuses(sha)).toHaveLength(1);
    host.inject({ match: () => true, effect: { afterwards: { status: 502 } } });
    expect((await call(host, token, path, body)).status).toBe(502);
    expect(repository.statuses(sha)).toMatchObject([{ writes: 2 }]);
  });

  it("keep silent", async () => {
    host.inject({ match: () => true, effect: { hang: true } });
    const asked = fetch(`${host.apiUrl}/2.0${REPO}`, { signal: AbortSignal.timeout(200) });
    await expect(asked).rejects.toThrow(/timeout|aborted/);
    expect(host.calls.at(-1)?.status).toBe(0);
  });

  it("hit the token endpoint, too", async () => {
    host.inject({ match: ({ path }) => path === "/site/oauth2/access_token", effect: { status: 500 } });
    expect((await fetch(`${host.url}/site/oauth2/access_token`, { method: "POST" })).status).toBe(500);
  });
});

it("answers the API and the website at addresses of their own", async () => {
  const open = await host.repository(acme, "open");
  expect((await fetch(`${host.url}/2.0/repositories/acme/open`)).status).toBe(404);
  expect(
    (await fetch(`${open.cloneUrl.replace(host.url, host.apiUrl)}/info/refs?service=git-upload-pack`)).status,
  ).toBe(404);
});
