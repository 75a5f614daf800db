import { beforeEach, describe, expect, it } from "@jest/globals";
import { failed, type Outcome, ok } from "../../src/core/model.ts";
import type { Acceptance } from "../../src/engine/inbox.ts";
import { createMissed } from "../../src/engine/missed.ts";
import type { AttemptPage, DeliveryAttempt, LookEnd, MissedStore, MissedTry } from "../../src/engine/missed-port.ts";
import type { IncomingDelivery } from "../../src/engine/ports.ts";
import { delivery, type TestClock, testClock } from "../contract/store.samples.ts";
import { type Line, recordingLog } from "./fakes.ts";

const MINUTE = 60_000;
const PLACE = { provider: "github", host: "default" } as const;

/** One host with a list of attempts, an empty journal, and what was asked of them. */
interface Bench {
  clock: TestClock;
  /** The newest first. */
  attempts: DeliveryAttempt[];
  pageSize: number;
  /** By id of the delivery: what fetching it answers; a function is asked each time. */
  fetches: Map<string, () => Outcome<never> | null>;
  /** By the page's number, from 0. */
  lists: Map<number, Outcome<never>>;
  known: Set<string>;
  stored: IncomingDelivery[];
  answers: Map<string, Acceptance>;
  reached: number | null;
  ends: LookEnd[];
  tries: Map<string, MissedTry>;
  held: boolean;
  /** Positions that were kept while a look went on. */
  holds: (number | null)[];
  claims: { leaseMs: number; gapMs: number }[];
  asked: string[];
  fetched: number[];
  stopping: AbortController;
  lines: Line[];
  step(): Promise<boolean>;
}

let bench: Bench;
let nextId: number;

beforeEach(() => {
  nextId = 1;
  bench = createBench();
});

/** An attempt some minutes ago. */
function attempt(guid: string, minutesAgo: number, more: Partial<DeliveryAttempt> = {}): DeliveryAttempt {
  const id = String(nextId);
  nextId += 1;
  return { id, deliveryId: guid, sentAt: ago(minutesAgo), status: 503, wanted: true, ...more };
}

function ago(minutes: number): number {
  return bench.clock.now() - minutes * MINUTE;
}

function createBench(): Bench {
  const { log, lines } = recordingLog();
  const clock = testClock();
  const store: MissedStore = {
    async unknownDeliveries({ ids }) {
      bench.asked.push(`unknown ${ids.length}`);
      return new Set(ids.filter((id) => !bench.known.has(id)));
    },
    async claimLook(_place, options) {
      bench.claims.push(options);
      const problem = bench.ends.at(-1)?.problem ?? null;
      return { attempt: 1, reached: bench.reached, problem };
    },
    async holdLook(_place, _attempt, { reached }) {
      bench.holds.push(reached);
      if (bench.held) bench.reached = reached ?? bench.reached;
      return bench.held;
    },
    async endLook(_place, _attempt, end) {
      bench.ends.push(end);
      bench.reached = end.reached ?? bench.reached;
    },
    missedTries: async () => new Map(bench.tries),
    async recordMissedTry({ attempt: { deliveryId }, notBefore }) {
      bench.tries.set(deliveryId, { tries: (bench.tries.get(deliveryId)?.tries ?? 0) + 1, notBefore });
    },
    lanesBeside: async () => new Map(),
  };
  const stopping = new AbortController();
  const { step } = createMissed({
    sources: [
      {
        ...PLACE,
        async list(page): Promise<Outcome<AttemptPage>> {
          const number = Number(page ?? 0);
          bench.asked.push(`page ${number}`);
          const broken = bench.lists.get(number);
          if (broken !== undefined) return broken;
          const from = number * bench.pageSize;
          const more = bench.attempts.length > from + bench.pageSize;
          const attempts = bench.attempts.slice(from, from + bench.pageSize);
          return ok({ attempts, next: more ? String(number + 1) : null });
        },
        async fetch({ id, deliveryId }) {
          bench.asked.push(`fetch ${deliveryId} by ${id}`);
          const broken = bench.fetches.get(deliveryId)?.() ?? null;
          return broken ?? ok(delivery(deliveryId, { receivedAt: clock.now() }));
        },
      },
    ],
    store,
    async accept(given) {
      const answer = bench.answers.get(given.deliveryId) ?? (bench.known.has(given.deliveryId) ? "known" : "stored");
      if (answer === "stored") {
        bench.known.add(given.deliveryId);
        bench.stored.push(given);
      }
      return answer;
    },
    everyMs: 3 * MINUTE,
    clock,
    log,
    signal: stopping.signal,
    onFetched: (_source, count) => bench.fetched.push(count),
  });
  return {
    clock,
    attempts: [],
    pageSize: 100,
    fetches: new Map(),
    lists: new Map(),
    known: new Set(),
    stored: [],
    answers: new Map(),
    reached: null,
    ends: [],
    tries: new Map(),
    held: true,
    holds: [],
    claims: [],
    asked: [],
    fetched: [],
    stopping,
    lines,
    step,
  };
}

const ids = () => bench.stored.map(({ deliveryId }) => deliveryId);
const asked = (what: string) => bench.asked.filter((one) => one.startsWith(what));
const down = failed("GitHub answered 502.", { retryable: true });
const gone = failed("GitHub answered 404.", { retryable: false });
const slow = failed("GitHub answered 429.", { retryable: true, retryAfter: 90 });

describe("a look at a host", () => {
  it.each<[string, () => void, readonly string[]]>([
    ["fetches what no attempt has brought", () => bench.attempts.push(attempt("a", 1)), ["a"]],
    [
      "fetches what got no answer at all, and what was sent on elsewhere",
      () => bench.attempts.push(attempt("b", 1, { status: null }), attempt("a", 2, { status: 302 })),
      ["a", "b"],
    ],
    [
      "leaves what a later attempt has brought",
      () => bench.attempts.push(attempt("a", 1, { status: 202 }), attempt("b", 2), attempt("a", 3)),
      ["b"],
    ],
    [
      "leaves what an earlier attempt has brought",
      () => bench.attempts.push(attempt("a", 1), attempt("a", 2, { status: 200 })),
      [],
    ],
    [
      "leaves what the journal has",
      () => {
        bench.attempts.push(attempt("a", 1), attempt("b", 2));
        bench.known.add("a");
      },
      ["b"],
    ],
    [
      "leaves what nothing new is in",
      () => bench.attempts.push(attempt("echo", 1, { wanted: false }), attempt("b", 2)),
      ["b"],
    ],
    [
      "fetches what failed again and again once",
      () => bench.attempts.push(attempt("a", 1), attempt("a", 2), attempt("a", 3)),
      ["a"],
    ],
  ])("%s", async (_what, given, expected) => {
    given();
    expect(await bench.step()).toBe(false);
    expect(ids()).toEqual(expected);
    expect(asked("fetch")).toHaveLength(expected.length);
    expect(bench.ends).toEqual([
      {
        reached: Math.max(...bench.attempts.map(({ sentAt }) => sentAt)),
        complete: true,
        problem: null,
        notBefore: null,
      },
    ]);
    expect(bench.fetched.reduce((sum, count) => sum + count, 0)).toBe(expected.length);
  });

  it("finds nothing where nothing is listed, and says nothing of it", async () => {
    await bench.step();
    expect(bench.ends).toEqual([{ reached: null, complete: true, problem: null, notBefore: null }]);
    expect(bench.lines).toEqual([]);
  });

  it("stores the oldest first, by their first attempts, and what came in one second as it was listed", async () => {
    const again = attempt("a", 1);
    bench.attempts = [again, attempt("d", 2), attempt("c", 5), attempt("b", 5), attempt("a", 9, { status: 401 })];
    await bench.step();
    expect(ids()).toEqual(["a", "b", "c", "d"]);
    expect(bench.stored[0]?.missed).toEqual({ sentAt: ago(9), status: 401 });
    expect(bench.lines).toEqual([
      {
        level: "info",
        message: "fetched what the host could not deliver",
        fields: { ...PLACE, listed: 5, missed: 4, fetched: 4 },
      },
    ]);
  });

  it("reads all pages, takes what is on two of them once, and stores hundreds in order", async () => {
    bench.pageSize = 10;
    bench.attempts = Array.from({ length: 300 }, (_, index) => attempt(`n-${Math.floor(index / 2)}`, index / 10));
    await bench.step();
    expect(asked("page")).toHaveLength(30);
    expect(ids()).toEqual(Array.from({ length: 150 }, (_, index) => `n-${149 - index}`));
    expect(asked("fetch")).toHaveLength(150);
  });

  it("goes back to a quarter of an hour before the position, and no further", async () => {
    bench.pageSize = 1;
    bench.reached = ago(10);
    bench.attempts = [5, 10, 20, 24.9, 25.1, 30].map((minutes) => attempt(`m-${minutes}`, minutes));
    await bench.step();
    // The page that is older tells that there is no need for another one.
    expect(asked("page")).toEqual(["page 0", "page 1", "page 2", "page 3", "page 4"]);
    expect(ids()).toEqual(["m-25.1", "m-24.9", "m-20", "m-10", "m-5"]);
    expect(bench.reached).toBe(ago(5));
  });

  it("takes what the host lists where nobody has looked yet", async () => {
    bench.pageSize = 1;
    bench.attempts = [attempt("a", 1), attempt("b", 7 * 24 * 60)];
    await bench.step();
    expect(ids()).toEqual(["b", "a"]);
  });

  it("is not finished where the list fails midway: nothing is fetched, and the position stays", async () => {
    bench.pageSize = 1;
    bench.reached = ago(60);
    bench.attempts = [attempt("a", 1), attempt("b", 2), attempt("c", 3)];
    bench.lists.set(1, down);
    await bench.step();
    await bench.step();
    expect(ids()).toEqual([]);
    const end = { reached: ago(60), complete: false, problem: "GitHub answered 502.", notBefore: null };
    expect(bench.ends).toEqual([end, end]);
    // The same trouble is told once.
    expect(bench.lines.map(({ level, message }) => [level, message])).toEqual([
      ["warn", "missed deliveries could not be looked for or fetched"],
    ]);
    bench.lists.clear();
    await bench.step();
    expect(ids()).toEqual(["c", "b", "a"]);
    expect(bench.ends.at(-1)).toEqual({ reached: ago(1), complete: true, problem: null, notBefore: null });
  });

  it("waits as long as the host says, wherever it says so", async () => {
    bench.lists.set(0, slow);
    await bench.step();
    expect(bench.ends.at(-1)).toMatchObject({ complete: false, notBefore: bench.clock.now() + 90_000 });
    bench.lists.clear();
    bench.attempts = [attempt("b", 1), attempt("a", 2)];
    bench.fetches.set("a", () => slow);
    await bench.step();
    expect(bench.ends.at(-1)).toMatchObject({ complete: false, notBefore: bench.clock.now() + 90_000 });
    // Being told to slow down says nothing of the delivery.
    expect(bench.tries).toEqual(new Map());
    expect(bench.reached).toBe(ago(2));
  });
});

describe("what can not be fetched", () => {
  it("is tried three times, the last time half an hour later; then it is given up, and said", async () => {
    bench.reached = ago(30);
    bench.attempts = [attempt("b", 1), attempt("a", 2)];
    const [sentB, sentA] = [ago(1), ago(2)];
    bench.fetches.set("a", () => down);
    await bench.step();
    expect(ids()).toEqual(["b"]);
    expect(bench.reached).toBe(sentA);
    expect(bench.ends.at(-1)).toMatchObject({ complete: true, problem: "GitHub answered 502." });
    bench.clock.advance(3 * MINUTE);
    await bench.step();
    expect(asked("fetch a")).toHaveLength(2);
    for (const _ of [1, 2, 3]) {
      bench.clock.advance(9 * MINUTE);
      await bench.step();
    }
    expect(asked("fetch a")).toHaveLength(2);
    expect([bench.reached, bench.ends.at(-1)?.problem]).toEqual([sentA, "GitHub answered 502."]);
    expect(bench.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
    bench.clock.advance(9 * MINUTE);
    await bench.step();
    expect(asked("fetch a")).toHaveLength(3);
    expect(bench.reached).toBe(sentB);
    expect(bench.tries.get("a")).toEqual({ tries: 3, notBefore: null });
    expect(bench.lines.filter(({ message }) => message.includes("given up"))).toEqual([
      {
        level: "warn",
        message: "a missed delivery can not be fetched, and is given up",
        fields: { ...PLACE, deliveryId: "a", status: 503, tries: 3, reason: "GitHub answered 502." },
      },
    ]);
    await bench.step();
    expect(asked("fetch a")).toHaveLength(3);
    expect(bench.ends.at(-1)).toEqual({ reached: sentB, complete: true, problem: null, notBefore: null });
  });

  it("is given up at once where asking again gives the same; what is behind it is fetched", async () => {
    bench.attempts = [attempt("b", 1), attempt("a", 2)];
    bench.fetches.set("a", () => gone);
    await bench.step();
    expect(ids()).toEqual(["b"]);
    expect(bench.reached).toBe(ago(1));
    expect(bench.tries.get("a")).toEqual({ tries: 1, notBefore: null });
  });

  it("costs no more tries than a handful when all of it fails: the host is away", async () => {
    bench.attempts = Array.from({ length: 40 }, (_, index) => attempt(`n-${index}`, index + 1));
    for (const { deliveryId } of bench.attempts) bench.fetches.set(deliveryId, () => down);
    await bench.step();
    expect(asked("fetch")).toHaveLength(4);
    expect(bench.ends.at(-1)).toMatchObject({ complete: false, reached: ago(40) });
  });

  it("is fetched on a later try, and what was behind it is not fetched again", async () => {
    bench.attempts = [attempt("b", 1), attempt("a", 2)];
    let broken = true;
    bench.fetches.set("a", () => (broken ? down : null));
    await bench.step();
    broken = false;
    await bench.step();
    expect(ids()).toEqual(["b", "a"]);
    expect(asked("fetch b")).toHaveLength(1);
    expect(bench.reached).toBe(ago(1));
  });
});

describe("the position", () => {
  it.each<Acceptance>(["overloaded", "late", "failed"])(
    "stays before what the journal answers %p for",
    async (answer) => {
      bench.reached = ago(90);
      bench.attempts = Array.from({ length: 20 }, (_, index) => attempt(`n-${index}`, index + 1));
      bench.answers.set("n-9", answer);
      await bench.step();
      expect(bench.reached).toBe(ago(10));
      expect(bench.ends.at(-1)).toMatchObject({
        complete: false,
        problem: `What was fetched could not be stored (${answer}).`,
      });
      // A handful is stored together; of what stands behind it nothing is fetched.
      expect(ids()).not.toContain("n-3");
      bench.answers.clear();
      await bench.step();
      expect(bench.reached).toBe(ago(1));
      expect(new Set(ids()).size).toBe(20);
      expect(ids()).toHaveLength(20);
    },
  );

  it("counts what GitHub delivered again meanwhile as settled", async () => {
    bench.attempts = [attempt("b", 1), attempt("a", 2)];
    bench.fetches.set("a", () => {
      bench.known.add("a");
      return null;
    });
    await bench.step();
    expect(ids()).toEqual(["b"]);
    expect(bench.reached).toBe(ago(1));
    expect(bench.fetched).toEqual([1]);
  });

  it("is kept after each handful, so that a crash repeats little", async () => {
    bench.attempts = Array.from({ length: 20 }, (_, index) => attempt(`n-${index}`, index + 1));
    bench.fetches.set("n-0", () => {
      throw new Error("a bug");
    });
    await bench.step();
    expect(bench.holds.slice(1)).toEqual([17, 13, 9, 5].map(ago));
    expect(bench.reached).toBe(ago(5));
    expect(bench.ends.at(-1)).toMatchObject({ complete: false, problem: "an internal error; the log has the details" });
    expect(bench.lines.map(({ level, message }) => [level, message])).toContainEqual([
      "error",
      "looking for missed deliveries failed",
    ]);
  });

  it("does not move where the lease was lost, and nothing more is fetched", async () => {
    bench.reached = ago(90);
    bench.attempts = Array.from({ length: 20 }, (_, index) => attempt(`n-${index}`, index + 1));
    bench.held = false;
    await bench.step();
    expect([asked("fetch"), bench.ends, bench.reached]).toEqual([[], [], ago(90)]);
  });

  it("is where it got to when the program stops, and what was wrong before stays said", async () => {
    bench.lists.set(0, down);
    await bench.step();
    bench.lists.clear();
    bench.attempts = Array.from({ length: 20 }, (_, index) => attempt(`n-${index}`, index + 1));
    bench.fetches.set("n-19", () => {
      bench.stopping.abort();
      return null;
    });
    await bench.step();
    expect(ids()).toHaveLength(4);
    expect(bench.ends.at(-1)).toEqual({
      reached: ago(17),
      complete: false,
      problem: "GitHub answered 502.",
      notBefore: null,
    });
  });
});

describe("looking", () => {
  it("begins at once after the start, and keeps a distance to other processes' looks from then on", async () => {
    await bench.step();
    await bench.step();
    expect(bench.claims.map(({ gapMs }) => gapMs)).toEqual([0, 1.5 * MINUTE]);
  });
});
