import { beforeEach, describe, expect, it } from "@jest/globals";
import { FOUND, type Found, parseFound } from "../../src/core/found.ts";
import { failed, type Outcome, ok, type Sha } from "../../src/core/model.ts";
import {
  GRACE_MS,
  LOOK_EVERY_MS,
  MAX_AT_ONCE,
  type Refs,
  type RefTip,
  type ToldPlace,
} from "../../src/core/reconcile.ts";
import type { Acceptance } from "../../src/engine/inbox.ts";
import { createPauses, type Pauses } from "../../src/engine/pauses.ts";
import type { IncomingDelivery, Tip } from "../../src/engine/ports.ts";
import { createReconciler } from "../../src/engine/reconcile.ts";
import type { ClaimedRepository, ComparisonEnd, ReconcileStore } from "../../src/engine/reconcile-port.ts";
import { installationId, repository, sha, type TestClock, testClock } from "../contract/store.samples.ts";
import { type Line, recordingLog } from "./fakes.ts";

const MAIN = "refs/heads/main";
const V1 = "refs/tags/v1.0.0";
const AWAY = failed("GitHub answered 502", { retryable: true });
const NAMED = { ...repository("1"), cloneUrl: "https://github.test/acme/repository-1.git" };
const CREDENTIAL = { username: "x-access-token", password: "secret" };

/** A repository as it is at its host, what was told of it, and what came of looking. */
interface Bench {
  clock: TestClock;
  pauses: Pauses;
  claims: ClaimedRepository[];
  /** As git lists them. */
  refs: Map<string, RefTip>;
  reading: Outcome<never> | null;
  credential: Outcome<never> | null;
  /** As the host says when it is asked for one; left out: as git lists it. */
  tips: Map<string, Outcome<Tip | null>>;
  seen: Outcome<typeof NAMED | null> | null;
  told: Map<string, ToldPlace>;
  awaited: boolean;
  acceptance: Acceptance;
  ends: ComparisonEnd[];
  journal: IncomingDelivery[];
  found: number[];
  asked: string[];
  waits: number[];
  onRead(): void;
  lines: Line[];
  stopping: AbortController;
  step(): Promise<boolean>;
}

let bench: Bench;

beforeEach(() => {
  bench = createBench();
});

function tip(letter: string, commit = letter): RefTip {
  return { object: sha(letter), commit: sha(commit) };
}

/** What is left of the look before, due now. */
function claimed(more: Partial<ClaimedRepository> = {}): ClaimedRepository {
  const end = bench.ends.at(-1);
  return {
    attempt: 1,
    installation: installationId("7"),
    repository: NAMED,
    refs: new Map([[MAIN, tip("a")]]),
    suspects: end?.suspects ?? [],
    lastUsedAt: null,
    failures: 0,
    ...more,
  };
}

function createBench(): Bench {
  const { log, lines } = recordingLog();
  const clock = testClock();
  const pauses = createPauses(clock);
  const stopping = new AbortController();
  const store: ReconcileStore = {
    async claimComparisons() {
      return bench.claims.splice(0);
    },
    async endComparison(_repository, _attempt, end) {
      bench.ends.push(end);
      return true;
    },
    async toldPlaces(_repository, lanes) {
      bench.asked.push(`told ${lanes.length}`);
      return new Map([...bench.told].filter(([lane]) => lanes.includes(lane)));
    },
    async isAwaited() {
      bench.asked.push("awaited");
      return bench.awaited;
    },
  };
  const { step } = createReconciler({
    hosts: [
      {
        host: {
          provider: "github",
          host: "default",
          async repository() {
            bench.asked.push("repository");
            const seen = bench.seen ?? ok(NAMED);
            return seen.ok && seen.value !== null ? ok({ ...seen.value, archived: false }) : (seen as Outcome<null>);
          },
          async tip(_installation, _repository, ref) {
            bench.asked.push(`tip ${ref}`);
            const listed = bench.refs.get(ref);
            const is = listed && { commit: listed.commit, committedAt: null, message: `at ${listed.commit[0]}` };
            return bench.tips.get(ref) ?? ok(is ?? null);
          },
          async cloneCredential() {
            return bench.credential ?? ok(CREDENTIAL);
          },
        },
        refs: {
          async read(url, credential) {
            bench.onRead();
            bench.asked.push(`read ${url} as ${credential.username}`);
            return bench.reading ?? ok<Refs>(new Map(bench.refs));
          },
        },
      },
    ],
    store,
    async accept(delivery) {
      if (bench.acceptance === "stored") bench.journal.push(delivery);
      return bench.acceptance;
    },
    pauses,
    clock,
    log,
    wait: async (ms) => {
      bench.waits.push(ms);
    },
    signal: stopping.signal,
    onFound: (count) => bench.found.push(count),
  });
  return {
    clock,
    pauses,
    claims: [],
    refs: new Map([[MAIN, tip("a")]]),
    reading: null,
    credential: null,
    tips: new Map(),
    seen: null,
    told: new Map(),
    awaited: false,
    acceptance: "stored",
    ends: [],
    journal: [],
    found: [],
    asked: [],
    waits: [],
    onRead: () => undefined,
    lines,
    stopping,
    step,
  };
}

async function look(more: Partial<ClaimedRepository> = {}): Promise<ComparisonEnd> {
  bench.claims.push(claimed(more));
  expect(await bench.step()).toBe(true);
  const end = bench.ends.at(-1);
  if (end === undefined) throw new Error("the look did not end");
  return end;
}

/** Twice, the time between them long enough. */
async function lookTwice(more: Partial<ClaimedRepository> = {}): Promise<ComparisonEnd> {
  const first = await look(more);
  bench.clock.advance(GRACE_MS);
  return look({ ...more, ...(first.refs !== null && { refs: first.refs }) });
}

function foundIn(delivery: IncomingDelivery | undefined): Found | null {
  return delivery === undefined ? null : parseFound(delivery.body.toString("utf8"));
}

describe("comparing branches and tags", () => {
  it("only remembers them the first time", async () => {
    bench.refs.set(V1, tip("t", "a"));
    expect(await look({ refs: null })).toMatchObject({ refs: bench.refs, suspects: [], problem: null, found: 0 });
    expect(bench.asked).toEqual(["repository", `read ${NAMED.cloneUrl} as x-access-token`]);
    expect(bench.journal).toEqual([]);
  });

  it("asks nothing more where nothing has moved, and writes nothing", async () => {
    expect(await look()).toMatchObject({ refs: null, suspects: [], problem: null });
    expect(bench.asked.filter((one) => !one.startsWith("read"))).toEqual([]);
  });

  it("comes back for what it suspects when its time is over", async () => {
    bench.refs.set(V1, tip("b"));
    const { refs, suspects, dueAt } = await look();
    expect([refs, suspects, dueAt - bench.clock.now()]).toEqual([
      null,
      [{ ref: V1, object: sha("b"), since: bench.clock.now() }],
      GRACE_MS,
    ]);
    expect(bench.journal).toEqual([]);
  });

  it("journals what nobody told of, and remembers it", async () => {
    bench.refs.set(V1, tip("t", "a"));
    const end = await lookTwice();
    expect(end).toMatchObject({ refs: bench.refs, suspects: [], problem: null, found: 1 });
    const [delivery] = bench.journal;
    expect(bench.journal).toMatchObject([
      { event: FOUND, stream: "repo:1", repositoryId: "1", installationId: "7", receivedAt: bench.clock.now() },
    ]);
    expect(foundIn(delivery)?.changes).toEqual([
      {
        kind: "tag",
        ref: V1,
        name: "v1.0.0",
        before: null,
        after: sha("t"),
        commit: sha("a"),
        forced: false,
        message: `at ${sha("a")[0]}`,
      },
    ]);
    expect(bench.found).toEqual([1]);
    expect(await look({ refs: end.refs })).toMatchObject({ refs: null, suspects: [], found: 0 });
    expect(bench.journal).toHaveLength(1);
  });

  it("gives what is found again another id", async () => {
    bench.refs.set(V1, tip("b"));
    await lookTwice();
    bench.ends = [];
    await lookTwice();
    const [one, other] = bench.journal;
    expect(other?.body).toEqual(one?.body);
    expect(other?.deliveryId).not.toBe(one?.deliveryId);
  });

  it("believes what was told, also while it looked", async () => {
    bench.refs.set(MAIN, tip("b"));
    bench.told.set(MAIN, { before: sha("a"), after: sha("b"), judged: sha("b"), found: false });
    const { refs, suspects } = await lookTwice();
    expect([refs, suspects, bench.journal]).toEqual([null, [], []]);
    expect(bench.ends[0]?.refs).toEqual(bench.refs);
  });

  it("waits for what has come and is not processed yet", async () => {
    bench.refs.set(MAIN, tip("b"));
    await look();
    bench.clock.advance(GRACE_MS);
    bench.awaited = true;
    const since = bench.clock.now() - GRACE_MS;
    const end = await look();
    expect(end).toMatchObject({ refs: null, suspects: [{ ref: MAIN, since }], found: 0, problem: null });
    expect(end.dueAt - bench.clock.now()).toBe(30_000);
    // What is planned while it asks must be seen.
    expect(bench.asked.indexOf("awaited")).toBeLessThan(bench.asked.indexOf("told 1"));
    bench.awaited = false;
    expect(await look()).toMatchObject({ found: 1 });
  });

  it("leaves what moves right now for its own time", async () => {
    bench.refs.set(MAIN, tip("b"));
    bench.tips.set(MAIN, ok({ commit: sha("c"), committedAt: null, message: "" }));
    const end = await lookTwice();
    expect(end).toMatchObject({ refs: null, found: 0, suspects: [{ ref: MAIN, since: bench.clock.now() }] });
    expect(bench.journal).toEqual([]);
  });

  it("gives up on what git lists and the host knows no commit of, once it is sure", async () => {
    bench.refs.set(V1, tip("t", "t"));
    bench.tips.set(V1, ok(null));
    const first = await lookTwice();
    expect(first).toMatchObject({ refs: null, found: 0, suspects: [{ ref: V1, noCommit: true }] });
    bench.clock.advance(GRACE_MS);
    expect(await look()).toMatchObject({ refs: bench.refs, found: 0, suspects: [] });
    expect(bench.journal).toEqual([]);
  });

  it("believes a host that was late to know a commit", async () => {
    bench.refs.set(V1, tip("b"));
    bench.tips.set(V1, ok(null));
    await lookTwice();
    bench.tips.clear();
    bench.clock.advance(GRACE_MS);
    expect(await look()).toMatchObject({ refs: bench.refs, found: 1, suspects: [] });
  });

  it("tells what is gone, if it was told that it is there", async () => {
    bench.refs.delete(MAIN);
    bench.told.set(MAIN, { before: null, after: sha("a"), judged: sha("a"), found: false });
    const end = await lookTwice();
    expect(end).toMatchObject({ refs: new Map(), found: 1 });
    expect(foundIn(bench.journal[0])?.changes).toMatchObject([
      { ref: MAIN, before: sha("a"), after: null, commit: null },
    ]);
  });

  it("tells the oldest commit first", async () => {
    for (const [name, day] of [
      ["v1", 3],
      ["v2", 1],
      ["v3", 2],
    ] as const) {
      const ref = `refs/tags/${name}`;
      bench.refs.set(ref, tip("b"));
      bench.tips.set(ref, ok({ commit: sha("b"), committedAt: `2026-11-0${day}T00:00:00.000Z`, message: "" }));
    }
    await lookTwice();
    expect(foundIn(bench.journal[0])?.changes.map(({ name }) => name)).toEqual(["v2", "v3", "v1"]);
  });

  it("hands on many in portions", async () => {
    for (let index = 0; index < MAX_AT_ONCE + 3; index++) bench.refs.set(`refs/tags/v0.0.${index}`, tip("b"));
    const end = await lookTwice();
    expect([end.found, end.suspects.length, end.dueAt]).toEqual([MAX_AT_ONCE, 3, bench.clock.now()]);
    expect(await look({ refs: end.refs })).toMatchObject({ found: 3, suspects: [], refs: bench.refs });
    expect(new Set(bench.journal.flatMap((one) => foundIn(one)?.changes.map(({ ref }) => ref) ?? [])).size).toBe(
      MAX_AT_ONCE + 3,
    );
  });

  it("leaves some time between repositories, counted from where it began", async () => {
    bench.claims.push(claimed(), claimed(), claimed());
    await bench.step();
    await bench.step();
    bench.onRead = () => bench.clock.advance(700);
    bench.claims.push(claimed(), claimed());
    await bench.step();
    bench.onRead = () => bench.clock.advance(200);
    bench.claims.push(claimed(), claimed());
    await bench.step();
    expect(bench.waits).toEqual([1_500, 600]);
  });

  it.each<[string, Partial<ClaimedRepository>]>([
    ["of which nothing was ever told", { repository: { ...NAMED, cloneUrl: "" } }],
    ["that was renamed since", { repository: { ...NAMED, cloneUrl: "https://github.test/acme/former.git" } }],
    ["whose last look failed", { failures: 1 }],
    ["that was never compared", { refs: null }],
  ])("asks for the address of a repository %s", async (_what, more) => {
    await look(more);
    expect(bench.asked).toEqual(["repository", `read ${NAMED.cloneUrl} as x-access-token`]);
  });

  it("believes no list of whoever has its name now", async () => {
    bench.refs = new Map([[V1, tip("x")]]);
    bench.told.set(V1, { before: null, after: sha("x"), judged: sha("x"), found: false });
    bench.seen = ok({ ...NAMED, cloneUrl: "https://github.test/renamed/repository-1.git" });
    expect(await look()).toMatchObject({ refs: null, suspects: [], problem: "Its address has changed.", found: 0 });
  });
});

describe("a look that fails", () => {
  it.each<[string, Partial<Bench>, string]>([
    ["the host is away", { credential: AWAY }, "GitHub answered 502"],
    ["git is refused", { reading: AWAY }, "GitHub answered 502"],
    ["the address is not known", { seen: AWAY }, "GitHub answered 502"],
    ["the repository is gone", { seen: ok(null) }, "The installation does not cover it."],
    ["one can not be asked for", { tips: new Map([[V1, AWAY]]) }, "GitHub answered 502"],
    ["it can not be journalled", { acceptance: "overloaded" }, "What was found could not be stored (overloaded)."],
  ])("leaves everything as it was: %s", async (_what, broken, problem) => {
    bench.refs.set(V1, tip("b"));
    const suspects = [{ ref: V1, object: sha("b") as Sha, since: bench.clock.now() - GRACE_MS }];
    Object.assign(bench, broken);
    const end = await look({ suspects, repository: { ...NAMED, cloneUrl: "" } });
    expect(end).toMatchObject({ refs: null, suspects, problem, found: 0 });
    expect(end.dueAt).toBeGreaterThan(bench.clock.now());
    expect([bench.journal, bench.found]).toEqual([[], []]);
    expect(bench.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  });

  it("is told once, and tried ever more seldom", async () => {
    bench.reading = AWAY;
    const gaps: number[] = [];
    for (const failures of [0, 9, 10]) {
      const { dueAt } = await look({ failures, lastUsedAt: bench.clock.now() });
      gaps.push(dueAt - bench.clock.now());
    }
    expect(gaps[0]).toBeLessThanOrEqual(LOOK_EVERY_MS.busy * 1.2);
    expect(gaps.slice(1)).toEqual([1024 * 60_000, 24 * 60 * 60_000]);
    expect(bench.lines.map(({ message }) => message)).toEqual(["branches and tags not compared"]);
  });

  it("lets a host alone that wants it", async () => {
    bench.credential = failed("rate limit", { retryable: true, retryAfter: 3_600 });
    const end = await look({ lastUsedAt: bench.clock.now() });
    expect(end.dueAt - bench.clock.now()).toBe(3_600_000);
    bench.credential = null;
    expect(await look()).toMatchObject({ problem: "The host asked us to wait." });
    expect(bench.asked).toEqual([]);
  });

  it("of one repository is none of the others", async () => {
    const other = { ...repository("2"), host: "elsewhere" };
    bench.claims.push(claimed({ repository: other }), claimed());
    await bench.step();
    expect(bench.ends.map(({ problem }) => problem).sort()).toEqual([
      "This instance is not set up for the host elsewhere.",
      null,
    ]);
  });

  it("of our own ends no loop", async () => {
    bench.refs.set(V1, tip("b"));
    bench.told.get = () => {
      throw new Error("unused");
    };
    bench.told[Symbol.iterator] = () => {
      throw new Error("a bug");
    };
    bench.claims.push(claimed());
    expect(await bench.step()).toBe(true);
    expect(bench.lines).toMatchObject([
      { level: "error", message: expect.stringContaining("its lease ends by itself") },
    ]);
  });

  it("begins none while it stops", async () => {
    bench.stopping.abort();
    bench.claims.push(claimed());
    expect([await bench.step(), bench.claims.length]).toEqual([false, 1]);
  });
});
