import { beforeEach, describe, expect, it } from "@jest/globals";
import type { CheckContent } from "../../src/core/check.ts";
import { type Build, failed, type Outcome, ok } from "../../src/core/model.ts";
import { createPauses } from "../../src/engine/pauses.ts";
import type { Reporter } from "../../src/engine/ports.ts";
import { createReports, nextExternalId, type ReportOptions } from "../../src/engine/report.ts";
import type { ClaimedCheck, ShownCheck } from "../../src/engine/store-port.ts";
import { installationId, repository, sha, type TestClock, testClock } from "../contract/store.samples.ts";
import { buildOf, deferred, factsOf, type Line, recordingLog, settled } from "./fakes.ts";

const NEW: ShownCheck = { hostId: null, externalId: "check-7", uncertain: false, concluded: false };
const OPEN: ShownCheck = { ...NEW, hostId: "4711" };
const CONCLUDED: ShownCheck = { ...OPEN, concluded: true };
const QUEUED = buildOf({ state: "queued", startedAt: null });
const DONE = buildOf({ state: "succeeded", digest: "sha256:0", finishedAt: "2026-11-20T10:01:00.000Z" });

function checkOf(shown: ShownCheck, build: Build, more: Partial<ClaimedCheck> = {}): ClaimedCheck {
  return {
    id: "1",
    repository: repository("1"),
    installation: installationId("7"),
    sha: sha("b"),
    name: "wharfinger",
    revision: 3,
    attempts: 1,
    shown,
    facts: factsOf(build),
    ...more,
  };
}

interface Setting {
  readonly answer?: Outcome<{ hostId: string }>;
  readonly show?: Reporter["show"];
  readonly reporter?: null;
  readonly store?: Partial<ReportOptions["store"]>;
  readonly logs?: ReportOptions["logs"];
}

let clock: TestClock;
let lines: Line[];
/** What was asked of the store and the host, in order. */
let told: string[];
let contents: CheckContent[];

beforeEach(() => {
  clock = testClock();
  told = [];
  contents = [];
});

function reportsOf(setting: Setting) {
  const recorded = recordingLog();
  lines = recorded.lines;
  let due: readonly ClaimedCheck[] = [];
  const store: ReportOptions["store"] = {
    claimChecks: async () => due,
    async checkUncertain(id, externalId) {
      told.push(`uncertain ${id}: ${externalId}`);
      return true;
    },
    async checkShown(id, revision, { hostId, externalId, uncertain, concluded }) {
      told.push(`shown ${id} r${revision}: ${hostId} ${externalId} ${uncertain ? "uncertain " : ""}${concluded}`);
    },
    async postponeCheck(id, notBefore, note) {
      told.push(`postponed ${id} by ${(Date.parse(notBefore) - clock.now()) / 1_000} s: ${note}`);
    },
    async dropCheck(id, revision, note) {
      told.push(`dropped ${id} r${revision}: ${note}`);
    },
    ...setting.store,
  };
  const reporter: Reporter = {
    async show(check, content) {
      contents.push(content);
      told.push(`host: ${check.shown.hostId ?? "new"} ${check.shown.externalId} ${content.status}`);
      return setting.show?.(check, content) ?? setting.answer ?? ok({ hostId: check.shown.hostId ?? "4712" });
    },
  };
  const reports = createReports({
    store,
    logs: setting.logs ?? { tail: async () => [] },
    reporter: () => (setting.reporter === null ? null : reporter),
    pauses: createPauses(clock),
    clock,
    log: recorded.log,
    publicUrl: "https://wharfinger.test",
    registryHost: async () => "registry.test",
  });
  return (...checks: ClaimedCheck[]) => {
    due = checks;
    return reports.step();
  };
}

describe("showing a check", () => {
  it("answers whether there was anything", async () => {
    const step = reportsOf({});
    expect(await step()).toBe(false);
    expect(await step(checkOf(NEW, QUEUED))).toBe(true);
  });

  it.each<[string, ShownCheck, Build, readonly string[]]>([
    [
      "creates it, and says before that it may exist from now on",
      NEW,
      QUEUED,
      ["uncertain 1: check-7", "host: new check-7 queued", "shown 1 r3: 4712 check-7 false"],
    ],
    [
      "does not say so twice, and lets the host be asked first",
      { ...NEW, uncertain: true },
      QUEUED,
      ["host: new check-7 queued", "shown 1 r3: 4712 check-7 false"],
    ],
    ["updates the one that is there", OPEN, DONE, ["host: 4711 check-7 completed", "shown 1 r3: 4711 check-7 true"]],
    [
      "changes a conclusion in place",
      CONCLUDED,
      DONE,
      ["host: 4711 check-7 completed", "shown 1 r3: 4711 check-7 true"],
    ],
    [
      "begins a new one after a conclusion",
      CONCLUDED,
      QUEUED,
      ["uncertain 1: check-7.2", "host: new check-7.2 queued", "shown 1 r3: 4712 check-7.2 false"],
    ],
  ])("%s", async (_what, shown, build, expected) => {
    await reportsOf({})(checkOf(shown, build));
    expect(told).toEqual(expected);
  });

  it("creates nothing for a check that was renewed since it was claimed", async () => {
    await reportsOf({ store: { checkUncertain: async () => false } })(checkOf(CONCLUDED, QUEUED));
    expect(told).toEqual(["postponed 1 by 0 s: renewed"]);
  });

  it("quotes the end of the log of what broke, and of nothing else", async () => {
    const asked: string[] = [];
    const logs = {
      async tail(id: string) {
        asked.push(id);
        return ["make: *** [all] Error 2"];
      },
    };
    const failure = { class: "build", message: "RUN failed." } as const;
    const step = reportsOf({ logs });
    await step(checkOf(OPEN, DONE));
    await step(checkOf(OPEN, { ...DONE, id: "broken", state: "failed", failure }));
    expect(asked).toEqual(["broken"]);
    expect(contents.at(-1)?.text).toContain("make: *** [all] Error 2");
  });
});

describe("a check that can not be shown", () => {
  it("with all its details is shown without them: what has ended must not look open", async () => {
    const uncertain: boolean[] = [];
    const show: Reporter["show"] = async (check, content) => {
      uncertain.push(check.shown.uncertain);
      return content.text === null ? ok({ hostId: "4712" }) : failed("422", { retryable: false });
    };
    const failure = { class: "build", message: "RUN failed.", line: 3 } as const;
    const step = reportsOf({ show, logs: { tail: async () => ["Error 2"] } });
    for (const shown of [OPEN, NEW]) await step(checkOf(shown, { ...DONE, state: "failed", failure }));
    expect(
      contents.map(({ conclusion, annotations, results }) => [conclusion, annotations.length, results.length]),
    ).toEqual([
      ["failure", 1, 1],
      ["failure", 0, 0],
      ["failure", 1, 1],
      ["failure", 0, 0],
    ]);
    // A creation that was refused may have happened: the host is asked before another.
    expect(uncertain).toEqual([false, false, false, true]);
    expect(told.filter((line) => line.startsWith("shown"))).toHaveLength(2);
  });

  it.each<[string, Setting, Partial<ClaimedCheck>, string]>([
    [
      "is tried again when the host is away",
      { answer: failed("502", { retryable: true }) },
      { attempts: 3 },
      "postponed 1 by 8 s: 502",
    ],
    [
      "waits for as long as the host says",
      { answer: failed("429", { retryable: true, retryAfter: 90 }) },
      {},
      "postponed 1 by 90 s: 429",
    ],
    ["is given up when the host says no", { answer: failed("403", { retryable: false }) }, {}, "dropped 1 r3: 403"],
    ["is given up after days", { answer: failed("502", { retryable: true }) }, { attempts: 150 }, "dropped 1 r3: 502"],
    ["is given up when its host is gone", { reporter: null }, {}, "dropped 1 r3: its host is no longer set up"],
    ["is given up when there is nothing to say", {}, { facts: factsOf() }, "dropped 1 r3: nothing to show"],
  ])("%s", async (_what, setting, more, expected) => {
    await reportsOf(setting)(checkOf(OPEN, DONE, more));
    expect(told.at(-1)).toBe(expected);
  });

  it("keeps others of its installation from asking a host that wants us to wait", async () => {
    const step = reportsOf({ answer: failed("429", { retryable: true, retryAfter: 90 }) });
    await step(checkOf(OPEN, DONE));
    clock.advance(30_000);
    await step(checkOf(OPEN, DONE, { id: "2" }), checkOf(OPEN, DONE, { id: "3", installation: installationId("8") }));
    expect(told.filter((line) => line.startsWith("host"))).toHaveLength(2);
    expect(told).toContain("postponed 2 by 60 s: the host asked us to wait");
    clock.advance(60_000);
    await step(checkOf(OPEN, DONE, { id: "2" }));
    expect(told.filter((line) => line.startsWith("host"))).toHaveLength(3);
  });

  it.each([
    [1, "postponed 1 by 5 s"],
    [20, "postponed 1 by 1800 s"],
    [150, "dropped 1 r3"],
  ])("because of a bug is tried again, but not for ever: after %s tries", async (attempts, expected) => {
    const show = () => {
      throw new Error("a bug");
    };
    await reportsOf({ show })(checkOf(OPEN, DONE, { attempts }));
    expect(told.at(-1)).toBe(`${expected}: an internal error; the log has the details`);
  });

  it("does not end the step before the others are shown, though nothing can be written", async () => {
    const slow = deferred<Outcome<{ hostId: string }>>();
    let done = false;
    const step = reportsOf({
      show: async (check) => {
        if (check.repository.id === "1") throw new Error("a bug");
        return slow.promise;
      },
      store: {
        postponeCheck: async () => {
          throw new Error("SQLITE_FULL");
        },
      },
    });
    const stepping = step(checkOf(OPEN, DONE), checkOf(OPEN, DONE, { id: "2", repository: repository("2") })).then(
      () => {
        done = true;
      },
    );
    await settled();
    expect(done).toBe(false);
    slow.resolve(ok({ hostId: "4711" }));
    await stepping;
    expect(told.at(-1)).toBe("shown 2 r3: 4711 check-7 true");
    expect(lines.map((line) => line.message)).toContain("check not given back; its lease ends by itself");
  });
});

describe("the next external id", () => {
  it.each([
    ["check-7", "check-7.2"],
    ["check-7.2", "check-7.3"],
    ["check-7.9", "check-7.10"],
    ["0193-a.b", "0193-a.b.2"],
    [".5", ".5.2"],
  ])("of %s is %s", (id, next) => {
    expect(nextExternalId(id)).toBe(next);
  });
});
