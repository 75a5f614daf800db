/** Promotion against a store and a registry that do and say what each test wants: every step, and every way out. */
import { beforeEach, describe, expect, it } from "@jest/globals";
import { type Build, failed, type Outcome, ok } from "../../src/core/model.ts";
import type { Publication } from "../../src/core/supersede.ts";
import {
  createPromoter,
  createStagingCleaner,
  type PromoterOptions,
  type PromotionPlace,
} from "../../src/engine/promote.ts";
import type { BuildResult, ClaimedPromotion, StagingLeftover } from "../../src/engine/store-port.ts";
import { testClock } from "../contract/store.samples.ts";
import { buildOf, type Line, recordingLog } from "./fakes.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const OTHER = `sha256:${"b".repeat(64)}`;
const THIRD = `sha256:${"c".repeat(64)}`;

function publication(more: Partial<Publication> = {}): Publication {
  const ref = "refs/heads/main";
  return { repository: "github:default:1", ref, generation: 2, order: 2, build: 2, version: null, since: 0, ...more };
}

const wanted = publication();
const later = publication({ order: 3, generation: 3, build: 3 });

function claim(more: Partial<ClaimedPromotion> = {}): ClaimedPromotion {
  const tags = [{ tag: "latest", wanted, last: null }];
  return {
    build: buildOf(),
    attempt: 3,
    digest: DIGEST,
    tries: 1,
    canceled: false,
    twin: false,
    tags,
    othersImage: null,
    ...more,
  };
}

/** What happened, in order: calls of the registry, and what the store was told. */
let calls: string[];
let results: BuildResult[];
let lines: Line[];
let ended: [Build, BuildResult][];
const clock = testClock();

beforeEach(() => {
  calls = [];
  results = [];
  ended = [];
});

type Registry = PromotionPlace["registry"] & { readonly name: string };
type Store = PromoterOptions["store"];

function registryOf(more: Partial<Registry> = {}): Registry {
  const noted =
    <A extends unknown[], T>(name: string, act: (...args: A) => Promise<T>) =>
    (...args: A) => {
      calls.push([name, ...args.filter((arg) => typeof arg === "string")].join(" "));
      return act(...args);
    };
  return {
    name: "registry.test",
    digest: noted("digest", more.digest ?? (async () => ok(DIGEST))),
    copy: noted("copy", more.copy ?? (async () => ok(true as const))),
    tag: noted("tag", more.tag ?? (async () => ok(true as const))),
  };
}

function storeOf(claimed: ClaimedPromotion, more: Partial<Store> = {}): Store {
  const waiting = [claimed];
  return {
    claimPromotion: async ({ worker, leaseMs }) => {
      calls.push(`claim ${worker} ${leaseMs}`);
      return waiting.shift() ?? null;
    },
    heartbeat: async () => "held",
    tagMoved: async (id, attempt, tag, by) => {
      calls.push(`record ${id} ${attempt} ${tag} ${by.order}`);
      return true;
    },
    publishedDigest: async () => OTHER,
    finishBuild: async (id, attempt, result) => {
      calls.push(`finish ${id} ${attempt} ${result.state}`);
      results.push(result);
      return true;
    },
    releasePromotion: async (id, attempt, notBefore) => {
      calls.push(`release ${id} ${attempt} ${Date.parse(notBefore) - clock.now()}`);
      return true;
    },
    rebuildTwin: async (id, attempt) => {
      calls.push(`rebuild ${id} ${attempt}`);
      return true;
    },
    ...more,
  };
}

interface Fakes {
  readonly claimed?: Partial<ClaimedPromotion>;
  readonly registry?: Partial<Registry>;
  /** Left out: there is one, and it publishes the image. */
  readonly place?: PromotionPlace | null;
  readonly store?: Partial<Store>;
  readonly heartbeatMs?: number;
  /** How long the work may go on after the stop. */
  readonly graceMs?: number;
  /** Nobody asked to be told of ends. */
  readonly unheard?: boolean;
}

/** Promotes one build; `calls` is what it came to, without the claim. */
async function promote(fakes: Fakes = {}): Promise<void> {
  const recorded = recordingLog();
  lines = recorded.lines;
  const crew = createPromoter({
    store: storeOf(claim(fakes.claimed), fakes.store),
    place: async ({ id }) =>
      fakes.place === undefined
        ? { registry: registryOf(fakes.registry), staging: { repository: `staging/${id}` }, closed: false }
        : fakes.place,
    clock,
    log: recorded.log,
    worker: "me",
    concurrency: 1,
    leaseMs: 15_000,
    heartbeatMs: fakes.heartbeatMs ?? 60_000,
    onChange: () => undefined,
    ...(fakes.unheard === true ? {} : { onEnd: (build, result) => ended.push([build, result]) }),
  });
  expect(await crew.step()).toBe(true);
  await crew.stop(fakes.graceMs ?? 20_000);
  expect(calls.shift()).toBe("claim me 15000");
}

const LOOKED = `digest staging/build-1 ${DIGEST}`;
const COPIED = `copy staging/build-1 acme/api ${DIGEST}`;
const TAGGED = `tag acme/api latest ${DIGEST}`;
const RECORDED = "record build-1 3 latest 2";
const SEEN = "digest acme/api latest";
const PUT_BACK = `tag acme/api latest ${OTHER}`;

/** Fails as soon as the work is told to stop, and not before. */
async function untilAborted(signal: AbortSignal | undefined): Promise<Outcome<never>> {
  if (signal?.aborted === false) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  return failed("aborted", { retryable: true });
}

describe("a promotion", () => {
  it("looks, copies, tags, records, looks again, and ends the build", async () => {
    await promote();
    expect(calls).toEqual([LOOKED, COPIED, TAGGED, RECORDED, SEEN, "finish build-1 3 succeeded"]);
    const at = "2026-11-20T10:00:00.000Z";
    const tags = { published: ["latest"], older: [] };
    const steps = [{ name: "publish", startedAt: at, finishedAt: at }];
    expect(results).toEqual([{ state: "succeeded", digest: DIGEST, failure: null, steps, tags }]);
    expect(ended).toEqual([[buildOf(), results[0]]]);
    expect(lines).toEqual([
      {
        level: "info",
        message: "build ended",
        fields: { build: "build-1", state: "succeeded", digest: DIGEST, tags },
      },
    ]);
  });

  it("tells nobody of an end that was not kept", async () => {
    await promote({ store: { finishBuild: async () => false } });
    expect(ended).toEqual([]);
    expect(lines).toEqual([
      {
        level: "warn",
        message: "promotion refused: its lease was lost",
        fields: { build: "build-1", attempt: 3 },
      },
    ]);
  });

  it("needs nobody to tell of its end", async () => {
    await promote({ unheard: true });
    expect(lines).toMatchObject([{ message: "build ended" }]);
  });

  it("asks for no more time once it has ended", async () => {
    let beats = 0;
    const heartbeat = async () => {
      beats += 1;
      return "held" as const;
    };
    await promote({ store: { heartbeat }, heartbeatMs: 1 });
    const then = beats;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(beats).toBe(then);
  });

  it("of a canceled build asks the registry nothing", async () => {
    await promote({ claimed: { canceled: true } });
    expect(calls).toEqual(["finish build-1 3 canceled"]);
    expect(results[0]).toMatchObject({ digest: null, failure: null });
    expect(results[0]).not.toHaveProperty("tags");
  });

  describe("of an image that another build has published", () => {
    const THERE = `digest acme/api ${DIGEST}`;

    it("looks for it there, and only tags", async () => {
      await promote({ claimed: { twin: true } });
      expect(calls).toEqual([THERE, TAGGED, RECORDED, SEEN, "finish build-1 3 succeeded"]);
      expect(results[0]).toMatchObject({ digest: DIGEST, tags: { published: ["latest"] } });
    });

    it.each<[string, string | null]>([
      ["is not there any more", null],
      ["is another one", OTHER],
    ])("has it built after all when it %s", async (_what, found) => {
      await promote({ claimed: { twin: true }, registry: { digest: async () => ok(found) } });
      expect(calls).toEqual([THERE, "rebuild build-1 3"]);
      expect([results, ended]).toEqual([[], []]);
    });

    it("asks again while the registry is away", async () => {
      const digest = async () => failed("503", { retryable: true });
      await promote({ claimed: { twin: true }, registry: { digest } });
      expect(calls).toEqual([THERE, "release build-1 3 1000"]);
    });
  });

  it("goes on when somebody asks to cancel what is half published", async () => {
    let beats = 0;
    const heartbeat = async () => {
      beats += 1;
      return "cancel" as const;
    };
    const copy: Registry["copy"] = async (_from, _to, _digest, signal) => {
      const deadline = Date.now() + 10_000;
      while (beats < 3 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
      return signal?.aborted === true ? failed("aborted", { retryable: true }) : ok(true);
    };
    await promote({ registry: { copy }, store: { heartbeat }, heartbeatMs: 1 });
    expect(beats).toBeGreaterThanOrEqual(3);
    expect(results).toMatchObject([{ state: "succeeded" }]);
  });

  it("of a registry that is gone, or under a name that builds push to, asks no registry and says what to do", async () => {
    await promote({ place: null });
    calls = [];
    await promote({ place: { registry: registryOf(), staging: { repository: "acme/api" }, closed: true } });
    expect(calls.filter((call) => /^(?:digest|copy|tag)/.test(call))).toEqual([]);
    expect(results.map(({ state, failure }) => [state, failure?.message])).toEqual([
      ["failed", expect.stringMatching(/^The registry default, for which this build was planned, is not configured/)],
      ["failed", expect.stringMatching(/^acme\/api is the name of the repository that builds push to/)],
    ]);
  });

  it("of another repository's image asks the registry nothing, and does not say whose it is", async () => {
    await promote({ claimed: { othersImage: "acme/secret" } });
    expect(calls).toEqual(["finish build-1 3 failed"]);
    const message =
      "The image acme/api belongs to another repository, or people pushed it first (image-not-owned). " +
      "Give this one another `name` in .wharfinger.yml, or have it shared with this repository.";
    expect(results).toMatchObject([{ digest: null, failure: { class: "push", message } }]);
    expect(lines[0]).toEqual({
      level: "warn",
      message: "the image is another repository's",
      fields: { build: "build-1", image: "acme/api", owner: "acme/secret" },
    });
  });

  it.each([null, OTHER])("copies nothing when the registry has %p where the image was pushed", async (digest) => {
    await promote({ registry: { digest: async () => ok(digest) } });
    expect(calls).toEqual([LOOKED, "finish build-1 3 failed"]);
    const message = `The registry does not have the image that was pushed (${DIGEST}). Is something deleting from it?`;
    expect(results).toMatchObject([{ digest: null, failure: { class: "push", message } }]);
  });

  const no = async () => failed("403: no", { retryable: false });
  it.each<[string, Partial<Registry>, readonly string[]]>([
    ["looking", { digest: no }, [LOOKED]],
    ["copying", { copy: no }, [LOOKED, COPIED]],
    ["tagging", { tag: no }, [LOOKED, COPIED, TAGGED]],
  ])("ends at once when %s is refused for good", async (_what, registry, before) => {
    await promote({ registry });
    expect(calls).toEqual([...before, "finish build-1 3 failed"]);
    const message = "The image was built, but not published: 403: no";
    expect(results).toMatchObject([{ digest: null, failure: { class: "push", message } }]);
  });

  it.each([
    [1, null, 1_000],
    [5, null, 16_000],
    [5, 7, 16_000],
    [1, 7, 7_000],
    [15, null, 300_000],
  ])("waits in its try %i, if the registry asks for %p s, for %i ms", async (tries, retryAfter, waitMs) => {
    const away = { retryable: true, ...(retryAfter === null ? {} : { retryAfter }) };
    await promote({ claimed: { tries }, registry: { copy: async () => failed("503", away) } });
    expect(calls).toEqual([LOOKED, COPIED, `release build-1 3 ${waitMs}`]);
    const message = "The image was built, but not published: 503";
    const fields = { build: "build-1", failure: { class: "push", message }, waitMs };
    expect(lines).toEqual([{ level: "warn", message: "promotion will be tried again", fields }]);
  });

  it("is given up after its last try", async () => {
    await promote({ claimed: { tries: 16 }, registry: { copy: async () => failed("503", { retryable: true }) } });
    expect(calls).toEqual([LOOKED, COPIED, "finish build-1 3 failed"]);
  });

  it("that throws after a tag was moved is tried again, so that the move gets recorded", async () => {
    const tagMoved = async () => {
      throw new Error("the database is away");
    };
    await promote({ store: { tagMoved } });
    expect(calls).toEqual([LOOKED, COPIED, TAGGED, "release build-1 3 1000"]);
    expect(lines[0]).toMatchObject({ level: "error", message: "promotion threw", fields: { build: "build-1" } });
  });

  it("that throws in its last try ends with words that tell nothing, and with a line for the operator", async () => {
    const copy = async () => {
      throw new Error("secret");
    };
    await promote({ claimed: { tries: 16 }, registry: { copy } });
    expect(results).toMatchObject([{ state: "failed", failure: { class: "internal" } }]);
    expect(results[0]?.failure?.message).toMatch(/^Publishing failed with an internal error\./);
    expect(lines[0]).toMatchObject({ level: "error", message: "promotion threw", fields: { build: "build-1" } });
    expect(calls).toEqual([LOOKED, COPIED, "finish build-1 3 failed"]);
  });

  it("that is stopped is handed back for now, without touching what the registry may have done", async () => {
    const tag: Registry["tag"] = (_image, _tag, _digest, signal) => untilAborted(signal);
    await promote({ registry: { tag }, graceMs: 0 });
    expect(calls).toEqual([LOOKED, COPIED, TAGGED, "release build-1 3 0"]);
    expect(lines).toEqual([
      { level: "info", message: "promotion given back", fields: { build: "build-1", reason: "shutdown" } },
    ]);
  });

  it("whose lease is lost while it copies leaves everything to whoever has it", async () => {
    const copy: Registry["copy"] = (_from, _to, _digest, signal) => untilAborted(signal);
    await promote({ registry: { copy }, store: { heartbeat: async () => "lost" }, heartbeatMs: 1 });
    expect(calls).toEqual([LOOKED, COPIED]);
    expect(lines).toMatchObject([{ message: "promotion given back", fields: { reason: "lost" } }]);
  });
});

describe("a tag", () => {
  const older = { tag: "stable", wanted, last: later };

  it("that something newer has is not touched, and the others are", async () => {
    await promote({ claimed: { tags: [older, { tag: "latest", wanted, last: publication({ order: 1 }) }] } });
    expect(calls).toEqual([LOOKED, COPIED, TAGGED, RECORDED, SEEN, "finish build-1 3 succeeded"]);
    const why = "It stays with a later build of refs/heads/main.";
    expect(results[0]?.tags).toEqual({ published: ["latest"], older: [{ tag: "stable", why }] });
  });

  it("that something newer has ends the build as superseded where there is no other", async () => {
    await promote({ claimed: { tags: [older] } });
    expect(calls).toEqual([LOOKED, COPIED, "finish build-1 3 superseded"]);
    expect(results).toMatchObject([{ digest: DIGEST, failure: null, tags: { published: [] } }]);
  });

  it("is put back to what is recorded when the lease was lost before it was moved", async () => {
    const more = { tag: "stable", wanted, last: null };
    await promote({ claimed: { tags: [...claim().tags, more] }, store: { tagMoved: async () => false } });
    expect(calls).toEqual([LOOKED, COPIED, TAGGED, PUT_BACK]);
    expect(lines).toMatchObject([{ message: "promotion given back" }]);
  });

  it("is put back as well when the lease is lost before the registry answered: it may have moved it", async () => {
    const tag: Registry["tag"] = (_image, _tag, digest, signal) =>
      digest === DIGEST ? untilAborted(signal) : Promise.resolve(ok(true));
    await promote({ registry: { tag }, store: { heartbeat: async () => "lost" }, heartbeatMs: 1 });
    expect(calls).toEqual([LOOKED, COPIED, TAGGED, PUT_BACK]);
  });

  it("that somebody late wrote over is put back, and published", async () => {
    const digest: Registry["digest"] = async (image) => ok(image === "acme/api" ? THIRD : DIGEST);
    await promote({ registry: { digest }, store: { publishedDigest: async () => DIGEST } });
    expect(calls).toEqual([LOOKED, COPIED, TAGGED, RECORDED, SEEN, TAGGED, "finish build-1 3 succeeded"]);
    expect(results[0]?.tags).toEqual({ published: ["latest"], older: [] });
  });

  it("that can not be looked at again is published all the same", async () => {
    const digest: Registry["digest"] = async (image) =>
      image === "acme/api" ? failed("503", { retryable: true }) : ok(DIGEST);
    await promote({ registry: { digest } });
    expect(calls).toEqual([LOOKED, COPIED, TAGGED, RECORDED, SEEN, "finish build-1 3 succeeded"]);
  });
});

describe("putting a tag back", () => {
  /** Puts back what the record says, which is one of these after the other, and the last from then on. */
  async function putBack(recorded: readonly (string | null)[], registry: Partial<Registry> = {}): Promise<string[]> {
    let asked = 0;
    const publishedDigest: Store["publishedDigest"] = async (image, tag) => {
      expect([image, tag]).toEqual(["acme/api", "latest"]);
      asked += 1;
      return recorded[Math.min(asked, recorded.length) - 1] ?? null;
    };
    await promote({ registry, store: { tagMoved: async () => false, publishedDigest } });
    expect(calls.slice(0, 3)).toEqual([LOOKED, COPIED, TAGGED]);
    return calls.slice(3);
  }

  it("does nothing where nothing is recorded", async () => {
    expect(await putBack([null])).toEqual([]);
  });

  it("goes on until nothing was recorded meanwhile", async () => {
    expect(await putBack([OTHER, THIRD])).toEqual([PUT_BACK, `tag acme/api latest ${THIRD}`]);
    calls = [];
    expect(await putBack([OTHER, null])).toEqual([PUT_BACK]);
  });

  it("ends after ten rounds with somebody who never rests", async () => {
    const restless = Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? OTHER : THIRD));
    expect(await putBack(restless)).toHaveLength(10);
  });

  it("tells the operator when the registry does not let it", async () => {
    const tag: Registry["tag"] = async (_image, _tag, digest) =>
      digest === DIGEST ? ok(true) : failed("403: no", { retryable: false });
    expect(await putBack([OTHER, THIRD], { tag })).toEqual([PUT_BACK]);
    const fields = { image: "acme/api", tag: "latest", digest: OTHER, reason: "403: no" };
    expect(lines[0]).toEqual({ level: "error", message: "a tag may not point to what is recorded", fields });
  });
});

describe("cleaning staging repositories", () => {
  type Leftover = Pick<StagingLeftover, "buildId" | "digest"> & Partial<StagingLeftover>;

  /** One step over these; answers what it answered, and `calls` holds what was done. */
  async function clean(
    leftovers: readonly Leftover[],
    registry: { digest?: Outcome<string | null>; discard?: (repository: string) => Outcome<true> } = {},
    own = true,
  ): Promise<boolean> {
    const recorded = recordingLog();
    lines = recorded.lines;
    const watched = {
      digest: async (repository: string, tag: string) => {
        calls.push(`digest ${repository} ${tag}`);
        return registry.digest ?? ok(DIGEST);
      },
      discard: async (repository: string, digest: string) => {
        calls.push(`discard ${repository} ${digest.slice(7, 8)}`);
        return registry.discard?.(repository) ?? ok(true);
      },
    };
    const cleaner = createStagingCleaner({
      store: {
        stagingLeftovers: async (limit) => {
          calls.push(`leftovers ${limit}`);
          return leftovers.map((one) => ({ registry: "default", image: "acme/api", ...one }));
        },
        stagingGone: async (id) => {
          calls.push(`gone ${id}`);
        },
      },
      place: async ({ id, registry: name }) =>
        name === "gone" ? null : { registry: watched, staging: { repository: `staging/${id}`, tag: "build", own } },
      log: recorded.log,
    });
    const answer = await cleaner.step();
    expect(calls.shift()).toBe("leftovers 20");
    return answer;
  }

  it("leaves alone what was staged in a registry that is gone, and says so", async () => {
    await clean([{ buildId: "b1", digest: DIGEST, registry: "gone" }]);
    expect(calls).toEqual(["gone b1"]);
    expect(lines).toContainEqual(expect.objectContaining({ level: "warn", message: "staging can not be removed" }));
  });

  it("discards what was staged, once", async () => {
    expect(await clean([{ buildId: "b1", digest: DIGEST }])).toBe(false);
    expect(calls).toEqual(["digest staging/b1 build", "discard staging/b1 a", "gone b1"]);
    expect(lines).toEqual([]);
  });

  it("discards as well what the tag was moved to later", async () => {
    await clean([{ buildId: "b1", digest: OTHER }]);
    expect(calls).toEqual(["digest staging/b1 build", "discard staging/b1 b", "discard staging/b1 a", "gone b1"]);
  });

  it("discards nothing where nothing is", async () => {
    await clean([{ buildId: "b1", digest: null }], { digest: ok(null) });
    expect(calls).toEqual(["digest staging/b1 build", "gone b1"]);
  });

  it("asks nothing of a repository that builds share", async () => {
    await clean([{ buildId: "b1", digest: DIGEST }], {}, false);
    expect(calls).toEqual(["gone b1"]);
    expect(lines).toEqual([]);
  });

  const away = failed("503", { retryable: true });
  it.each([
    ["looking", { digest: away }],
    ["discarding", { discard: () => away }],
  ])("is put off when %s fails for now", async (_what, registry) => {
    const full = Array.from({ length: 20 }, (_, n) => ({ buildId: `b${n}`, digest: DIGEST }));
    expect(await clean(full, registry)).toBe(false);
    expect(calls.filter((call) => call.startsWith("gone"))).toEqual([]);
    const fields = { build: "b0", reason: "503" };
    expect(lines).toEqual([{ level: "warn", message: "staging not removed yet", fields }]);
  });

  it("is done with what the registry does not let go, and says so", async () => {
    const discard = (repository: string) =>
      repository === "staging/b1" ? failed("403: no", { retryable: false }) : ok<true>(true);
    await clean(
      ["b1", "b2"].map((buildId) => ({ buildId, digest: OTHER })),
      { discard },
    );
    expect(calls.filter((call) => call.startsWith("gone"))).toEqual(["gone b1", "gone b2"]);
    const fields = { build: "b1", reason: "403: no" };
    expect(lines).toEqual([{ level: "warn", message: "staging can not be removed", fields }]);
  });

  it("goes on at once after a full batch", async () => {
    expect(await clean(Array.from({ length: 20 }, (_, n) => ({ buildId: `b${n}`, digest: null })))).toBe(true);
  });
});
