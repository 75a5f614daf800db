import { describe, expect, it } from "@jest/globals";
import type { ClaimedCheck, PlanRecord, ShownCheck, Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import { retry } from "./store.retry.ts";
import {
  change,
  delivery,
  installationId,
  record,
  recordCovered,
  repository,
  request,
  sha,
  skip,
} from "./store.samples.ts";

const LEASE = { limit: 10, leaseMs: 10_000 };

let counter = 0;

async function plan(store: Store, what: PlanRecord): Promise<readonly string[]> {
  counter += 1;
  await store.append([delivery(`check-${counter}`)]);
  const found = await store.findDelivery(`check-${counter}`);
  return (await recordCovered(store, found?.id ?? "", what)).map((build) => build.id);
}

/** One push of main with one build; answers the build's id. */
async function push(store: Store, before: string, after: string): Promise<string> {
  const moved = change(before, after);
  return (await plan(store, record([moved], [request(moved)])))[0] ?? "";
}

/** *Re-run* of a commit of which nothing is built. */
async function rerun(store: Store, commit: string, where = "1"): Promise<void> {
  await plan(store, record([], [], { trigger: "rerun", report: [sha(commit)], repository: repository(where) }));
}

async function claimOne(store: Store): Promise<ClaimedCheck> {
  const [claimed, ...others] = await store.claimChecks(LEASE);
  if (claimed === undefined || others.length > 0) throw new Error(`claimed ${claimed ? 2 : 0} checks, not one`);
  return claimed;
}

function shownAs(check: ClaimedCheck, change: Partial<ShownCheck> = {}): ShownCheck {
  return { ...check.shown, hostId: "4711", uncertain: false, ...change };
}

/** Claims and shows until nothing is due; answers the names in the order they were shown. */
function showAll(store: Store): Promise<string[]> {
  return showAllAs(store, {});
}

async function showAllAs(store: Store, shown: Partial<ShownCheck>): Promise<string[]> {
  const names: string[] = [];
  for (;;) {
    const claimed = await store.claimChecks(LEASE);
    if (claimed.length === 0) return names;
    for (const check of claimed) {
      names.push(check.name);
      await store.checkShown(check.id, check.revision, shownAs(check, shown));
    }
  }
}

export function checksContract(opened: Opened): void {
  describe("marks checks", () => {
    it("when a build is queued, starts and ends", async () => {
      const { store } = opened();
      const id = await push(store, "a", "b");
      const first = await claimOne(store);
      expect(first).toMatchObject({
        name: "wharfinger",
        sha: sha("b"),
        attempts: 1,
        repository: { id: "1", cloneUrl: repository("1").cloneUrl },
        installation: { provider: "github", host: "default", id: "7" },
        shown: { hostId: null, uncertain: false, concluded: false },
      });
      expect(first.facts.builds.map((build) => build.state)).toEqual(["queued"]);
      await store.checkShown(first.id, first.revision, shownAs(first));
      expect(await store.claimChecks(LEASE)).toEqual([]);

      const claimed = await store.claimBuild({ worker: "w", leaseMs: 10_000 });
      const second = await claimOne(store);
      expect(second.shown).toEqual({ ...first.shown, hostId: "4711" });
      expect(second.revision).toBeGreaterThan(first.revision);
      expect(second.facts.builds.map((build) => build.state)).toEqual(["running"]);
      await store.checkShown(second.id, second.revision, shownAs(second));

      await store.finishBuild(id, claimed?.attempt ?? 0, {
        state: "succeeded",
        digest: "sha256:0",
        failure: null,
        steps: [],
      });
      const third = await claimOne(store);
      expect(third.facts.builds.map((build) => build.state)).toEqual(["succeeded"]);
    });

    it("when a build is canceled, superseded or handed back", async () => {
      const { store, clock } = opened();
      const first = await push(store, "a", "b");
      await showAll(store);
      const claimed = await store.claimBuild({ worker: "w", leaseMs: 10_000 });
      await showAll(store);
      await store.releaseBuild(first, claimed?.attempt ?? 0, new Date(clock.now()).toISOString());
      expect((await claimOne(store)).facts.builds[0]?.state).toBe("queued");
      clock.advance(10_000);
      const second = await push(store, "b", "c");
      const due = await showAllFacts(store);
      expect(due).toEqual([`${sha("b")} superseded`, `${sha("c")} queued`]);
      await store.cancelBuild(second, OPERATOR);
      expect((await claimOne(store)).facts.builds[0]?.state).toBe("canceled");
    });

    it("of a commit that is only skipped, when the record says so", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      await plan(store, record([moved], [], { skips: [skip(moved, "api")] }));
      expect(await store.claimChecks(LEASE)).toEqual([]);
      const next = change("b", "c");
      await plan(store, record([next], [], { skips: [skip(next, "api")], report: [sha("c")] }));
      expect((await claimOne(store)).facts).toEqual({ builds: [], skips: [skip(next, "api")] });
    });

    it("with the problems of a broken file", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const problems = [{ severity: "error", line: 3, column: 5, message: 'unknown key "nme"' }] as const;
      const broken = { ...skip(moved, null, "config-invalid"), problems };
      await plan(store, record([moved], [], { skips: [broken], report: [sha("b")] }));
      expect((await claimOne(store)).facts.skips).toEqual([broken]);
    });

    it("one for the commit and one for each of several images", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      await plan(store, record([moved], [request(moved), request(moved, "web")], { skips: [skip(moved, "docs")] }));
      expect((await showAll(store)).sort()).toEqual([
        "wharfinger",
        "wharfinger: api",
        "wharfinger: docs",
        "wharfinger: web",
      ]);
    });

    it("with the newest of each ref and image, and without what only repeats a build", async () => {
      const { store } = opened();
      const main = change("a", "b");
      const tag = change(null, "b", "refs/tags/v1");
      await plan(store, record([main], [request(main)], { skips: [skip(main, "web")] }));
      await plan(store, record([tag], [request(tag)]));
      await plan(store, record([main], [request(main)], { skips: [skip(main, "web", "paused")] }));
      await store.claimChecks({ limit: 10, leaseMs: 0 });
      const facts = (await store.claimChecks({ limit: 1, leaseMs: 0 }))[0]?.facts;
      expect(facts?.builds.map((build) => build.planned.ref)).toEqual(["refs/heads/main", "refs/tags/v1"]);
      expect(facts?.skips.map((found) => found.reason)).toEqual(["paused"]);
    });
  });

  describe("shows checks", () => {
    it("again when one changed while it was being shown", async () => {
      const { store } = opened();
      const id = await push(store, "a", "b");
      const check = await claimOne(store);
      await store.cancelBuild(id, OPERATOR);
      await store.checkShown(check.id, check.revision, shownAs(check));
      const again = await claimOne(store);
      expect(again.revision).toBe(check.revision + 1);
      expect(again.shown.hostId).toBe("4711");
      expect(again.facts.builds[0]?.state).toBe("canceled");
    });

    it("one of a repository at a time, those of others beside it", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      await plan(store, record([moved], [request(moved), request(moved, "web")]));
      await plan(store, record([moved], [request(moved)], { repository: repository("2") }));
      const claimed = await store.claimChecks(LEASE);
      expect(claimed.map((check) => check.repository.id).sort()).toEqual(["1", "2"]);
      expect(await store.claimChecks(LEASE)).toEqual([]);
    });

    it("again when whoever showed it was never heard of again, and says that a creation is in doubt", async () => {
      const { store, clock } = opened();
      await push(store, "a", "b");
      const check = await claimOne(store);
      await store.checkUncertain(check.id, check.shown.externalId);
      expect(await store.claimChecks(LEASE)).toEqual([]);
      clock.advance(10_000);
      const again = await claimOne(store);
      expect(again.attempts).toBe(2);
      expect(again.shown).toEqual({ ...check.shown, uncertain: true });
    });

    it("not before a postponed one may be tried", async () => {
      const { store, clock } = opened();
      await push(store, "a", "b");
      const check = await claimOne(store);
      await store.postponeCheck(check.id, new Date(clock.now() + 60_000).toISOString(), "rate limit");
      clock.advance(59_999);
      expect(await store.claimChecks(LEASE)).toEqual([]);
      clock.advance(1);
      expect((await claimOne(store)).attempts).toBe(2);
    });

    it("no more when one was given up, until it changes", async () => {
      const { store } = opened();
      const id = await push(store, "a", "b");
      const check = await claimOne(store);
      await store.dropCheck(check.id, check.revision, "no permission");
      expect(await store.claimChecks(LEASE)).toEqual([]);
      expect((await store.stats()).checksDue).toBe(0);
      await store.cancelBuild(id, OPERATOR);
      expect((await claimOne(store)).revision).toBe(check.revision + 1);
    });

    it("never an older revision over a newer one", async () => {
      const { store, clock } = opened();
      const id = await push(store, "a", "b");
      const slow = await claimOne(store);
      await store.cancelBuild(id, OPERATOR);
      clock.advance(10_000);
      const fast = await claimOne(store);
      await store.checkShown(fast.id, fast.revision, shownAs(fast, { concluded: true }));
      await store.checkShown(slow.id, slow.revision, shownAs(slow));
      expect(await store.claimChecks(LEASE)).toEqual([]);
    });
  });

  describe("revives checks", () => {
    it("that were given up before the host showed their conclusion, and no others", async () => {
      const { store } = opened();
      await push(store, "a", "b");
      const open = await claimOne(store);
      await store.checkShown(open.id, open.revision, shownAs(open));
      await rerun(store, "b");
      const refused = await claimOne(store);
      await store.dropCheck(refused.id, refused.revision, "suspended");
      // Concluded before it was given up; and never created, so that nothing on the host waits for an end.
      const elsewhere = change(null, "c", "refs/heads/other");
      await plan(store, record([elsewhere], [request(elsewhere)]));
      await showAllAs(store, { concluded: true });
      await rerun(store, "c");
      const never = await claimOne(store);
      await store.dropCheck(never.id, never.revision, "suspended");
      expect(await store.reviveChecks(installationId("8"))).toBe(0);
      expect(await store.reviveChecks({ ...installationId("7"), host: "ghes" })).toBe(0);
      expect(await store.reviveChecks(installationId("7"))).toBe(1);
      expect((await claimOne(store)).id).toBe(open.id);
      expect(await store.claimChecks(LEASE)).toEqual([]);
    });

    it("but not those that are shown as they should be", async () => {
      const { store } = opened();
      await push(store, "a", "b");
      await showAll(store);
      expect(await store.reviveChecks(installationId("7"))).toBe(0);
    });
  });

  describe("renews checks", () => {
    it("as new ones of the host after a conclusion, even while the old one is being shown", async () => {
      const { store } = opened();
      const id = await push(store, "a", "b");
      const first = await claimOne(store);
      await store.checkShown(first.id, first.revision, shownAs(first, { concluded: true }));
      await store.cancelBuild(id, OPERATOR);
      const old = await claimOne(store);
      await rerun(store, "b");
      // What would be created now would stay on the commit, and nobody would end it.
      expect(await store.checkUncertain(old.id, "successor")).toBe(false);
      await store.checkShown(old.id, old.revision, shownAs(old, { concluded: true }));
      const renewed = await claimOne(store);
      expect(renewed.id).toBe(old.id);
      expect(renewed.shown).toEqual({
        hostId: null,
        externalId: renewed.shown.externalId,
        uncertain: false,
        concluded: false,
      });
      expect(renewed.shown.externalId).not.toBe(old.shown.externalId);
    });

    it("when whoever shows them begins a new one after a conclusion, and remembers it through a crash", async () => {
      const { store, clock } = opened();
      const id = await push(store, "a", "b");
      const first = await claimOne(store);
      await store.checkShown(first.id, first.revision, shownAs(first, { concluded: true }));
      await store.cancelBuild(id, OPERATOR);
      await retry(store, id);
      const second = await claimOne(store);
      expect(second.shown).toMatchObject({ hostId: "4711", concluded: true });
      await store.checkUncertain(second.id, "successor");
      clock.advance(10_000);
      const third = await claimOne(store);
      expect(third.shown).toEqual({ hostId: null, externalId: "successor", uncertain: true, concluded: false });
      await store.checkShown(third.id, third.revision, { ...third.shown, hostId: "4712", uncertain: false });
      expect(await store.claimChecks(LEASE)).toEqual([]);
      await store.cancelBuild((await store.listBuilds({ limit: 1, cursor: null })).items[0]?.id ?? "", OPERATOR);
      expect((await claimOne(store)).shown).toMatchObject({ hostId: "4712", externalId: "successor" });
    });

    it("as they are while they have no conclusion, so that what the host has comes to its end", async () => {
      const { store } = opened();
      await push(store, "a", "b");
      const first = await claimOne(store);
      await rerun(store, "b");
      expect(await store.checkUncertain(first.id, first.shown.externalId)).toBe(true);
      await store.checkShown(first.id, first.revision, shownAs(first));
      expect((await claimOne(store)).shown).toEqual({ ...first.shown, hostId: "4711" });
    });

    it("of that commit only", async () => {
      const { store } = opened();
      await push(store, "a", "b");
      await showAll(store);
      await rerun(store, "other");
      await rerun(store, "b", "2");
      const claimed = await store.claimChecks(LEASE);
      expect(claimed.map((check) => [check.repository.id, check.sha])).toEqual([
        ["1", sha("other")],
        ["2", sha("b")],
      ]);
    });
  });
}

async function showAllFacts(store: Store): Promise<string[]> {
  const shown: string[] = [];
  for (;;) {
    const claimed = await store.claimChecks(LEASE);
    if (claimed.length === 0) return shown;
    for (const check of claimed) {
      shown.push(`${check.sha} ${check.facts.builds[0]?.state}`);
      await store.checkShown(check.id, check.revision, shownAs(check));
    }
  }
}
