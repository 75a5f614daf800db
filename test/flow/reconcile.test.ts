/** What GitHub tells nobody of: it is found by comparing, and becomes what it would have become, once. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { FOUND } from "../../src/core/found.ts";
import type { ComparisonEnd } from "../../src/engine/reconcile-port.ts";
import type { Parts } from "../../src/server-parts.ts";
import { writeRef } from "../hosts/git/git.ts";
import type {
  GithubHost,
  HostAccount,
  HostInstallation,
  HostRepository,
  Injection,
  PushResult,
} from "../hosts/github/index.ts";
import { createLooks, type Looks } from "../support/looks.ts";
import { onlyInstallation, post, type Resumed } from "../support/pausing.ts";
import {
  ADMIN_TOKEN,
  createWorld,
  digestOf,
  eventually,
  SECRET,
  type World,
  type WorldOptions,
} from "../support/world.ts";

const CONFIG = `version: 1
images:
  - name: api
    rules:
      - branch: main
        tags: [edge]
      - branch: topic*
        tags: ["{branch}"]
      - semver: ">=1.0.0"
        tags: ["{version}", latest]
`;
const FILES = { Dockerfile: "FROM scratch\n", ".wharfinger.yml": CONFIG };
const GRACE_MS = 60_000;
/** More than lies between two looks at a repository of which something was built lately, and of which nothing ever was. */
const BUSY_MS = 13 * 60_000;
const UNUSED_MS = 30 * 60 * 60_000;
const NOBODY = "http://127.0.0.1:9/";

interface ApiDelivery {
  readonly deliveryId: string;
  readonly event: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly builds: readonly string[];
  readonly decisions: readonly {
    readonly ref: string | null;
    readonly sha: string | null;
    readonly reason: string | null;
  }[];
}

let world: World;
let acme: HostAccount;
let installation: HostInstallation;
let repository: HostRepository;
let looks: Looks;
/** Wraps what the program is given at its next start. */
let wrap: (parts: Parts) => Parts;

/** A repository that is linked and was looked at once. `before`: what is in it by then. */
async function link(
  before: (repository: HostRepository) => Promise<unknown>,
  options: Pick<WorldOptions, "enterprise"> = {},
): Promise<void> {
  world = await createWorld({
    ...options,
    comparing: { everyMs: 20, graceMs: GRACE_MS },
    parts: (parts) => wrap(looks.wrap(parts)),
  });
  acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api", { private: true });
  await before(repository);
  await lookAfter(async () => {
    installation = await world.github.install(acme, { repositories: [repository] });
  });
}

/** One that is in use: a first push was told and built. */
async function begin(files: Readonly<Record<string, string>> = FILES): Promise<string> {
  await link((made) => made.commit({ message: "Begin", files }));
  const { sha } = await told("main", "first");
  return sha;
}

beforeEach(() => {
  looks = createLooks();
  wrap = (parts) => parts;
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

/** How the first look ended that was begun after something was done. */
function lookAfter(act: () => unknown, of: Pick<HostRepository, "id"> = repository): Promise<ComparisonEnd> {
  return looks.after({ provider: "github", host: "default", id: String(of.id) }, act);
}

function look(afterMs = BUSY_MS): Promise<ComparisonEnd> {
  return lookAfter(() => world.clock.advance(afterMs));
}

/** Looks until nothing is suspected any more. */
async function find(first: Promise<ComparisonEnd> = look()): Promise<void> {
  for (let end = await first; end.problem !== null || end.suspects.length > 0; ) {
    expect(end.problem).toBeNull();
    end = await look(GRACE_MS);
  }
}

async function journal(event: string): Promise<readonly ApiDelivery[]> {
  const { items } = await world.api<{ items: readonly ApiDelivery[] }>("/deliveries?limit=100");
  return items.filter((one) => one.event === event).reverse();
}

/** All deliveries that were made of what was found, once they are processed. */
function found(count: number): Promise<readonly ApiDelivery[]> {
  return eventually(`${count} of ours processed`, async () => {
    const all = await journal(FOUND);
    expect(all.length).toBeLessThanOrEqual(count);
    return all.length === count && all.every(({ outcome }) => outcome !== "pending") ? all : null;
  });
}

function processed(guid: string): Promise<ApiDelivery> {
  return eventually(`delivery ${guid} processed`, async () => {
    const { items } = await world.api<{ items: readonly ApiDelivery[] }>("/deliveries?limit=100");
    const one = items.find(({ deliveryId }) => deliveryId === guid);
    return one === undefined || one.outcome === "pending" ? null : one;
  });
}

function concluded(sha: string): Promise<string> {
  return eventually(`a conclusion on ${sha}`, () => {
    const runs = repository.checkRuns(sha);
    return runs.length > 0 && runs.every(({ conclusion }) => conclusion !== null)
      ? runs.map(({ conclusion }) => conclusion).join()
      : null;
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

const published = (tag: string) => world.store().publishedDigest("acme/api", tag);

function change(branch: string, text: string): Parameters<GithubHost["push"]>[1] {
  return { branch, message: `Say ${text}`, files: { [`${branch}.txt`]: text } };
}

/** A push as it should be: told, built, shown. */
async function told(branch: string, text: string): Promise<PushResult> {
  const pushed = await world.github.push(repository, change(branch, text));
  expect(await processed(pushed.delivery.guid)).toMatchObject({ outcome: "planned" });
  expect(await concluded(pushed.sha)).toBe("success");
  return pushed;
}

/** A push of which nobody is told, and never will be. */
async function untold(branch: string, text: string): Promise<string> {
  return (await repository.commit(change(branch, text))).sha;
}

/** What is told of it reaches nobody, until it is delivered again. */
async function unheard<T>(act: () => Promise<T>): Promise<T> {
  world.github.setWebhook({ url: NOBODY, secret: SECRET });
  const done = await act();
  world.github.setWebhook({ url: `${world.url}/webhooks/github`, secret: SECRET });
  return done;
}

/** Nothing more is found, however long one looks. */
async function expectNothingMore(): Promise<void> {
  const before = [await journal(FOUND), await builds()];
  await find();
  await find();
  expect([await journal(FOUND), await builds()]).toEqual(before);
}

describe("tags of which GitHub tells nobody", () => {
  it("are found: five that were pushed at once are built, each with its tags, and the highest has latest", async () => {
    await begin();
    const shas: string[] = [];
    for (const text of ["a", "b", "c", "d", "e"]) shas.push(await untold("main", text));
    const tip = await told("main", "f");
    const before = await builds();
    // Not in the order of the commits, and one of them an object of its own.
    const versions = ["1.3.0", "1.0.0", "1.4.0", "1.1.0", "1.2.0"];
    const tags = versions.map((version, n) => ({ tag: `v${version}`, sha: shas[n] ?? "", annotated: n === 1 }));
    const pushed = await world.github.pushTags(repository, tags);
    expect(pushed.map(({ delivery }) => delivery.sent)).toEqual([false, false, false, false, false]);
    expect(pushed[1]?.sha).not.toBe(shas[1]);
    await find();
    const [delivery] = await found(1);
    expect(delivery).toMatchObject({ event: "wharfinger.found", outcome: "planned", note: null });
    expect(delivery?.builds).toHaveLength(5);
    for (const sha of shas) expect(await concluded(sha)).toBe("success");
    expect(await builds()).toEqual([...before, ...tags.map(({ tag, sha }) => `refs/tags/${tag} ${sha}`)].toSorted());
    for (const { tag, sha } of tags) expect(await published(tag.slice(1))).toBe(digestOf(sha));
    expect(await published("latest")).toBe(digestOf(shas[2] ?? ""));
    expect(await published("edge")).toBe(digestOf(tip.sha));
    const { comparisons } = await world.store().stats();
    expect(comparisons).toMatchObject({ repositories: 1, compared: 1, failing: 0, problem: null, found: 5 });
    await expectNothingMore();
  });

  it("are looked for soon after a branch that was told with them", async () => {
    const sha = await begin();
    const names = ["v1.0.0", "v1.0.1", "v1.0.2", "v1.0.3"];
    const { sha: next } = await repository.commit({ branch: "aside", message: "Aside" });
    const refs = [{ ref: "refs/heads/main", to: next }, ...names.map((tag) => ({ tag, sha }))];
    const [branch, ...tags] = await world.github.pushRefs(repository, refs);
    expect([branch?.delivery.status, ...tags.map(({ delivery }) => delivery.sent)]).toEqual([
      202,
      ...[false, false, false, false],
    ]);
    expect(await concluded(next)).toBe("success");
    await find(look(31_000));
    await found(1);
    const all = await builds();
    for (const name of names) expect(all.filter((one) => one.startsWith(`refs/tags/${name} `))).toHaveLength(1);
    expect(await published("latest")).toBe(digestOf(sha));
  });

  it("are held like those of a push, when they ask for more builds than the brake lets run", async () => {
    const sha = await begin();
    const path = `${world.url}/api/v1/${await onlyInstallation(world)}/policy`;
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" };
    expect((await fetch(path, { method: "PATCH", headers, body: '{"brake":3}' })).status).toBe(200);
    const before = world.built.length;
    const tags = ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0"].map((tag) => ({ tag, sha }));
    await world.github.pushTags(repository, tags);
    await find();
    const [delivery] = await found(1);
    expect(delivery?.decisions.filter(({ reason }) => reason === "brake")).toHaveLength(4);
    const { items } = await world.store().listBuilds({ limit: 100, cursor: null });
    expect(items.filter(({ state }) => state === "held")).toHaveLength(4);
    expect(await published("latest")).toBeNull();
    await expectNothingMore();
    expect(world.built).toHaveLength(before);
  });

  it("are not looked for when GitHub tells of them: three at once are built once", async () => {
    const sha = await begin();
    const tags = ["v1.0.0", "v1.1.0", "v1.2.0"].map((tag, n) => ({ tag, sha, annotated: n > 0 }));
    for (const { delivery } of await world.github.pushTags(repository, tags)) {
      expect(await processed(delivery.guid)).toMatchObject({ event: "push", outcome: "planned" });
    }
    expect(await builds()).toHaveLength(4);
    expect((await look()).suspects).toEqual([]);
    await expectNothingMore();
    expect(await journal(FOUND)).toEqual([]);
    expect(await builds()).toHaveLength(4);
  });
});

describe("a push whose event is late", () => {
  it.each([false, true])("is built once when it comes while it is suspected (annotated tag: %s)", async (annotated) => {
    const sha = await begin();
    const pushed = await unheard(() => {
      if (annotated) return world.github.pushTag(repository, { tag: "v1.0.0", sha, annotated });
      return world.github.push(repository, change("main", "late"));
    });
    const ref = annotated ? "refs/tags/v1.0.0" : "refs/heads/main";
    expect((await look()).suspects).toMatchObject([{ ref, object: pushed.sha }]);
    expect((await world.github.redeliver(pushed.delivery.guid)).status).toBe(202);
    expect(await processed(pushed.delivery.guid)).toMatchObject({ outcome: "planned" });
    await expectNothingMore();
    expect(await journal(FOUND)).toEqual([]);
    expect((await builds()).filter((one) => one.startsWith(ref))).toHaveLength(annotated ? 1 : 2);
  });

  it("is built once when it comes after it was found", async () => {
    const sha = await begin();
    const branch = await unheard(() => world.github.push(repository, change("main", "late")));
    const tag = await unheard(() => world.github.pushTag(repository, { tag: "v1.0.0", sha, annotated: true }));
    await find();
    await found(1);
    expect(await concluded(branch.sha)).toBe("success");
    const before = await builds();
    expect(before).toHaveLength(3);
    for (const { delivery } of [branch, tag]) {
      expect((await world.github.redeliver(delivery.guid)).status).toBe(202);
      expect(await processed(delivery.guid)).toMatchObject({
        outcome: "ignored",
        note: "nothing to do: what it tells was found before it came, or has moved on since",
      });
    }
    await expectNothingMore();
    expect(await builds()).toEqual(before);
  });

  it("moves no tag back where a push that followed it was told first", async () => {
    await begin();
    const old = await unheard(() => world.github.push(repository, change("main", "old")));
    await find();
    await found(1);
    expect(await concluded(old.sha)).toBe("success");
    const next = await told("main", "new");
    expect(await published("edge")).toBe(digestOf(next.sha));
    const before = await builds();
    await world.github.redeliver(old.delivery.guid);
    expect(await processed(old.delivery.guid)).toMatchObject({ builds: [] });
    await expectNothingMore();
    expect(await builds()).toEqual(before);
    expect(await published("edge")).toBe(digestOf(next.sha));
  });

  it("builds nothing when it is the older of two that were not told, and what is told next is built", async () => {
    await begin();
    const old = await unheard(() => world.github.push(repository, change("main", "old")));
    const newest = await unheard(() => world.github.push(repository, change("main", "newest")));
    await find();
    await found(1);
    expect(await concluded(newest.sha)).toBe("success");
    const before = await builds();
    expect(before.filter((one) => one.endsWith(old.sha))).toEqual([]);
    expect(await published("edge")).toBe(digestOf(newest.sha));
    await world.github.redeliver(old.delivery.guid);
    expect(await processed(old.delivery.guid)).toMatchObject({ outcome: "ignored", builds: [] });
    const next = await told("main", "next");
    for (const { delivery } of [newest, old]) await world.github.redeliver(delivery.guid);
    expect(await processed(newest.delivery.guid)).toMatchObject({ builds: [] });
    await expectNothingMore();
    expect(await builds()).toEqual([...before, `refs/heads/main ${next.sha}`].toSorted());
    expect(await published("edge")).toBe(digestOf(next.sha));
  });
});

describe("what nobody told of a branch", () => {
  it("is built as it is when it is found, rewritten or not", async () => {
    const first = await begin();
    const rewritten = await repository.commit({ ...change("main", "other"), parent: null, files: FILES });
    expect(rewritten.before).toBe(first);
    await find();
    await found(1);
    expect(await concluded(rewritten.sha)).toBe("success");
    expect(await published("edge")).toBe(digestOf(rewritten.sha));
    expect(await builds()).toHaveLength(2);
    await expectNothingMore();
  });

  it("is skipped when its commit asks for that", async () => {
    await begin();
    const { sha } = await repository.commit({ ...change("main", "docs"), message: "Write docs [skip ci]" });
    await find();
    const [delivery] = await found(1);
    expect(delivery?.decisions.map(({ reason }) => reason)).toContain("skip-requested");
    expect(await concluded(sha)).not.toBe("success");
    expect(await builds()).toHaveLength(1);
    await expectNothingMore();
  });

  describe("counts by what changed since the last push that was told", () => {
    let first: PushResult;

    beforeEach(async () => {
      const rules = "    paths: { include: [src/**] }\n    rules: [{ branch: main, tags: [edge] }]\n";
      const config = `version: 1\nimages:\n  - name: api\n${rules}`;
      await link((made) => made.commit({ message: "Begin", files: { ...FILES, ".wharfinger.yml": config } }));
      first = await push("src/first");
      expect(await concluded(first.sha)).toBe("success");
    });

    async function commit(path: string): Promise<string> {
      return (await repository.commit({ message: `Write ${path}`, files: { [path]: "1" } })).sha;
    }

    async function push(path: string): Promise<PushResult> {
      const pushed = await world.github.push(repository, { message: "Push", files: { [path]: "1" } });
      expect(await processed(pushed.delivery.guid)).toMatchObject({ outcome: "planned" });
      return pushed;
    }

    const unchanged = async (guid: string) => {
      expect((await processed(guid)).decisions.map(({ reason }) => reason)).toEqual(["paths-unchanged"]);
    };

    it("and not by what was built before", async () => {
      await commit("docs/a");
      await find();
      const [delivery] = await found(1);
      expect(delivery?.decisions.map(({ reason }) => reason)).toEqual(["paths-unchanged"]);
      await commit("src/b");
      const sha = await commit("docs/b");
      await find();
      await found(2);
      expect(await concluded(sha)).toBe("success");
      await unchanged((await push("docs/c")).delivery.guid);
      await expectNothingMore();
      expect(await builds()).toEqual([`refs/heads/main ${first.sha}`, `refs/heads/main ${sha}`].toSorted());
      expect(await published("edge")).toBe(digestOf(sha));
    });

    it("also when the next push is told before it is found", async () => {
      await commit("src/untold");
      const next = await push("docs/told");
      expect(await concluded(next.sha)).toBe("success");
      await unchanged((await push("docs/more")).delivery.guid);
      await expectNothingMore();
      expect(await journal(FOUND)).toEqual([]);
      expect(await builds()).toEqual([`refs/heads/main ${first.sha}`, `refs/heads/main ${next.sha}`].toSorted());
      expect(await published("edge")).toBe(digestOf(next.sha));
    });
  });

  it("is nothing to build when the branch or tag was deleted; one that is made again is built", async () => {
    const sha = await begin();
    const topic = await told("topic", "one");
    const { delivery } = await world.github.pushTag(repository, { tag: "v1.0.0", sha });
    await processed(delivery.guid);
    await find();
    const before = await builds();
    for (const ref of ["refs/heads/topic", "refs/tags/v1.0.0"]) await writeRef(repository.gitDir, ref, null);
    await find();
    const [gone] = await found(1);
    expect(gone?.decisions.map(({ reason }) => reason)).toEqual(["ref-deleted", "ref-deleted"]);
    expect(await builds()).toEqual(before);
    const again = await untold("topic", "two");
    await writeRef(repository.gitDir, "refs/tags/v1.0.0", topic.sha);
    await find();
    await found(2);
    expect(await builds()).toEqual(
      [...before, `refs/heads/topic ${again}`, `refs/tags/v1.0.0 ${topic.sha}`].toSorted(),
    );
    expect(await concluded(again)).toBe("success");
    expect(await published("topic")).toBe(digestOf(again));
    await expectNothingMore();
  });

  it("is no matter when it was gone again before anybody could tell", async () => {
    const sha = await begin();
    await writeRef(repository.gitDir, "refs/heads/topic", sha);
    expect((await look()).suspects).toHaveLength(1);
    await writeRef(repository.gitDir, "refs/heads/topic", null);
    await expectNothingMore();
    expect(await journal(FOUND)).toEqual([]);
  });
});

it("what nobody told of on another GitHub host is found there", async () => {
  await link((made) => made.commit({ message: "Begin", files: FILES }), { enterprise: true });
  const org = world.ghes.organization("works");
  const theirs = await world.ghes.repository(org, "far", { private: true });
  await theirs.commit({ message: "Begin", files: FILES });
  const id = { provider: "github", host: "ghes", id: String(theirs.id) } as const;
  await looks.after(id, () => world.ghes.install(org));
  const { sha } = await theirs.commit({ message: "Untold", files: { a: "1" } });
  expect((await looks.after(id, () => world.clock.advance(UNUSED_MS))).suspects).toHaveLength(1);
  await looks.after(id, () => world.clock.advance(GRACE_MS));
  const [delivery] = await found(1);
  // Its account has no namespace; nobody gave it one.
  expect(delivery).toMatchObject({
    outcome: "planned",
    decisions: [{ ref: "refs/heads/main", reason: "no-namespace" }],
  });
  expect(delivery?.decisions.map((one) => one.sha)).toEqual([sha]);
  expect(world.ghes.gitCalls.every(({ status }) => status === 200)).toBe(true);
  expect(world.ghes.violations).toEqual([]);
});

describe("what was there before", () => {
  it("the app was installed is not built; what comes then is, told or not", async () => {
    await link(async (made) => {
      const { sha } = await made.commit({ message: "Begin", files: FILES });
      await made.commit({ branch: "topic", message: "Topic" });
      await world.github.pushTags(
        made,
        ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0", "v1.4.0"].map((tag) => ({ tag, sha })),
      );
    });
    await find(look(UNUSED_MS));
    expect([await journal(FOUND), await builds()]).toEqual([[], []]);
    const sha = await untold("main", "then");
    await find(look(UNUSED_MS));
    await found(1);
    expect(await concluded(sha)).toBe("success");
    expect(await builds()).toEqual([`refs/heads/main ${sha}`]);
  });

  it("a repository was covered is not built, and what is not covered is not looked at", async () => {
    await begin();
    const other = await world.github.repository(acme, "web", { private: true });
    await other.commit({ message: "Begin", files: FILES });
    await lookAfter(() => world.github.addRepositories(installation, [other]), other);
    await processed((await world.github.removeRepositories(installation, [repository])).guid);
    const before = looks.begun.length;
    await untold("main", "away");
    await lookAfter(() => world.clock.advance(UNUSED_MS), other);
    await lookAfter(() => world.clock.advance(UNUSED_MS), other);
    expect(new Set(looks.begun.slice(before).map((one) => one.repository))).toEqual(
      new Set([`github:default:${other.id}`]),
    );
    await lookAfter(() => world.github.addRepositories(installation, [repository]));
    await find(look(UNUSED_MS));
    expect(await journal(FOUND)).toEqual([]);
    const sha = await untold("main", "back");
    await find(look(UNUSED_MS));
    await found(1);
    expect(await concluded(sha)).toBe("success");
  });
});

describe("while nothing is heard or done", () => {
  it("of a suspended installation, what is pushed is built afterwards", async () => {
    const first = await begin();
    await processed((await world.github.suspend(installation)).guid);
    const main = await world.github.push(repository, change("main", "quiet"));
    const tag = await world.github.pushTag(repository, { tag: "v1.0.0", sha: first });
    expect([main.delivery.sent, tag.delivery.sent]).toEqual([false, false]);
    const asked = world.github.gitCalls.length;
    world.clock.advance(BUSY_MS);
    const end = lookAfter(() => world.github.unsuspend(installation));
    await find(end);
    expect(world.github.gitCalls.slice(0, asked).every(({ status }) => status === 200)).toBe(true);
    await found(1);
    expect(await concluded(main.sha)).toBe("success");
    expect(await published("edge")).toBe(digestOf(main.sha));
    expect(await published("latest")).toBe(digestOf(first));
    expect(await builds()).toHaveLength(3);
    await expectNothingMore();
  });

  describe.each<readonly [string, () => Promise<string>]>([
    ["the instance", () => Promise.resolve("instance")],
    ["its installation", () => onlyInstallation(world)],
    ["its repository", () => Promise.resolve(`repositories/github/default/${repository.id}`)],
  ])("because %s is paused,", (_, where) => {
    it("nothing is looked at, and what nobody told of is built once it is resumed", async () => {
      await begin();
      const at = await where();
      await post(world, `${at}/pause`);
      const [asked, begun] = [world.github.gitCalls.length, looks.begun.length];
      const kept = await world.github.push(repository, change("topic", "kept"));
      await processed(kept.delivery.guid);
      const old = await untold("main", "old");
      world.clock.advance(BUSY_MS);
      const sha = await untold("main", "paused");
      await processed((await world.github.push(repository, change("topic", "too"))).delivery.guid);
      expect([world.github.gitCalls.length, looks.begun.length]).toEqual([asked, begun]);
      let resumed: Resumed | null = null;
      await find(
        lookAfter(async () => {
          resumed = await post<Resumed>(world, `${at}/resume`);
        }),
      );
      expect(resumed).toMatchObject({ lanes: [{ lane: "refs/heads/topic" }] });
      await found(1);
      expect(await concluded(sha)).toBe("success");
      await expectNothingMore();
      expect(await builds()).toHaveLength(3);
      expect([repository.checkRuns(old), repository.checkRuns(kept.sha)]).toEqual([[], []]);
      expect(await published("edge")).toBe(digestOf(sha));
    });

    it("what was found before waits, and is built once it is resumed", async () => {
      await begin();
      const at = await where();
      let held = true;
      wrap = (parts) => ({
        ...parts,
        store: {
          ...parts.store,
          async claimDeliveries(options) {
            return held ? [] : parts.store.claimDeliveries(options);
          },
        },
      });
      await world.restart();
      const sha = await untold("main", "later");
      await find();
      await post(world, `${at}/pause`);
      held = false;
      const [delivery] = await found(1);
      expect(delivery?.decisions.map(({ reason }) => reason)).toEqual(["paused"]);
      expect(await builds()).toHaveLength(1);
      const resumed = await post<Resumed>(world, `${at}/resume`);
      expect(resumed.lanes).toMatchObject([{ lane: "refs/heads/main", sha }]);
      expect(await concluded(sha)).toBe("success");
      await find();
      expect(await builds()).toHaveLength(2);
      expect(await published("edge")).toBe(digestOf(sha));
    });
  });
});

describe("nothing is lost", () => {
  type Asked = Pick<Injection, "of" | "match">;
  const git: Asked = { of: "git", match: () => true };
  const api = (route: RegExp): Asked => ({ match: (call) => route.test(call.route ?? "") });
  const SERVER_ERROR = { status: 500, body: { message: "Server Error" } };

  /** Until it is called. */
  function failing({ match, ...where }: Asked, effect: Injection["effect"]): () => void {
    let fails = true;
    world.github.inject({ ...where, match: (call) => fails && match(call), times: 1_000, effect });
    return () => {
      fails = false;
    };
  }

  it.each<[string, Injection["effect"]]>([
    ["answers 503", { status: 503 }],
    ["answers 404", { status: 404 }],
    ["answers with a page", { status: 200, headers: { "content-type": "text/html" }, body: "<p>Hello" }],
    ["cuts the connection", { reset: true }],
  ])("while git %s", async (_what, effect) => {
    await begin();
    const sha = await untold("main", "later");
    const mend = failing(git, effect);
    for (const _ of [1, 2]) expect((await look()).problem).toEqual(expect.any(String));
    expect(await journal(FOUND)).toEqual([]);
    expect((await world.store().stats()).comparisons).toMatchObject({ failing: 1, problem: expect.any(String) });
    mend();
    await find();
    await found(1);
    expect(await concluded(sha)).toBe("success");
    expect((await world.store().stats()).comparisons).toMatchObject({ failing: 0, problem: null });
    expect(await builds()).toHaveLength(2);
  });

  it("while git refuses when what is suspected is to be judged", async () => {
    await begin();
    const sha = await untold("main", "later");
    expect((await look()).suspects).toHaveLength(1);
    const mend = failing(git, { status: 502 });
    expect((await look(GRACE_MS)).problem).toEqual(expect.any(String));
    mend();
    await find();
    await found(1);
    expect(await concluded(sha)).toBe("success");
    expect(await builds()).toHaveLength(2);
  });

  it("while the host does not say where what was found is", async () => {
    await begin();
    const sha = await untold("main", "later");
    expect((await look()).suspects).toHaveLength(1);
    const mend = failing(api(/\/(git\/|commits)/), SERVER_ERROR);
    expect((await look(GRACE_MS)).problem).toMatch(/500/);
    expect(await journal(FOUND)).toEqual([]);
    mend();
    await find();
    await found(1);
    expect(await concluded(sha)).toBe("success");
    expect(await builds()).toHaveLength(2);
  });

  it("while the host gives out no token", async () => {
    await begin();
    const sha = await untold("main", "later");
    const mend = failing(api(/access_tokens$/), SERVER_ERROR);
    // Past the life of the tokens there are.
    expect((await look(2 * 60 * 60_000)).problem).toMatch(/500/);
    expect((await look()).problem).toMatch(/500/);
    mend();
    await find();
    await found(1);
    expect(await concluded(sha)).toBe("success");
    expect(await builds()).toHaveLength(2);
  });

  it("when the host takes its tokens back in between", async () => {
    await begin();
    const sha = await untold("main", "later");
    expect((await look()).suspects).toHaveLength(1);
    world.github.expireTokens();
    let end = await look(GRACE_MS);
    // A token is taken for good as long as it was said to live.
    for (let hour = 0; end.problem !== null && hour < 6; hour += 1) end = await look();
    expect(end.problem).toBeNull();
    await find();
    await found(1);
    expect(await concluded(sha)).toBe("success");
    expect(await builds()).toHaveLength(2);
  });

  it("when the repository was renamed without a word, and somebody else has its old name", async () => {
    const first = await begin();
    const sha = await untold("main", "later");
    await unheard(() => world.github.rename(repository, "renamed"));
    const usurper = await world.github.repository(acme, "api");
    const theirs = await usurper.commit({ message: "Not yours", files: FILES });
    await usurper.commit({ branch: "topic", message: "Not yours either" });
    // Whoever asks for the old name is shown another repository's branches, and has to see that.
    for (let tries = 0; (await journal(FOUND)).length === 0; tries += 1) {
      expect(tries).toBeLessThan(6);
      const { suspects } = await look();
      expect(suspects.filter(({ object }) => object !== sha)).toEqual([]);
    }
    await found(1);
    expect(await concluded(sha)).toBe("success");
    expect(await builds()).toEqual([`refs/heads/main ${first}`, `refs/heads/main ${sha}`].toSorted());
    expect(usurper.checkRuns(theirs.sha)).toEqual([]);
    await expectNothingMore();
  });

  it("when the program is stopped and started in between", async () => {
    await begin();
    const sha = await untold("main", "later");
    expect((await look()).suspects).toHaveLength(1);
    await world.stop();
    const tag = await repository.commit({ branch: "topic", message: "While nobody is there" });
    await find(
      lookAfter(async () => {
        world.clock.advance(GRACE_MS);
        await world.restart();
      }),
    );
    await eventually("both are built", async () => ((await builds()).length === 3 ? true : null));
    expect(await concluded(sha)).toBe("success");
    expect(await concluded(tag.sha)).toBe("success");
    await expectNothingMore();
  });

  it("when the journal refuses what was found", async () => {
    await begin();
    let refused = 0;
    wrap = (parts) => ({
      ...parts,
      store: {
        ...parts.store,
        async append(deliveries) {
          if (refused > 0 || !deliveries.some(({ event }) => event === FOUND)) return parts.store.append(deliveries);
          refused += 1;
          throw new Error("the disk is full");
        },
      },
    });
    await world.restart();
    const sha = await untold("main", "later");
    expect((await look()).suspects).toHaveLength(1);
    expect((await look(GRACE_MS)).problem).toEqual(expect.any(String));
    expect([refused, await journal(FOUND)]).toEqual([1, []]);
    await find();
    await found(1);
    expect(await concluded(sha)).toBe("success");
    expect(await builds()).toHaveLength(2);
  });

  it.each([true, false])(
    "and nothing is done twice, when the program dies after it was journalled (planned before: %s)",
    async (planned) => {
      await begin();
      wrap = dyingOnceFound({ planned });
      await world.restart();
      const sha = await untold("main", "later");
      expect((await look()).suspects).toHaveLength(1);
      world.clock.advance(GRACE_MS);
      await eventually(
        "it has died",
        () => world.lines.find(({ message }) => message.startsWith("comparing branches and tags failed")) ?? null,
      );
      expect(await journal(FOUND)).toHaveLength(1);
      // Its lease ends by itself.
      if (planned) expect(await concluded(sha)).toBe("success");
      else expect((await look()).found).toBe(0);
      wrap = (parts) => parts;
      await world.restart();
      await find();
      await found(1);
      expect(await concluded(sha)).toBe("success");
      await expectNothingMore();
      expect(await builds()).toHaveLength(2);
    },
  );

  /** The first look that finds something is never heard of again. */
  function dyingOnceFound({ planned }: { readonly planned: boolean }): (parts: Parts) => Parts {
    let dead = false;
    return (parts) => ({
      ...parts,
      store: {
        ...parts.store,
        async endComparison(of, attempt, end) {
          if (dead || end.found === 0) return parts.store.endComparison(of, attempt, end);
          dead = true;
          throw new Error("gone");
        },
        async claimDeliveries(options) {
          return planned || !(await waits()) ? parts.store.claimDeliveries(options) : [];
        },
      },
    });
    async function waits() {
      const { items } = await world.store().listDeliveries({ limit: 1, cursor: null });
      return items.some(({ event, outcome }) => event === FOUND && outcome === "pending");
    }
  }
});
