/** What Bitbucket tells nobody of, events above 256 KB above all: it is found by comparing, and built once. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { FOUND } from "../../src/core/found.ts";
import type { ComparisonEnd } from "../../src/engine/reconcile-port.ts";
import { OPERATOR } from "../contract/store.by.ts";
import type { HostRepository, HostWorkspace, PushChange, PushResult } from "../hosts/bitbucket/index.ts";
import { writeRef } from "../hosts/git/git.ts";
import { DOORS, type Door, openDoor, SCOPES } from "../support/bitbucket-door.ts";
import { createLooks, type Looks } from "../support/looks.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";

const CONFIG = `version: 1
images:
  - name: api
    rules:
      - branch: main
        tags: [edge]
      - semver: ">=1.0.0"
        tags: ["{version}", latest]
`;
const FILES = { Dockerfile: "FROM scratch\n", ".wharfinger.yml": CONFIG };
const GRACE_MS = 60_000;
/** More than lies between two looks at a repository of which something was built lately. */
const BUSY_MS = 13 * 60_000;

interface ApiDelivery {
  readonly deliveryId: string;
  readonly event: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly builds: readonly string[];
  readonly decisions: readonly { readonly ref: string | null; readonly reason: string | null }[];
}

let world: World;
let looks: Looks;
let workspace: HostWorkspace;
let repository: HostRepository;

beforeEach(async () => {
  looks = createLooks();
  world = await createWorld({
    bitbucket: true,
    comparing: { everyMs: 20, graceMs: GRACE_MS },
    parts: looks.wrap,
  });
});

afterEach(async () => {
  const { violations } = world.bitbucket;
  await world.close();
  expect(violations).toEqual([]);
});

function lookAfter(act: () => unknown, { uuid }: HostRepository = repository): Promise<ComparisonEnd> {
  return looks.after({ provider: "bitbucket", host: "default", id: uuid }, act);
}

function look(afterMs = BUSY_MS): Promise<ComparisonEnd> {
  return lookAfter(() => world.clock.advance(afterMs));
}

/** Looks until nothing is suspected any more. */
async function find(): Promise<void> {
  for (let end = await look(); end.problem !== null || end.suspects.length > 0; ) {
    expect(end.problem).toBeNull();
    end = await look(GRACE_MS);
  }
}

/** A repository with a first push that was told and built. */
async function begin(door: Door): Promise<string> {
  workspace = await openDoor(world, door, "harbour");
  return openRepository();
}

async function openRepository(): Promise<string> {
  repository = await world.bitbucket.repository(workspace, "api", { private: true });
  let sha = "";
  const baseline = await lookAfter(async () => {
    ({ sha } = await repository.push([{ branch: "main", message: "First", files: FILES }]));
  });
  expect(baseline).toMatchObject({ problem: null, found: 0 });
  await successful(sha);
  return sha;
}

async function told(text: string): Promise<PushResult> {
  const pushed = await repository.push([{ branch: "main", message: `Say ${text}`, files: { "a.txt": text } }]);
  expect(pushed.deliveries).toMatchObject([{ status: 202 }]);
  await successful(pushed.sha);
  return pushed;
}

async function journal(event: string): Promise<readonly ApiDelivery[]> {
  const { items } = await world.api<{ items: readonly ApiDelivery[] }>("/deliveries?limit=100");
  return items.filter((one) => one.event === event).reverse();
}

function found(count: number): Promise<readonly ApiDelivery[]> {
  return eventually(`${count} of ours processed`, async () => {
    const all = await journal(FOUND);
    expect(all.length).toBeLessThanOrEqual(count);
    return all.length === count && all.every(({ outcome }) => outcome !== "pending") ? all : null;
  });
}

function processed(id: string | undefined): Promise<ApiDelivery> {
  return eventually(`delivery ${id} processed`, async () => {
    const one = (await journal("repo:push")).find(({ deliveryId }) => deliveryId === id);
    return one === undefined || one.outcome === "pending" ? null : one;
  });
}

function successful(sha: string): Promise<true> {
  return eventually(`a success on ${sha}`, () => {
    const statuses = repository.statuses(sha);
    return statuses.length > 0 && statuses.every(({ state }) => state === "SUCCESSFUL") ? true : null;
  });
}

/** `ref sha`, of every build that was ever recorded, once none of them is on its way. */
function builds(): Promise<readonly string[]> {
  return eventually("no build is on its way", async () => {
    const { items } = await world.store().listBuilds({ limit: 100, cursor: null });
    if (items.some(({ state }) => state === "queued" || state === "running")) return null;
    return items.map(({ planned }) => `${planned.ref} ${planned.sha}`).toSorted();
  });
}

const published = (tag: string) => world.store().publishedDigest("harbour/api", tag);

async function expectNothingMore(): Promise<void> {
  const before = [await journal(FOUND), await builds()];
  await find();
  expect([await journal(FOUND), await builds()]).toEqual(before);
}

/** Pushes what Bitbucket has too many words for. */
async function pushUnsent(changes: readonly PushChange[]): Promise<PushResult> {
  const before = world.bitbucket.unsent.length;
  const pushed = await repository.push(changes);
  expect(pushed.deliveries).toEqual([]);
  expect(world.bitbucket.unsent.slice(before)).toMatchObject([{ event: "repo:push" }]);
  return pushed;
}

describe.each(DOORS)("through the door %s, a push that is told in more than 256 KB", (door) => {
  it("of one commit with a very long message is built, and shown on its commit", async () => {
    const first = await begin(door);
    const message = `Explain everything\n\n${"All of it, at length. ".repeat(3_400)}`;
    const { sha } = await pushUnsent([{ branch: "main", message, files: { "a.txt": "1" } }]);
    await find();
    const [delivery] = await found(1);
    expect(delivery).toMatchObject({ event: "wharfinger.found", outcome: "planned", note: null });
    await successful(sha);
    const reports = await eventually("a report", () => {
      const there = repository.reports(sha);
      return there.length > 0 ? there : null;
    });
    expect(reports).toMatchObject([{ content: { result: "PASSED" } }]);
    expect(await builds()).toEqual([`refs/heads/main ${first}`, `refs/heads/main ${sha}`].toSorted());
    expect(await published("edge")).toBe(digestOf(sha));
    await expectNothingMore();
    const next = await told("more");
    expect(await published("edge")).toBe(digestOf(next.sha));
    expect(await builds()).toHaveLength(3);
  });

  it("of very many branches and tags is built, as far as rules ask for it, each once", async () => {
    const first = await begin(door);
    const branches = Array.from({ length: 110 }, (_, n) => ({ branch: `by/${n}/${"x".repeat(180)}`, to: first }));
    const { sha } = await pushUnsent([
      { branch: "main", message: "Second", files: { "a.txt": "2" } },
      ...branches,
      { tag: "v1.1.0", to: first, annotated: true },
      { tag: "v1.0.0", to: first },
    ]);
    await find();
    // Not more than fifty changes at once.
    const deliveries = await found(3);
    expect(deliveries.map(({ outcome }) => outcome)).toEqual(["planned", "planned", "planned"]);
    const refs = deliveries.flatMap(({ decisions }) => [...new Set(decisions.map(({ ref }) => ref))]);
    expect(refs).toHaveLength(113);
    expect(new Set(refs).size).toBe(113);
    await successful(sha);
    expect(await builds()).toEqual(
      [
        `refs/heads/main ${first}`,
        `refs/heads/main ${sha}`,
        `refs/tags/v1.0.0 ${first}`,
        `refs/tags/v1.1.0 ${first}`,
      ].toSorted(),
    );
    expect(await published("edge")).toBe(digestOf(sha));
    expect(await published("1.0.0")).toBe(digestOf(first));
    expect(await published("latest")).toBe(digestOf(first));
    await expectNothingMore();
  }, 180_000);
});

describe.each(DOORS)("through the door %s", (door) => {
  it("what was told is not found, an annotated tag and a deleted branch neither", async () => {
    const first = await begin(door);
    await repository.push([{ branch: "topic", to: first }]);
    const { deliveries } = await repository.push([
      { branch: "main", message: "Second", files: { "a.txt": "2" } },
      { tag: "v1.0.0", to: first, annotated: true },
      { tag: "v1.1.0", to: first },
      { branch: "topic", to: null },
    ]);
    expect(await processed(deliveries[0]?.requestUuid)).toMatchObject({ outcome: "planned" });
    expect((await look()).suspects).toEqual([]);
    await expectNothingMore();
    expect(await journal(FOUND)).toEqual([]);
    expect(await builds()).toHaveLength(4);
  });

  it("a tag that was deleted without a word is nothing to build; one that is made again is built", async () => {
    const first = await begin(door);
    await repository.push([{ tag: "v1.0.0", to: first, annotated: true }]);
    await eventually("it is built", async () => ((await builds()).length === 2 ? true : null));
    await find();
    await writeRef(repository.gitDir, "refs/tags/v1.0.0", null);
    await find();
    const [gone] = await found(1);
    expect(gone?.decisions.map(({ reason }) => reason)).toEqual(["ref-deleted"]);
    expect(await builds()).toHaveLength(2);
    const { sha } = await told("next");
    await writeRef(repository.gitDir, "refs/tags/v1.0.0", sha);
    await find();
    await found(2);
    expect(await builds()).toEqual(
      [
        `refs/heads/main ${first}`,
        `refs/heads/main ${sha}`,
        `refs/tags/v1.0.0 ${first}`,
        `refs/tags/v1.0.0 ${sha}`,
      ].toSorted(),
    );
    expect(await published("1.0.0")).toBe(digestOf(sha));
    await expectNothingMore();
  });

  it("nothing is lost while git refuses and the API is away", async () => {
    await begin(door);
    const { sha } = await repository.commit({ branch: "main", message: "Later", files: { a: "1" } });
    let away = true;
    world.bitbucket.inject({ of: "git", match: () => away, times: 1_000, effect: { status: 503 } });
    expect((await look()).problem).toEqual(expect.any(String));
    away = false;
    expect((await look()).suspects).toMatchObject([{ ref: "refs/heads/main", object: sha }]);
    away = true;
    const ours = (path: string) => away && path.startsWith("/2.0/repositories/");
    world.bitbucket.inject({ match: ({ path }) => ours(path), times: 1_000, effect: { status: 500 } });
    expect((await look(GRACE_MS)).problem).toEqual(expect.any(String));
    expect(await journal(FOUND)).toEqual([]);
    away = false;
    await find();
    await found(1);
    await successful(sha);
    expect(await builds()).toHaveLength(2);
  });
});

/** The JWTs of a Connect app are held to the machine's clock: it gets no new token once the program's is ahead. */
describe("through a connection", () => {
  it("what nobody answered and was found is built once, also when it is told afterwards", async () => {
    const first = await begin("webhook");
    await world.stop();
    const pushed = await repository.push([
      { branch: "main", message: "Second", files: { "a.txt": "2" } },
      { tag: "v1.0.0", to: first, annotated: true },
    ]);
    const [delivery] = pushed.deliveries;
    expect(pushed.deliveries).toMatchObject([{ attempts: 3, status: null }]);
    await world.restart();
    await find();
    await found(1);
    await successful(pushed.sha);
    const before = await builds();
    expect(before).toHaveLength(3);
    expect(await world.bitbucket.redeliver(delivery?.requestUuid ?? "")).toMatchObject({ status: 202 });
    expect(await processed(delivery?.requestUuid)).toMatchObject({ outcome: "ignored", builds: [] });
    expect(await builds()).toEqual(before);
    await expectNothingMore();
    const next = await told("next");
    expect(await published("edge")).toBe(digestOf(next.sha));
    expect(await builds()).toHaveLength(4);
  });

  it("nothing is lost while its token is refused", async () => {
    await begin("webhook");
    const { sha } = await repository.commit({ branch: "main", message: "Later", files: { a: "1" } });
    expect((await look()).suspects).toHaveLength(1);
    for (const token of world.bitbucket.issuedTokens) world.bitbucket.revoke({ token, scopes: SCOPES });
    expect((await look(GRACE_MS)).problem).toMatch(/no access/);
    expect(await journal(FOUND)).toEqual([]);
    const { token } = world.bitbucket.accessToken({ workspace, scopes: SCOPES });
    const [connection] = await world.store().listConnections();
    if (connection === undefined) throw new Error("there is no connection");
    await world.store().changeConnection(connection.id, { token }, OPERATOR);
    await find();
    await found(1);
    await successful(sha);
    expect(await builds()).toHaveLength(2);
  });
});

it("a repository of a workspace that has uninstalled the app is not looked at any more", async () => {
  await begin("connect");
  const [gone] = world.bitbucket.installs;
  const ours = repository;
  workspace = await openDoor(world, "webhook", "docks");
  await openRepository();
  if (gone === undefined) throw new Error("there is no install");
  await world.bitbucket.uninstall(gone);
  await eventually("it is known to be gone", async () => {
    const id = { provider: "bitbucket", host: "default", id: gone.workspace.uuid } as const;
    return (await world.store().getInstallation(id))?.state === "active" ? null : true;
  });
  const before = looks.begun.length;
  await ours.commit({ branch: "main", message: "Untold", files: { a: "1" } });
  await find();
  await find();
  const after = looks.begun.slice(before).map((one) => one.repository);
  expect(after.length).toBeGreaterThan(1);
  expect(new Set(after)).toEqual(new Set([`bitbucket:default:${repository.uuid}`]));
  expect(await journal(FOUND)).toEqual([]);
});
