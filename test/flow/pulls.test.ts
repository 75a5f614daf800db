import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { BuildContext, BuildEnd } from "../../src/engine/ports.ts";
import { OPERATOR } from "../contract/store.by.ts";
import type { HostAccount, HostCheckRun, HostPull, HostRepository } from "../hosts/github/index.ts";
import { createWorld, eventually, type World } from "../support/world.ts";

const DOCKERFILE = "FROM scratch\nCOPY . /\n";

function configOf(more = "", tags = ""): string {
  return `version: 1
images:
  - name: api
    test: { target: test }
    rules:
      - branch: main
        tags: [latest]
      - pull_request: main
${more}${tags}`;
}

interface ApiDelivery {
  readonly deliveryId: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly decisions: readonly { readonly reason: string | null; readonly detail: string }[];
}

let world: World;
let acme: HostAccount;
let repository: HostRepository;
/** Ends of builds that are kept waiting; empty: builds end at once. */
let gate: Promise<void> | null = null;

async function build(context: BuildContext): Promise<BuildEnd> {
  if (gate !== null) {
    const stopped = new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
    await Promise.race([gate, stopped]);
    if (context.signal.aborted) return { kind: "stopped" };
  }
  const digest = context.request.image.push ? `sha256:${context.request.source.sha.padEnd(64, "0")}` : null;
  return { kind: "built", image: { digest } };
}

beforeEach(async () => {
  gate = null;
  world = await createWorld({ build });
  acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api", { private: false });
  await repository.commit({ message: "Begin", files: { Dockerfile: DOCKERFILE, ".wharfinger.yml": configOf() } });
  const { delivery } = await world.github.install(acme, { repositories: [repository] });
  await processed(delivery.guid);
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

function processed(guid: string): Promise<ApiDelivery> {
  return eventually(`delivery ${guid} processed`, async () => {
    const found = await world.api<ApiDelivery>(`/deliveries/${guid}`);
    return found.outcome === "pending" ? null : found;
  });
}

function concluded(sha: string, conclusion: string): Promise<HostCheckRun> {
  return eventually(`${conclusion} on ${sha}`, () => {
    const last = repository
      .checkRuns(sha)
      .filter(({ name }) => name === "wharfinger")
      .at(-1);
    return last?.conclusion === conclusion ? last : null;
  });
}

function builtShas(): readonly string[] {
  return world.built.map(({ request }) => request.source.sha);
}

async function branchPull(files: Record<string, string> = { "a.txt": "a" }, more: { draft?: boolean } = {}) {
  await repository.commit({ branch: "topic", message: "Change a", files });
  return world.github.openPull(repository, { head: "topic", ...more });
}

async function forkPull() {
  const fork = await world.github.fork(repository, world.github.user("stranger"));
  await fork.commit({ branch: "fix", message: "Fix", files: { "README.md": "fixed" } });
  return { fork, ...(await world.github.openPull(repository, { head: "fix", from: fork })) };
}

function head(pull: HostPull): string {
  return pull.headSha;
}

describe("a pull request of a branch of the repository", () => {
  it("is built and tested, with the right to read private bases, and published nowhere", async () => {
    const { pull } = await branchPull();
    const run = await concluded(head(pull), "success");
    expect(run.output.title).toBe("api tested: pr-1");
    const request = world.built.at(-1)?.request;
    expect(request).toMatchObject({
      trust: "trusted",
      source: { sha: head(pull), ref: `refs/pull/${pull.number}/head` },
      image: { push: false },
      inputs: { testTarget: "test" },
    });
  });

  it("is built by its target's file, whatever file it brings along", async () => {
    const { pull } = await branchPull({
      ".wharfinger.yml": configOf("        push: true\n", "        tags: [latest]\n"),
    });
    await concluded(head(pull), "success");
    expect(world.built.at(-1)?.request.image).toMatchObject({ push: false, tags: [`pr-${pull.number}`] });
  });

  it("costs at most four reads and four writes of the host", async () => {
    const before = world.github.calls.length;
    const { pull } = await branchPull();
    await concluded(head(pull), "success");
    const calls = world.github.calls.slice(before).filter((call) => !call.path.endsWith("/access_tokens"));
    expect(calls.filter((call) => call.method === "GET").length).toBeLessThanOrEqual(4);
    expect(calls.filter((call) => call.method !== "GET").length).toBeLessThanOrEqual(4);
  });

  it("is published as pr-N where its rule and the installation both say so", async () => {
    const file = configOf("        push: true\n");
    await world.github.push(repository, { message: "Let pull requests publish", files: { ".wharfinger.yml": file } });
    const first = await branchPull();
    await concluded(head(first.pull), "success");
    expect(world.built.at(-1)?.request.image.push).toBe(false);
    const [installation] = (await world.store().listInstallations({ limit: 1, cursor: null })).items;
    if (installation === undefined) throw new Error("there is an installation");
    await world.store().setPolicy(installation, { publishPullRequests: true }, OPERATOR);
    const { sha } = await world.github.push(repository, { branch: "topic", message: "More", files: { "b.txt": "b" } });
    const run = await concluded(sha, "success");
    expect(world.built.at(-1)?.request.image).toMatchObject({ push: true, tags: [`pr-${first.pull.number}`] });
    expect(run.output.title).toBe(`api built: pr-${first.pull.number}`);
  });

  it("waits while it is a draft, and is built once it is ready", async () => {
    const { pull } = await branchPull({ "a.txt": "a" }, { draft: true });
    const draft = await concluded(head(pull), "skipped");
    expect(draft.output.title).toContain("is a draft");
    expect(world.built).toEqual([]);
    await world.github.setDraft(pull, false);
    await concluded(head(pull), "success");
    expect(builtShas()).toEqual([head(pull)]);
  });

  it("is built by another file once it is to be merged elsewhere", async () => {
    const file = `version: 1\nimages:\n  - name: api\n    target: old\n    rules: [{ pull_request: "release/*" }]\n`;
    await repository.commit({ branch: "release/1", message: "Begin a line", files: { ".wharfinger.yml": file } });
    const { pull } = await branchPull();
    await concluded(head(pull), "success");
    await world.github.editPull(pull, { base: "release/1" });
    await eventually("it is built for the line", () => (world.built.length === 2 ? true : null));
    expect(world.built.map(({ request }) => request.inputs.target)).toEqual([null, "old"]);
  });

  it("is not built again because its title changed", async () => {
    const { pull } = await branchPull();
    await concluded(head(pull), "success");
    const edited = await world.github.editPull(pull, { title: "Another title" });
    expect(await processed(edited.guid)).toMatchObject({ outcome: "ignored" });
    expect(world.built).toHaveLength(1);
  });

  it("is built no longer once it is closed, and anew once it is opened again", async () => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    const { pull } = await branchPull();
    await eventually("its build runs", () => (world.built.length === 1 ? true : null));
    await world.github.closePull(pull);
    await concluded(head(pull), "cancelled");
    open();
    await world.github.reopenPull(pull);
    await concluded(head(pull), "success");
    expect(builtShas()).toEqual([head(pull), head(pull)]);
  });

  it("and a push to its branch that publishes are two things, each built by its own rule", async () => {
    const file = configOf().replace("branch: main", 'branch: "**"').replace("[latest]", '["{sourceref}"]');
    await world.github.push(repository, { message: "Build all branches", files: { ".wharfinger.yml": file } });
    await eventually("main is built", () => (world.built.length === 1 ? true : null));
    const { sha } = await world.github.push(repository, {
      branch: "topic",
      message: "Change",
      files: { "a.txt": "a" },
    });
    await world.github.openPull(repository, { head: "topic" });
    await eventually("both are built", () => (builtShas().filter((one) => one === sha).length === 2 ? true : null));
    expect(
      world.built
        .slice(1)
        .map(({ request }) => request.image.push)
        .toSorted(),
    ).toEqual([false, true]);
    const run = await concluded(sha, "success");
    expect(run.output.summary).toContain("topic");
    expect(run.output.summary).toContain("pr-1");
  });
});

describe("a pull request of a fork", () => {
  it("waits for the button, which only those may press who may push, and is then tested as a stranger's", async () => {
    const { pull } = await forkPull();
    const waiting = await concluded(head(pull), "action_required");
    expect(waiting.actions).toMatchObject([{ identifier: "approve" }]);
    expect(waiting.output.summary).toContain("comes from a fork");

    const reader = world.github.user("reader");
    world.github.setRole(repository, reader, "read");
    const refused = await world.github.pressButton(waiting, "approve", reader);
    expect(await processed(refused.guid)).toMatchObject({
      outcome: "ignored",
      note: expect.stringContaining("reader"),
    });
    expect(world.built).toEqual([]);

    const writer = world.github.user("writer");
    world.github.setRole(repository, writer, "write");
    const pressed = await world.github.pressButton(waiting, "approve", writer);
    expect(await processed(pressed.guid)).toMatchObject({ outcome: "applied", note: "approved by writer" });
    await concluded(head(pull), "success");
    expect(world.built.map(({ request }) => [request.trust, request.image.push])).toEqual([["untrusted", false]]);
  });

  it("has to be approved anew after each push: the older approval and its button are void", async () => {
    const { pull, fork } = await forkPull();
    const old = await concluded(head(pull), "action_required");
    // Somebody who may not push presses it; what GitHub sends is kept, to be sent late in an owner's name.
    const reader = world.github.user("reader");
    world.github.setRole(repository, reader, "read");
    const early = await world.github.pressButton(old, "approve", reader);
    await processed(early.guid);
    const { sha } = await world.github.push(fork, { branch: "fix", message: "More", files: { "b.txt": "b" } });
    const anew = await concluded(sha, "action_required");
    await concluded(old.headSha, "cancelled");

    const body = world.github.deliveries.find(({ guid }) => guid === early.guid)?.body ?? "";
    const { id, login } = world.github.user("mona");
    const payload: { sender: object } = JSON.parse(body.toString());
    const late = await world.github.deliver("check_run", { ...payload, sender: { ...payload.sender, id, login } });
    expect(await processed(late.guid)).toMatchObject({ outcome: "ignored" });
    expect(world.built).toEqual([]);

    await world.github.pressButton(anew, "approve");
    await concluded(sha, "success");
    expect(builtShas()).toEqual([sha]);
  });

  it("that is gone is said to be, and crashes nothing", async () => {
    const { pull, fork } = await forkPull();
    await concluded(head(pull), "action_required");
    await world.github.deleteFork(fork);
    const closed = await world.github.closePull(pull);
    expect((await processed(closed.guid)).decisions.map(({ reason }) => reason)).toEqual(["pull-request-closed"]);
    await concluded(head(pull), "cancelled");
    expect(world.built).toEqual([]);
  });

  it("is approved by no comment", async () => {
    const { pull } = await forkPull();
    await concluded(head(pull), "action_required");
    const comment = { action: "created", issue: { number: pull.number }, comment: { body: "/ok-to-test" } };
    const said = await world.github.deliver("issue_comment", { ...comment, repository: { id: repository.id } });
    expect(await processed(said.guid)).toMatchObject({ outcome: "ignored" });
    expect(world.built).toEqual([]);
  });
});

describe("a merge queue", () => {
  it("has its commit tested by its own event, not by the push of its branch", async () => {
    const { pull } = await branchPull();
    await concluded(head(pull), "success");
    const { group, push, delivery } = await world.github.enqueue(pull);
    expect((await processed(push.guid)).decisions.map(({ reason }) => reason)).toEqual(["merge-queue"]);
    expect((await processed(delivery.guid)).decisions.map(({ reason }) => reason)).toEqual([null]);
    await concluded(group.headSha, "success");
    expect(world.built.at(-1)?.request).toMatchObject({ source: { sha: group.headSha }, image: { push: false } });
  });
});
