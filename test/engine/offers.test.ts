import { beforeEach, describe, expect, it } from "@jest/globals";
import { failed, type Outcome, ok } from "../../src/core/model.ts";
import { createOffers } from "../../src/engine/offers.ts";
import { type TestClock, testClock } from "../contract/store.samples.ts";
import { deferred, type Line, recordingLog, settled } from "./fakes.ts";

const ONE = "https://one.example/offers";
const OTHER = "https://other.example/offers";

let clock: TestClock;
let lines: Line[];
/** What waits, and how often each was begun. */
let waiting: { id: string; attempts: number }[];
/** `<host> <offer>`, in order. */
let sent: string[];
let answer: (url: string, build: string) => Outcome<true> | Promise<Outcome<true>>;

beforeEach(() => {
  clock = testClock();
  waiting = [];
  sent = [];
  answer = () => ok(true);
});

function offersTo(...urls: string[]) {
  const recorded = recordingLog();
  lines = recorded.lines;
  return createOffers({
    store: {
      claimableBuilds: async (limit) => waiting.slice(0, limit),
      buildRequest: async (id) => ({ document: `{"id":"${id}"}`, digest: "d", keyId: "k", signature: "s" }),
    },
    sender: {
      async send(url, { id, build }) {
        sent.push(`${new URL(url).host.split(".")[0]} ${id}`);
        return answer(url, build);
      },
    },
    urls,
    clock,
    log: recorded.log,
  });
}

async function step(offers: { step(): Promise<boolean> }): Promise<void> {
  expect(await offers.step()).toBe(false);
  await settled();
}

describe("offers", () => {
  it("tell each endpoint of each build that waits, once", async () => {
    const offers = offersTo(ONE, OTHER);
    waiting = [
      { id: "a", attempts: 0 },
      { id: "b", attempts: 2 },
    ];
    await step(offers);
    await step(offers);
    expect(sent.sort()).toEqual(["one a-1", "one b-3", "other a-1", "other b-3"]);
  });

  it("tell of a build again when it waits for long, or begins another attempt", async () => {
    const offers = offersTo(ONE);
    waiting = [{ id: "a", attempts: 0 }];
    await step(offers);
    clock.advance(299_000);
    await step(offers);
    expect(sent).toEqual(["one a-1"]);
    clock.advance(1_000);
    await step(offers);
    waiting = [{ id: "a", attempts: 1 }];
    await step(offers);
    expect(sent).toEqual(["one a-1", "one a-1", "one a-2"]);
  });

  it("leave an endpoint that fails alone for longer and longer, and then try the others' builds first", async () => {
    const offers = offersTo(ONE);
    answer = () => failed("answered 500", { retryable: true });
    waiting = [
      { id: "a", attempts: 0 },
      { id: "b", attempts: 0 },
    ];
    const at: number[] = [];
    for (let second = 0; second < 16; second += 1) {
      const before = sent.length;
      await step(offers);
      if (sent.length > before) at.push(second);
      clock.advance(1_000);
    }
    expect(at).toEqual([0, 1, 3, 7, 15]);
    expect(sent.slice(0, 4)).toEqual(["one a-1", "one b-1", "one a-1", "one b-1"]);
    expect(lines.filter((line) => line.level === "warn")).toHaveLength(5);
    answer = () => ok(true);
    clock.advance(300_000);
    sent = [];
    await step(offers);
    expect(sent).toHaveLength(2);
  });

  it("wait as long as the endpoint asks, but not for ever", async () => {
    const offers = offersTo(ONE);
    waiting = [{ id: "a", attempts: 0 }];
    answer = () => failed("answered 429", { retryable: true, retryAfter: 60 });
    await step(offers);
    clock.advance(59_000);
    await step(offers);
    expect(sent).toHaveLength(1);
    clock.advance(1_000);
    answer = () => failed("answered 429", { retryable: true, retryAfter: 1e9 });
    await step(offers);
    expect(sent).toHaveLength(2);
    clock.advance(300_000);
    await step(offers);
    expect(sent).toHaveLength(3);
  });

  it("to one endpoint do not wait for another one's answer", async () => {
    const slow = deferred<Outcome<true>>();
    const offers = offersTo(ONE, OTHER);
    answer = (url) => (url === ONE ? slow.promise : ok(true));
    waiting = [{ id: "a", attempts: 0 }];
    await step(offers);
    waiting = [{ id: "b", attempts: 0 }];
    await step(offers);
    expect(sent).toEqual(["one a-1", "other a-1", "other b-1"]);
    slow.resolve(ok(true));
    await settled();
    await step(offers);
    expect(sent.at(-1)).toBe("one b-1");
  });

  it("end with a stop, which waits for what is under way", async () => {
    const slow = deferred<Outcome<true>>();
    const offers = offersTo(ONE);
    answer = () => slow.promise;
    waiting = [
      { id: "a", attempts: 0 },
      { id: "b", attempts: 0 },
    ];
    await step(offers);
    let stopped = false;
    const stopping = offers.stop().then(() => {
      stopped = true;
    });
    await settled();
    expect(stopped).toBe(false);
    slow.resolve(failed("aborted", { retryable: true }));
    await stopping;
    expect(sent).toEqual(["one a-1"]);
    expect(lines).toEqual([]);
  });
});
