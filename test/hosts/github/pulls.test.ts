import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runClient } from "../git/git-client.ts";
import { isObject, type JsonObject, objectAt } from "../json.ts";
import { call, mint } from "./client.ts";
import { examplePayload } from "./examples.ts";
import {
  createGithubHost,
  type GithubHost,
  HOST_KINDS,
  type HostInstallation,
  type HostPull,
  type HostRepository,
} from "./index.ts";

describe.each(HOST_KINDS)("a pull request, on $kind", (kind) => {
  let host: GithubHost;
  let api: HostRepository;
  let installation: HostInstallation;
  let token: string;

  beforeEach(async () => {
    const webhook = { url: "http://127.0.0.1:9/", secret: "s".repeat(32) };
    host = await createGithubHost({ ...kind, webhook });
    const acme = host.organization("acme");
    api = await host.repository(acme, "api", { private: true });
    await api.commit({ files: { a: "1\n", b: "1\n" } });
    installation = await host.install(acme);
    token = await mint(host, installation);
  });

  afterEach(async () => {
    expect(host.violations).toEqual([]);
    await host.close();
  });

  async function ask(pull: HostPull): Promise<JsonObject> {
    return (await call(host, token, `GET /repos/acme/api/pulls/${pull.number}`)).body;
  }

  /** `pull_request` events so far, oldest first. */
  function told(): JsonObject[] {
    const events = host.deliveries.filter((item) => item.event === "pull_request");
    return events.map((item): unknown => JSON.parse(item.body)).filter(isObject);
  }

  async function open(files: Record<string, string>, branch = "side"): Promise<HostPull> {
    await api.commit({ branch, files });
    return (await host.openPull(api, { head: branch })).pull;
  }

  it("has its head and a test merge among the refs, for git and for the API", async () => {
    const main = await api.ref("refs/heads/main");
    const pull = await open({ a: "2\n" });
    const { stdout } = await runClient(["ls-remote", api.cloneUrl, "refs/pull/*"], token);
    const merge = await api.ref("refs/pull/1/merge");
    expect(stdout).toBe(`${pull.headSha}\trefs/pull/1/head\n${merge}\trefs/pull/1/merge\n`);
    expect(await ask(pull)).toMatchObject({
      state: "open",
      mergeable: true,
      merge_commit_sha: merge,
      head: { sha: pull.headSha, ref: "side", repo: { id: api.id } },
      base: { sha: main, ref: "main" },
      commits: 1,
      changed_files: 1,
    });
    const commit = await call(host, token, "GET /repos/acme/api/commits/pull/1/merge");
    expect(commit.body).toMatchObject({ sha: merge, parents: [{ sha: main }, { sha: pull.headSha }] });
    const file = await call(host, token, `GET /repos/acme/api/contents/a?ref=${merge}`);
    expect(file.body).toMatchObject({ content: `${Buffer.from("2\n").toString("base64")}\n` });
    const refs = await call(host, token, "GET /repos/acme/api/git/matching-refs/pull/1/");
    expect(refs.list).toMatchObject([{ ref: "refs/pull/1/head" }, { ref: "refs/pull/1/merge" }]);
  });

  it("is told of before anybody knows whether it can be merged", async () => {
    const pull = await open({ a: "2\n" });
    const [opened] = told();
    expect(opened).toMatchObject({
      action: "opened",
      number: 1,
      pull_request: {
        mergeable: null,
        merge_commit_sha: null,
        mergeable_state: "unknown",
        head: { sha: pull.headSha },
      },
      repository: { id: api.id },
      installation: { id: installation.id },
    });
    const example = examplePayload("pull_request", (item) => item["action"] === "opened" && "installation" in item);
    const ours = objectAt(opened, "pull_request");
    expect(Object.keys(objectAt(example, "pull_request")).filter((key) => !(key in ours))).toEqual([]);
  });

  it("follows its branch, with the merge of before until there is a new one", async () => {
    const pull = await open({ a: "2\n" });
    const merge = await api.ref("refs/pull/1/merge");
    const before = pull.headSha;
    const { sha } = await host.push(api, { branch: "side", files: { a: "3\n" } });
    expect(told().at(-1)).toMatchObject({
      action: "synchronize",
      before,
      after: sha,
      pull_request: { head: { sha }, mergeable: null, merge_commit_sha: merge },
    });
    expect(pull.headSha).toBe(sha);
    expect(await api.ref("refs/pull/1/head")).toBe(sha);
    expect(await api.ref("refs/pull/1/merge")).not.toBe(merge);
    const forced = await host.forcePush(api, { branch: "side", files: { a: "4\n" } });
    expect(await api.ref("refs/pull/1/head")).toBe(forced.sha);
  });

  it("has an old test merge after its base moved, until somebody asks", async () => {
    const pull = await open({ a: "2\n" });
    const merge = await api.ref("refs/pull/1/merge");
    await host.push(api, { files: { b: "2\n" } });
    expect(await api.ref("refs/pull/1/merge")).toBe(merge);
    expect(await ask(pull)).toMatchObject({ mergeable: null, merge_commit_sha: merge });
    const renewed = await api.ref("refs/pull/1/merge");
    expect(renewed).not.toBe(merge);
    expect(await ask(pull)).toMatchObject({ mergeable: true, merge_commit_sha: renewed });
  });

  it("has no test merge where it conflicts", async () => {
    const pull = await open({ a: "2\n" });
    await host.push(api, { files: { a: "3\n" } });
    await ask(pull);
    expect(await ask(pull)).toMatchObject({ mergeable: false, mergeable_state: "dirty", merge_commit_sha: null });
    expect(await api.ref("refs/pull/1/merge")).toBeNull();
    await expect(runClient(["ls-remote", "--exit-code", api.cloneUrl, "refs/pull/1/merge"], token)).rejects.toThrow();
    expect(await api.ref("refs/pull/1/head")).toBe(pull.headSha);
  });

  it("keeps only its head when it is closed, by hand or with its branch", async () => {
    const first = await open({ a: "2\n" });
    const second = await open({ b: "2\n" }, "other");
    expect(second.number).toBe(2);
    await host.closePull(first);
    await host.deleteRef(api, "refs/heads/other");
    expect(told().slice(-2)).toMatchObject([
      { action: "closed", number: 1, pull_request: { state: "closed", merged: false } },
      { action: "closed", number: 2 },
    ]);
    for (const pull of [first, second]) {
      expect(await ask(pull)).toMatchObject({ state: "closed" });
      expect(await api.ref(`refs/pull/${pull.number}/head`)).toBe(pull.headSha);
      expect(await api.ref(`refs/pull/${pull.number}/merge`)).toBeNull();
    }
    const events = told().length;
    await host.push(api, { branch: "side", files: { a: "5\n" } });
    expect(told()).toHaveLength(events);
    await expect(host.closePull(first)).rejects.toThrow("not open");
  });

  it("of a fork is fetched from the repository it wants into, whose token does not open the fork", async () => {
    const fork = await host.fork(api, host.user("eve"));
    await fork.commit({ branch: "evil", files: { Dockerfile: "FROM scratch\n" } });
    const { pull } = await host.openPull(api, { head: "evil", from: fork });
    expect(await ask(pull)).toMatchObject({
      head: { label: "eve:evil", repo: { id: fork.id, fork: true, owner: { login: "eve" } } },
      base: { repo: { id: api.id, fork: false } },
      author_association: "NONE",
      user: { login: "eve" },
    });
    const listed = await runClient(["ls-remote", api.cloneUrl, "refs/pull/1/head"], token);
    expect(listed.stdout).toBe(`${pull.headSha}\trefs/pull/1/head\n`);
    await expect(runClient(["ls-remote", fork.cloneUrl], token)).rejects.toThrow("not found");
    const pushed = await host.push(fork, { branch: "evil", files: { Dockerfile: "FROM a\n" } });
    // The app is not installed there: it hears of the pull request, not of the push.
    expect(pushed.delivery.sent).toBe(false);
    expect(told().at(-1)).toMatchObject({ action: "synchronize", after: pushed.sha });
    expect(await api.ref("refs/pull/1/head")).toBe(pushed.sha);
  });

  it("needs its permission, to be told of as well as to be read", async () => {
    await host.grant(installation, { contents: "read" });
    const without = await mint(host, installation);
    const pull = await open({ a: "2\n" });
    expect(told()).toEqual([]);
    const refused = await call(host, without, `GET /repos/acme/api/pulls/${pull.number}`);
    expect([refused.status, refused.headers.get("x-accepted-github-permissions")]).toEqual([403, "pull_requests=read"]);
    await host.grant(installation, { contents: "read", pull_requests: "read" });
    await host.suspend(installation);
    await host.push(api, { branch: "side", files: { a: "3\n" } });
    expect(told()).toEqual([]);
    await host.unsuspend(installation);
    expect((await call(host, await mint(host, installation), "GET /repos/acme/api/pulls/2")).status).toBe(404);
  });
});
