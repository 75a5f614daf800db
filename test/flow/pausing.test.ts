/** What is pushed while builds are paused, from the signed event to what is built once they are resumed. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Build } from "../../src/core/model.ts";
import type { BuildContext, BuildEnd } from "../../src/engine/ports.ts";
import type { HostAccount, HostCheckRun, HostInstallation, HostRepository } from "../hosts/github/index.ts";
import { onlyInstallation, type Previewed, post, type Resumed } from "../support/pausing.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";

const CONFIG = `version: 1
images:
  - name: api
    rules:
      - branch: main
        tags: [latest]
      - branch: dev
        tags: [dev]
      - tag: v*
      - pull_request: main
`;
const FILES = { Dockerfile: "FROM scratch\n", ".wharfinger.yml": CONFIG };

interface ApiDelivery {
  readonly id: string;
  readonly deliveryId: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly decisions: readonly { readonly reason: string | null; readonly detail: string }[];
}

let world: World;
let acme: HostAccount;
let installation: HostInstallation;
let repository: HostRepository;
/** Builds wait for it; null: they end at once. */
let gate: Promise<void> | null;

async function build(context: BuildContext): Promise<BuildEnd> {
  if (gate !== null) {
    const stopped = new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
    await Promise.race([gate, stopped]);
    if (context.signal.aborted) return { kind: "stopped" };
  }
  const { source, image } = context.request;
  return { kind: "built", image: { digest: image.push ? digestOf(source.sha) : null } };
}

beforeEach(async () => {
  gate = null;
  world = await createWorld({ build, leaseMs: 600 });
  acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api", { private: false });
  await repository.commit({ message: "Begin", files: FILES });
  const installed = await world.github.install(acme, { repositories: [repository] });
  installation = installed;
  await processed(installed.delivery.guid);
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

function processed(id: string): Promise<ApiDelivery> {
  return eventually(`delivery ${id} processed`, async () => {
    const found = await world.api<ApiDelivery>(`/deliveries/${id}`);
    return found.outcome === "pending" ? null : found;
  });
}

function concluded(sha: string): Promise<HostCheckRun> {
  return eventually(`a conclusion on ${sha}`, () => {
    const last = repository.checkRuns(sha).at(-1);
    return last?.conclusion ? last : null;
  });
}

async function push(branch: string, text: string) {
  const { sha, delivery } = await world.github.push(repository, { branch, files: { "a.txt": text } });
  return { sha, delivery: await processed(delivery.guid) };
}

function builds(): Promise<readonly Build[]> {
  return world
    .store()
    .listBuilds({ limit: 100, cursor: null })
    .then(({ items }) => items);
}

function inState(sha: string, state: Build["state"]): Promise<Build> {
  return eventually(`a build of ${sha} that is ${state}`, async () => {
    return (await builds()).find(({ planned, state: now }) => planned.sha === sha && now === state) ?? null;
  });
}

const builtShas = () => world.built.map(({ request }) => request.source.sha);
const published = () => world.store().publishedDigest("acme/api", "latest");
const one = (): string => `repositories/github/default/${repository.id}`;

describe.each([
  [
    "the instance",
    () => Promise.resolve("instance"),
    /^not built: builds of this whole instance are paused since .* UTC, by the operator; .*wharfinger resume --instance/,
  ],
  [
    "its installation",
    () => onlyInstallation(world),
    /^not built: builds of this installation are paused since .* UTC, by the operator; .*wharfinger resume\)/,
  ],
  [
    "its repository",
    () => Promise.resolve(one()),
    /^not built: builds of this repository are paused since .* UTC, by the operator; /,
  ],
] as const)("while %s is paused", (_what, path, sentence) => {
  it("pushes are kept and say why, nothing is called or shown; then the newest of each branch, tag and pull request is built", async () => {
    const at = await path();
    await post(world, `${at}/pause`);
    await world.github.settled();
    const before = world.github.calls.length;
    const first = await push("main", "1");
    expect(first.delivery).toMatchObject({ outcome: "planned", decisions: [{ reason: "paused" }] });
    expect(first.delivery.decisions[0]?.detail).toMatch(sentence);
    const second = await push("main", "2");
    const dev = await push("dev", "3");
    const gone = await push("gone", "4");
    await processed((await world.github.deleteRef(repository, "refs/heads/gone")).guid);
    const tag = await world.github.pushTag(repository, { tag: "v1.0.0", sha: first.sha });
    await processed(tag.delivery.guid);
    const topic = await repository.commit({ branch: "topic", message: "Topic", files: { b: "1" } });
    const opened = await world.github.openPull(repository, { head: "topic" });
    await processed(opened.delivery.guid);
    await repository.commit({ branch: "closing", message: "Closing", files: { c: "1" } });
    const closing = await world.github.openPull(repository, { head: "closing" });
    await world.github.closePull(closing.pull);
    await eventually("the closed one is planned", async () => {
      const { items } = await world.api<{ items: ApiDelivery[] }>("/deliveries?limit=100");
      return items.some(({ decisions: [decided] }) => decided?.reason === "pull-request-closed") ? true : null;
    });
    await world.github.settled();
    expect(world.github.calls.slice(before)).toEqual([]);
    expect(await builds()).toEqual([]);
    for (const { sha } of [first, second, dev, gone]) expect(repository.checkRuns(sha)).toEqual([]);

    const preview = await post<Previewed>(world, `${at}/resume`, { dryRun: true });
    const lanes = ["refs/heads/main", "refs/heads/dev", "refs/tags/v1.0.0", `refs/pull/${opened.pull.number}/head`];
    expect(preview.lanes.map(({ lane }) => lane)).toEqual(lanes);
    expect(preview.lanes.map(({ builds }) => builds.map(({ sha, tags }) => [sha, tags]))).toEqual([
      [[second.sha, ["latest"]]],
      [[dev.sha, ["dev"]]],
      [[first.sha, ["v1.0.0"]]],
      [[topic.sha, [`pr-${opened.pull.number}`]]],
    ]);
    expect(await builds()).toEqual([]);

    const resumed = await post<Resumed>(world, `${at}/resume`);
    expect(resumed.lanes.map(({ lane }) => lane)).toEqual(lanes);
    expect((await concluded(second.sha)).conclusion).toBe("success");
    expect((await concluded(dev.sha)).conclusion).toBe("success");
    expect((await concluded(first.sha)).conclusion).toBe("success");
    for (const id of resumed.deliveries) expect(await processed(id)).toMatchObject({ outcome: "planned" });
    expect(builtShas().toSorted()).toEqual([first.sha, second.sha, dev.sha, topic.sha].toSorted());
    expect(await published()).toBe(digestOf(second.sha));
    expect((await post<Resumed>(world, `${at}/resume`)).deliveries).toEqual([]);
  }, 120_000);
});

describe("what waited", () => {
  it("gives way to what is pushed right after", async () => {
    await post(world, `${one()}/pause`);
    const old = await push("main", "1");
    const resumed = await post<Resumed>(world, `${one()}/resume`);
    const newer = await world.github.push(repository, { branch: "main", files: { "a.txt": "2" } });
    expect((await concluded(newer.sha)).conclusion).toBe("success");
    for (const id of resumed.deliveries) await processed(id);
    expect(await published()).toBe(digestOf(newer.sha));
    expect(old.delivery.decisions.map(({ reason }) => reason)).toEqual(["paused"]);
  });

  it("stays paused when its installation is suspended and unsuspended meanwhile", async () => {
    const at = await onlyInstallation(world);
    await post(world, `${at}/pause`);
    await processed((await world.github.suspend(installation)).guid);
    await processed((await world.github.unsuspend(installation)).guid);
    expect(await world.api(`/${at}`)).toMatchObject({ state: "paused" });
    const { delivery, sha } = await push("main", "1");
    expect(delivery.decisions.map(({ reason }) => reason)).toEqual(["paused"]);
    await post(world, `${at}/resume`);
    expect((await concluded(sha)).conclusion).toBe("success");
  });

  it("is said to be lost when its body is past retention", async () => {
    await post(world, `${one()}/pause`);
    await push("main", "1");
    const later = new Date(world.clock.now() + 60_000).toISOString();
    await world.store().prune({ bodiesBefore: later, deliveriesBefore: "2000-01-01T00:00:00.000Z" });
    const preview = await post<Previewed>(world, `${one()}/resume`, { dryRun: true });
    expect(preview.lanes.map(({ unknown }) => unknown)).toEqual([expect.stringContaining("RETENTION_BODIES_DAYS")]);
    const resumed = await post<Resumed>(world, `${one()}/resume`);
    expect(resumed).toMatchObject({
      deliveries: [],
      lanes: [],
      lost: [{ lane: "refs/heads/main", why: expect.stringContaining("RETENTION_BODIES_DAYS") }],
    });
    expect(world.lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toContain(
      "what waited can not be built any more",
    );
  });

  it("is planned once when the program is killed right after it was resumed", async () => {
    await post(world, `${one()}/pause`);
    const { sha } = await push("main", "1");
    await post<Resumed>(world, `${one()}/resume`);
    await world.restart();
    expect((await post<Resumed>(world, `${one()}/resume`)).deliveries).toEqual([]);
    expect((await concluded(sha)).conclusion).toBe("success");
    expect((await builds()).map(({ planned }) => planned.sha)).toEqual([sha]);
  });
});

describe("the kill switch", () => {
  let open: () => void;

  beforeEach(() => {
    gate = new Promise((resolve) => {
      open = resolve;
    });
  });

  it("publishes nothing and shows nothing while it is on, though what runs comes to its end", async () => {
    const { sha } = await push("main", "1");
    await eventually("it runs", () => (world.built.length === 1 ? true : null));
    await eventually("and is shown to run", () => {
      return repository.checkRuns(sha).at(-1)?.status === "in_progress" ? true : null;
    });
    await world.github.settled();
    await post(world, "instance/pause");
    const before = world.github.calls.length;
    open();
    await eventually("it is staged", () => world.lines.some(({ message }) => message === "image staged") || null);
    await world.github.settled();
    expect(await published()).toBeNull();
    expect(world.github.calls.slice(before)).toEqual([]);
    await post(world, "instance/resume");
    expect((await concluded(sha)).conclusion).toBe("success");
    expect(await published()).toBe(digestOf(sha));
    expect(world.built).toHaveLength(1);
  });

  it("stops what runs, which is built again when it is off", async () => {
    const { sha } = await push("main", "1");
    await eventually("it runs", () => (world.built.length === 1 ? true : null));
    const paused = await post<{ stopped: number }>(world, "instance/pause", { stop: true });
    expect(paused.stopped).toBe(1);
    await eventually("its builder is told", () => (world.built[0]?.signal.aborted === true ? true : null));
    expect(world.built[0]?.signal.reason).toBe("lost");
    await inState(sha, "queued");
    open();
    expect(world.built).toHaveLength(1);
    await post(world, "instance/resume");
    expect((await concluded(sha)).conclusion).toBe("success");
    expect(builtShas()).toEqual([sha, sha]);
    expect(await published()).toBe(digestOf(sha));
  });
});
