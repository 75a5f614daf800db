/**
 * From the stored delivery to the concluded check, with one fault: the Nth call of a port goes wrong, for every N until a
 * run passes untouched. The engine and the store are real; what is outside is small and keeps its own count.
 */
import { describe, expect, it } from "@jest/globals";
import { buildRequest } from "../../src/core/build-request.ts";
import type { CheckContent } from "../../src/core/check.ts";
import { failed, ok } from "../../src/core/model.ts";
import { createExchange } from "../../src/engine/credentials.ts";
import { createDispatcher } from "../../src/engine/dispatch.ts";
import { createInstallations } from "../../src/engine/installations.ts";
import { createPauses } from "../../src/engine/pauses.ts";
import type { BuildContext, BuildEnd, Builder, Host, LogStore, Registry, Reporter } from "../../src/engine/ports.ts";
import { createProcessor } from "../../src/engine/process.ts";
import { createPromoter, createStagingCleaner } from "../../src/engine/promote.ts";
import { createReports } from "../../src/engine/report.ts";
import { createRequestVerifier } from "../../src/engine/signing.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { openStore } from "../../src/store/store.ts";
import { account, delivery, installationId, repository, testClock } from "../contract/store.samples.ts";
import { hostOf, PUSH, recordingLog, registryOf, settled } from "../engine/fakes.ts";
import { requestParts } from "../support/request-parts.ts";

/**
 * `refused`: nothing happened. `lost`: it happened, and the answer did not come back. `crash`: the program ends in the
 * middle of the call, and begins anew on the same database.
 */
const FAULTS = ["refused", "lost", "crash before", "crash after"] as const;
type Fault = (typeof FAULTS)[number];

const IMAGE = "acme/api";
const LEASE_MS = 15_000;
/** Of the clock, between two looks at what is due. */
const ROUND_MS = 5_000;
/** An hour. What goes wrong once is over long before. */
const MAX_ROUNDS = 720;
const MAX_CALLS = 200;

class Gone extends Error {}

/** Counts the calls of all ports and spoils one of them. */
function createSaboteur(at: number, fault: Fault) {
  let calls = 0;
  let crash: () => void = () => undefined;
  let crashed = new Promise<"crashed">((resolve) => {
    crash = () => resolve("crashed");
  });
  let dead = false;
  const stuck: (() => void)[] = [];
  let spoiled: string | null = null;
  let armed = true;
  let over = false;

  /** Of a program that has ended: whoever waits does so until the run is over. */
  function silence(): Promise<never> {
    return new Promise((_resolve, reject) => stuck.push(() => reject(new Gone("the program has ended"))));
  }

  async function call<T>(name: string, act: () => Promise<T>, answer: (() => T) | null): Promise<T> {
    // What a program that has ended would still do at the end of the run must not happen.
    if (over) throw new Gone("the run is over");
    if (dead) return silence();
    calls += 1;
    if (calls !== at || !armed) return act();
    spoiled = name;
    if (fault === "lost" || fault === "crash after") await act();
    if (fault === "crash before" || fault === "crash after") {
      dead = true;
      crash();
      return silence();
    }
    if (answer !== null) return answer();
    throw new Error(`fault in ${name}`);
  }

  /** Every method that answers a promise; `answer` is what its failure looks like where that is data. */
  function wrap<T extends object>(port: T, label: string, answer: (() => unknown) | null, only?: string[]): T {
    return new Proxy(port, {
      get(target, key) {
        const member: unknown = Reflect.get(target, key);
        if (typeof member !== "function" || typeof key !== "string" || (only && !only.includes(key))) return member;
        const run = (...args: unknown[]): Promise<unknown> => Reflect.apply(member, target, args);
        return (...args: unknown[]) => call(`${label}.${key}`, () => run(...args), answer);
      },
    });
  }

  return {
    wrap,
    crashed: () => crashed,
    begun: () => {
      dead = false;
      crashed = new Promise(() => undefined);
    },
    /** From here on nothing is spoiled. */
    disarm() {
      armed = false;
    },
    spoiled: () => spoiled,
    /** Ends everything that waits. */
    end() {
      over = true;
      for (const reject of stuck.splice(0)) reject();
    },
  };
}

type Saboteur = ReturnType<typeof createSaboteur>;

/** What registries, hosts and builders keep when this program ends. */
function createOutside() {
  const manifests = new Map<string, Set<string>>();
  const tags = new Map<string, string>();
  const checks = new Map<string, CheckContent>();
  const built: string[] = [];

  const of = (name: string) => manifests.get(name) ?? new Set<string>();
  const put = (name: string, digest: string) => manifests.set(name, of(name).add(digest));

  const registry: Registry = {
    ...registryOf(),
    async digest(name, reference) {
      if (of(name).has(reference)) return ok(reference);
      return ok(tags.get(`${name}:${reference}`) ?? null);
    },
    async copy(from, to, digest) {
      if (!of(from).has(digest) && !of(to).has(digest)) return failed("no such manifest", { retryable: false });
      put(to, digest);
      return ok(true);
    },
    async tag(name, tag, digest) {
      if (!of(name).has(digest)) return failed("no such manifest", { retryable: false });
      tags.set(`${name}:${tag}`, digest);
      return ok(true);
    },
    async discard(name, digest) {
      of(name).delete(digest);
      for (const [tag, at] of tags) if (tag.startsWith(`${name}:`) && at === digest) tags.delete(tag);
      return ok(true);
    },
  };

  async function build(context: BuildContext): Promise<BuildEnd> {
    const { staging } = context.request.image;
    const credentials = await context.credentials();
    if (!credentials.ok) {
      return { kind: "failed", failure: { class: "checkout", message: credentials.message }, retryable: true };
    }
    context.step("build");
    // No two builds make the same image, not even of one commit.
    built.push(context.request.id);
    const digest = `sha256:${built.length.toString(16).padStart(64, "0")}`;
    put(staging.repository, digest);
    tags.set(`${staging.repository}:${staging.tag}`, digest);
    return { kind: "built", image: { digest } };
  }
  const builder: Builder = { name: "test", check: async () => [], build };

  const reporter: Reporter = {
    async show({ shown }, content) {
      // A creation whose answer was lost is found again by its external id, if somebody looks.
      const known = shown.hostId ?? (shown.uncertain && checks.has(shown.externalId) ? shown.externalId : null);
      const hostId = known ?? (checks.has(shown.externalId) ? `${shown.externalId} again` : shown.externalId);
      checks.set(hostId, content);
      return ok({ hostId });
    },
  };

  const host: Host = hostOf([PUSH], { cloneCredential: async () => ok({ username: "x", password: "y" }) });
  const logs: LogStore = {
    open: () => ({ write: () => undefined, close: async () => undefined }),
    read: async () => null,
    tail: async () => [],
  };
  return { manifests, tags, checks, built, registry, builder, reporter, host, logs };
}

type Outside = ReturnType<typeof createOutside>;
const parts = requestParts();
const verify = createRequestVerifier([parts.signer.publicKey]);

/** One run of the program: a step takes everything that is due one stage further. */
function createEngine(store: Store, outside: Outside, clock: ReturnType<typeof testClock>, saboteur: Saboteur) {
  const { log } = recordingLog();
  const away = () => failed("away", { retryable: true });
  const failedBuild = (): BuildEnd => {
    return { kind: "failed", failure: { class: "push", message: "away" }, retryable: true };
  };
  const sabotaged = saboteur.wrap(store, "store", null);
  const registry = saboteur.wrap(outside.registry, "registry", away, ["digest", "copy", "tag", "discard"]);
  const host = saboteur.wrap(outside.host, "host", away, ["file", "changedPaths", "tags", "cloneCredential"]);
  const receiving = saboteur.wrap(host, "host", null, ["receive"]);
  const reporter = saboteur.wrap(outside.reporter, "reporter", away);
  const builder = saboteur.wrap(outside.builder, "builder", failedBuild, ["build"]);
  const logs: LogStore = {
    ...outside.logs,
    open: (id) => saboteur.wrap(outside.logs.open(id), "log", null, ["close"]),
  };
  const pauses = createPauses(clock);
  const common = { store: sabotaged, clock, log, onChange: () => undefined };
  // No heartbeat comes: leases end by the clock, which moves only between the rounds.
  const leasing = { worker: "test", leaseMs: LEASE_MS, heartbeatMs: 2 ** 30 };
  const settings = {
    registry: "registry.test",
    network: "none",
    limits: { seconds: 60, memoryBytes: 1024 ** 3, logBytes: 1024 ** 2 },
    staging: parts.staging,
  } as const;
  const processor = createProcessor({
    ...common,
    hosts: [receiving],
    installations: createInstallations({ store: sabotaged, log }),
    pauses,
    write: (build, origin) => parts.signer.sign(buildRequest(build, origin, settings)),
    onRecorded: () => undefined,
  });
  const dispatcher = createDispatcher({
    ...common,
    ...leasing,
    logs,
    builder,
    verify: async (request) => verify(request),
    exchange: createExchange({ hosts: [host], registry: null }),
    concurrency: 2,
  });
  const promoter = createPromoter({ ...common, ...leasing, registry, concurrency: 2, staging: parts.staging });
  const cleaner = createStagingCleaner({ ...common, registry, staging: parts.staging });
  const reports = createReports({
    ...common,
    logs,
    reporter: () => reporter,
    pauses,
    publicUrl: "http://wharfinger.test",
    registryName: "registry.test",
  });

  return {
    async round(): Promise<void> {
      for (const step of [processor.step, reports.step, dispatcher.step, promoter.step, cleaner.step, reports.step]) {
        // As the loops do: a step that fails is tried again later.
        await step().catch(() => false);
        while (dispatcher.running() + promoter.running() > 0) await settled();
      }
    },
  };
}

interface Run {
  readonly spoiled: string | null;
  readonly outside: Outside;
  readonly store: Store;
  /** Builds begun after one was recorded as staged. */
  readonly wasted: number;
}

async function runWith(at: number, fault: Fault): Promise<Run> {
  const clock = testClock();
  const store = await openStore({ url: "sqlite::memory:", clock });
  const installation = installationId("7");
  await store.saveInstallation({
    id: installation,
    account: account("17", "acme"),
    state: "active",
    permissions: {},
    namespace: "acme",
  });
  await store.linkRepositories(installation, [repository("1")], { complete: true });
  await store.append([delivery("guid-1")]);

  const outside = createOutside();
  const saboteur = createSaboteur(at, fault);
  let builtWhenStaged: number | null = null;
  const watched: Store = new Proxy(store, {
    get(target, key) {
      if (key !== "stageBuild") return Reflect.get(target, key);
      return async (...args: Parameters<Store["stageBuild"]>) => {
        const kept = await target.stageBuild(...args);
        if (kept) builtWhenStaged ??= outside.built.length;
        return kept;
      };
    },
  });
  let engine = createEngine(watched, outside, clock, saboteur);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    if (await isOver(store, outside)) break;
    if ((await Promise.race([engine.round(), saboteur.crashed()])) === "crashed") {
      saboteur.begun();
      engine = createEngine(watched, outside, clock, saboteur);
    }
    clock.advance(ROUND_MS);
  }
  // Nothing comes of it later, when every lease has ended.
  saboteur.disarm();
  for (let round = 0; round < 2; round += 1) {
    clock.advance(10 * 60_000);
    await engine.round();
  }
  saboteur.end();
  await settled();
  return {
    spoiled: saboteur.spoiled(),
    outside,
    store,
    wasted: outside.built.length - (builtWhenStaged ?? outside.built.length),
  };
}

async function isOver(store: Store, outside: Outside): Promise<boolean> {
  const { builds } = await store.stats();
  const leftovers = await store.stagingLeftovers(1);
  return builds.succeeded > 0 && leftovers.length === 0 && [...outside.checks.values()].every((one) => one.conclusion);
}

/** What is wrong with the end of a run, in words; empty: nothing. */
async function problemsOf({ outside, store, wasted }: Run): Promise<readonly string[]> {
  const problems: string[] = [];
  const expectThat = (good: boolean, problem: string) => {
    if (!good) problems.push(problem);
  };
  const [found, ...others] = (await store.listBuilds({ limit: 100, cursor: null })).items;
  expectThat(others.length === 0, `${others.length + 1} builds`);
  expectThat(found?.state === "succeeded", `the build is ${found?.state}: ${found?.failure?.message}`);
  const published = [...(outside.manifests.get(IMAGE) ?? [])];
  expectThat(
    published.length === 1 && published[0] === found?.digest,
    `published are ${published.join(", ") || "none"}`,
  );
  expectThat(outside.tags.get(`${IMAGE}:latest`) === found?.digest, "latest is wrong");
  expectThat((await store.publishedDigest(IMAGE, "latest")) === found?.digest, "what is recorded of latest is wrong");
  const staged = [...outside.tags.keys()].filter((tag) => tag.startsWith("staging/"));
  expectThat(staged.length === 0, `left in staging: ${staged.join(", ")}`);
  expectThat(wasted === 0, "built again after its image was staged");
  const conclusions = [...outside.checks.values()].map((check) => check.conclusion);
  expectThat(conclusions.join() === "success", `checks: ${conclusions.join(", ") || "none"}`);
  const [delivered] = (await store.listDeliveries({ limit: 1, cursor: null })).items;
  expectThat(delivered?.outcome === "planned", `the delivery is ${delivered?.outcome}`);
  return problems;
}

describe("the whole path, with one call of a port that goes wrong", () => {
  it.each(FAULTS)(
    "%s: ends with one image published, its tag right, and one check that says success",
    async (fault) => {
      const spoiled: string[] = [];
      const wrong: string[] = [];
      for (let at = 1; at < MAX_CALLS; at += 1) {
        const run = await runWith(at, fault);
        const problems = await problemsOf(run);
        await run.store.close();
        if (problems.length > 0) wrong.push(`call ${at}, ${run.spoiled}: ${problems.join("; ")}`);
        if (run.spoiled === null) break;
        spoiled.push(run.spoiled);
      }
      expect(wrong).toEqual([]);
      // It went all the way, and through every port.
      expect(spoiled.length).toBeLessThan(MAX_CALLS - 1);
      const through = ["host.receive", "store.recordPlan", "host.cloneCredential", "builder.build", "log.close"];
      through.push("store.stageBuild", "registry.copy", "registry.tag", "store.tagMoved", "store.finishBuild");
      through.push("registry.discard", "store.stagingGone", "reporter.show", "store.checkShown");
      expect(spoiled).toEqual(expect.arrayContaining(through));
    },
    60_000,
  );
});
