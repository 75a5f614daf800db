/**
 * What SQLite's one writer makes impossible and PostgreSQL does not: two processes at the same rows at the same time. Each
 * store here has connections of its own, as a process has.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { decideClaim } from "../../src/core/lifecycle/claim.ts";
import type { Build } from "../../src/core/model.ts";
import type { BuildResult, ClaimedBuild, ClaimedDelivery, Store } from "../../src/engine/store-port.ts";
import { openStore } from "../../src/store/store.ts";
import { OPERATOR } from "../contract/store.by.ts";
import { retry } from "../contract/store.retry.ts";
import {
  account,
  change,
  cover,
  delivery,
  installationId,
  pause,
  record,
  recordCovered,
  repository,
  request,
  resume,
  testClock,
} from "../contract/store.samples.ts";
import { administer, createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const ROUNDS = 12;
const GOOD: BuildResult = { state: "succeeded", digest: `sha256:${"a".repeat(64)}`, failure: null, steps: [] };

const clock = testClock();
let database: TestDatabase;
let one: Store;
let other: Store;

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
});

afterAll(() => database.drop());

beforeEach(async () => {
  await database.empty();
  one = await openStore({ url: database.url, clock });
  other = await openStore({ url: database.url, clock });
});

afterEach(async () => {
  await Promise.all([one.close(), other.close()]);
});

async function stored(id: string, stream = `repo:${id}`): Promise<string> {
  await one.append([delivery(id, { stream })]);
  return (await one.findDelivery(id))?.id ?? "";
}

/** Queues a build of a branch of its own. */
async function queue(name: string, installation = "7", image = "api"): Promise<string> {
  const moved = change(null, name, `refs/heads/${name}`);
  const [built] = await recordCovered(
    one,
    await stored(name),
    record([moved], [request(moved, image)], {
      installation: installationId(installation),
      repository: repository(installation),
    }),
  );
  return built?.id ?? "";
}

async function claimBuild(store: Store, leaseMs = 15_000): Promise<ClaimedBuild> {
  const claimed = await store.claimBuild({ worker: "w", leaseMs });
  if (claimed === null) throw new Error("nothing to claim");
  return claimed;
}

async function allBuilds(): Promise<readonly Build[]> {
  const builds: Build[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = await one.listBuilds({ limit: 100, cursor });
    builds.push(...page.items);
    if (page.next === null) return builds;
    cursor = page.next;
  }
}

describe("two processes on one database", () => {
  it("claim deliveries while others arrive: none twice, and of each stream one at a time, in order", async () => {
    const streams = 12;
    const total = 240;
    let arriving = true;
    const done = new Map<string, number[]>();
    const active = new Set<string>();
    const seen = new Set<string>();

    async function arrive(store: Store, name: string): Promise<void> {
      for (let n = 0; n < total / 2; n += 4) {
        const batch = [n, n + 1, n + 2, n + 3].map((each) =>
          delivery(`${name}-${each}`, {
            stream: `${each % streams}`,
            body: Buffer.alloc(n % 16 === 0 ? 200_000 : 20, 65),
          }),
        );
        expect(await store.append(batch)).toEqual([true, true, true, true]);
      }
    }

    async function work(claims: readonly ClaimedDelivery[], store: Store): Promise<void> {
      for (const { delivery: claimed } of claims) {
        const stream = `${Number(claimed.deliveryId.split("-")[1]) % streams}`;
        expect([seen.has(claimed.id), active.has(stream)]).toEqual([false, false]);
        seen.add(claimed.id);
        active.add(stream);
        done.set(stream, [...(done.get(stream) ?? []), Number(claimed.id)]);
      }
      for (const { delivery: claimed } of claims) {
        active.delete(`${Number(claimed.deliveryId.split("-")[1]) % streams}`);
        await store.recordIgnored(claimed.id, "ignored", "nothing to do");
      }
    }

    async function worker(store: Store): Promise<void> {
      for (;;) {
        const last = !arriving;
        const claims = await store.claimDeliveries({ limit: 3, leaseMs: 60_000 });
        await work(claims, store);
        if (last && claims.length === 0 && seen.size === total) return;
      }
    }

    const workers = [worker(one), worker(other), worker(one), worker(other)];
    await Promise.all([arrive(one, "a"), arrive(other, "b")]);
    arriving = false;
    await Promise.all(workers);
    for (const ids of done.values()) expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(await one.stats()).toMatchObject({ deliveriesPending: 0 });
  });

  it("let nobody see a delivery before the older ones of its stream", async () => {
    // The row has its id before it is slow to be written.
    await administer(
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$`,
      database.url,
    );
    await administer(
      `CREATE TRIGGER slow BEFORE INSERT ON deliveries FOR EACH ROW WHEN (NEW.delivery_id = 'slow') EXECUTE FUNCTION slow()`,
      database.url,
    );
    try {
      const slow = one.append([delivery("slow", { stream: "s" })]);
      await sleep(150);
      await other.append([delivery("quick", { stream: "s" })]);
      const claims = await other.claimDeliveries({ limit: 9, leaseMs: 9_000 });
      expect(claims.map((claim) => claim.delivery.deliveryId)).toEqual(["slow"]);
      await slow;
    } finally {
      await administer("DROP FUNCTION slow CASCADE", database.url);
    }
  });

  it("store a delivery once that both are told of, and say so to one of them", async () => {
    const batch = Array.from({ length: 20 }, (_, n) => delivery(`same-${n}`));
    const answers = await Promise.all([one, other, one, other].map((store) => store.append(batch)));
    for (const position of batch.keys()) {
      expect(answers.filter((answer) => answer[position] === true)).toHaveLength(1);
    }
    expect((await one.listDeliveries({ limit: 100, cursor: null })).items).toHaveLength(20);
  });

  it("claim 200 builds, none twice", async () => {
    const changes = Array.from({ length: 200 }, (_, n) => change(null, `${n}`, `refs/heads/b${n}`));
    await recordCovered(
      one,
      await stored("many"),
      record(
        changes,
        changes.map((moved) => request(moved)),
      ),
    );
    const claimed: string[] = [];
    async function worker(store: Store): Promise<void> {
      for (;;) {
        const build = await store.claimBuild({ worker: "w", leaseMs: 60_000 });
        if (build === null) return;
        expect(build.attempt).toBe(1);
        claimed.push(build.build.id);
        if (claimed.length % 3 === 0) expect(await store.finishBuild(build.build.id, 1, GOOD)).toBe(true);
      }
    }
    await Promise.all([one, other, one, other].map(worker));
    // Whoever found all the rest locked has stopped early; what is left is there for the next look.
    await worker(one);
    expect([claimed.length, new Set(claimed).size]).toEqual([200, 200]);
  });

  it("are fair to installations also when they claim at the same moment", async () => {
    for (let n = 0; n < 6; n += 1) await queue(`busy-${n}`, "7");
    await queue("quiet", "8");
    const [first, second] = await Promise.all([claimBuild(one), claimBuild(other)]);
    expect([first.build.installation.id, second.build.installation.id].toSorted()).toEqual(["7", "8"]);
  });

  it("give the build of a lost lease to one of them", async () => {
    await queue("lost");
    await claimBuild(one, 1_000);
    clock.advance(1_000);
    const claims = await Promise.all(
      [one, other, one, other].map((s) => s.claimBuild({ worker: "w", leaseMs: 9_000 })),
    );
    expect(claims.filter((claim) => claim !== null)).toHaveLength(1);
  });

  it("queue the same work once", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const moved = change(null, `work-${round}`, `refs/heads/r${round}`);
      const what = record([moved], [request(moved)]);
      await cover(one, what);
      const [first, second] = [await stored(`w1-${round}`), await stored(`w2-${round}`)];
      const built = await Promise.all([one.recordPlan(first, what), other.recordPlan(second, what)]);
      expect(built.flat()).toHaveLength(1);
      const decisions = [...((await one.getDelivery(first))?.decisions ?? [])];
      decisions.push(...((await one.getDelivery(second))?.decisions ?? []));
      expect(decisions.map(({ reason }) => reason).toSorted()).toEqual(["duplicate", null]);
    }
  });

  it("record a delivery once, and both are told its builds", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const moved = change(null, `twice-${round}`, `refs/heads/t${round}`);
      const what = record([moved], [request(moved)]);
      await cover(one, what);
      const id = await stored(`twice-${round}`);
      const [first, second] = await Promise.all([one.recordPlan(id, what), other.recordPlan(id, what)]);
      expect(first).toHaveLength(1);
      expect(second).toEqual(first);
    }
  });

  it("leave one queued build of a branch that moves twice at once", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const ref = `refs/heads/s${round}`;
      const [a, b] = [change(null, `s1-${round}`, ref), change(`s1-${round}`, `s2-${round}`, ref)];
      await cover(one, record([a], []));
      const [first, second] = [await stored(`s1-${round}`), await stored(`s2-${round}`)];
      await Promise.all([
        one.recordPlan(first, record([a], [request(a)])),
        other.recordPlan(second, record([b], [request(b)])),
      ]);
      const states = (await allBuilds()).filter(({ planned }) => planned.ref === ref).map(({ state }) => state);
      expect(states.toSorted()).toEqual(["queued", "superseded"]);
    }
  });

  it("queue nothing of an installation that is being suspended", async () => {
    const who = { id: installationId("7"), account: account("17"), permissions: {} };
    for (let round = 0; round < ROUNDS; round += 1) {
      const moved = change(null, `gone-${round}`, `refs/heads/g${round}`);
      const what = record([moved], [request(moved)]);
      await cover(one, what);
      const id = await stored(`gone-${round}`);
      await Promise.all([
        one.recordPlan(id, what),
        other.saveInstallation({ ...who, state: "suspended" }).then(() => other.cancelInstallation(who.id)),
      ]);
      expect((await allBuilds()).filter(({ state }) => state === "queued")).toEqual([]);
    }
  });

  it("queue nothing of a repository once it is paused", async () => {
    const paused = repository("1");
    for (let round = 0; round < ROUNDS; round += 1) {
      const moved = change(null, `paused-${round}`, `refs/heads/p${round}`);
      const what = record([moved], [request(moved)]);
      await cover(one, what);
      await resume(one, "repository", paused);
      const id = await stored(`paused-${round}`);
      const [, then] = await Promise.all([
        one.recordPlan(id, what),
        pause(other, "repository", paused).then(() => other.stats()),
      ]);
      expect((await one.stats()).builds.queued).toBe(then.builds.queued);
    }
  });

  it("give a namespace to one of two accounts that ask for it at once", async () => {
    const policy = { kind: "automatic", provider: "github", host: "default" } as const;
    for (let round = 0; round < ROUNDS; round += 1) {
      const wanted = `wanted-${round}`;
      const ask = async (store: Store, id: string) => {
        const asking = { installation: installationId(id), account: account(id), wanted, registry: "default" };
        const { decision } = await store.settleClaim(asking, (known) =>
          decideClaim(policy, { ...known, account: asking.account, wanted, occupied: false }),
        );
        return decision.kind;
      };
      const decided = await Promise.all([ask(one, `1${round}`), ask(other, `2${round}`)]);
      expect(decided.toSorted()).toEqual(["grant", "wait"]);
      const ledger = await one.namespaceLedger(wanted);
      expect([ledger?.writers.length, ledger?.claims.length]).toEqual([1, 1]);
    }
  });

  it("answer a cancel by what became of the build that was being claimed", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const id = await queue(`cancel-${round}`);
      const [answer, claimed] = await Promise.all([
        one.cancelBuild(id, OPERATOR),
        other.claimBuild({ worker: "w", leaseMs: 15_000 }),
      ]);
      expect([answer, claimed?.build.id ?? null]).toEqual(claimed === null ? ["canceled", null] : ["canceling", id]);
      expect((await one.getBuild(id))?.state).toBe(claimed === null ? "canceled" : "running");
      if (claimed !== null) await other.finishBuild(id, claimed.attempt, { ...GOOD, state: "canceled" });
    }
  });

  it("repeat a build once for two clicks", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const id = await queue(`again-${round}`);
      const { attempt } = await claimBuild(one);
      await one.finishBuild(id, attempt, { ...GOOD, state: "failed" });
      const clicks = [one, other, one, other].map((store) => retry(store, id));
      const repeated = new Set((await Promise.all(clicks)).map((build) => build?.id ?? ""));
      expect(repeated.size).toBe(1);
      for (const repetition of repeated) await one.cancelBuild(repetition, OPERATOR);
    }
    expect(await allBuilds()).toHaveLength(2 * ROUNDS);
  });

  it("end one attempt once", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const id = await queue(`end-${round}`);
      const { attempt } = await claimBuild(one);
      const results = await Promise.all([
        one.finishBuild(id, attempt, GOOD),
        other.finishBuild(id, attempt, { ...GOOD, state: "failed" }),
        one.releaseBuild(id, attempt, "2026-11-20T10:00:00.000Z"),
      ]);
      expect(results.filter((held) => held)).toHaveLength(1);
      if (results[2]) await one.cancelBuild(id, OPERATOR);
    }
  });

  it("give a commit each of its checks once, however many of its images are planned and built at once", async () => {
    const moved = change(null, "tip", "refs/heads/main");
    const images = ["api", "web", "worker", "docs"];
    const plans = images.map((image) => record([moved], [request(moved, image)]));
    const [first] = plans;
    if (first === undefined) throw new Error("there are plans");
    await cover(one, first);
    const ids: string[] = [];
    for (const image of images) ids.push(await stored(image));
    await Promise.all(
      plans.map((what, n) => (n % 2 === 0 ? one : other).recordPlan(ids[n] ?? "", { ...what, trigger: "retry" })),
    );
    const shown: string[] = [];
    for (;;) {
      const claims = (await Promise.all([one, other].map((s) => s.claimChecks({ limit: 9, leaseMs: 9_000 })))).flat();
      if (claims.length === 0) break;
      // One of a repository at a time, whoever asks.
      expect(claims).toHaveLength(1);
      for (const { id, name, revision, shown: before } of claims) {
        shown.push(name);
        await one.checkShown(id, revision, { ...before, hostId: `host ${id}` });
      }
    }
    expect(shown.toSorted()).toEqual(["wharfinger", ...images.map((image) => `wharfinger: ${image}`).toSorted()]);
  });

  it("promote one build of an image at a time, and no build twice", async () => {
    for (const name of ["p1", "p2", "p3", "p4"]) {
      const id = await queue(name, "7", name < "p3" ? "api" : "web");
      const { attempt } = await claimBuild(one);
      expect(await one.stageBuild(id, attempt, { digest: `sha256:${"b".repeat(64)}`, steps: [] })).toBe(true);
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      const claims = await Promise.all(
        [one, other, one, other].map((store) => store.claimPromotion({ worker: "w", leaseMs: 9_000 })),
      );
      const held = claims.filter((claim) => claim !== null);
      expect(held.map(({ build }) => build.planned.image).toSorted()).toEqual(["api", "web"]);
      for (const { build, attempt } of held) {
        expect(await one.releasePromotion(build.id, attempt, "2026-11-20T10:00:00.000Z")).toBe(true);
      }
    }
  });
});

describe("a process that starts", () => {
  it("leaves the leases of one that lives alone, and ends those of one that is gone", async () => {
    await stored("a");
    expect(await one.claimDeliveries({ limit: 1, leaseMs: 60_000 })).toHaveLength(1);
    await other.takeOver();
    expect(await other.claimDeliveries({ limit: 1, leaseMs: 60_000 })).toHaveLength(0);
    await one.close();
    await other.takeOver();
    expect(await other.claimDeliveries({ limit: 1, leaseMs: 60_000 })).toHaveLength(1);
    one = await openStore({ url: database.url, clock });
  });
});
