import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { failed, type Outcome, ok, type RefChange } from "../../src/core/model.ts";
import type { Crew } from "../../src/engine/crew.ts";
import type { Logger, Registry } from "../../src/engine/ports.ts";
import { createPromoter, createStagingCleaner, type PromoterOptions } from "../../src/engine/promote.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { openStore } from "../../src/store/store.ts";
import { OPERATOR } from "../contract/store.by.ts";
import {
  change,
  delivery,
  record,
  recordCovered,
  repository,
  request,
  type TestClock,
  testClock,
} from "../contract/store.samples.ts";
import { type Line, recordingLog } from "./fakes.ts";

/** What a registry remembers: digests and tags of each repository. */
interface FakeRegistry extends Pick<Registry, "name" | "digest" | "copy" | "tag" | "discard"> {
  readonly digests: Map<string, Set<string>>;
  readonly tags: Map<string, string>;
  /** Asked before each call; a failure is the answer, a throw a bug, and the call may have happened or not. */
  before: (call: string, signal: AbortSignal | undefined) => Promise<Outcome<never> | null>;
  readonly calls: string[];
}

function fakeRegistry(): FakeRegistry {
  const digests = new Map<string, Set<string>>();
  const tags = new Map<string, string>();
  const calls: string[] = [];
  async function call<T>(name: string, act: () => T, signal?: AbortSignal): Promise<Outcome<T>> {
    calls.push(name);
    return (await fake.before(name, signal)) ?? ok(act());
  }
  const copying = (from: string, to: string, digest: string) => () => {
    if (!digests.get(from)?.has(digest) && !digests.get(to)?.has(digest)) throw new Error("nothing to copy");
    digests.set(to, new Set([...(digests.get(to) ?? []), digest]));
    return true as const;
  };
  const fake: FakeRegistry = {
    name: "registry.test",
    digests,
    tags,
    calls,
    before: async () => null,
    digest: (where, reference) =>
      call(`digest ${where}@${reference}`, () =>
        digests.get(where)?.has(reference) ? reference : (tags.get(`${where}:${reference}`) ?? null),
      ),
    copy: (from, to, digest, signal) => call(`copy ${from} ${to}`, copying(from, to, digest), signal),
    tag: (where, tag, digest) =>
      call(`tag ${where}:${tag}`, () => {
        if (!digests.get(where)?.has(digest)) throw new Error("a tag of an unknown manifest");
        tags.set(`${where}:${tag}`, digest);
        return true as const;
      }),
    discard: (where, digest) =>
      call(`discard ${where}`, () => {
        digests.get(where)?.delete(digest);
        for (const [name, of] of tags) if (name.startsWith(`${where}:`) && of === digest) tags.delete(name);
        return true as const;
      }),
  };
  return fake;
}

const LEASE_MS = 15_000;
let clock: TestClock;
let store: Store;
let registry: FakeRegistry;
let lines: Line[];
let log: Logger;
let count = 0;

beforeEach(async () => {
  clock = testClock();
  store = await openStore({ url: "sqlite::memory:", clock });
  registry = fakeRegistry();
  ({ log, lines } = recordingLog());
});

afterEach(async () => {
  await store.close();
});

const staging = (id: string) => ({ repository: `staging/${id}`, tag: "build", own: true });
/** Asked each time: tests put another registry in its place. */
const place = async ({ id }: { readonly id: string }) => ({ registry, staging: staging(id), closed: false });

function promoter(more: Partial<PromoterOptions> = {}): Crew {
  return createPromoter({
    store,
    place,
    clock,
    log,
    worker: "test",
    concurrency: 4,
    leaseMs: LEASE_MS,
    heartbeatMs: 1_000,
    onChange: () => undefined,
    ...more,
  });
}

/** Promotes all that is due now; of one image one after the other. */
async function promoteAll(more: Partial<PromoterOptions> = {}): Promise<void> {
  for (let begun = true; begun; ) {
    const crew = promoter(more);
    begun = await crew.step();
    while (await crew.step());
    await crew.stop(60_000);
  }
}

interface Planned {
  readonly tags?: readonly string[];
  readonly versions?: Readonly<Record<string, string>>;
  readonly repository?: string;
  readonly image?: string;
  readonly trigger?: "event" | "rerun";
}

/** Records a push that asks for one build, and answers its id. */
async function plan(moved: RefChange, what: Planned = {}): Promise<string> {
  count += 1;
  await store.append([delivery(`promote-${count}`)]);
  const { tags = ["latest"], versions, repository: of = "1", image = "api" } = what;
  const planned = request(moved, image, { tags, supersede: "none", ...(versions === undefined ? {} : { versions }) });
  const delivered = (await store.findDelivery(`promote-${count}`))?.id ?? "";
  const { trigger = "event" } = what;
  const changes = trigger === "event" ? [moved] : [];
  const recorded = record(changes, [planned], { repository: repository(of), trigger });
  return (await recordCovered(store, delivered, recorded))[0]?.id ?? "";
}

function digestFor(id: string): string {
  return `sha256:${createHash("sha256").update(id).digest("hex")}`;
}

/** Claims builds until it is this one's turn; the others are staged too, in the order of `ids`. */
async function stage(...ids: string[]): Promise<void> {
  const attempts = new Map<string, number>();
  for (;;) {
    const claimed = await store.claimBuild({ worker: "w", leaseMs: 1_000_000 });
    if (claimed === null) break;
    attempts.set(claimed.build.id, claimed.attempt);
  }
  for (const id of ids) {
    const { repository: where, tag } = staging(id);
    registry.digests.set(where, new Set([digestFor(id)]));
    registry.tags.set(`${where}:${tag}`, digestFor(id));
    expect(await store.stageBuild(id, attempts.get(id) ?? 0, { digest: digestFor(id), steps: [] })).toBe(true);
  }
}

const latest = (image = "acme/api") => registry.tags.get(`${image}:latest`);

describe("a staged image", () => {
  it("is copied, tagged, recorded and then removed from its staging repository", async () => {
    const id = await plan(change("a", "b"), { tags: ["latest", "1"] });
    await stage(id);
    await promoteAll();
    expect([latest(), registry.tags.get("acme/api:1")]).toEqual([digestFor(id), digestFor(id)]);
    const build = await store.getBuild(id);
    expect(build).toMatchObject({
      state: "succeeded",
      digest: digestFor(id),
      tags: { published: ["latest", "1"], older: [] },
      steps: [{ name: "publish", finishedAt: expect.any(String) }],
    });
    const cleaner = createStagingCleaner({ store, place, log: recordingLog().log });
    expect(await cleaner.step()).toBe(false);
    expect(registry.digests.get(`staging/${id}`)?.size).toBe(0);
    expect(await store.stagingLeftovers(10)).toEqual([]);
  });

  it("is the tag's too where a branch and a tag are the same work, and is built again once it is gone", async () => {
    const branch = await plan(change("a", "b"));
    const tag = await plan(change(null, "b", "refs/tags/v1"), { tags: ["1.0.0"] });
    await stage(branch);
    await promoteAll();
    expect([latest(), registry.tags.get("acme/api:1.0.0")]).toEqual([digestFor(branch), digestFor(branch)]);
    expect(await store.getBuild(tag)).toMatchObject({ state: "succeeded", digest: digestFor(branch), attempt: 0 });

    registry.digests.delete("acme/api");
    const again = await plan(change(null, "b", "refs/tags/v2"), { tags: ["2.0.0"] });
    await promoteAll();
    expect((await store.getBuild(again))?.state).toBe("queued");
    await stage(again);
    await promoteAll();
    expect(registry.tags.get("acme/api:2.0.0")).toBe(digestFor(again));
  });

  it("is removed from staging, though that of another build can not be just now", async () => {
    const [stuck, other] = [await plan(change("a", "b")), await plan(change("c", "d"), { image: "web" })];
    await stage(stuck, other);
    await promoteAll();
    registry.before = async (call) => (call.includes(stuck) ? failed("503", { retryable: true }) : null);
    const cleaner = createStagingCleaner({ store, place, log });
    expect(await cleaner.step()).toBe(false);
    expect((await store.stagingLeftovers(10)).map(({ buildId }) => buildId)).toEqual([stuck]);
    registry.before = async () => null;
    await cleaner.step();
    expect(await store.stagingLeftovers(10)).toEqual([]);
  });

  it("stays in a staging repository that builds share: another build's may have its digest", async () => {
    const id = await plan(change("a", "b"));
    await stage(id);
    await promoteAll();
    const shared: typeof place = async ({ id: build }) => ({
      ...(await place({ id: build })),
      staging: { ...staging(build), own: false },
    });
    await createStagingCleaner({ store, place: shared, log }).step();
    expect(registry.calls.filter((call) => call.startsWith("discard"))).toEqual([]);
    expect(await store.stagingLeftovers(10)).toEqual([]);
  });

  it("that the registry does not have fails, and says so", async () => {
    const id = await plan(change("a", "b"));
    await stage(id);
    registry.digests.clear();
    await promoteAll();
    const build = await store.getBuild(id);
    expect(build?.failure).toMatchObject({
      class: "push",
      message: expect.stringContaining("does not have the image"),
    });
    expect(latest()).toBeUndefined();
  });

  it("is not published once somebody asked to cancel", async () => {
    const id = await plan(change("a", "b"));
    await stage(id);
    expect(await store.cancelBuild(id, OPERATOR)).toBe("canceling");
    await promoteAll();
    expect((await store.getBuild(id))?.state).toBe("canceled");
    expect(registry.calls).toEqual([]);
  });

  it("waits for a registry that is away, and is published when it is back", async () => {
    const id = await plan(change("a", "b"));
    await stage(id);
    registry.before = async () => failed("503", { retryable: true, retryAfter: 7 });
    await promoteAll();
    expect((await store.getBuild(id))?.state).toBe("running");
    expect(lines.at(-1)).toMatchObject({ message: "promotion will be tried again", fields: { waitMs: 7_000 } });
    registry.before = async () => null;
    await promoteAll();
    expect(latest()).toBeUndefined();
    clock.advance(7_000);
    await promoteAll();
    expect(latest()).toBe(digestFor(id));
  });

  it("is given up when the registry says no for good", async () => {
    const id = await plan(change("a", "b"));
    await stage(id);
    registry.before = async (call) => (call.startsWith("tag") ? failed("403: not yours", { retryable: false }) : null);
    await promoteAll();
    const message = "The image was built, but not published: 403: not yours";
    expect(await store.getBuild(id)).toMatchObject({ state: "failed", failure: { class: "push", message } });
  });

  it("belongs to the repository that published it first, until it is shared", async () => {
    const mine = await plan(change("a", "b"));
    await stage(mine);
    await promoteAll();
    const theirs = await plan(change("c", "d"), { repository: "2" });
    await stage(theirs);
    await promoteAll();
    expect((await store.getBuild(theirs))?.failure?.message).toContain("belongs to another repository");
    expect(latest()).toBe(digestFor(mine));
    expect(await store.shareImage("acme/api", repository("2"), OPERATOR)).toBe(true);
    const shared = await plan(change("d", "e"), { repository: "2" });
    await stage(shared);
    await promoteAll();
    expect(latest()).toBe(digestFor(shared));
  });
});

describe("tags", () => {
  it("stay with the later change, whichever build finishes first", async () => {
    const older = await plan(change("a", "b"));
    const newer = await plan(change("b", "c"));
    await stage(newer);
    await promoteAll();
    // A worker that was slow: its build is claimed already, and staged only now.
    await store.takeOver();
    await stage(older);
    await promoteAll();
    expect(latest()).toBe(digestFor(newer));
    expect(await store.getBuild(older)).toMatchObject({
      state: "superseded",
      failure: null,
      tags: { published: [], older: [{ tag: "latest", why: expect.stringContaining("later build") }] },
    });
  });

  it("are not moved back by a re-run of an old commit", async () => {
    const old = await plan(change("a", "b"));
    const newer = await plan(change("b", "c"));
    await stage(old, newer);
    await promoteAll();
    const again = await plan(change("a", "b"), { trigger: "rerun" });
    await stage(again);
    await promoteAll();
    expect(latest()).toBe(digestFor(newer));
    expect((await store.getBuild(again))?.state).toBe("superseded");
  });

  it("that are its own are published even where the moving ones are not", async () => {
    const two = await plan(change(null, "v2", "refs/tags/v2.0.0"), {
      tags: ["2.0.0", "latest"],
      versions: { "2.0.0": "2.0.0", latest: "2.0.0" },
    });
    const one = await plan(change(null, "v1", "refs/tags/v1.9.1"), {
      tags: ["1.9.1", "latest"],
      versions: { "1.9.1": "1.9.1", latest: "1.9.1" },
    });
    await stage(two, one);
    await promoteAll();
    expect(latest()).toBe(digestFor(two));
    expect(registry.tags.get("acme/api:1.9.1")).toBe(digestFor(one));
    expect(await store.getBuild(one)).toMatchObject({
      state: "succeeded",
      tags: { published: ["1.9.1"], older: [{ tag: "latest" }] },
    });
  });

  it("end with the newest of ten builds, in whatever order they finish", async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...Array(10).keys()], { minLength: 10 }), async (order) => {
        await store.close();
        store = await openStore({ url: "sqlite::memory:", clock });
        registry = fakeRegistry();
        const ids: string[] = [];
        for (let n = 0; n < 10; n += 1) ids.push(await plan(change(`${n}`, `${n + 1}`)));
        for (const n of order) {
          await store.takeOver();
          await stage(ids[n] ?? "");
          await promoteAll();
        }
        expect(latest()).toBe(digestFor(ids[9] ?? ""));
      }),
      { numRuns: 5 },
    );
  });
});

describe("a promotion that is interrupted", () => {
  /** Everything a promotion asks of the outside and of the database, in order; the Nth of them goes wrong. */
  async function loop(wrong: (act: () => Promise<unknown>) => Promise<Outcome<never>>): Promise<number> {
    for (let nth = 1; ; nth += 1) {
      await store.close();
      store = await openStore({ url: "sqlite::memory:", clock });
      registry = fakeRegistry();
      const first = await plan(change("a", "b"), { tags: ["latest", "1"] });
      await stage(first);
      await promoteAll();
      const second = await plan(change("b", "c"), { tags: ["latest", "1"] });
      await stage(second);
      let call = 0;
      let failedOnce = false;
      registry.before = async () => {
        call += 1;
        if (call !== nth) return null;
        failedOnce = true;
        return wrong(async () => undefined);
      };
      await promoteAll();
      registry.before = async () => null;
      clock.advance(10 * 60_000);
      await promoteAll();
      expect(await store.getBuild(second)).toMatchObject({ state: "succeeded", tags: { published: ["latest", "1"] } });
      expect([latest(), registry.tags.get("acme/api:1")]).toEqual([digestFor(second), digestFor(second)]);
      if (!failedOnce) return nth;
    }
  }

  it("at any call of the registry goes on from there", async () => {
    expect(await loop(async () => failed("connection reset", { retryable: true }))).toBeGreaterThan(6);
  });

  it("by a stop of the program is published by the next", async () => {
    const id = await plan(change("a", "b"));
    await stage(id);
    const crew = promoter();
    registry.before = async (call, signal) => {
      if (!call.startsWith("copy")) return null;
      await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      return failed("aborted", { retryable: true });
    };
    expect(await crew.step()).toBe(true);
    await crew.stop(0);
    expect(lines.at(-1)).toMatchObject({ message: "promotion given back", fields: { reason: "shutdown" } });
    registry.before = async () => null;
    await promoteAll();
    expect(latest()).toBe(digestFor(id));
  });

  it("by kill -9 after a tag was moved is resumed before anything newer of the image begins", async () => {
    const older = await plan(change("a", "b"));
    const newer = await plan(change("b", "c"));
    await stage(older);
    const claimed = await store.claimPromotion({ worker: "killed", leaseMs: LEASE_MS });
    await registry.copy(`staging/${older}`, "acme/api", digestFor(older));
    await registry.tag("acme/api", "latest", digestFor(older));
    expect(claimed?.build.id).toBe(older);
    await store.takeOver();
    await stage(newer);
    expect((await store.claimPromotion({ worker: "next", leaseMs: LEASE_MS }))?.build.id).toBe(older);
    expect(await store.claimPromotion({ worker: "another", leaseMs: LEASE_MS })).toBeNull();
    clock.advance(LEASE_MS + 1);
    await promoteAll();
    expect(latest()).toBe(digestFor(newer));
  });

  it("by a pause longer than its lease puts back what somebody else has moved since", async () => {
    const older = await plan(change("a", "b"));
    const newer = await plan(change("b", "c"));
    await stage(older);
    let paused = false;
    registry.before = async (call) => {
      if (paused || call !== "tag acme/api:latest") return null;
      paused = true;
      // The process stands still between its last look at the lease and the write. Others go on.
      clock.advance(LEASE_MS + 1);
      await store.takeOver();
      await stage(newer);
      await promoteAll({ worker: "other" });
      expect(latest()).toBe(digestFor(newer));
      return null;
    };
    await promoteAll({ worker: "slow" });
    expect(latest()).toBe(digestFor(newer));
    expect((await store.getBuild(newer))?.tags?.published).toEqual(["latest"]);
  });
});
