import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runClient } from "../git/git-client.ts";
import { textAt } from "../json.ts";
import { call, mint } from "./client.ts";
import { createGithubHost, type GithubHost, HOST_KINDS, type HostInstallation, type HostRepository } from "./index.ts";

describe.each(HOST_KINDS)("a repository that moved, on $kind", (kind) => {
  let host: GithubHost;
  let api: HostRepository;
  let installation: HostInstallation;
  let sha: string;
  let token: string;

  beforeEach(async () => {
    // Nobody answers there; what was sent is in the log.
    const webhook = { url: "http://127.0.0.1:9/", secret: "s".repeat(32) };
    host = await createGithubHost({ ...kind, webhook });
    const acme = host.organization("acme");
    api = await host.repository(acme, "api", { private: true });
    sha = (await api.commit({ files: { a: "1\n" } })).sha;
    installation = await host.install(acme);
    token = await mint(host, installation);
  });

  afterEach(async () => {
    expect(host.violations).toEqual([]);
    await host.close();
  });

  function lastPayload(): unknown {
    return JSON.parse(host.deliveries.at(-1)?.body ?? "null");
  }

  async function follow(operation: string, credential: string, body?: object) {
    const given = body === undefined ? {} : { body };
    const first = await call(host, credential, operation, given);
    const location = first.headers.get("location") ?? "";
    expect(first.body).toMatchObject({ message: "Moved Permanently", url: location });
    expect(location.startsWith(`${host.apiUrl}/repositories/${api.id}`)).toBe(true);
    const method = operation.split(" ")[0] ?? "";
    const second = await call(host, credential, `${method} ${location.slice(host.apiUrl.length)}`, given);
    return { first, second };
  }

  it("is read through a 301 and written through a 307, by id", async () => {
    await host.rename(api, "service");
    const read = await follow("GET /repos/acme/api/contents/a?ref=main", token);
    expect([read.first.status, read.second.status, textAt(read.second.body, "path")]).toEqual([301, 200, "a"]);
    expect(host.calls.at(-1)?.path).toBe(`/repositories/${api.id}/contents/a?ref=main`);
    const run = { name: "w", head_sha: sha };
    const made = await follow("POST /repos/acme/api/check-runs", token, run);
    expect([made.first.status, made.second.status]).toEqual([307, 201]);
    const changed = await follow(`PATCH /repos/acme/api/check-runs/${String(made.second.body["id"])}`, token, {
      status: "in_progress",
    });
    expect([changed.first.status, changed.second.status]).toEqual([307, 200]);
    expect(api.checkRuns(sha)).toMatchObject([{ status: "in_progress", writes: 2 }]);
    expect(textAt((await call(host, token, "GET /repos/acme/service")).body, "full_name")).toBe("acme/service");
  });

  it("does not show where it went to those who may not see it", async () => {
    await host.rename(api, "service");
    const stranger = await mint(host, await host.install(host.user("eve")));
    expect((await call(host, stranger, "GET /repos/acme/api")).status).toBe(404);
    expect((await call(host, stranger, `GET /repositories/${api.id}`)).status).toBe(404);
    const headers = { authorization: `Basic ${Buffer.from(`x-access-token:${stranger}`).toString("base64")}` };
    const old = `${host.url}/acme/api.git/info/refs?service=git-upload-pack`;
    expect((await fetch(old, { headers, redirect: "manual" })).status).toBe(404);
    expect((await fetch(old, { redirect: "manual" })).status).toBe(401);
  });

  it("is fetched by git through a redirect, unless git is told to follow none", async () => {
    const old = api.cloneUrl;
    await host.rename(api, "service");
    const followed = await runClient(["ls-remote", old, "refs/heads/main"], token);
    expect(followed.stdout).toBe(`${sha}\trefs/heads/main\n`);
    expect(followed.stderr).toContain(`redirecting to ${api.cloneUrl}`);
    const stubborn = runClient(["-c", "http.followRedirects=false", "ls-remote", old], token);
    await expect(stubborn).rejects.toMatchObject({ stderr: expect.stringContaining("301") });
  });

  it("says so, with its name before", async () => {
    await host.rename(api, "service");
    expect(host.deliveries.at(-1)).toMatchObject({ event: "repository", action: "renamed" });
    expect(lastPayload()).toMatchObject({
      changes: { repository: { name: { from: "api" } } },
      repository: { id: api.id, full_name: "acme/service" },
      installation: { id: installation.id },
    });
  });

  it("loses its old name to whoever takes it, and gets it back by taking it back", async () => {
    await host.rename(api, "service");
    const usurper = await host.repository(host.organization("acme"), "api", { private: true });
    const asked = await call(host, token, "GET /repos/acme/api");
    expect([asked.status, asked.body["id"]]).toEqual([200, usurper.id]);
    expect((await runClient(["ls-remote", usurper.cloneUrl], token)).stdout).toBe("");
    await expect(host.rename(api, "API")).rejects.toThrow("already");
    await host.rename(usurper, "usurper");
    await host.rename(api, "api");
    expect((await call(host, token, "GET /repos/acme/api")).body["id"]).toBe(api.id);
    expect((await call(host, token, "GET /repos/acme/service")).status).toBe(301);
  });

  it("leaves the installation it was under for that of its new owner, who alone is told", async () => {
    const narrow = await mint(host, installation, { repository_ids: [api.id] });
    const bob = host.user("bob");
    expect((await host.transfer(api, bob)).sent).toBe(false);
    expect(api.fullName).toBe("bob/api");
    for (const credential of [token, narrow]) {
      expect((await call(host, credential, "GET /repos/acme/api")).status).toBe(404);
      expect((await call(host, credential, "GET /repos/bob/api")).status).toBe(404);
    }
    const theirs = await host.install(bob);
    const bobs = await mint(host, theirs);
    expect((await follow("GET /repos/acme/api", bobs)).second.body).toMatchObject({ full_name: "bob/api" });
    expect((await runClient(["ls-remote", `${host.url}/acme/api.git`], bobs)).stdout).toContain(sha);
    await host.transfer(api, host.organization("acme"));
    expect(lastPayload()).toMatchObject({
      action: "transferred",
      changes: { owner: { from: { user: { id: bob.id } } } },
      repository: { id: api.id, owner: { login: "acme" } },
      installation: { id: installation.id },
    });
    expect((await call(host, token, "GET /repos/acme/api")).status).toBe(200);
    expect((await call(host, bobs, "GET /repos/bob/api")).status).toBe(404);
  });

  it("is no longer among the chosen ones of an installation it came back to", async () => {
    const carol = host.organization("carol");
    const chosen = await host.repository(carol, "chosen", { private: true });
    const selected = await host.install(carol, { repositories: [chosen] });
    await host.transfer(chosen, host.organization("acme"));
    await host.transfer(chosen, carol);
    const answer = await call(host, await mint(host, selected), "GET /installation/repositories");
    expect(answer.body).toMatchObject({ total_count: 0 });
  });

  it("moves with its account, whose old name anybody may take", async () => {
    const old = api.cloneUrl;
    const acme = host.organization("acme");
    await host.renameAccount(acme, "acme-corp");
    expect(host.deliveries.at(-1)).toMatchObject({ event: "installation_target", action: "renamed" });
    expect(lastPayload()).toMatchObject({
      account: { id: acme.id, login: "acme-corp" },
      changes: { login: { from: "acme" } },
      target_type: "Organization",
      installation: { id: installation.id },
    });
    const { first, second } = await follow("GET /repos/acme/api", token);
    expect([first.status, second.body["full_name"]]).toEqual([301, "acme-corp/api"]);
    expect((await runClient(["ls-remote", old], token)).stdout).toContain(sha);
    const impostor = host.organization("acme");
    expect(impostor.id).not.toBe(acme.id);
    const trap = await host.repository(impostor, "api");
    expect((await call(host, token, "GET /repos/acme/api")).body["id"]).toBe(trap.id);
  });
});

describe.each(HOST_KINDS)("a repository on $kind that is", (kind) => {
  let host: GithubHost;
  let api: HostRepository;
  let installation: HostInstallation;

  beforeEach(async () => {
    host = await createGithubHost({ ...kind, webhook: { url: "http://127.0.0.1:9/", secret: "s".repeat(32) } });
    const acme = host.organization("acme");
    api = await host.repository(acme, "api");
    await api.commit({ files: { a: "1" } });
    installation = await host.install(acme);
  });

  afterEach(async () => {
    expect(host.violations).toEqual([]);
    await host.close();
  });

  function lastPayload(back = 1): unknown {
    return JSON.parse(host.deliveries.at(-back)?.body ?? "null");
  }

  it("archived says so, and lets nobody write to it until it is not any more", async () => {
    await host.setArchived(api, true);
    expect(lastPayload()).toMatchObject({
      action: "archived",
      repository: { id: api.id, archived: true },
      installation: { id: installation.id },
    });
    const token = await mint(host, installation);
    const body = { name: "w", head_sha: await api.ref("refs/heads/main") };
    expect((await call(host, token, "POST /repos/acme/api/check-runs", { body })).status).toBe(403);
    await expect(host.push(api, { files: { a: "2" } })).rejects.toThrow("archived");
    await host.setArchived(api, false);
    expect(lastPayload()).toMatchObject({ action: "unarchived", repository: { archived: false } });
    expect((await call(host, token, "POST /repos/acme/api/check-runs", { body })).status).toBe(201);
  });

  it("hidden is not shown without a token of its own, and is again when it is public", async () => {
    await host.setPrivate(api, true);
    expect(lastPayload()).toMatchObject({ action: "privatized", repository: { private: true, visibility: "private" } });
    const stranger = await mint(host, await host.install(host.user("eve")));
    expect((await call(host, stranger, "GET /repos/acme/api")).status).toBe(404);
    await host.setPrivate(api, false);
    expect(lastPayload()).toMatchObject({ action: "publicized", repository: { private: false } });
    expect((await call(host, stranger, "GET /repos/acme/api")).status).toBe(200);
  });

  it("deleted is told of twice, is gone, and leaves its name to another one", async () => {
    const told = await host.deleteRepository(api);
    expect(told).toHaveLength(2);
    expect(lastPayload(2)).toMatchObject({ action: "deleted", repository: { id: api.id } });
    expect(lastPayload()).toMatchObject({ action: "removed", repositories_removed: [{ id: api.id }] });
    const token = await mint(host, installation);
    expect((await call(host, token, `GET /repositories/${api.id}`)).status).toBe(404);
    const next = await host.repository(host.organization("acme"), "api");
    expect(next.id).not.toBe(api.id);
    expect((await call(host, token, "GET /repos/acme/api")).body["id"]).toBe(next.id);
  });
});

describe("the pages of a repository's list", () => {
  it("name it by id, whatever it was called in the question", async () => {
    const host = await createGithubHost({ basePath: "/api/v3" });
    try {
      const acme = host.organization("acme");
      const api = await host.repository(acme, "api", { private: true });
      const { sha } = await api.commit({ files: { a: "1" } });
      const token = await mint(host, await host.install(acme));
      for (const name of ["one", "two"]) {
        await call(host, token, "POST /repos/acme/api/check-runs", { body: { name, head_sha: sha } });
      }
      const page = await call(host, token, `GET /repos/acme/api/commits/${sha}/check-runs?per_page=1`);
      const next = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
      expect(next).toBe(`${host.apiUrl}/repositories/${api.id}/commits/${sha}/check-runs?per_page=1&page=2`);
      const second = await call(host, token, `GET ${next.slice(host.apiUrl.length)}`);
      expect(second.body).toMatchObject({ check_runs: [{ name: "one" }] });
      expect(host.violations).toEqual([]);
    } finally {
      await host.close();
    }
  });
});
