import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
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

describe.each(HOST_KINDS)("what becomes of a pull request, on $kind", (kind) => {
  let host: GithubHost;
  let api: HostRepository;
  let installation: HostInstallation;

  beforeEach(async () => {
    const webhook = { url: "http://127.0.0.1:9/", secret: "s".repeat(32) };
    host = await createGithubHost({ ...kind, webhook });
    const acme = host.organization("acme");
    api = await host.repository(acme, "api", { private: true });
    await api.commit({ files: { a: "1\n", b: "1\n" } });
    installation = await host.install(acme);
  });

  afterEach(async () => {
    expect(host.violations).toEqual([]);
    await host.close();
  });

  /** Bodies of an event's deliveries so far, oldest first. */
  function told(event: string): JsonObject[] {
    const events = host.deliveries.filter((item) => item.event === event);
    return events.map((item): unknown => JSON.parse(item.body)).filter(isObject);
  }

  /** What was told since the installation, as `event.action`. */
  function story(): string[] {
    return host.deliveries.slice(1).map(({ event, action }) => (action === null ? event : `${event}.${action}`));
  }

  async function open(files: Record<string, string> = { a: "2\n" }, branch = "side"): Promise<HostPull> {
    await api.commit({ branch, files });
    return (await host.openPull(api, { head: branch })).pull;
  }

  async function ask(pull: HostPull): Promise<JsonObject> {
    const token = await mint(host, installation);
    return (await call(host, token, `GET /repos/acme/api/pulls/${pull.number}`)).body;
  }

  it("has every field that GitHub documents for its action", async () => {
    const pull = await open();
    await host.push(api, { branch: "side", files: { a: "3\n" } });
    await host.setDraft(pull, true);
    await host.setDraft(pull, false);
    await host.closePull(pull);
    await host.reopenPull(pull);
    for (const action of ["opened", "synchronize", "converted_to_draft", "ready_for_review", "closed", "reopened"]) {
      const example = examplePayload("pull_request", (item) => item["action"] === action && "installation" in item);
      const ours = told("pull_request").find((item) => item["action"] === action);
      expect([action, Object.keys(example).filter((key) => ours === undefined || !(key in ours))]).toEqual([
        action,
        [],
      ]);
      const pulls = [example, ours].map((item) => Object.keys(objectAt(item, "pull_request")));
      expect([action, pulls[0]?.filter((key) => !pulls[1]?.includes(key))]).toEqual([action, []]);
    }
  });

  it("is a draft until it is ready, from the beginning or later", async () => {
    await api.commit({ branch: "side", files: { a: "2\n" } });
    const { pull } = await host.openPull(api, { head: "side", draft: true });
    await host.setDraft(pull, false);
    expect(pull.draft).toBe(false);
    await expect(host.setDraft(pull, false)).rejects.toThrow("ready already");
    await host.setDraft(pull, true);
    expect(told("pull_request")).toMatchObject([
      { action: "opened", pull_request: { draft: true } },
      { action: "ready_for_review", pull_request: { draft: false } },
      { action: "converted_to_draft", pull_request: { draft: true } },
    ]);
    expect(await ask(pull)).toMatchObject({ draft: true, state: "open" });
  });

  it("says what its base or its title was before", async () => {
    const pull = await open();
    const main = await api.ref("refs/heads/main");
    const { sha } = await api.commit({ branch: "release", files: { c: "1\n" } });
    await host.editPull(pull, { base: "release" });
    await host.editPull(pull, { title: "Better" });
    await expect(host.editPull(pull, { base: "nowhere" })).rejects.toThrow("no branch nowhere");
    expect(told("pull_request").slice(1)).toMatchObject([
      {
        action: "edited",
        changes: { base: { ref: { from: "main" }, sha: { from: main } } },
        pull_request: { base: { ref: "release", sha } },
      },
      { action: "edited", changes: { title: { from: "Merge side" } }, pull_request: { title: "Better" } },
    ]);
    expect(await ask(pull)).toMatchObject({ base: { ref: "release" }, mergeable: true });
  });

  it("moves its base when it is merged, and is closed by that for good", async () => {
    const pull = await open();
    const before = await api.ref("refs/heads/main");
    const { sha, push, closed } = await host.mergePull(pull);
    expect([push.sent, closed.sent]).toEqual([true, true]);
    expect(await api.ref("refs/heads/main")).toBe(sha);
    expect(story()).toEqual(["pull_request.opened", "push", "pull_request.closed"]);
    expect(told("push")).toMatchObject([{ ref: "refs/heads/main", before, after: sha, forced: false }]);
    expect(told("pull_request").at(-1)).toMatchObject({
      pull_request: { merged: true, state: "closed", merge_commit_sha: sha, base: { sha: before }, commits: 1 },
    });
    expect(await ask(pull)).toMatchObject({ merged: true, merged_by: { login: "mona" }, changed_files: 1 });
    await expect(host.reopenPull(pull)).rejects.toThrow("can not be opened again");
  });

  it("is not merged where it conflicts", async () => {
    const pull = await open();
    await host.push(api, { files: { a: "3\n" } });
    const main = await api.ref("refs/heads/main");
    await expect(host.mergePull(pull)).rejects.toThrow("conflicts");
    await expect(host.enqueue(pull)).rejects.toThrow("conflicts");
    expect(await api.ref("refs/heads/main")).toBe(main);
    expect(pull.open).toBe(true);
  });

  it("is opened again at what its branch is now, if there is one", async () => {
    const pull = await open();
    await host.closePull(pull);
    await expect(host.setDraft(pull, true)).rejects.toThrow("not open");
    const { sha } = await host.push(api, { branch: "side", files: { a: "3\n" } });
    await host.reopenPull(pull);
    expect(told("pull_request").at(-1)).toMatchObject({ action: "reopened", pull_request: { head: { sha } } });
    expect(await api.ref("refs/pull/1/head")).toBe(sha);
    await host.deleteRef(api, "refs/heads/side");
    await expect(host.reopenPull(pull)).rejects.toThrow("no branch side");
  });

  it("is compared with its base by its hash, and by the name of its fork's owner where that is open", async () => {
    const shop = await host.repository(api.owner, "shop");
    await shop.commit({ files: { a: "1\n" } });
    const [closed, open] = [await host.fork(api, host.user("eve")), await host.fork(shop, host.user("eve"))];
    const token = await mint(host, installation);
    for (const [to, from] of [
      [api, closed],
      [shop, open],
    ] as const) {
      const { sha } = await from.commit({ branch: "fix", files: { c: "1\n" } });
      const { pull } = await host.openPull(to, { head: "fix", from });
      expect(pull.headSha).toBe(sha);
      await host.push(to, { files: { d: "1\n" } });
      const compare = (head: string) => call(host, token, `GET /repos/${to.fullName}/compare/main...${head}`);
      const expected = { status: "diverged", ahead_by: 1, behind_by: 1, files: [{ filename: "c" }] };
      expect((await compare(sha)).body).toMatchObject(expected);
      const named = await compare("eve:fix");
      if (from.private) expect(named.status).toBe(404);
      else expect(named.body).toMatchObject(expected);
      for (const nowhere of ["eve:nowhere", "mona:fix"]) expect((await compare(nowhere)).status).toBe(404);
    }
  });

  it("loses its source with the fork, and keeps its head", async () => {
    const fork = await host.fork(api, host.user("eve"));
    await fork.commit({ branch: "fix", files: { a: "2\n" } });
    const { pull } = await host.openPull(api, { head: "fix", from: fork });
    const events = story();
    await host.deleteFork(fork);
    expect(story()).toEqual(events);
    expect(pull.source).toBeNull();
    await host.closePull(pull);
    expect(told("pull_request").at(-1)).toMatchObject({
      action: "closed",
      pull_request: { head: { repo: null, label: "eve:fix", sha: pull.headSha }, author_association: "NONE" },
      sender: { login: "eve" },
    });
    expect(await api.ref("refs/pull/1/head")).toBe(pull.headSha);
    await expect(host.reopenPull(pull)).rejects.toThrow("can not be opened again");
    await expect(host.deleteFork(api)).rejects.toThrow("is no fork");
  });

  describe("in the merge queue", () => {
    it("gets a commit and a branch of its own, and is told of as a push and as a merge group", async () => {
      const pull = await open();
      const main = await api.ref("refs/heads/main");
      const { group, push, delivery } = await host.enqueue(pull);
      expect(group.headRef).toBe(`refs/heads/gh-readonly-queue/main/pr-1-${main}`);
      expect(await api.ref(group.headRef)).toBe(group.headSha);
      expect([push.sent, delivery.sent]).toEqual([true, true]);
      expect(told("push")).toMatchObject([{ ref: group.headRef, after: group.headSha, created: true }]);
      const [asked] = told("merge_group");
      expect(asked).toMatchObject({
        action: "checks_requested",
        merge_group: {
          head_ref: group.headRef,
          head_sha: group.headSha,
          base_ref: "refs/heads/main",
          base_sha: main,
          head_commit: { id: group.headSha },
        },
        repository: { id: api.id },
        installation: { id: installation.id },
      });
      const example = examplePayload("merge_group", (item) => "installation" in item);
      for (const key of Object.keys(example)) expect(asked).toHaveProperty(key);
      for (const key of Object.keys(objectAt(example, "merge_group"))) {
        expect(objectAt(asked, "merge_group")).toHaveProperty(key);
      }
    });

    it("stands on the one before it, and both are merged in turn", async () => {
      const first = (await host.enqueue(await open())).group;
      const second = (await host.enqueue(await open({ b: "2\n" }, "other"), first)).group;
      expect(second.baseSha).toBe(first.headSha);
      expect(second.headRef).toBe(`refs/heads/gh-readonly-queue/main/pr-2-${first.headSha}`);
      const before = story().length;
      await host.dequeue(first, "merged");
      expect(await api.ref("refs/heads/main")).toBe(first.headSha);
      expect(await api.ref(first.headRef)).toBeNull();
      expect(story().slice(before)).toEqual(["push", "pull_request.closed", "merge_group.destroyed", "push"]);
      expect(told("merge_group").at(-1)).toMatchObject({ action: "destroyed", reason: "merged" });
      expect(first.pull.merged).toBe(true);
      await host.dequeue(second, "merged");
      expect(await api.ref("refs/heads/main")).toBe(second.headSha);
      expect(told("pull_request").at(-1)).toMatchObject({
        number: 2,
        pull_request: { merged: true, merge_commit_sha: second.headSha },
      });
      await expect(host.dequeue(second, "merged")).rejects.toThrow("not in the queue");
    });

    it.each(["invalidated", "dequeued"] as const)("stays open when it is %s", async (reason) => {
      const pull = await open();
      const main = await api.ref("refs/heads/main");
      const { group } = await host.enqueue(pull);
      await host.dequeue(group, reason);
      expect(told("merge_group").at(-1)).toMatchObject({ action: "destroyed", reason });
      expect([pull.open, await api.ref("refs/heads/main"), await api.ref(group.headRef)]).toEqual([true, main, null]);
    });

    it("is told of to those who may read queues and are not suspended", async () => {
      await host.grant(installation, { contents: "read", pull_requests: "read" });
      const { group, push, delivery } = await host.enqueue(await open());
      expect([push.sent, delivery.sent]).toEqual([true, false]);
      await host.grant(installation, { merge_queues: "read" });
      await host.suspend(installation);
      expect((await host.dequeue(group, "dequeued")).sent).toBe(false);
    });
  });
});
