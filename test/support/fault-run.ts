/**
 * From the stored delivery to the concluded check, with one call of a port that goes wrong. The engine and the store are
 * real, the builder and the registry are small and keep their own count; the Git host is the scene's.
 */
import { buildRequest } from "../../src/core/build-request.ts";
import { failed, ok } from "../../src/core/model.ts";
import { createClaims } from "../../src/engine/claims.ts";
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
import { createStagingNames } from "../../src/registry/staging.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import type { TestClock } from "../contract/store.samples.ts";
import { recordingLog, registryOf, settled } from "../engine/fakes.ts";
import { requestParts } from "./request-parts.ts";
import { createSaboteur, type Fault, type Saboteur } from "./saboteur.ts";
import { soleRegistry } from "./sole-registry.ts";

const IMAGE = "acme/api";
const LEASE_MS = 15_000;
/** Of the clock, between two looks at what is due. */
const ROUND_MS = 5_000;
/** An hour. What goes wrong once is over long before. */
const MAX_ROUNDS = 720;
/** More than there are on any path. */
const MAX_CALLS = 250;

/** One Git host, with one push that is to become the image acme/api with the tag latest. */
export interface Scene {
  readonly clock: TestClock;
  /** Stores what has arrived by now. Called before each round. */
  arrive(store: OpenedStore): Promise<void>;
  /** The host as one run of the program sees it: what the program remembers of it ends with the program. */
  sides(store: OpenedStore): { readonly host: Host; readonly reporter: Reporter };
  /** The commit shows an end. */
  isConcluded(): boolean;
  /** What is wrong with what the commit shows, in words. */
  problems(): readonly string[];
}

/** What registries, hosts and builders keep when this program ends. */
function createOutside() {
  const manifests = new Map<string, Set<string>>();
  const tags = new Map<string, string>();
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
      const { message, retryable, retryAfter } = credentials;
      return { kind: "failed", failure: { class: "checkout", message }, retryable, retryAfter };
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

  const logs: LogStore = {
    open: () => ({ write: () => undefined, close: async () => undefined }),
    read: async () => null,
    tail: async () => [],
    remove: async () => undefined,
  };
  return { manifests, tags, built, registry, builder, logs };
}

type Outside = ReturnType<typeof createOutside>;
const parts = requestParts();
const staging = createStagingNames("staging/{build}");
const verify = createRequestVerifier([parts.signer.publicKey]);

/** What a host answers; the rest of it is wrapped by itself, or answers nothing. */
const ASKED = ["look", "file", "changedPaths", "tags", "installation", "repositories", "cloneCredential"];

/** One run of the program: a step takes everything that is due one stage further. */
function createEngine(store: OpenedStore, outside: Outside, scene: Scene, saboteur: Saboteur) {
  const { clock } = scene;
  const { log } = recordingLog();
  const away = () => failed("away", { retryable: true });
  const failedBuild = (): BuildEnd => {
    return { kind: "failed", failure: { class: "push", message: "away" }, retryable: true };
  };
  const sabotaged = saboteur.wrap(store, "store", null);
  const registry = saboteur.wrap(outside.registry, "registry", away, ["digest", "copy", "tag", "discard"]);
  const sides = scene.sides(sabotaged);
  const host = saboteur.wrap(sides.host, "host", away, ASKED);
  const receiving = saboteur.wrap(host, "host", null, ["receive"]);
  const reporter = saboteur.wrap(sides.reporter, "reporter", away);
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
    staging: staging.of,
  } as const;
  const { provider, host: name } = sides.host;
  const claims = createClaims({
    ...common,
    registries: soleRegistry(registry),
    policy: { kind: "automatic", provider, host: name },
    onGranted: () => undefined,
  });
  const processor = createProcessor({
    ...common,
    hosts: [receiving],
    installations: createInstallations({ store: sabotaged, claims, log }),
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
    exchange: createExchange({ hosts: [host], registries: { signIn: async () => ({ kind: "lease" }) } }),
    concurrency: 2,
  });
  const place = async ({ id }: { readonly id: string }) => ({ registry, staging: staging.of(id), closed: false });
  const promoter = createPromoter({ ...common, ...leasing, place, concurrency: 2 });
  const cleaner = createStagingCleaner({ ...common, place });
  const reports = createReports({
    ...common,
    logs,
    reporter: () => reporter,
    pauses,
    publicUrl: "http://wharfinger.test",
    registryHost: async () => "registry.test",
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

/** How a run ended. */
export interface Run {
  /** The call that went wrong; null: none did. */
  readonly spoiled: string | null;
  readonly problems: readonly string[];
}

/** With the `at`th call of a port going wrong, of those that are `counted`, or of all; null: none. */
export async function runWith(
  scene: Scene,
  spoil: { readonly at: number; readonly fault: Fault; readonly counted?: RegExp } | null,
): Promise<Run> {
  const { clock } = scene;
  const store = await openStore({ url: "sqlite::memory:", clock, vault: createVault([Buffer.alloc(32, 7)]) });
  const outside = createOutside();
  const saboteur = createSaboteur(spoil?.at ?? 0, spoil?.fault ?? "refused", spoil?.counted);
  let builtWhenStaged: number | null = null;
  const watched: OpenedStore = new Proxy(store, {
    get(target, key) {
      if (key !== "stageBuild") return Reflect.get(target, key);
      return async (...args: Parameters<Store["stageBuild"]>) => {
        const kept = await target.stageBuild(...args);
        if (kept) builtWhenStaged ??= outside.built.length;
        return kept;
      };
    },
  });
  let engine = createEngine(watched, outside, scene, saboteur);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    await scene.arrive(store);
    if (await isOver(store, scene)) break;
    if ((await Promise.race([engine.round(), saboteur.crashed()])) === "crashed") {
      saboteur.begun();
      engine = createEngine(watched, outside, scene, saboteur);
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
  // Builds begun after one was recorded as staged.
  const wasted = outside.built.length - (builtWhenStaged ?? outside.built.length);
  const problems = [...(await problemsOf(store, outside)), ...scene.problems()];
  if (wasted > 0) problems.push("built again after its image was staged");
  await store.close();
  return { spoiled: saboteur.spoiled(), problems };
}

/**
 * Runs again and again, with another call going wrong each time, until a run passes untouched. `spoiled`: the calls that
 * went wrong; `wrong`: what was not as it should be afterwards, in words.
 */
export async function spoilEveryCall(
  run: (at: number) => Promise<Run>,
): Promise<{ readonly spoiled: readonly string[]; readonly wrong: readonly string[] }> {
  const spoiled: string[] = [];
  const wrong: string[] = [];
  for (let at = 1; at <= MAX_CALLS; at += 1) {
    const ended = await run(at);
    if (ended.problems.length > 0) wrong.push(`call ${at}, ${ended.spoiled}: ${ended.problems.join("; ")}`);
    if (ended.spoiled === null) return { spoiled, wrong };
    spoiled.push(ended.spoiled);
  }
  return { spoiled, wrong: [...wrong, `no run without a fault in ${MAX_CALLS}`] };
}

async function isOver(store: Store, scene: Scene): Promise<boolean> {
  const { builds } = await store.stats();
  const leftovers = await store.stagingLeftovers(1);
  return builds.succeeded > 0 && leftovers.length === 0 && scene.isConcluded();
}

/** What is wrong with what was built and published. */
async function problemsOf(store: Store, outside: Outside): Promise<string[]> {
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
  const [delivered] = (await store.listDeliveries({ limit: 1, cursor: null })).items;
  expectThat(delivered?.outcome === "planned", `the delivery is ${delivered?.outcome}`);
  return problems;
}
