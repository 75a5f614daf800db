import { beforeEach, describe, expect, it } from "@jest/globals";
import type { HostEvent, RerunEvent } from "../../src/core/events.ts";
import { FOUND, foundText } from "../../src/core/found.ts";
import { type Build, failed, type Installation, type LinkState, type Outcome, ok } from "../../src/core/model.ts";
import type { ToldPlace } from "../../src/core/reconcile.ts";
import type { LanePlace } from "../../src/engine/missed-port.ts";
import { createPauses } from "../../src/engine/pauses.ts";
import type { Host, Seen } from "../../src/engine/ports.ts";
import { createProcessor, type ProcessorOptions } from "../../src/engine/process.ts";
import type { ClaimedDelivery, PlanRecord } from "../../src/engine/store-port.ts";
import {
  change,
  installationId,
  repository,
  request,
  sha,
  type TestClock,
  testClock,
  writeRequest,
} from "../contract/store.samples.ts";
import {
  buildOf,
  claimOf,
  deferred,
  hostOf,
  INSTALLATION,
  type Line,
  PULL,
  PUSH,
  recordingLog,
  settled,
} from "./fakes.ts";

const AWAY = failed("GitHub answered 502", { retryable: true }) as Outcome<never> & { readonly ok: false };
const LIMITED = failed("rate limit", { retryable: true, retryAfter: 600 });
const REFUSED = failed("GitHub answered 403", { retryable: false });

interface Setting {
  readonly claims?: readonly ClaimedDelivery[];
  readonly events?: readonly HostEvent[];
  readonly host?: Partial<Host>;
  readonly hosts?: readonly Host[];
  readonly known?: Outcome<Installation | null>;
  readonly link?: LinkState;
  readonly seen?: Seen | (Outcome<never> & { readonly ok: false });
  readonly builds?: readonly Build[];
  readonly held?: readonly Build[];
  readonly store?: Partial<ProcessorOptions["store"]>;
}

let clock: TestClock;
let lines: Line[];
/** What was asked of the store, in order: `planned 1`, `failed 1: why`, `postponed 1 by 5 s: why`. */
let told: string[];
let plans: PlanRecord[];

beforeEach(() => {
  clock = testClock();
  told = [];
  plans = [];
});

function processorOf(setting: Setting) {
  const recorded = recordingLog();
  lines = recorded.lines;
  let claims = setting.claims ?? [claimOf("1")];
  const store: ProcessorOptions["store"] = {
    async claimDeliveries() {
      const due = claims;
      claims = [];
      return due;
    },
    async recordPlan(id, record) {
      told.push(`planned ${id}`);
      plans.push(record);
      return [];
    },
    async recordIgnored(id, outcome, note) {
      told.push(`${outcome} ${id}: ${note}`);
    },
    async postponeDelivery(id, notBefore, note) {
      told.push(`postponed ${id} by ${(Date.parse(notBefore) - clock.now()) / 1_000} s: ${note}`);
    },
    linkState: async () => setting.link ?? "linked",
    buildsOfCommit: async () => setting.builds ?? [],
    imageOwners: async () => new Map(),
    configFiles: async () => new Map(),
    pastDeliveries: async () => [],
    coveredRepositories: async () => [],
    endSessionsOf: async () => 2,
    repositoryOf: async () => null,
    deliveryBody: async () => null,
    pausesOf: async () => [],
    lanesMovedSince: async () => new Set(),
    lanesBeside: async () => new Map(),
    toldPlaces: async () => new Map(),
    heldBuilds: async () => setting.held ?? [],
    async approveBuild(id, by) {
      told.push(`approved ${id} by ${by.kind === "person" ? by.actor.login : "the operator"}`);
      return [id];
    },
    ...setting.store,
  };
  const processor = createProcessor({
    store,
    write: writeRequest,
    hosts: setting.hosts ?? [hostOf(setting.events ?? [PUSH], setting.host)],
    installations: {
      apply: async () => ok("installed"),
      known: async () => setting.known ?? ok(INSTALLATION),
      async standing() {
        const seen = setting.seen ?? { kind: "as-told" };
        return "ok" in seen ? seen : ok({ link: setting.link ?? "linked", seen });
      },
    },
    pauses: createPauses(clock),
    clock,
    log: recorded.log,
    onRecorded: (outcome) => told.push(`told ${outcome}`),
  });
  return {
    step: processor.step,
    /** As the store hands them out again after they were postponed. */
    again(...next: ClaimedDelivery[]) {
      claims = next;
      return processor.step();
    },
  };
}

describe("processing", () => {
  it("answers whether there was anything", async () => {
    const { step } = processorOf({});
    expect(await step()).toBe(true);
    expect(await step()).toBe(false);
    expect(told).toEqual(["planned 1", "told planned"]);
    expect(plans[0]?.plan.requests.map((planned) => planned.image)).toEqual(["api"]);
    expect(plans[0]).toMatchObject({ namespace: "acme", trigger: "event", report: [sha("b")] });
  });

  it("records why a ref is not built of which the event does not name the commits", async () => {
    const lost = {
      kind: "branch",
      ref: "refs/heads/lost",
      name: "lost",
      forced: false,
      before: null,
      after: "b2",
    } as const;
    await processorOf({ events: [{ ...PUSH, unusable: [lost] }] }).step();
    expect(plans[0]?.plan.requests.map((planned) => planned.image)).toEqual(["api"]);
    expect(plans[0]?.plan.skips).toMatchObject([{ ref: "refs/heads/lost", sha: null, reason: "no-commits" }]);
    expect(plans[0]?.report).toEqual([sha("b")]);
  });

  it.each<[string, Setting, string]>([
    ["a host that is away", { host: { file: async () => AWAY } }, "postponed 1 by 5 s: GitHub answered 502"],
    [
      "one that is away for the third time",
      { claims: [claimOf("1", 3)], host: { file: async () => AWAY } },
      "postponed 1 by 20 s: GitHub answered 502",
    ],
    [
      "one that is away for longer than anybody waits",
      { claims: [claimOf("1", 56)], host: { file: async () => AWAY } },
      "failed 1: GitHub answered 502",
    ],
    ["a host that limits us", { host: { file: async () => LIMITED } }, "postponed 1 by 600 s: rate limit"],
    ["a host that says no", { host: { file: async () => REFUSED } }, "failed 1: GitHub answered 403"],
    ["an installation that can not be asked for", { known: AWAY }, "postponed 1 by 5 s: GitHub answered 502"],
    [
      "a host this instance is no longer set up for",
      { hosts: [] },
      "ignored 1: this instance is no longer set up for the host default",
    ],
    ["an event nobody handles", { events: [] }, "ignored 1: unsupported-event: push is not acted on"],
    [
      "an installation's event",
      { events: [{ ...PUSH, type: "repositories", account: INSTALLATION.account, added: [], removed: [] }] },
      "applied 1: installed",
    ],
    [
      "an event that means nothing",
      { events: [{ type: "ignored", reason: "ping", detail: "hello" }] },
      "ignored 1: ping: hello",
    ],
  ])("%s", async (_what, setting, expected) => {
    await processorOf(setting).step();
    expect(told[0]).toBe(expected);
  });

  it("of a delivery that is planned again leaves out what has moved on since", async () => {
    const events = [{ ...PUSH, changes: [change("a", "b"), change("c", "d", "refs/heads/dev")] }];
    const asked: unknown[] = [];
    const lanesMovedSince: ProcessorOptions["store"]["lanesMovedSince"] = async (id, { id: of }, lanes) => {
      asked.push([id, of, lanes]);
      return new Set(["refs/heads/dev"]);
    };
    const claims = [{ ...claimOf("2"), replayOf: "1" }];
    await processorOf({ claims, events, store: { lanesMovedSince } }).step();
    expect(asked).toEqual([["1", "1", ["refs/heads/main", "refs/heads/dev"]]]);
    expect(plans[0]?.changes.map(({ ref }) => ref)).toEqual(["refs/heads/main"]);
    expect(plans[0]?.plan.requests.map(({ sha: at }) => at)).toEqual([sha("b")]);
  });

  describe("of a delivery that was fetched late", () => {
    const NEWER = { before: sha("x"), after: sha("y"), later: true, found: false };
    const TIP_B = { tip: async () => ok({ commit: sha("b"), message: "", committedAt: null }) };
    const TIP_Y = { tip: async () => ok({ commit: sha("y"), message: "", committedAt: null }) };
    const { delivery, body } = claimOf("2");
    const claim = { delivery: { ...delivery, missed: { sentAt: "2026-11-20T09:00:00.000Z", status: null } }, body };
    const dropped = "ignored 2: nothing to do: what it moved has moved on while its host could not deliver it";
    const deletion = { ...PUSH, changes: [{ ...change("a", "b"), after: null, commit: null }] };
    const opened = { ...PULL, action: "opened" as const, source: { ...PULL.source, before: null } };

    const ended = { ...PULL, action: "declined" as const };

    it.each<[string, LanePlace | null, Partial<Host>, HostEvent, string]>([
      ["plans what never moved", null, {}, PUSH, "planned 2"],
      ["plans what has not moved since", { ...NEWER, later: false }, {}, PUSH, "planned 2"],
      [
        "plans what follows the last change, whatever the clocks say",
        { ...NEWER, after: sha("a") },
        {},
        PUSH,
        "planned 2",
      ],
      ["drops what has moved on, as the host says", NEWER, TIP_Y, PUSH, dropped],
      ["plans what the host says is there, whatever the clocks say", NEWER, TIP_B, PUSH, "planned 2"],
      [
        "drops what was followed already, whatever the clocks say",
        { ...NEWER, before: sha("b"), later: false },
        TIP_Y,
        PUSH,
        dropped,
      ],
      ["plans what moved there again", { ...NEWER, before: sha("b") }, TIP_B, PUSH, "planned 2"],
      ["drops what was deleted and is there again", NEWER, TIP_Y, deletion, dropped],
      ["plans what is deleted", NEWER, { tip: async () => ok(null) }, deletion, "planned 2"],
      [
        "waits where the host is away",
        NEWER,
        { tip: async () => AWAY },
        PUSH,
        "postponed 2 by 5 s: GitHub answered 502",
      ],
      ["goes by the clocks where the host refuses", NEWER, { tip: async () => REFUSED }, PUSH, dropped],
      ["drops what a pull request was before", NEWER, {}, PULL, dropped],
      ["plans a pull request's next head", { ...NEWER, after: sha("a") }, {}, PULL, "planned 2"],
      ["drops a pull request that is closed since", { ...NEWER, after: null }, {}, opened, dropped],
      ["plans the end of a pull request", { ...NEWER, before: sha("b"), later: false }, {}, ended, "planned 2"],
      ["plans a pull request that has not changed since", { ...NEWER, later: false }, {}, opened, "planned 2"],
    ])("%s", async (_what, place, host, event, expected) => {
      const asked: unknown[] = [];
      const lanesBeside: ProcessorOptions["store"]["lanesBeside"] = async (id, { id: of }, lanes) => {
        asked.push([id, of]);
        return new Map(place === null ? [] : lanes.map((lane) => [lane, place]));
      };
      await processorOf({ claims: [claim], events: [event], host, store: { lanesBeside } }).step();
      expect(asked).toEqual([["2", "1"]]);
      expect(told[0]).toBe(expected);
    });

    it("asks nothing while the host wants to be left alone", async () => {
      const { step, again } = processorOf({
        claims: [claim],
        host: { tip: async () => LIMITED },
        store: { lanesBeside: async (_id, _of, lanes) => new Map(lanes.map((lane) => [lane, NEWER])) },
      });
      await step();
      expect(told).toEqual(["postponed 2 by 600 s: rate limit"]);
      await again(claim);
      expect(told[1]).toBe("postponed 2 by 600 s: the host asked us to wait");
    });
  });

  it("has nothing to do where all of it has", async () => {
    const store = { lanesMovedSince: async () => new Set(["refs/heads/main"]) };
    await processorOf({ claims: [{ ...claimOf("2"), replayOf: "1" }], store }).step();
    expect(told[0]).toBe("ignored 2: nothing to do: what delivery 1 moved has moved on since");
  });

  describe("of what was found", () => {
    type Place = Omit<ToldPlace, "judged">;
    const FOUND_PLACE: Place = { before: null, after: sha("y"), found: true };
    const { delivery } = claimOf("3");
    const body = Buffer.from(foundText({ repository: repository("1"), changes: [change("a", "b")] }));
    const claim = { delivery: { ...delivery, event: FOUND }, body };
    const there = { repository: async () => ok({ ...repository("1"), archived: false }) };
    const overFound = "ignored 3: nothing to do: what was found has been told meanwhile, or has moved on";
    const overTold = "ignored 1: nothing to do: what it tells was found before it came, or has moved on since";
    const at = (commit: string) => ({ tip: async () => ok({ commit: sha(commit), committedAt: null, message: "" }) });

    function recorded(place: Place | null): Partial<ProcessorOptions["store"]> {
      return {
        repositoryOf: async () => ({
          repository: { ...repository("1"), link: "linked" },
          installation: INSTALLATION,
        }),
        toldPlaces: async (_of, lanes) =>
          new Map(place === null ? [] : lanes.map((lane) => [lane, { ...place, judged: place.after }])),
      };
    }

    it.each<[string, Place | null, Partial<Host>, string]>([
      ["plans what nothing was ever told of", null, {}, "planned 3"],
      ["plans what follows what was told", { before: null, after: sha("a"), found: false }, {}, "planned 3"],
      ["drops what was told meanwhile", { before: sha("a"), after: sha("b"), found: false }, {}, overFound],
      ["drops what was found twice", { before: sha("a"), after: sha("b"), found: true }, {}, overFound],
      ["drops what has moved on", { ...FOUND_PLACE, found: false }, at("y"), overFound],
      ["plans what the host says is there", { ...FOUND_PLACE, found: false }, at("b"), "planned 3"],
      [
        "waits where the host is away",
        FOUND_PLACE,
        { tip: async () => AWAY },
        "postponed 3 by 5 s: GitHub answered 502",
      ],
    ])("%s", async (_what, place, host, expected) => {
      await processorOf({ claims: [claim], host: { ...there, ...host }, store: recorded(place) }).step();
      expect(told[0]).toBe(expected);
      expect(plans.map(({ found, trigger }) => [found, trigger])).toEqual(
        expected === "planned 3" ? [[true, "event"]] : [],
      );
    });

    it.each<[string, Place | null, Partial<Host>, string]>([
      ["is planned where nothing was found", { ...FOUND_PLACE, found: false }, {}, "planned 1"],
      ["has nothing to say where it was found already", { ...FOUND_PLACE, after: sha("b") }, {}, overTold],
      ["is planned where it follows what was found", { ...FOUND_PLACE, after: sha("a") }, {}, "planned 1"],
      ["is too late where what was found has moved on", FOUND_PLACE, at("y"), overTold],
      ["is planned where the host says that it is there", FOUND_PLACE, at("b"), "planned 1"],
      ["is planned where nothing is known", null, {}, "planned 1"],
    ])("what is told afterwards %s", async (_what, place, host, expected) => {
      await processorOf({ host, store: recorded(place) }).step();
      expect(told[0]).toBe(expected);
      expect(plans.map(({ found }) => found)).toEqual(expected === "planned 1" ? [undefined] : []);
    });

    it("is nothing where the repository is another's by now", async () => {
      const gone = "ignored 3: the installation does not cover its repository any more";
      await processorOf({ claims: [claim], host: { repository: async () => ok(null) }, store: recorded(null) }).step();
      await processorOf({ claims: [claim], host: there }).step();
      expect(told.filter((line) => line.startsWith("ignored"))).toEqual([gone, gone]);
    });

    it("is nothing where it can not be read", async () => {
      await processorOf({ claims: [{ ...claim, body: Buffer.from("{}") }], host: there, store: recorded(null) }).step();
      expect(told[0]).toContain("ignored 3: it was journalled in a way that this version can not read");
    });

    it("asks nothing of a host that must not be called", async () => {
      const setting: Setting = {
        claims: [claim],
        known: ok({ ...INSTALLATION, state: "suspended" }),
        host: { repository: () => Promise.reject(new Error("asked")) },
        store: recorded(null),
      };
      await processorOf(setting).step();
      expect(plans[0]?.plan.skips.map(({ reason }) => reason)).toEqual(["suspended"]);
    });
  });

  it("asks of a delivery that came by itself nothing of the kind", async () => {
    await processorOf({ store: { lanesMovedSince: () => Promise.reject(new Error("asked")) } }).step();
    expect(told[0]).toBe("planned 1");
  });

  it.each<[string, Setting]>([
    ["an installation", { known: ok({ ...INSTALLATION, state: "paused" }) }],
    ["a repository", { link: "paused" }],
  ])("says who has paused %s, since when, and what to do", async (_what, setting) => {
    const since = "2026-11-20T10:00:00.000Z";
    const ann = { kind: "person", provider: "github", host: "default", actor: { id: "42", login: "ann" } } as const;
    const pausesOf = async () => [{ kind: "installation", since, by: ann, stops: false }] as const;
    await processorOf({ ...setting, store: { pausesOf } }).step();
    expect(plans[0]?.plan.skips.map(({ reason, detail }) => [reason, detail])).toEqual([
      [
        "paused",
        "not built: builds of this installation are paused since 2026-11-20 10:00 UTC, by ann; when they are resumed " +
          "(wharfinger resume), the newest of each branch, tag and pull request is built",
      ],
    ]);
    expect(plans[0]?.report).toEqual([]);
  });

  it("looks at a repository nobody knows also while its installation is paused, and at no other", async () => {
    const seen = { ...PUSH.repository, fullName: "acme/renamed" };
    const setting: Setting = {
      known: ok({ ...INSTALLATION, state: "paused" }),
      seen: { kind: "seen", repository: seen },
      host: { file: () => Promise.reject(new Error("asked")) },
    };
    await processorOf({ ...setting, link: "unlinked" }).step();
    expect(plans[0]?.repository).toEqual(seen);
    plans = [];
    await processorOf({ ...setting, link: "linked" }).step();
    expect(plans[0]?.repository).toEqual(PUSH.repository);
  });

  it("asks the host nothing about a repository that is not linked", async () => {
    const asked: unknown[] = [];
    const file: Host["file"] = async (_installation, _repository, at) => {
      asked.push(at);
      return AWAY;
    };
    await processorOf({ link: "unlinked", host: { file } }).step();
    expect(asked).toEqual([]);
    expect(plans[0]?.plan.skips.map((skip) => skip.reason)).toEqual(["not-linked"]);
    expect(plans[0]?.report).toEqual([]);
  });

  it("plans for the repository as its host says it is now", async () => {
    const seen = { ...PUSH.repository, fullName: "acme/renamed", defaultBranch: "trunk" };
    const { step } = processorOf({ seen: { kind: "seen", repository: seen } });
    await step();
    expect(plans.map((plan) => plan.repository)).toEqual([seen]);
  });

  it("asks nothing about a repository of an installation that was removed", async () => {
    const { step } = processorOf({
      known: ok({ ...INSTALLATION, state: "removed" }),
      seen: AWAY,
      host: { file: () => Promise.reject(new Error("asked")) },
    });
    await step();
    expect(told).toEqual(["planned 1", "told planned"]);
  });

  it("waits while the host can not say what is true of the repository", async () => {
    const { step } = processorOf({ seen: AWAY });
    await step();
    expect(told).toEqual(["postponed 1 by 5 s: GitHub answered 502"]);
  });

  it("asks nothing on behalf of an installation whose host asked us to wait, until the wait is over", async () => {
    let asked = 0;
    const file: Host["file"] = async () => {
      asked += 1;
      return LIMITED;
    };
    const { step, again } = processorOf({ host: { file } });
    await step();
    clock.advance(400_000);
    await again(claimOf("2"));
    expect(asked).toBe(1);
    expect(told.at(-1)).toBe("postponed 2 by 200 s: the host asked us to wait");
    clock.advance(200_000);
    await again(claimOf("1", 2));
    expect(asked).toBe(2);
  });
});

describe("what throws", () => {
  const broken: Partial<Host> = {
    file: () => {
      throw new Error("a bug");
    },
  };

  it("is tried again, since it may be a database that is locked, and given up when it goes on", async () => {
    const { step, again } = processorOf({ host: broken });
    await step();
    for (let attempt = 2; attempt <= 5; attempt += 1) await again(claimOf("1", attempt));
    const note = "an internal error; the log has the details";
    expect(told).toEqual([
      ...[5, 10, 20, 40].map((seconds) => `postponed 1 by ${seconds} s: ${note}`),
      `failed 1: ${note}`,
      "told failed",
    ]);
    expect(lines.filter((line) => line.level === "error")).toHaveLength(5);
  });

  it("counts on its own: a delivery that waited for its host for long gets the same tries", async () => {
    const { step } = processorOf({ claims: [claimOf("1", 40)], host: broken });
    await step();
    expect(told).toEqual(["postponed 1 by 5 s: an internal error; the log has the details"]);
  });

  it("does not make a plan lost that could not be recorded", async () => {
    let calls = 0;
    const { step, again } = processorOf({
      store: {
        async recordPlan(id) {
          calls += 1;
          if (calls === 1) throw new Error("SQLITE_BUSY: database is locked");
          told.push(`planned ${id}`);
          return [];
        },
      },
    });
    await step();
    await again(claimOf("1", 2));
    expect(told.map((line) => line.split(" ")[0])).toEqual(["postponed", "planned", "told"]);
  });

  it("does not end the step before the other deliveries are done, though nothing can be written", async () => {
    const slow = deferred<Outcome<never>>();
    let done = false;
    const { step } = processorOf({
      claims: [claimOf("1"), claimOf("2")],
      hosts: [
        hostOf([], {
          async receive({ deliveryId }, handle) {
            if (deliveryId === "guid-1") throw new Error("a bug");
            await slow.promise;
            await handle(PUSH);
          },
        }),
      ],
      store: {
        postponeDelivery: async () => {
          throw new Error("SQLITE_FULL");
        },
      },
    });
    const stepping = step().then(() => {
      done = true;
    });
    await settled();
    expect(done).toBe(false);
    slow.resolve(AWAY);
    await stepping;
    expect(told).toEqual(["planned 2", "told planned"]);
    expect(lines.map((line) => line.message)).toContain("delivery not given back; its lease ends by itself");
  });

  it("includes a delivery with two events: the second must not hide the first", async () => {
    await processorOf({ events: [PUSH, { type: "ignored", reason: "echo", detail: "" }] }).step();
    expect(told).toEqual(["postponed 1 by 5 s: an internal error; the log has the details"]);
  });
});

describe("a re-run", () => {
  const ask: RerunEvent = {
    type: "rerun",
    repository: repository("1"),
    installation: installationId("7"),
    sha: sha("b"),
    check: null,
    actor: null,
  };
  const api = buildOf({ state: "failed" });
  const web = buildOf({ id: "build-2", state: "succeeded", planned: request(change("a", "b"), "web") });

  it.each<[string, Partial<RerunEvent>, readonly Build[], readonly string[]]>([
    ["of the commit means all images", {}, [api, web], ["api", "web"]],
    ["of the check that stands for all means all", { check: "wharfinger" }, [api, web], ["api", "web"]],
    ["of one image's check means that image", { check: "wharfinger: web" }, [api, web], ["web"]],
    ["leaves alone what is on its way", {}, [{ ...api, state: "queued" }, web], ["web"]],
  ])("%s", async (_what, event, builds, images) => {
    await processorOf({ events: [{ ...ask, ...event }], builds }).step();
    expect(told).toEqual(["planned 1", "told planned"]);
    expect(plans[0]).toMatchObject({ trigger: "rerun", changes: [], report: [sha("b")] });
    expect(plans[0]?.plan.requests.map((planned) => planned.image)).toEqual(images);
  });

  it.each<[string, Partial<RerunEvent>, Setting, string]>([
    ["of nothing", {}, { builds: [] }, "nothing of"],
    ["of another's check", { check: "wharfinger: docs" }, { builds: [api] }, "nothing of"],
    ["a second time", {}, { builds: [{ ...api, state: "running" }] }, "not re-run: what was asked for"],
    [
      "for an installation that is suspended",
      {},
      { builds: [api], known: ok({ ...INSTALLATION, state: "suspended" }) },
      "not re-run: the installation is suspended, the repository linked",
    ],
    [
      "for an installation that is gone",
      {},
      { builds: [api], known: ok(null) },
      "not re-run: the installation is unknown, the repository linked",
    ],
    [
      "for a repository that is paused",
      {},
      { builds: [api], link: "paused" },
      "not re-run: the installation is active, the repository paused",
    ],
  ])("%s does nothing, and says so", async (_what, event, setting, note) => {
    await processorOf({ ...setting, events: [{ ...ask, ...event }] }).step();
    expect(told).toEqual([expect.stringContaining(`ignored 1: ${note}`), "told ignored"]);
  });
});
