import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { BUILD_ORDER, parseOrder } from "../../src/core/build-order.ts";
import { failed, type HostId, ok } from "../../src/core/model.ts";
import { type BuildActions, createBuildActions } from "../../src/engine/build-actions.ts";
import { planOrder } from "../../src/engine/orders.ts";
import { createPauses, type Pauses } from "../../src/engine/pauses.ts";
import type { FetchedFile, Host } from "../../src/engine/ports.ts";
import type { PlanRecord } from "../../src/engine/store-port.ts";
import { createTrials, type Trials } from "../../src/engine/trial.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { BY_ANN, OPERATOR } from "../contract/store.by.ts";
import {
  change,
  cover,
  installationId,
  pause,
  record,
  repository,
  sha,
  type TestClock,
  testClock,
  writeRequest,
} from "../contract/store.samples.ts";
import { hostOf } from "./fakes.ts";

const REPOSITORY: HostId = { provider: "github", host: "default", id: "1" };
const CONFIG = `version: 1
images:
  - { name: api, paths: { include: [src/**] }, rules: [{ branch: main, tags: [latest] }, { branch: "release/*" }] }
  - { name: web, rules: [{ branch: main, tags: [latest] }, { tag: "v*" }] }
`;

let store: OpenedStore;
let clock: TestClock;
let pauses: Pauses;
let tips: Map<string, string>;
let asked: string[];
/** What a test has its host answer otherwise. */
let changes: Partial<Host>;
let file: FetchedFile;
let ordered: number;
let actions: BuildActions;
let trials: Trials;

function hostNow(): Host {
  return hostOf([], {
    async repository(_installation, { id }) {
      asked.push("repository");
      return ok({ ...repository(id), archived: false });
    },
    async tip(_installation, _repository, ref) {
      asked.push(`tip ${ref}`);
      const tip = tips.get(ref);
      return ok(
        tip === undefined
          ? null
          : { commit: sha(tip), message: "Do it [skip ci]", committedAt: "2026-11-20T09:00:00.000Z" },
      );
    },
    file: async () => ok(file),
    changedPaths: () => Promise.reject(new Error("nobody asks what changed")),
    ...changes,
  });
}

beforeEach(async () => {
  clock = testClock();
  store = await openStore({ url: "sqlite::memory:", clock });
  pauses = createPauses(clock);
  tips = new Map([["refs/heads/main", "m"]]);
  asked = [];
  changes = {};
  file = { kind: "file", text: CONFIG };
  ordered = 0;
  await cover(store, record([change("a", "b")], []));
  // Of a host that answers as it does when it is asked.
  const host: Host = {
    ...hostNow(),
    repository: (...of) => hostNow().repository(...of),
    tip: (...of) => hostNow().tip(...of),
    file: (...of) => hostNow().file(...of),
    tags: (...of) => hostNow().tags(...of),
  };
  actions = createBuildActions({
    ...{ store, clock, pauses, hosts: [host], write: writeRequest },
    prepare: async () => undefined,
    onOrdered() {
      ordered += 1;
    },
    onChange: () => undefined,
  });
  trials = createTrials({ store, clock, pauses, hosts: [host] });
});
afterEach(() => store.close());

async function start(ref: string | null = null, image: string | null = null, by = BY_ANN) {
  return actions.start({ repository: REPOSITORY, ref, image }, by);
}

/** Plans what was ordered, as it is by then. */
async function plannedNow(): Promise<PlanRecord> {
  const [claim] = await store.claimDeliveries({ limit: 1, leaseMs: 1_000 });
  if (claim === undefined) throw new Error("nothing was ordered");
  const installations = { known: async () => ok(await store.getInstallation(installationId("7"))) };
  const planned = await planOrder({ store, installations, clock, write: writeRequest }, hostNow(), claim);
  if (!planned.ok || planned.value.kind !== "planned") throw new Error(JSON.stringify(planned));
  return planned.value.record;
}

describe("starting a build", () => {
  it("journals an order of the full ref, in the repository's stream, and wakes whoever plans", async () => {
    const started = await start("main", "api");
    expect(started).toEqual({ kind: "started", delivery: expect.any(String) });
    expect(ordered).toBe(1);
    const [claim] = await store.claimDeliveries({ limit: 1, leaseMs: 1_000 });
    expect(claim?.delivery).toMatchObject({ event: BUILD_ORDER, repositoryId: "1", installationId: "7" });
    expect(parseOrder(claim?.body.toString("utf8") ?? "")).toEqual({
      repository: REPOSITORY,
      ref: "refs/heads/main",
      image: "api",
      actor: { id: "42", login: "ann" },
    });
  });

  it("names nobody as the host's for whom the host does not know", async () => {
    for (const by of [
      OPERATOR,
      { kind: "token", id: "wha_1", name: "ci" } as const,
      { ...BY_ANN, provider: "bitbucket" } as typeof BY_ANN,
    ]) {
      await actions.start({ repository: REPOSITORY, ref: null, image: null }, by);
      expect((await plannedNow()).actor).toBeNull();
      for (const one of (await store.listDeliveries({ limit: 10, cursor: null })).items) {
        if (one.outcome === "pending") await store.recordIgnored(one.id, "ignored", "done");
      }
    }
  });

  it("asks the host nothing, and records nothing, where nothing may be built", async () => {
    await pause(store, "repository", REPOSITORY);
    expect(await start()).toMatchObject({
      kind: "refused",
      why: expect.stringMatching(/^Nothing of acme.* are paused/),
    });
    expect(await actions.start({ repository: { ...REPOSITORY, id: "9" }, ref: null, image: null }, OPERATOR)).toEqual({
      kind: "no-repository",
    });
    await store.unlinkRepositories(installationId("7"), [repository("1")]);
    expect(await start()).toEqual({ kind: "no-repository" });
    expect([asked, ordered, (await store.listDeliveries({ limit: 1, cursor: null })).items]).toEqual([[], 0, []]);
  });

  it("says what is wrong with the ref", async () => {
    expect(await start("gone")).toMatchObject({
      kind: "no-ref",
      why: expect.stringContaining("no branch or tag gone"),
    });
    expect(await start("a..b")).toMatchObject({ kind: "no-ref" });
    tips.set("refs/tags/main", "t");
    expect(await start("main")).toMatchObject({
      why: expect.stringContaining("say refs/heads/main or refs/tags/main"),
    });
    expect((await start("refs/tags/main")).kind).toBe("started");
    changes = { repository: async () => ok({ ...repository("1"), defaultBranch: null, archived: false }) };
    expect(await start()).toMatchObject({ kind: "no-ref", why: expect.stringContaining("no commits") });
    changes = { repository: async () => ok({ ...repository("1"), archived: true }) };
    expect(await start("refs/heads/main")).toMatchObject({ kind: "refused", why: expect.stringContaining("archived") });
    changes = { repository: async () => ok(null) };
    expect(await start()).toEqual({ kind: "no-repository" });
  });

  it("is not done where the host is away, and leaves it alone as long as it wants", async () => {
    changes = { tip: async () => failed("GitHub said 429.", { retryable: true, retryAfter: 30 }) };
    const away = { kind: "unknown", why: expect.stringContaining("GitHub said 429."), retryable: true, retryAfter: 30 };
    expect(await start()).toEqual(away);
    asked = [];
    expect(await start()).toMatchObject({ kind: "unknown", retryAfter: 30 });
    expect(asked).toEqual([]);
    clock.advance(31_000);
    changes = {};
    expect((await start()).kind).toBe("started");
  });
});

describe("an order", () => {
  it("is planned like a push of where the ref is by then, whatever its paths, with no mark and no move", async () => {
    await start();
    tips.set("refs/heads/main", "later");
    const plan = await plannedNow();
    expect(plan).toMatchObject({
      trigger: "manual",
      changes: [],
      cancel: [],
      report: [],
      actor: "42",
      namespace: "acme",
    });
    expect(plan.plan.requests.map(({ image, sha: at }) => [image, at])).toEqual([
      ["api", sha("later")],
      ["web", sha("later")],
    ]);
    expect([...plan.configDigests.keys()]).toEqual(["refs/heads/main"]);
  });

  it("of one image plans that one, with the brake of its own builds", async () => {
    await store.setPolicy(installationId("7"), { brake: 1 }, OPERATOR);
    await start(null, "web");
    expect((await plannedNow()).plan).toMatchObject({ requests: [{ image: "web" }], held: [], skips: [] });
  });

  it("of more than the brake lets through waits", async () => {
    await store.setPolicy(installationId("7"), { brake: 1 }, OPERATOR);
    await start();
    expect((await plannedNow()).plan).toMatchObject({ requests: [], held: [{ image: "api" }, { image: "web" }] });
  });

  it("without a file is one of the root Dockerfile, on the default branch alone", async () => {
    file = { kind: "missing", hint: null };
    await start();
    const plan = await plannedNow();
    expect(plan.plan.requests).toMatchObject([{ image: "repository-1", tags: ["latest"] }]);
    expect([...plan.configDigests]).toEqual([]);
  });

  it.each<[string, () => unknown, string]>([
    ["the branch is gone", () => tips.clear(), "ref-deleted"],
    ["the repository is paused", () => pause(store, "repository", REPOSITORY), "paused"],
    ["the app is gone", () => store.setInstallationState(installationId("7"), "removed"), "not-linked"],
    [
      "another installation covers the repository",
      () => store.linkRepositories(installationId("8"), [repository("1")], { complete: false }),
      "not-linked",
    ],
    [
      "the host does not show it any more",
      () => {
        changes = { repository: async () => ok(null) };
      },
      "not-linked",
    ],
  ])("is a skip where by then %s", async (_name, happen, reason) => {
    await start();
    await happen();
    expect((await plannedNow()).plan).toMatchObject({ requests: [], held: [], skips: [{ reason }] });
  });
});

describe("a trial", () => {
  it("tells the plan of a ref as it is, and records nothing", async () => {
    const tried = await trials.ofRef(REPOSITORY, "main");
    expect(tried).toMatchObject({
      ok: true,
      value: {
        ref: "refs/heads/main",
        sha: sha("m"),
        hasFile: true,
        plan: {
          requests: [
            { image: "api", tags: ["latest"] },
            { image: "web", tags: ["latest"] },
          ],
        },
      },
    });
    expect((await store.listDeliveries({ limit: 1, cursor: null })).items).toEqual([]);
  });

  it("of a name that is not there is made of the default branch, and asks for no other ref", async () => {
    const branch = await trials.ofName(REPOSITORY, "branch", "release/2");
    expect(branch).toMatchObject({
      value: { ref: "refs/heads/release/2", plan: { requests: [{ tags: ["release-2"] }] } },
    });
    const tag = await trials.ofName(REPOSITORY, "tag", "v1");
    expect(tag).toMatchObject({
      value: { ref: "refs/tags/v1", sha: sha("m"), plan: { requests: [{ tags: ["v1"] }] } },
    });
    expect(asked.filter((one) => one.startsWith("tip"))).toEqual(["tip refs/heads/main", "tip refs/heads/main"]);
  });

  it("is as if nothing were paused, and does not build without a file", async () => {
    await pause(store, "installation", installationId("7"));
    file = { kind: "missing", hint: null };
    expect(await trials.ofRef(REPOSITORY, "main")).toMatchObject({
      value: { hasFile: false, plan: { requests: [], skips: [{ reason: "config-missing" }] } },
    });
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ["a name that no branch can have", () => trials.ofName(REPOSITORY, "branch", "a..b"), /No branch can be called so/],
    ["a ref that is not there", () => trials.ofRef(REPOSITORY, "gone"), /no branch or tag gone/],
    ["a repository nobody knows", () => trials.ofRef({ ...REPOSITORY, id: "9" }, "main"), /no such repository/],
    [
      "an account that has left",
      async () => {
        await store.setInstallationState(installationId("7"), "removed");
        return trials.ofRef(REPOSITORY, "main");
      },
      /was removed/,
    ],
    [
      "a host that wants to be left alone",
      async () => {
        pauses.begin(installationId("7"), 20);
        return trials.ofRef(REPOSITORY, "main");
      },
      /asked us to wait/,
    ],
  ])("says why there is none of %s", async (_name, trial, message) => {
    expect(await trial()).toMatchObject({ ok: false, message: expect.stringMatching(message) });
  });
});
