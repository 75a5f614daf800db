/** Pull requests as Bitbucket sends and shows them, through both doors: real hashes, real differences. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createBitbucketReporter } from "../../src/bitbucket/reporter.ts";
import type { CheckContent } from "../../src/core/check.ts";
import type { HostEvent, PullRequestEvent } from "../../src/core/events.ts";
import type { Change } from "../../src/core/model.ts";
import { pullRequestChange } from "../../src/core/pulls.ts";
import { descriptorOf } from "../hosts/bitbucket/app-stub.ts";
import {
  type BitbucketHost,
  createBitbucketHost,
  type EventDelivery,
  type HostRepository,
  type HostWorkspace,
} from "../hosts/bitbucket/index.ts";
import { accessTokenOf, clientOf, connectionOf, idOf, repositoryOf, type Side, shaOf, sideOf } from "./on-stand-in.ts";

/** Nobody listens there; what was sent is kept all the same. */
const NOWHERE = "http://127.0.0.1:9";

const EVENTS = ["created", "updated", "fulfilled", "rejected"].map((name) => `pullrequest:${name}`);

const DOORS = {
  async connect(bitbucket: BitbucketHost, workspace: HostWorkspace) {
    const webhooks = EVENTS.map((event) => ({ event, url: "/hook" }));
    const descriptor = descriptorOf(NOWHERE, { scopes: ["account", "pullrequest"], modules: { webhooks } });
    const { install } = await bitbucket.install(workspace, { descriptor });
    return { clients: [clientOf(install)] };
  },
  async webhook(bitbucket: BitbucketHost, workspace: HostWorkspace) {
    bitbucket.addHook({ workspace, url: `${NOWHERE}/`, events: EVENTS });
    return { connections: [connectionOf(workspace, accessTokenOf(bitbucket, workspace))] };
  },
};

describe.each(["connect", "webhook"] as const)("a pull request on Bitbucket, through the door %s", (door) => {
  let bitbucket: BitbucketHost;
  let acme: HostWorkspace;
  let api: HostRepository;
  let fork: HostRepository;
  let side: Side;

  beforeAll(async () => {
    bitbucket = await createBitbucketHost({ commitBeforeCallback: true });
    acme = bitbucket.workspace("acme");
    api = await bitbucket.repository(acme, "api", { private: true });
    await api.commit({ message: "Start", files: { ".wharfinger.yml": "version: 1\nimages: []\n" } });
    fork = await bitbucket.fork(api, bitbucket.workspace("stranger"), { private: false });
    side = sideOf(bitbucket, await DOORS[door](bitbucket, acme));
  });

  afterAll(async () => {
    await bitbucket.close();
    expect(bitbucket.violations).toEqual([]);
  });

  /** What the last of these deliveries is in our words, as it came through this door. */
  async function eventOf(deliveries: readonly EventDelivery[]): Promise<PullRequestEvent> {
    const last = deliveries.at(-1);
    const attempt = bitbucket.deliveries.find(({ requestUuid }) => requestUuid === last?.requestUuid);
    if (last === undefined || attempt === undefined) throw new Error("Nothing was sent.");
    expect(last.door).toBe(door);
    const body = Buffer.from(attempt.body);
    const events: HostEvent[] = [];
    const delivery = { deliveryId: last.requestUuid, event: last.event, installationId: acme.uuid, body };
    await side.port.receive(delivery, async (event) => void events.push(event));
    const [event] = events;
    if (event?.type !== "pull_request") throw new Error(`Not a pull request: ${JSON.stringify(events)}`);
    return event;
  }

  async function changeOf(event: PullRequestEvent): Promise<Change> {
    const head = await side.port.head(event);
    if (!head.ok || head.value === null) throw new Error("It has no head.");
    return pullRequestChange(event, { head: head.value.commit, before: null, target: null }, head.value.message);
  }

  async function counted<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly calls: number }> {
    const before = bitbucket.calls.length;
    const value = await work();
    return { value, calls: bitbucket.calls.slice(before).filter(({ path }) => path.startsWith("/2.0/")).length };
  }

  it("from a branch says all that there is to know in four reads", async () => {
    const { sha } = await api.commit({ branch: "topic", message: "Do it [skip ci]", files: { "src/a": "1" } });
    const { pull, deliveries } = await bitbucket.openPull(api, { head: "topic" });
    await api.commit({ files: { later: "1" } });
    const event = await eventOf(deliveries);
    expect(event).toMatchObject({
      action: "opened",
      number: pull.id,
      source: { branch: "topic", commit: sha.slice(0, 12), before: null },
      target: { branch: "main" },
      fork: false,
      checkout: { cloneUrl: api.cloneUrl, ref: "refs/heads/topic", anonymous: false },
    });
    const { value, calls } = await counted(async () => {
      const seen = await side.port.look(event.installation, event.repository);
      const head = await side.port.head(event);
      const change = pullRequestChange(event, { head: shaOf(sha), before: null, target: null });
      const file = await side.port.file(event.installation, repositoryOf(api), { branch: "main" }, ".wharfinger.yml");
      const paths = await side.port.changedPaths(event.installation, repositoryOf(api), change);
      return { seen, head, file, paths };
    });
    expect(calls).toBe(4);
    expect(value).toMatchObject({
      file: { value: { kind: "file" } },
      head: {
        ok: true,
        value: { commit: sha, message: "Do it [skip ci]", committedAt: expect.any(String), target: null },
      },
      paths: { ok: true, value: ["src/a"] },
    });
  });

  it("from a fork is fetched from there without a credential, and its paths are known", async () => {
    const { sha } = await fork.commit({ branch: "patch", files: { "src/b": "1" } });
    const { pull, deliveries } = await bitbucket.openPull(api, { head: "patch", from: fork });
    const event = await eventOf(deliveries);
    expect(event).toMatchObject({
      fork: true,
      source: { repository: { id: fork.uuid, fullName: "stranger/api" }, commit: sha.slice(0, 12) },
      checkout: { cloneUrl: fork.cloneUrl, ref: "refs/heads/patch", anonymous: true },
    });
    const change = await changeOf(event);
    expect(change).toMatchObject({ name: String(pull.id), commit: sha });
    const { value, calls } = await counted(() => side.port.changedPaths(event.installation, repositoryOf(api), change));
    // The second is where the first leads to.
    expect({ value, calls }).toEqual({ value: { ok: true, value: ["src/b"] }, calls: 2 });

    const { deliveries: pushed, sha: next } = await fork.push([{ branch: "patch", files: { "src/c": "1" } }]);
    const updated = await eventOf(pushed);
    expect(updated).toMatchObject({ action: "updated", source: { commit: next.slice(0, 12) } });
    expect(await changeOf(updated)).toMatchObject({ commit: next });
    // One that came late is of a commit that is still there.
    expect(await changeOf(event)).toMatchObject({ commit: sha });
  });

  it("is the same commit again when its title, its target or its readiness changes", async () => {
    await api.commit({ branch: "words", files: { w: "1" } });
    await api.commit({ branch: "release/1", files: { r: "1" } });
    const { pull, deliveries } = await bitbucket.openPull(api, { head: "words", draft: true });
    const opened = await eventOf(deliveries);
    expect(opened).toMatchObject({ draft: true });
    for (const [sent, expected] of [
      [await bitbucket.retitlePull(pull, "Better"), { draft: true, target: { branch: "main" } }],
      [await bitbucket.changePull(pull, { draft: false }), { draft: false, target: { branch: "main" } }],
      [await bitbucket.changePull(pull, { base: "release/1" }), { draft: false, target: { branch: "release/1" } }],
    ] as const) {
      const event = await eventOf(sent);
      expect(event).toMatchObject({ action: "updated", ...expected });
      expect(event.source).toEqual(opened.source);
    }
  });

  it("is over when it is merged or declined", async () => {
    await api.commit({ branch: "one", files: { one: "1" } });
    await api.commit({ branch: "two", files: { two: "1" } });
    const one = await bitbucket.openPull(api, { head: "one" });
    const two = await bitbucket.openPull(api, { head: "two" });
    expect(await eventOf(await bitbucket.mergePull(one.pull))).toMatchObject({ action: "merged" });
    expect(await eventOf(await bitbucket.declinePull(two.pull))).toMatchObject({ action: "declined" });
    // Closed ones are edited, too.
    expect(await eventOf(await bitbucket.retitlePull(one.pull, "Late"))).toMatchObject({ action: "merged" });
    expect(await eventOf(await bitbucket.retitlePull(two.pull, "Late"))).toMatchObject({ action: "declined" });
  });

  it("has no head once the fork is private, or gone", async () => {
    const other = await bitbucket.fork(api, bitbucket.workspace("passer-by"), { private: false });
    await other.commit({ branch: "patch", files: { d: "1" } });
    const { pull, deliveries } = await bitbucket.openPull(api, { head: "patch", from: other });
    const event = await eventOf(deliveries);
    expect(await side.port.head(event)).toMatchObject({ ok: true, value: { commit: pull.headSha } });
    await bitbucket.setPrivate(other, true);
    expect(await side.port.head(event)).toEqual({ ok: true, value: null });
    await bitbucket.setPrivate(other, false);
    await bitbucket.delete(other);
    expect(await side.port.head(event)).toEqual({ ok: true, value: null });
    const orphan = await eventOf(await bitbucket.retitlePull(pull, "Orphaned"));
    expect(orphan).toMatchObject({ fork: true, checkout: null, source: { repository: null } });
    expect(await side.port.head(orphan)).toEqual({ ok: true, value: null });
  });

  it("from a private fork in the workspace itself has none either: its clone would take a credential", async () => {
    const inside = await bitbucket.repository(acme, `inside-${door}`, { private: true });
    await inside.commit({ files: { a: "1" } });
    const copy = await bitbucket.fork(inside, bitbucket.workspace(`lab-${door}`), { private: true });
    await copy.commit({ branch: "patch", files: { b: "1" } });
    await bitbucket.rename(copy, `copy-${door}`);
    await bitbucket.transfer(copy, acme);
    const { deliveries } = await bitbucket.openPull(inside, { head: "patch", from: copy });
    expect(await side.port.head(await eventOf(deliveries))).toEqual({ ok: true, value: null });
  });

  it("tells who may approve through the add-on alone", async () => {
    const { port } = side;
    const may = (nickname: string) => {
      const { uuid: id, nickname: login } = bitbucket.user(nickname);
      return port.role(idOf(acme), repositoryOf(api), { id, login });
    };
    if (door === "webhook") {
      expect(await may("acme-owner")).toMatchObject({ ok: false, retryable: false });
      return;
    }
    for (const permission of ["read", "write", "admin"] as const) {
      bitbucket.setRepositoryPermission(api, bitbucket.user(permission), permission);
      expect(await may(permission)).toEqual({ ok: true, value: permission === "read" ? "read" : "write" });
    }
    expect(await may("acme-owner")).toEqual({ ok: true, value: "write" });
    expect(await may("stranger-owner")).toEqual({ ok: true, value: "none" });
    bitbucket.setRepositoryPermission(api, bitbucket.user("write"), null);
    expect(await may("write")).toEqual({ ok: true, value: "none" });
  });
});

const held: CheckContent = {
  status: "completed",
  conclusion: "action_required",
  title: "api: waiting for approval",
  summary: "Pull request #1 comes from a fork.",
  text: null,
  annotations: [],
  results: [],
  branch: "patch",
  detailsUrl: "https://wharfinger.test/builds/1",
  actions: [],
  startedAt: null,
  completedAt: "2026-11-20T10:00:00.000Z",
};

describe.each(["known", "elsewhere"] as const)("where commits of forks are %s", (forkCommits) => {
  it("the status of a fork's commit stands in the target's repository, or nowhere", async () => {
    const bitbucket = await createBitbucketHost({ commitBeforeCallback: true, forkCommits });
    try {
      const acme = bitbucket.workspace("acme");
      const api = await bitbucket.repository(acme, "api", { private: true });
      await api.commit({ files: { a: "1" } });
      const fork = await bitbucket.fork(api, bitbucket.workspace("stranger"), { private: false });
      const { sha } = await fork.commit({ branch: "patch", files: { b: "1" } });
      await bitbucket.openPull(api, { head: "patch", from: fork });
      const { access } = sideOf(bitbucket, { connections: [connectionOf(acme, accessTokenOf(bitbucket, acme))] });
      const reporter = createBitbucketReporter({ access });
      const shown = { hostId: null, externalId: "check-1.1", uncertain: false, concluded: false };
      const check = {
        installation: idOf(acme),
        repository: repositoryOf(api),
        sha: shaOf(sha),
        name: "wharfinger",
        shown,
      };
      expect(await reporter.show(check, held)).toMatchObject({ ok: true });
      expect(api.statuses(sha).map(({ state }) => state)).toEqual(forkCommits === "known" ? ["STOPPED"] : []);
      expect(fork.statuses(sha)).toEqual([]);
      expect(bitbucket.violations).toEqual([]);
    } finally {
      await bitbucket.close();
    }
  });
});
