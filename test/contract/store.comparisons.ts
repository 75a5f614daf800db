/** Comparing branches and tags: whose turn it is, what they were, where lanes are, and how it goes. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import { FOUND } from "../../src/core/found.ts";
import type { Change, HostId, Repository, Skip } from "../../src/core/model.ts";
import type { Scope } from "../../src/core/pause.ts";
import { AFTER_PUSH_MS, type Refs, type RefTip } from "../../src/core/reconcile.ts";
import type { ClaimedRepository, ComparisonEnd } from "../../src/engine/reconcile-port.ts";
import type { PlanRecord } from "../../src/engine/store-port.ts";
import { streamOf } from "../../src/engine/streams.ts";
import type { Opened, OpenedStore } from "./store.contract.ts";
import {
  account,
  change,
  cover,
  delivery,
  give,
  held,
  installationId,
  pause,
  pull,
  record,
  repository,
  request,
  resume,
  sha,
  skip,
} from "./store.samples.ts";

type Store = OpenedStore["store"];

const HOST: By = { kind: "host", provider: "github", host: "default", actor: { id: "42", login: "mona" } };
const [SEVEN, EIGHT] = [installationId("7"), installationId("8")];
const [ACME, OTHER] = [account("17", "acme"), account("18", "other")];
const [ONE, TWO] = [repository("1"), repository("2")];
const MAIN = "refs/heads/main";
const HOUR = 60 * 60_000;
const DAY = 24 * HOUR;
const EAGER = { limit: 10, leaseMs: 60_000 };
const MANY = { limit: 1_000, leaseMs: 60_000 };

function tip(object: string, commit = object): RefTip {
  return { object: sha(object), commit: sha(commit) };
}

const REFS: Refs = new Map([
  [MAIN, tip("a")],
  ["refs/tags/v1", tip("tag object", "b")],
]);

export function comparisonsContract(opened: Opened): void {
  async function installed(id = SEVEN, owner = ACME, repositories: readonly Repository[] = [ONE]): Promise<void> {
    const told = { account: owner, permissions: {}, repositories };
    const taken = await opened().store.hearInstallation({ id, news: "found-active", told, by: HOST });
    if (taken.kind !== "taken") throw new Error(`not installed: ${taken.kind}`);
  }

  async function hear(news: "suspended" | "removed", id = SEVEN, owner = ACME): Promise<void> {
    const told = { account: owner, permissions: {}, repositories: null };
    await opened().store.hearInstallation({ id, news, told, by: HOST });
  }

  const about = (news: "removed" | "archived" | "found", one = ONE, installation = SEVEN) =>
    opened().store.hearRepositories({ installation, news, repositories: [one], by: HOST });

  const claim = (options = EAGER) => opened().store.claimComparisons(options);

  async function claimOne(): Promise<ClaimedRepository> {
    const [claimed, ...more] = await claim();
    if (claimed === undefined || more.length > 0) throw new Error(`claimed ${more.length} more, or none`);
    return claimed;
  }

  const names = async (options = EAGER) => (await claim(options)).map(({ repository: { id } }) => id);

  function end(claimed: Pick<ClaimedRepository, "repository" | "attempt">, more: Partial<ComparisonEnd> = {}) {
    const { store, clock } = opened();
    const usual = { refs: null, suspects: [], dueAt: clock.now() + HOUR, problem: null, found: 0 };
    return store.endComparison(claimed.repository, claimed.attempt, { ...usual, ...more });
  }

  /** Looked at, and due again in an hour. */
  async function compared(refs: Refs = REFS): Promise<ClaimedRepository> {
    const claimed = await claimOne();
    expect(await end(claimed, { refs })).toBe(true);
    return claimed;
  }

  let told = 0;

  /** Journals a delivery and records a plan for it; answers our id of it. */
  async function planned(changes: readonly Change[], more: Parameters<typeof record>[2] = {}, event = "push") {
    const { store, clock } = opened();
    told += 1;
    const name = `told-${told}`;
    await store.append([delivery(name, { event, receivedAt: clock.now() })]);
    await store.claimDeliveries({ limit: 100, leaseMs: 60_000 });
    const { id = "" } = (await store.findDelivery(name)) ?? {};
    await store.recordPlan(id, record(changes, [], more));
    return id;
  }

  const push = (before: string | null, after: string, more: Parameters<typeof record>[2] = {}, ref = MAIN) => {
    const moved = change(before, after, ref);
    return planned([moved], { skips: [skip(moved, "api")], ...more });
  };

  describe("hands out repositories to be compared", () => {
    it("linked ones of active installations, as they are recorded, at once", async () => {
      const { store } = opened();
      expect(await claim()).toEqual([]);
      await installed();
      const claimed = await claimOne();
      expect(claimed).toEqual({
        attempt: expect.any(Number),
        installation: SEVEN,
        repository: { ...ONE, defaultBranch: null, cloneUrl: "", webUrl: "" },
        refs: null,
        suspects: [],
        lastUsedAt: null,
        failures: 0,
      });
      await end(claimed, { dueAt: 0 });
      await cover(store, record([], []));
      await push(null, "a");
      expect((await claimOne()).repository).toEqual(ONE);
    });

    it("but none that is archived, suspended, left or paused, until it is not any more", async () => {
      const { store } = opened();
      await installed(SEVEN, ACME, [ONE, TWO, repository("3"), repository("4")]);
      await installed(EIGHT, OTHER, [repository("5")]);
      await about("archived", ONE);
      await about("removed", TWO);
      await pause(store, "repository", repository("3"));
      await hear("suspended", EIGHT, OTHER);
      expect(await names()).toEqual(["4"]);
      opened().clock.advance(60_000);
      const paused: readonly Scope[] = [{ kind: "installation", id: SEVEN }, { kind: "instance" }];
      for (const scope of paused) {
        await store.pause(scope, { by: { kind: "operator" }, stop: false });
        expect(await names()).toEqual([]);
        expect((await store.stats()).comparisons.repositories).toBe(0);
        await store.resume(scope, { kind: "operator" });
      }
      expect(await names()).toEqual(["4"]);
      await store.resume({ kind: "repository", id: repository("3") }, { kind: "operator" });
      expect(await names()).toEqual(["3"]);
      await installed(EIGHT, OTHER, [repository("5")]);
      await about("found", ONE);
      await about("found", TWO);
      expect((await names()).toSorted()).toEqual(["1", "2", "5"]);
    });

    it("those that waited longest first, and who comes in now behind them", async () => {
      const { store, clock } = opened();
      const of = ["1", "2", "3", "4", "5"].map(repository);
      await installed(SEVEN, ACME, of.slice(0, 4));
      for (const one of await claim())
        await end(one, { dueAt: clock.now() + 10_000 * (9 - Number(one.repository.id)) });
      await store.linkRepositories(SEVEN, of.slice(4), { complete: false });
      expect(await names()).toEqual(["5"]);
      clock.advance(49_999);
      expect(await names()).toEqual([]);
      clock.advance(1);
      expect(await names()).toEqual(["4"]);
      clock.advance(90_000);
      await store.linkRepositories(SEVEN, [repository("6")], { complete: false });
      expect(await names({ limit: 2, leaseMs: 200_000 })).toEqual(["5", "4"]);
      expect(await names({ limit: 2, leaseMs: 200_000 })).toEqual(["3", "2"]);
      expect(await names({ limit: 2, leaseMs: 200_000 })).toEqual(["1", "6"]);
      expect(await names({ limit: 2, leaseMs: 200_000 })).toEqual([]);
    });

    it("to one at a time, and again when the lease ended without word: who lost it changes nothing", async () => {
      const { clock } = opened();
      await installed();
      const lost = await claimOne();
      clock.advance(59_999);
      expect(await claim()).toEqual([]);
      clock.advance(1);
      const next = await claimOne();
      expect(next.attempt).toBeGreaterThan(lost.attempt);
      expect(await end(lost, { refs: REFS, suspects: [{ ref: MAIN, object: null, since: 1 }], found: 3 })).toBe(false);
      expect(await claim()).toEqual([]);
      expect((await opened().store.stats()).comparisons).toMatchObject({ compared: 0, found: 0, lastAt: null });
      expect(await end(next, { dueAt: clock.now(), problem: "It is away." })).toBe(true);
      expect(await end(next, { refs: REFS })).toBe(false);
      expect(await claimOne()).toMatchObject({ refs: null, suspects: [], failures: 1 });
    });

    it("to somebody else of a lease that is over, but as long as nobody came it may be ended", async () => {
      const { clock } = opened();
      await installed();
      const claimed = await claimOne();
      clock.advance(60_001);
      expect(await end(claimed, { refs: REFS, dueAt: clock.now() })).toBe(true);
      expect((await claimOne()).refs).toEqual(REFS);
    });

    it("after the only process was killed at once", async () => {
      const { store } = opened();
      await installed();
      const lost = await claimOne();
      await store.takeOver();
      expect(await end(lost, { refs: REFS })).toBe(false);
      expect((await claimOne()).refs).toBeNull();
    });

    it("each to one of several who ask at once", async () => {
      const { store, reopen } = opened();
      await installed(
        SEVEN,
        ACME,
        Array.from({ length: 60 }, (_, index) => repository(`${index}`)),
      );
      const other = reopen === null ? store : await reopen();
      const asked = Array.from({ length: 24 }, (_, index) => {
        return (index % 2 === 0 ? store : other).claimComparisons({ limit: 3, leaseMs: 60_000 });
      });
      const ids = (await Promise.all(asked)).flat().map((one) => one.repository.id);
      const rest = await names(MANY);
      if (other !== store) await other.close();
      expect(new Set(ids).size).toBe(ids.length);
      expect(new Set([...ids, ...rest]).size).toBe(60);
      expect(ids.length + rest.length).toBe(60);
    });

    it("with when something of it was built last", async () => {
      const { store, clock } = opened();
      await cover(store, record([], []));
      await store.linkRepositories(SEVEN, [TWO], { complete: false });
      for (const after of ["a", "b"]) {
        clock.advance(5_000);
        const moved = change(null, after, `refs/heads/${after}`);
        await planned([moved], { plan: { ...record([], []).plan, requests: [request(moved)] } });
      }
      const at = clock.now();
      clock.advance(5_000);
      const claimed = await claim();
      expect(claimed.map((one) => [one.repository.id, one.lastUsedAt])).toEqual([
        ["1", at],
        ["2", null],
      ]);
    });
  });

  describe("remembers what branches and tags were", () => {
    it("with what was not told yet, until they are others", async () => {
      const { clock } = opened();
      await installed();
      await compared();
      clock.advance(HOUR);
      const suspects = [
        { ref: 'refs/heads/\u{1f680}"\\', object: sha("s"), since: clock.now() },
        { ref: "refs/tags/gone", object: null, since: 5 },
      ];
      const second = await claimOne();
      expect(second).toMatchObject({ refs: REFS, suspects: [], failures: 0 });
      await end(second, { suspects, dueAt: clock.now() });
      const third = await claimOne();
      expect(third).toMatchObject({ refs: REFS, suspects });
      await end(third, { refs: new Map(), dueAt: clock.now() });
      // That there are none is not that nobody has looked.
      const fourth = await claimOne();
      expect(fourth).toMatchObject({ refs: new Map(), suspects: [] });
      await end(fourth, { dueAt: clock.now() + 0.25 });
      expect(await claim()).toEqual([]);
      clock.advance(1);
      expect((await claimOne()).refs).toEqual(new Map());
    });

    it("also where it failed, and counts how often in a row", async () => {
      const { clock } = opened();
      await installed();
      const suspects = [{ ref: MAIN, object: sha("s"), since: 5 }];
      await end(await claimOne(), { refs: REFS, suspects, dueAt: clock.now() });
      for (const failures of [0, 1, 2]) {
        const claimed = await claimOne();
        expect(claimed).toMatchObject({ refs: REFS, suspects, failures });
        await end(claimed, { suspects, dueAt: clock.now(), problem: "GitHub answered 502." });
      }
      await end(await claimOne(), { dueAt: clock.now() });
      expect(await claimOne()).toMatchObject({ refs: REFS, suspects: [], failures: 0 });
    });

    it("each repository its own, in two formats of hashes", async () => {
      const { clock } = opened();
      await installed(SEVEN, ACME, [ONE, TWO]);
      const long = createHash("sha256").update("a").digest("hex") as RefTip["object"];
      const other: Refs = new Map([[MAIN, { object: long, commit: long }]]);
      for (const one of await claim()) await end(one, { refs: one.repository.id === "1" ? REFS : other });
      clock.advance(HOUR);
      expect((await claim()).map(({ refs }) => refs)).toEqual([REFS, other]);
    });

    it("under all the names that git lets them have", async () => {
      const { clock } = opened();
      await installed();
      const odd = [
        "refs/heads/\u{1f680}/日本語",
        "refs/heads/e\u0301 \u00e9",
        "refs/heads/a b",
        " leading",
        "refs/heads/trailing ",
        "refs/heads/'\"`$(rm -rf);%00&<b>|#{}",
        "refs/heads/\u2028\u2029\u0085\u00a0\ufeff\u200b",
        "refs/heads/\r\u000b\u000c\0\u0001",
        "refs/heads/\ufffd",
        "refs/heads/__proto__",
        "refs/tags/-",
        `refs/heads/${"x".repeat(5_000)}`,
        "HEAD",
        "",
      ];
      const refs: Refs = new Map(odd.map((name, index) => [name, tip(`${index}`, index % 3 === 0 ? "c" : `${index}`)]));
      await compared(refs);
      clock.advance(HOUR);
      expect((await claimOne()).refs).toEqual(refs);
    });

    it("fifty thousand of them", async () => {
      const { clock } = opened();
      await installed();
      const refs = new Map<string, RefTip>();
      for (let index = 0; index < 50_000; index += 1) {
        refs.set(`refs/${index % 2 === 0 ? "heads" : "tags"}/some/name-${index}`, tip(`${index}`, `${index % 7_000}`));
      }
      await compared(refs);
      clock.advance(HOUR);
      const claimed = await claimOne();
      expect(claimed.refs?.size).toBe(50_000);
      expect(
        [...refs].every(([ref, { object, commit }]) => {
          const stored = claimed.refs?.get(ref);
          return stored?.object === object && stored.commit === commit;
        }),
      ).toBe(true);
    });

    it("while its installation is suspended or it is archived: then it goes on where it was", async () => {
      const { clock } = opened();
      await installed();
      for (const [close, open] of [
        [() => hear("suspended"), () => installed()],
        [() => about("archived"), () => about("found")],
      ] as const) {
        await compared();
        await close();
        clock.advance(HOUR);
        expect(await claim()).toEqual([]);
        await open();
        const claimed = await claimOne();
        expect(claimed.refs).toEqual(REFS);
        await end(claimed, { dueAt: clock.now() });
      }
    });
  });

  describe("forgets what branches and tags were", () => {
    it("of a repository that is linked no more, and takes it for a new one when it is back", async () => {
      const { clock } = opened();
      await installed(SEVEN, ACME, [ONE, TWO]);
      for (const one of await claim()) await end(one, { refs: REFS });
      clock.advance(HOUR);
      const before = await claim();
      await about("removed");
      expect(await claim()).toEqual([]);
      await about("found");
      const back = await claimOne();
      expect(back).toMatchObject({ repository: { id: "1" }, refs: null });
      // Who looked at it before is not who looks at it now.
      expect(await Promise.all(before.map((one) => end(one, { refs: REFS })))).toEqual([false, true]);
      expect(await end(back, { dueAt: clock.now() })).toBe(true);
      expect((await claimOne()).refs).toBeNull();
    });

    it("also of one that nobody had compared, whose look is nobody's when it is back", async () => {
      await installed();
      const gone = await claimOne();
      await about("removed");
      expect(await claim()).toEqual([]);
      await about("found");
      const back = await claimOne();
      expect(await end(gone, { refs: REFS })).toBe(false);
      expect(await end(back)).toBe(true);
    });

    it("of a repository that went to another account, also of a look under way", async () => {
      const { clock } = opened();
      await installed(SEVEN, ACME, [ONE, TWO]);
      await installed(EIGHT, OTHER, []);
      for (const one of await claim()) await end(one, { refs: REFS });
      clock.advance(HOUR);
      const [mine] = await claim();
      await about("found", ONE, EIGHT);
      expect(mine === undefined || (await end(mine, { refs: REFS }))).toBe(false);
      const theirs = await claimOne();
      expect(theirs).toMatchObject({ repository: { id: "1" }, installation: EIGHT, refs: null, suspects: [] });
    });

    it("of an account whose time is over, whatever else of it stays", async () => {
      const { store, clock } = opened();
      await installed(SEVEN, ACME, [ONE, TWO]);
      await give(store, ACME, "acme");
      const moved = change(null, "a");
      await planned([moved], { plan: { ...record([], []).plan, requests: [request(moved)] } });
      const build = await store.claimBuild({ worker: "w", leaseMs: 60_000 });
      const [id, attempt] = [build?.build.id ?? "", build?.attempt ?? 0];
      await store.stageBuild(id, attempt, { digest: `sha256:${"d".repeat(64)}`, steps: [] });
      // Binds the image to the first repository, which stays for that.
      const promotion = await store.claimPromotion({ worker: "w", leaseMs: 60_000 });
      const result = { state: "succeeded", digest: `sha256:${"d".repeat(64)}`, failure: null, steps: [] } as const;
      expect(await store.finishBuild(id, promotion?.attempt ?? 0, result)).toBe(true);
      for (const one of await claim()) await end(one, { refs: REFS });
      await hear("removed");
      await store.eraseHoldings(SEVEN, { kind: "service" });
      await store.closeReceipt(SEVEN, [], new Date(clock.now()).toISOString());
      expect(await store.purgeInstallation(SEVEN, [id])).toBe(false);
      expect(await store.purgeInstallation(SEVEN, [])).toBe(true);
      expect((await store.repositoriesOf(SEVEN, 10)).map((one) => one.id)).toEqual(["1"]);
      await installed(SEVEN, ACME, [ONE]);
      expect((await claimOne()).refs).toBeNull();
    });
  });

  describe("has a repository looked at soon", () => {
    const dueIn = async (ms: number) => {
      const { clock } = opened();
      clock.advance(ms - 1);
      const early = await claim();
      clock.advance(1);
      return early.length === 0 && (await claim()).length === 1;
    };
    const moved = change("a", "b");
    const plan = record([], []).plan;

    it.each<[string, Partial<PlanRecord> & { readonly skips?: readonly Skip[] }, readonly Change[]]>([
      ["of which something is built", { plan: { ...plan, requests: [request(moved)] } }, [moved]],
      ["of which something is skipped", { skips: [skip(moved, "api")] }, [moved]],
      [
        "of a tag",
        { skips: [skip(moved, null, "config-missing"), skip(moved, "api")] },
        [change(null, "b", "refs/tags/v1")],
      ],
      ["of which the file is wrong", { skips: [skip(moved, null, "config-invalid")] }, [moved]],
    ])("after a push %s", async (_what, more, changes) => {
      await cover(opened().store, record([], []));
      await compared();
      await planned(changes, more);
      expect(await dueIn(AFTER_PUSH_MS)).toBe(true);
    });

    it.each<
      [
        string,
        Partial<PlanRecord> & { readonly skips?: readonly Skip[]; readonly held?: ReturnType<typeof held>[] },
        readonly Change[],
      ]
    >([
      ["what has no file of ours", { skips: [skip(moved, null, "config-missing")] }, [moved]],
      ["what nothing was planned of", {}, [moved]],
      ["what is deleted", { skips: [skip(moved, null, "ref-deleted")] }, [{ ...moved, after: null, commit: null }]],
      ["what is paused", { skips: [skip(moved, null, "paused")] }, [moved]],
      ["what was found", { skips: [skip(moved, "api")], found: true }, [moved]],
      ["a re-run", { skips: [skip(moved, "api")], trigger: "rerun" }, [moved]],
      ["what somebody started", { skips: [skip(moved, "api")], trigger: "manual" }, [moved]],
      ["a pull request", { held: [held(pull(3, "c"))] }, [pull(3, "c")]],
      ["what another account says of it", { skips: [skip(moved, "api")], installation: EIGHT }, [moved]],
      ["a push to another repository", { skips: [skip(moved, "api")], repository: TWO }, [moved]],
    ])("but not after %s", async (_what, more, changes) => {
      await cover(opened().store, record([], []));
      await compared();
      await planned(changes, more);
      expect(await dueIn(HOUR)).toBe(true);
    });

    it("never later than it was", async () => {
      const { clock } = opened();
      await cover(opened().store, record([], []));
      await end(await claimOne(), { dueAt: clock.now() + 10_000 });
      await push("a", "b");
      clock.advance(5_000);
      await push("b", "c");
      expect(await dueIn(5_000)).toBe(true);
    });

    it("and at once where who looked at it fell silent", async () => {
      await cover(opened().store, record([], []));
      await claimOne();
      opened().clock.advance(59_999);
      await push("a", "b");
      expect(await dueIn(1)).toBe(true);
    });

    it.each<[string, Partial<PlanRecord> & { readonly skips?: readonly Skip[] }, boolean]>([
      ["is used where something was skipped of a push", { skips: [skip(moved, "api")] }, true],
      ["is not used where it has no file", { skips: [skip(moved, null, "config-missing")] }, false],
      ["is not used where something was found", { skips: [skip(moved, "api")], found: true }, false],
    ])("and the repository %s", async (_what, more, used) => {
      const { store, clock } = opened();
      await cover(store, record([], []));
      await compared();
      const at = clock.now();
      await planned([moved], more);
      clock.advance(HOUR);
      expect((await claimOne()).lastUsedAt).toBe(used ? at : null);
    });

    it("counted from the first of several pushes", async () => {
      await cover(opened().store, record([], []));
      await compared();
      await push("a", "b");
      opened().clock.advance(20_000);
      await push("b", "c");
      expect(await dueIn(AFTER_PUSH_MS - 20_000)).toBe(true);
    });

    it("once", async () => {
      await cover(opened().store, record([], []));
      await compared();
      await push("a", "b");
      opened().clock.advance(AFTER_PUSH_MS);
      await end(await claimOne());
      expect(await dueIn(HOUR)).toBe(true);
    });

    it("also where it is looked at right now, and once only", async () => {
      const { clock } = opened();
      await cover(opened().store, record([], []));
      const claimed = await claimOne();
      clock.advance(10_000);
      await push("a", "b");
      clock.advance(5_000);
      await push("b", "c");
      expect(await claim()).toEqual([]);
      await end(claimed);
      expect(await dueIn(AFTER_PUSH_MS - 5_000)).toBe(true);
      clock.advance(60_000);
      await end(await claimOne());
      expect(await dueIn(HOUR)).toBe(true);
    });

    it("but not later than who looked at it wishes", async () => {
      const { clock } = opened();
      await cover(opened().store, record([], []));
      const claimed = await claimOne();
      await push("a", "b");
      await end(claimed, { dueAt: clock.now() + 7_000 });
      expect(await dueIn(7_000)).toBe(true);
    });

    it("and the lease of one that looks stays its own", async () => {
      await cover(opened().store, record([], []));
      await compared();
      opened().clock.advance(HOUR);
      const claimed = await claimOne();
      await push("a", "b");
      opened().clock.advance(AFTER_PUSH_MS);
      expect(await claim()).toEqual([]);
      expect(await end(claimed)).toBe(true);
      expect((await claimOne()).attempt).toBe(claimed.attempt + 1);
    });

    it("which changes nothing of a repository that is not compared", async () => {
      const { store } = opened();
      await push("a", "b");
      expect((await store.stats()).comparisons.repositories).toBe(0);
      expect(await claim()).toEqual([]);
    });
  });

  describe("tells where lanes are", () => {
    it("as far as was told or found", async () => {
      const { store } = opened();
      const tag = "refs/tags/v1";
      const lanes = [MAIN, tag, "refs/heads/gone", "refs/heads/never", "pull/3"];
      await push("a", "b");
      await push(null, "t", { found: true }, tag);
      const deleted = { ...change("x", "y", "refs/heads/gone"), after: null, commit: null };
      await planned([deleted], { found: true, skips: [skip(deleted, null)] });
      await planned([pull(3, "p")], { skips: [skip(pull(3, "p"), null)] });
      const at = await store.toldPlaces(ONE, lanes);
      expect([...at].toSorted()).toEqual([
        ["refs/heads/gone", { before: sha("x"), after: null, judged: null, found: true }],
        [MAIN, { before: sha("a"), after: sha("b"), judged: sha("b"), found: false }],
        [tag, { before: null, after: sha("t"), judged: sha("t"), found: true }],
      ]);
      expect(await store.toldPlaces(ONE, [])).toEqual(new Map());
      expect(await store.toldPlaces(TWO, lanes)).toEqual(new Map());
      expect(await store.toldPlaces({ ...ONE, host: "ghes" }, lanes)).toEqual(new Map());
    });

    it("and where they were judged last: not what was paused, until it is planned again", async () => {
      const { store } = opened();
      const judged = async () => (await store.toldPlaces(ONE, [MAIN])).get(MAIN)?.judged;
      await planned([change("b", "c")], { skips: [skip(change("b", "c"), null, "paused")] });
      expect(await judged()).toEqual(sha("b"));
      await planned([change("c", "d")], { skips: [skip(change("c", "d"), "api")] });
      expect(await judged()).toEqual(sha("d"));
      for (const [before, after] of [
        ["d", "e"],
        ["e", "f"],
      ] as const) {
        const moved = change(before, after);
        await planned([moved], { skips: [skip(moved, null, "paused")] });
        expect(await judged()).toEqual(sha("d"));
      }
      // The newest of them, once more.
      await planned([change("e", "f")], { skips: [skip(change("e", "f"), "api")] });
      expect(await judged()).toEqual(sha("f"));
    });

    it("and that a branch that was made while nothing could be built was never judged", async () => {
      const { store } = opened();
      const judged = async () => (await store.toldPlaces(ONE, [MAIN])).get(MAIN)?.judged;
      for (const moved of [change(null, "a"), change("a", "b")]) {
        await planned([moved], { skips: [skip(moved, null, "suspended")] });
        expect(await judged()).toBeNull();
      }
    });

    it("and whether one of their moves was found, whatever is told once more or afterwards", async () => {
      const { store } = opened();
      const place = async () => (await store.toldPlaces(ONE, [MAIN])).get(MAIN);
      await push("a", "b", { found: true });
      // The host tells what was found already: it is no other move.
      await push("a", "b");
      expect(await place()).toEqual({ before: sha("a"), after: sha("b"), judged: sha("b"), found: true });
      await push("b", "c");
      expect(await place()).toEqual({ before: sha("b"), after: sha("c"), judged: sha("c"), found: true });
    });

    it("and does not take for found what was told before", async () => {
      const { store } = opened();
      const place = async () => (await store.toldPlaces(ONE, [MAIN])).get(MAIN);
      await push("a", "b");
      await push("a", "b", { found: true });
      expect(await place()).toEqual({ before: sha("a"), after: sha("b"), judged: sha("b"), found: false });
      await push("b", "c", { found: true });
      expect(await place()).toEqual({ before: sha("b"), after: sha("c"), judged: sha("c"), found: true });
    });

    it("of many at once", async () => {
      const { store } = opened();
      const lanes = Array.from({ length: 1_250 }, (_, index) => `refs/tags/v${index}`);
      const changes = [0, 499, 500, 501, 999, 1_000, 1_249].map((index) => change(null, "a", `refs/tags/v${index}`));
      await planned(changes, { skips: changes.map((one) => skip(one, null)) });
      expect([...(await store.toldPlaces(ONE, lanes)).keys()]).toEqual(changes.map(({ ref }) => ref));
    });

    it("beside a delivery that came late: what was found says where they were, what was ordered does not", async () => {
      const { store, clock } = opened();
      const sentAt = clock.now() - 60_000;
      await store.append([delivery("late", { receivedAt: clock.now(), missed: { sentAt, status: 503 } })]);
      const { id = "" } = (await store.findDelivery("late")) ?? {};
      const beside = async () => (await store.lanesBeside(id, ONE, [MAIN])).get(MAIN);
      const moved = change("a", "b");
      await planned([moved], { skips: [skip(moved, null)] }, "wharfinger.build");
      expect(await beside()).toEqual({ before: sha("a"), after: sha("b"), later: false, found: false });
      const next = change("b", "c");
      await planned([next], { skips: [skip(next, null)], found: true }, FOUND);
      expect(await beside()).toEqual({ before: sha("b"), after: sha("c"), later: true, found: true });
    });
  });

  describe("tells whether something about a repository waits", () => {
    const BITBUCKET: Repository = { ...ONE, provider: "bitbucket", id: "{r}" };
    const WORKSPACE: HostId = { provider: "bitbucket", host: "default", id: "{w}" };

    async function known(): Promise<Store> {
      const { store } = opened();
      await installed();
      const owner = { ...account("17"), provider: "bitbucket" } as const;
      await store.saveInstallation({ id: WORKSPACE, account: owner, state: "active", permissions: {} });
      await store.linkRepositories(WORKSPACE, [BITBUCKET], { complete: true });
      return store;
    }

    it("from when it is stored until it is planned or given up", async () => {
      const store = await known();
      const theirs = { provider: "bitbucket", stream: streamOf(WORKSPACE, BITBUCKET), installationId: "{w}" } as const;
      const awaited = async () => [await store.isAwaited(ONE), await store.isAwaited(BITBUCKET)];
      expect(await awaited()).toEqual([false, false]);
      await store.append([delivery("a", { stream: streamOf(SEVEN, ONE) })]);
      expect(await awaited()).toEqual([true, false]);
      await store.append([delivery("b", { ...theirs, repositoryId: "{r}" })]);
      expect(await awaited()).toEqual([true, true]);
      const claimed = await store.claimDeliveries({ limit: 10, leaseMs: 60_000 });
      expect(claimed).toHaveLength(2);
      expect(await awaited()).toEqual([true, true]);
      const [first, second] = claimed.map((one) => one.delivery.id);
      await store.postponeDelivery(first ?? "", "2030-01-01T00:00:00.000Z", "later");
      expect(await awaited()).toEqual([true, true]);
      await store.recordIgnored(second ?? "", "failed", "no");
      expect(await awaited()).toEqual([true, false]);
      await store.recordPlan(first ?? "", record([], []));
      expect(await awaited()).toEqual([false, false]);
    });

    it("and not of what is about another one that is called like it", async () => {
      const store = await known();
      await store.append([
        delivery("other host", { host: "ghes", stream: streamOf(SEVEN, ONE) }),
        delivery("longer", { stream: "repo:11" }),
        delivery("installation", { stream: "installation:7" }),
        delivery("other workspace", { provider: "bitbucket", stream: "repo:{v}/{r}" }),
        delivery("no workspace", { provider: "bitbucket", stream: "repo:{r}" }),
      ]);
      expect(await store.isAwaited(ONE)).toBe(false);
      expect(await store.isAwaited(BITBUCKET)).toBe(false);
      expect(await store.isAwaited(TWO)).toBe(false);
      const there = { provider: "github", host: "ghes" } as const;
      const owner = { ...ACME, ...there };
      await store.saveInstallation({ id: { ...there, id: "7" }, account: owner, state: "active", permissions: {} });
      await store.linkRepositories({ ...there, id: "7" }, [{ ...ONE, ...there }], { complete: true });
      expect(await store.isAwaited({ ...ONE, ...there })).toBe(true);
    });
  });

  it("plans again what was found while nothing could be built, as it does what was pushed", async () => {
    const { store } = opened();
    await cover(store, record([], []));
    await pause(store, "repository", ONE);
    const body = Buffer.from('{"found":"this"}');
    const stream = streamOf(SEVEN, ONE);
    await store.append([delivery("found-1", { event: FOUND, stream, body })]);
    const [first] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
    const moved = change("a", "b");
    const id = first?.delivery.id ?? "";
    await store.recordPlan(id, record([moved], [], { found: true, skips: [skip(moved, null, "paused")] }));
    const waiting = await store.waitingLanes({ kind: "repository", id: ONE }, { lifted: true });
    expect(waiting).toMatchObject([{ lane: MAIN, delivery: { id, event: FOUND }, readable: true }]);
    await resume(store, "repository", ONE);
    const [copy] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
    expect(copy).toMatchObject({ delivery: { event: FOUND, repositoryId: "1", installationId: "7" }, replayOf: id });
    expect(copy?.body).toEqual(body);
    // A copy stands behind what was pushed after it, as any other.
    expect(await store.isAwaited(ONE)).toBe(true);
    expect(await store.lanesMovedSince(id, ONE, [MAIN])).toEqual(new Set());
    await store.recordPlan(copy?.delivery.id ?? "", record([moved], [request(moved)], { found: true }));
    expect((await store.toldPlaces(ONE, [MAIN])).get(MAIN)?.found).toBe(true);
    expect(await store.isAwaited(ONE)).toBe(false);
    const { items } = await store.listBuilds({ limit: 10, cursor: null });
    expect(items.map(({ trigger }) => trigger)).toEqual(["event"]);
  });

  it("does not take what was found for a word of the host", async () => {
    const { store, clock } = opened();
    await cover(store, record([], []));
    await store.append([delivery("found-1", { event: FOUND, receivedAt: clock.now() })]);
    expect((await store.standings([SEVEN])).get("github:default:7")?.heard ?? null).toBeNull();
  });

  describe("tells how comparing goes", () => {
    const NONE = { repositories: 0, compared: 0, late: 0, failing: 0, problem: null, lastAt: null, found: 0 };
    const stats = async () => (await opened().store.stats()).comparisons;
    const iso = (at: number) => new Date(at).toISOString();

    it("of all repositories that are compared", async () => {
      const { clock } = opened();
      expect(await stats()).toEqual(NONE);
      await installed(SEVEN, ACME, [ONE, TWO, repository("3")]);
      await installed(EIGHT, OTHER, [repository("4")]);
      expect(await stats()).toEqual({ ...NONE, repositories: 4 });
      const [one, two, three, four] = await claim();
      if (!one || !two || !three || !four) throw new Error("four are there");
      await end(one, { refs: REFS });
      clock.advance(1_000);
      const lastAt = iso(clock.now());
      await end(two, { refs: REFS, found: 3 });
      clock.advance(1_000);
      await end(three, { problem: "First." });
      clock.advance(1_000);
      await end(four, { problem: "Second." });
      const now = { repositories: 4, compared: 2, late: 0, failing: 2, problem: "Second.", lastAt, found: 3 };
      expect(await stats()).toEqual(now);
      await hear("suspended", EIGHT, OTHER);
      expect(await stats()).toEqual({ ...now, repositories: 3, failing: 1, problem: "First." });
      await about("archived", repository("3"));
      expect(await stats()).toEqual({ ...now, repositories: 2, failing: 0, problem: null });
      await about("removed", TWO);
      expect(await stats()).toMatchObject({ repositories: 1, compared: 1, found: 3 });
    });

    it("and who should have been looked at more than an hour ago", async () => {
      const { clock } = opened();
      await installed(SEVEN, ACME, [ONE, TWO]);
      const [one, two] = await claim();
      if (!one || !two) throw new Error("two are there");
      await end(one, { dueAt: clock.now() + 10_000, problem: "No." });
      await end(two, { dueAt: clock.now() + 20_000 });
      clock.advance(10_000 + HOUR);
      expect(await stats()).toMatchObject({ late: 0, failing: 1, problem: "No." });
      clock.advance(1);
      expect(await stats()).toMatchObject({ late: 1 });
      clock.advance(10_000);
      expect(await stats()).toMatchObject({ late: 2 });
      for (const again of await claim()) await end(again, { dueAt: clock.now() });
      expect(await stats()).toMatchObject({
        compared: 2,
        late: 0,
        failing: 0,
        problem: null,
        lastAt: iso(clock.now()),
      });
    });

    it("keeping when it went well last, where it fails since", async () => {
      const { clock } = opened();
      await installed();
      await compared();
      const lastAt = iso(clock.now());
      clock.advance(HOUR);
      await end(await claimOne(), { problem: "No." });
      expect(await stats()).toMatchObject({ compared: 1, failing: 1, lastAt });
    });

    it("and what was found within the last day, also when it is forgotten in between", async () => {
      const { store, clock } = opened();
      await installed(SEVEN, ACME, [ONE, TWO]);
      const never = { bodiesBefore: "2020-01-01T00:00:00.000Z", deliveriesBefore: "2020-01-01T00:00:00.000Z" };
      const [one, two] = await claim();
      if (!one || !two) throw new Error("two are there");
      await end(one, { found: 50 });
      clock.advance(HOUR);
      await end(two, { found: 2 });
      expect((await stats()).found).toBe(52);
      clock.advance(DAY - HOUR);
      await store.prune(never);
      expect((await stats()).found).toBe(52);
      clock.advance(1);
      expect((await stats()).found).toBe(2);
      await store.prune(never);
      expect((await stats()).found).toBe(2);
      clock.advance(HOUR);
      await store.prune(never);
      expect((await stats()).found).toBe(0);
    });
  });
}
