import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { HostEvent, PullRequestEvent } from "../../src/core/events.ts";
import { pullRequestChange } from "../../src/core/pulls.ts";
import type { Host } from "../../src/engine/ports.ts";
import { createGithubReporter } from "../../src/github/reporter.ts";
import { runClient } from "../hosts/git/git-client.ts";
import {
  createGithubHost,
  type GithubHost,
  HOST_KINDS,
  type HostInstallation,
  type HostRepository,
} from "../hosts/github/index.ts";
import { accessTo, idOf, portTo, repositoryOf, shaOf } from "./on-stand-in.ts";

describe.each(HOST_KINDS)("pull requests through the GitHub host port, on $kind", (kind) => {
  let github: GithubHost;
  let api: HostRepository;
  let installation: HostInstallation;
  let port: Host;

  beforeEach(async () => {
    const webhook = { url: "http://127.0.0.1:9/", secret: "s".repeat(32) };
    github = await createGithubHost({ ...kind, webhook });
    const acme = github.organization("acme");
    api = await github.repository(acme, "api", { private: true });
    await api.commit({ files: { a: "1\n", b: "1\n", ".wharfinger.yml": "version: 1\n" } });
    installation = await github.install(acme);
    port = portTo(github);
  });

  afterEach(async () => {
    await github.settled();
    expect(github.violations).toEqual([]);
    await github.close();
  });

  /** What the port makes of the deliveries so far that are of one event. */
  async function received(wanted: string): Promise<HostEvent[]> {
    const events: HostEvent[] = [];
    for (const { guid, event, body } of github.deliveries.filter((item) => item.event === wanted)) {
      await port.receive({ deliveryId: guid, event, body: Buffer.from(body) }, async (item) => void events.push(item));
    }
    return events;
  }

  async function lastPull(of = "pull_request"): Promise<PullRequestEvent> {
    const event = (await received(of)).at(-1);
    if (event?.type !== "pull_request") throw new Error(`not of a pull request: ${event?.type}`);
    return event;
  }

  function changeOf(event: PullRequestEvent) {
    const { source, target } = event;
    const commits = { head: shaOf(source.commit ?? ""), before: null, target: shaOf(target.commit ?? "") };
    return pullRequestChange(event, commits);
  }

  async function openFromFork() {
    const fork = await github.fork(api, github.user("eve"));
    const { sha } = await fork.commit({ branch: "fix", message: "Fix\n\nit", files: { b: null, c: "1\n" } });
    const { pull } = await github.openPull(api, { head: "fix", from: fork });
    return { fork, pull, sha };
  }

  it("are understood through all of their lives", async () => {
    await api.commit({ branch: "side", files: { a: "2\n" } });
    await api.commit({ branch: "release", files: { b: "2\n" } });
    const { pull } = await github.openPull(api, { head: "side", draft: true });
    await github.setDraft(pull, false);
    await github.push(api, { branch: "side", files: { a: "3\n" } });
    await github.editPull(pull, { title: "Better" });
    await github.editPull(pull, { base: "release" });
    await github.setDraft(pull, true);
    await github.closePull(pull);
    await github.reopenPull(pull);
    await github.mergePull(pull);
    const events = await received("pull_request");
    expect(events.map((event) => (event.type === "pull_request" ? event.action : event.type))).toEqual([
      ...["opened", "opened", "updated", "ignored", "updated", "updated", "declined", "opened", "merged"],
    ]);
    expect(events[2]).toMatchObject({ source: { before: expect.stringMatching(/^[0-9a-f]{40}$/) }, draft: false });
    expect(events[4]).toMatchObject({ target: { branch: "release", commit: expect.stringMatching(/^[0-9a-f]{40}$/) } });
    for (const event of events) expect(event).not.toMatchObject({ fork: true });
  });

  it("of forks take three calls to be known, and are fetched with the credential of where they go", async () => {
    const { fork, sha } = await openFromFork();
    const event = await lastPull();
    expect(event).toMatchObject({
      fork: true,
      source: { repository: { id: String(fork.id) } },
      actor: { login: "eve" },
    });
    await github.push(api, { files: { "later-on-main": "1" } });
    const calls = () => github.calls.filter(({ path }) => !path.endsWith("/access_tokens")).length;
    const before = calls();
    const [id, repository] = [idOf(installation), repositoryOf(api)];
    expect(await port.head(event)).toMatchObject({
      ok: true,
      value: { commit: sha, message: "Fix\n\nit", target: event.target.commit },
    });
    const file = await port.file(id, repository, { branch: event.target.branch }, ".wharfinger.yml");
    expect(file).toMatchObject({ value: { kind: "file" } });
    expect(await port.changedPaths(id, repository, changeOf(event))).toEqual({ ok: true, value: ["c", "b"] });
    expect(calls() - before).toBe(3);
    const credential = await port.cloneCredential(id, repository);
    if (!credential.ok || event.checkout === null) throw new Error("there is nothing to fetch with");
    const { cloneUrl, ref, anonymous } = event.checkout;
    const { stdout } = await runClient(["ls-remote", cloneUrl, ref], credential.value.password);
    expect([stdout, anonymous]).toEqual([`${sha}\trefs/pull/1/head\n`, false]);
  });

  it("show the paths they change since they left their target, also after a force push", async () => {
    await api.commit({ branch: "side", files: { c: "1\n", module: { submodule: "1".repeat(40) } } });
    await github.openPull(api, { head: "side" });
    await github.push(api, { files: { a: "2\n" } });
    const [id, repository] = [idOf(installation), repositoryOf(api)];
    expect(await port.changedPaths(id, repository, changeOf(await lastPull()))).toMatchObject({
      value: ["c", "module/"],
    });
    await github.forcePush(api, { branch: "side", files: { c: null, module: null, d: "1\n" } });
    expect(await port.changedPaths(id, repository, changeOf(await lastPull()))).toMatchObject({ value: ["d"] });
  });

  it("have nothing to check out once their fork is gone", async () => {
    const { fork, pull } = await openFromFork();
    await github.deleteFork(fork);
    await github.editPull(pull, { title: "?" });
    await github.closePull(pull);
    expect(await lastPull()).toMatchObject({
      action: "declined",
      fork: true,
      checkout: null,
      source: { repository: null, branch: "fix" },
    });
  });

  it("are known in the merge queue, and out of it", async () => {
    await api.commit({ branch: "side", files: { c: "1\n" } });
    const { pull } = await github.openPull(api, { head: "side" });
    const { group } = await github.enqueue(pull);
    const event = await lastPull("merge_group");
    expect(event).toMatchObject({
      action: "opened",
      number: 1,
      queued: true,
      fork: false,
      source: { branch: group.headRef.slice("refs/heads/".length), commit: group.headSha },
      target: { branch: "main", commit: group.baseSha },
      checkout: { ref: group.headRef },
    });
    expect(await port.head(event)).toMatchObject({ value: { commit: group.headSha, target: group.baseSha } });
    expect(await port.changedPaths(idOf(installation), repositoryOf(api), changeOf(event))).toMatchObject({
      value: ["c"],
    });
    await github.dequeue(group, "invalidated");
    expect(await lastPull("merge_group")).toMatchObject({ action: "declined", queued: true });
  });

  it("are approved by whom the host lets write, known by id", async () => {
    const { sha } = await openFromFork();
    const shown = { hostId: null, externalId: "check-1", uncertain: false, concluded: false };
    const check = {
      installation: idOf(installation),
      repository: repositoryOf(api),
      sha: shaOf(sha),
      name: "api",
      shown,
    };
    const reported = await createGithubReporter({ access: accessTo(github) }).show(check, {
      status: "completed",
      conclusion: "action_required",
      title: "Waits for approval",
      summary: "From a fork.",
      text: null,
      annotations: [],
      results: [],
      branch: null,
      detailsUrl: "https://wharfinger.test/",
      actions: [{ label: "Build", description: "Build this commit", identifier: "approve" }],
      startedAt: null,
      completedAt: null,
    });
    if (!reported.ok) throw new Error(reported.message);
    const run = api.checkRuns(sha)[0];
    if (run === undefined) throw new Error("there is no check run");
    const [rita, eve] = [github.user("rita"), github.user("eve")];
    github.setRole(api, rita, "maintain");
    for (const person of [rita, eve]) await github.pressButton(run, "approve", person);
    const approvals = (await received("check_run")).filter((event) => event.type === "approval");
    expect(approvals).toMatchObject([
      { sha, check: "api", actor: { id: String(rita.id), login: "rita" } },
      { sha, check: "api", actor: { id: String(eve.id), login: "eve" } },
    ]);
    const permissions = () =>
      Promise.all(
        approvals.map(async ({ actor }) => {
          const asked = actor && (await port.role(idOf(installation), repositoryOf(api), actor));
          return asked?.ok ? asked.value : asked;
        }),
      );
    expect(await permissions()).toEqual(["write", "none"]);
    // Her name becomes somebody else's, who may do anything.
    await github.renameAccount(rita, "rita-2");
    github.setRole(api, github.user("rita"), "admin");
    expect(await permissions()).toEqual(["none", "none"]);
  });
});
