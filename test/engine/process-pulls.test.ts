/** What becomes of pull requests, and of the word of somebody who approves them. */

import { describe, expect, it } from "@jest/globals";
import type { ApprovalEvent, HostEvent, PullRequestEvent } from "../../src/core/events.ts";
import {
  type Actor,
  type Build,
  DEFAULT_POLICY,
  type ForkPolicy,
  failed,
  type HostId,
  type InstallationState,
  type Outcome,
  ok,
  type Policy,
} from "../../src/core/model.ts";
import type { HostRole } from "../../src/core/roles.ts";
import { createPauses } from "../../src/engine/pauses.ts";
import type { Host, PullHead } from "../../src/engine/ports.ts";
import { createProcessor, type ProcessorOptions } from "../../src/engine/process.ts";
import type { PlanRecord } from "../../src/engine/store-port.ts";
import {
  change,
  installationId,
  repository,
  request,
  sha,
  testClock,
  writeRequest,
} from "../contract/store.samples.ts";
import { buildOf, claimOf, FORK, hostOf, INSTALLATION, PULL, recordingLog } from "./fakes.ts";

const AWAY = failed("GitHub answered 502", { retryable: true });
const LIMITED = failed("rate limit", { retryable: true, retryAfter: 600 });
const REFUSED = failed("GitHub answered 403", { retryable: false });
const HEAD: PullHead = { commit: sha("b"), message: "", committedAt: null, target: sha("main") };

interface Setting {
  readonly file?: string | null;
  readonly host?: Partial<Host>;
  readonly policy?: Partial<Policy>;
  readonly state?: InstallationState;
  readonly held?: readonly Build[];
  readonly store?: Partial<ProcessorOptions["store"]>;
}

/** Rules as the target branch has them. */
function rules(more: string, forks: ForkPolicy = "test"): string {
  return `version: 1\npull_requests: { forks: ${forks} }\nimages: [{ name: api, rules: [{ pull_request: main${more} }] }]\n`;
}

/** Processes one delivery of this event; answers what was asked of the store, in order. */
async function process(event: HostEvent, setting: Setting = {}) {
  const { log, lines } = recordingLog();
  const told: string[] = [];
  const plans: PlanRecord[] = [];
  const clock = testClock();
  const pauses = createPauses(clock);
  const file = setting.file === undefined ? rules("") : setting.file;
  const claims = [claimOf("1")];
  const { step } = createProcessor({
    store: {
      claimDeliveries: async () => claims.splice(0),
      async recordPlan(_id, record) {
        plans.push(record);
        return [];
      },
      async recordIgnored(_id, outcome, note) {
        told.push(`${outcome}: ${note}`);
      },
      async postponeDelivery(_id, notBefore, note) {
        told.push(`postponed by ${(Date.parse(notBefore) - clock.now()) / 1_000} s: ${note}`);
      },
      linkState: async () => "linked",
      buildsOfCommit: async () => [],
      imageOwners: async () => new Map(),
      configFiles: async () => new Map(),
      pastDeliveries: async () => [],
      coveredRepositories: async () => [],
      endSessionsOf: async () => 0,
      repositoryOf: async () => null,
      deliveryBody: async () => null,
      pausesOf: async () => [],
      lanesMovedSince: async () => new Set(),
      lanesBeside: async () => new Map(),
      toldPlaces: async () => new Map(),
      heldBuilds: async () => setting.held ?? [],
      approveBuild: async () => [],
      ...setting.store,
    },
    write: writeRequest,
    hosts: [
      hostOf([event], {
        file: async () => ok(file === null ? { kind: "missing", hint: null } : { kind: "file", text: file }),
        head: async () => ok(HEAD),
        ...setting.host,
      }),
    ],
    installations: {
      apply: async () => ok("installed"),
      known: async () =>
        ok({ ...INSTALLATION, state: setting.state ?? "active", policy: { ...DEFAULT_POLICY, ...setting.policy } }),
      standing: async () => ok({ link: "linked", seen: { kind: "as-told" } }),
    },
    pauses,
    clock,
    log,
    onRecorded: () => undefined,
  });
  await step();
  return { told, plans, lines, left: () => pauses.left(installationId("7")) };
}

async function planOf(event: PullRequestEvent, setting: Setting = {}): Promise<PlanRecord> {
  const { told, plans } = await process(event, setting);
  if (plans[0] === undefined) throw new Error(`not planned: ${told.join(", ")}`);
  return plans[0];
}

function reasons({ plan }: PlanRecord): readonly string[] {
  return plan.skips.map(({ reason }) => reason);
}

describe("a pull request", () => {
  it.each([
    ["opened", PULL],
    ["updated", { ...PULL, action: "opened" } as const],
  ])("that was %s is built and tested in a lane of its own, and not published", async (_what, event) => {
    const record = await planOf(event);
    expect(record).toMatchObject({
      trigger: "event",
      changes: [{ kind: "pull_request", after: sha("b") }],
      cancel: [],
      actor: "42",
      report: [sha("b")],
      plan: { held: [], skips: [] },
    });
    expect([...record.configDigests.keys()]).toEqual(["refs/pull/3/head"]);
    expect(record.plan.requests).toMatchObject([
      {
        image: "api",
        ref: "refs/heads/patch",
        lane: "refs/pull/3/head",
        push: false,
        trust: "trusted",
        pull: { number: 3, target: "main", fork: false },
        checkout: PULL.checkout,
      },
    ]);
  });

  it("publishes where its rule and the installation both say so", async () => {
    const pushes = { file: rules(", push: true") };
    expect((await planOf(PULL, pushes)).plan.requests).toMatchObject([{ push: false }]);
    const both = { ...pushes, policy: { publishPullRequests: true } };
    expect((await planOf(PULL, both)).plan.requests).toMatchObject([{ push: true, tags: ["pr-3"] }]);
    expect((await planOf({ ...PULL, queued: true }, both)).plan.requests).toMatchObject([{ push: false }]);
    expect((await planOf(FORK, { ...both, policy: { ...both.policy, forks: "test" } })).plan.requests).toMatchObject([
      { push: false, trust: "untrusted" },
    ]);
  });

  it.each<[ForkPolicy, ForkPolicy, "requests" | "held" | "untrusted-fork"]>([
    ["never", "test", "untrusted-fork"],
    ["test", "never", "untrusted-fork"],
    ["approve", "test", "held"],
    ["test", "approve", "held"],
    ["test", "test", "requests"],
  ])("of a fork: the file says %s, the installation %s: %s", async (own, ceiling, becomes) => {
    const record = await planOf(FORK, { file: rules("", own), policy: { forks: ceiling } });
    const { requests, held } = record.plan;
    expect([requests.length, held.length, reasons(record)]).toEqual([
      becomes === "requests" ? 1 : 0,
      becomes === "held" ? 1 : 0,
      becomes === "untrusted-fork" ? ["untrusted-fork"] : [],
    ]);
    for (const planned of [...requests, ...held]) {
      expect(planned).toMatchObject({ trust: "untrusted", push: false, checkout: FORK.checkout });
    }
    // Whoever opened it is told on the commit.
    expect(record.report).toEqual([sha("b")]);
  });

  it.each([
    ["merged", "merged"],
    ["declined", "declined"],
  ] as const)("that was %s ends what is built of it, and shows nothing new", async (_what, action) => {
    const record = await planOf({ ...PULL, action }, { host: { head: () => Promise.reject(new Error("asked")) } });
    expect(record).toMatchObject({ cancel: ["refs/pull/3/head"], report: [], changes: [{ after: null }] });
    expect(reasons(record)).toEqual(["pull-request-closed"]);
  });

  it("that is a draft is not built until it is ready, and says so", async () => {
    const record = await planOf({ ...PULL, draft: true });
    expect(reasons(record)).toEqual(["draft"]);
    expect(record).toMatchObject({ cancel: [], report: [sha("b")] });
  });

  it("whose source is gone is not built, and what is built of it goes on", async () => {
    const gone = { ...FORK, checkout: null, source: { ...FORK.source, repository: null } };
    const record = await planOf(gone, { host: { head: () => Promise.reject(new Error("asked")) } });
    expect([reasons(record), record.cancel]).toEqual([["no-commits"], []]);
  });

  it("whose head can not be read is not built", async () => {
    const record = await planOf(PULL, { host: { head: async () => ok(null) } });
    expect([reasons(record), record.cancel, record.plan.requests]).toEqual([["no-commits"], [], []]);
  });

  it("into a branch without a file says nothing on the commit", async () => {
    const record = await planOf(PULL, { file: null });
    expect(reasons(record)).toEqual(["config-missing"]);
    expect(record.report).toEqual([]);
  });

  it.each<[string, Partial<Host>, string]>([
    ["its head", { head: async () => AWAY }, "postponed by 5 s: GitHub answered 502"],
    ["its file", { file: async () => LIMITED }, "postponed by 600 s: rate limit"],
    ["its head, for good", { head: async () => REFUSED }, "failed: GitHub answered 403"],
  ])("waits while the host does not say %s", async (_what, host, expected) => {
    const { told, plans } = await process(PULL, { host });
    expect([told, plans]).toEqual([[expected], []]);
  });

  it("that asks for more than the installation lets through at once is stopped as a whole", async () => {
    const file = `version: 1\nimages:\n${["api", "web", "docs"]
      .map((name) => `  - { name: ${name}, context: ${name}, rules: [{ pull_request: main }] }\n`)
      .join("")}`;
    const record = await planOf(PULL, { file, policy: { brake: 2 } });
    expect(record.plan.requests).toEqual([]);
    expect(record.plan.held.map(({ image, hold }) => [image, hold.reason])).toEqual([
      ["api", "brake"],
      ["web", "brake"],
      ["docs", "brake"],
    ]);
    expect(record.report).toEqual([sha("b")]);
  });
});

describe("an approval", () => {
  const PRESSED: ApprovalEvent = {
    type: "approval",
    repository: repository("1"),
    installation: installationId("7"),
    sha: sha("b"),
    check: "wharfinger",
    actor: { id: "42", login: "ann" },
  };
  const waiting = (id: string, image: string) =>
    buildOf({ id, state: "held", planned: request(change("a", "b"), image), startedAt: null });
  const HELD = [waiting("build-1", "api"), waiting("build-2", "web")];

  async function press(event: Partial<ApprovalEvent>, may: Outcome<HostRole>, setting: Setting = {}) {
    const asked: [HostId, HostId | null, Actor][] = [];
    const approved: string[] = [];
    const { told, lines, left } = await process(
      { ...PRESSED, ...event },
      {
        held: HELD,
        host: {
          async role(...args) {
            asked.push(args);
            return may;
          },
        },
        ...setting,
        store: {
          async approveBuild(id, by) {
            approved.push(`${id} by ${by.kind === "person" ? `${by.provider}:${by.host}:${by.actor.id}` : "nobody"}`);
            return [id];
          },
          ...setting.store,
        },
      },
    );
    return { told, lines, asked, approved, left };
  }

  it.each(["write", "owner"] as const)(
    "of somebody with the role %s lets all run that the check is about",
    async (may) => {
      const { told, asked, approved } = await press({}, ok(may));
      expect(told).toEqual(["applied: approved by ann"]);
      expect(approved).toEqual(["build-1 by github:default:42", "build-2 by github:default:42"]);
      expect(asked).toEqual([[PRESSED.installation, PRESSED.repository, PRESSED.actor]]);
    },
  );

  it("on one image's check is about that image", async () => {
    expect((await press({ check: "wharfinger: web" }, ok("write"))).approved).toEqual(["build-2 by github:default:42"]);
  });

  it.each<[string, Outcome<HostRole>]>([
    ["may only read", ok("read")],
    ["has nothing to do with the repository", ok("none")],
  ])("of somebody who %s is none", async (_what, may) => {
    const { told, lines, approved } = await press({}, may);
    expect(told).toEqual(["ignored: not approved: ann may not push to the repository"]);
    const line = lines.find(({ message }) => message === "somebody was refused");
    const reason = `role-${may.ok ? may.value : "?"}`;
    expect(line).toMatchObject({ level: "warn", fields: { action: "build.approve", actor: "42", reason } });
    expect(approved).toEqual([]);
  });

  it("of nobody is none, and nobody is asked", async () => {
    const { told, asked, approved } = await press({ actor: null }, ok("owner"));
    expect(told).toEqual(["ignored: not approved: the event does not say by whom"]);
    expect([asked, approved]).toEqual([[], []]);
  });

  it.each<[string, Partial<ApprovalEvent>, readonly Build[]]>([
    ["where nothing waits", {}, []],
    ["on another's check", { check: "somebody else's: api" }, HELD],
    ["on the check of an image that does not wait", { check: "wharfinger: docs" }, HELD],
    ["by way of another installation", { installation: installationId("8") }, HELD],
  ])("%s means nothing, and nobody is asked", async (_what, event, held) => {
    const { told, asked, approved } = await press(event, ok("owner"), { held });
    expect(told).toEqual([expect.stringContaining("ignored: nothing of")]);
    expect([asked, approved]).toEqual([[], []]);
  });

  it.each<[string, Outcome<never>, string, number]>([
    ["is away", AWAY, "postponed by 5 s: GitHub answered 502", 0],
    ["limits us", LIMITED, "postponed by 600 s: rate limit", 600_000],
    ["does not tell", REFUSED, "failed: GitHub answered 403", 0],
  ])("waits while the host %s, and lets nothing run", async (_what, answer, expected, waits) => {
    const { told, approved, left } = await press({}, answer);
    expect([told, approved, left()]).toEqual([[expected], [], waits]);
  });

  it("for an installation that is suspended is none, and its host is not asked", async () => {
    const { told, asked, approved } = await press({}, ok("owner"), { state: "suspended" });
    expect(told).toEqual(["ignored: not approved: the installation is suspended"]);
    expect([asked, approved]).toEqual([[], []]);
  });

  it("that came too late says so", async () => {
    const { told } = await press({}, ok("write"), { store: { approveBuild: async () => [] } });
    expect(told).toEqual([expect.stringContaining("ignored: nothing of")]);
    expect(told[0]).toContain("waits for approval any more");
  });
});
