import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createRegistryClient } from "../src/registry/client.ts";
import { createGithubHost, type GithubHost, type HostRepository } from "../test/hosts/github/index.ts";
import { pushBaseImage } from "../test/support/base-image.ts";
import { readFileFromImage } from "../test/support/image.ts";
import { startProgram } from "../test/support/program.ts";
import { startRegistry, type TestRegistry } from "../test/support/registry.ts";
import { type Api, type ApiBuild, createApi } from "./api.ts";
import { DOCS_ONLY, firstPush, GREETING } from "./repository.ts";
import type { Screen } from "./screen.ts";

export interface Demo {
  /** True when everything that was shown was as it should be. */
  run(): Promise<boolean>;
  stop(): Promise<void>;
}

/** What runs, in the order it was started; stopped in reverse. */
interface World {
  readonly registry: TestRegistry;
  readonly github: GithubHost;
  readonly base: string;
  readonly api: Api;
  readonly url: string;
  readonly adminToken: string;
}

const PATIENCE_MS = 120_000;

/** The compiled program, beside the compiled demo. */
const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));

export function createDemo(screen: Screen): Demo {
  const endings: (() => Promise<unknown>)[] = [];
  let running: Promise<unknown> = Promise.resolve();
  let stopping = false;
  let allGood = true;

  function goOn(): void {
    if (stopping) throw new Error("the demo is being stopped");
  }

  function step(title: string): void {
    goOn();
    screen.step(title);
  }

  function expectThat(good: boolean, text: string): void {
    allGood &&= good;
    screen.check(good, text);
  }

  /** Asks again until there is an answer: everything here happens in another process. */
  async function until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      goOn();
      const answer = await ask();
      if (answer !== null) return answer;
      if (Date.now() > deadline) throw new Error(`waited ${PATIENCE_MS / 1_000} s in vain for ${what}`);
      await sleep(50);
    }
  }

  async function start(): Promise<World> {
    step("Start a Docker registry, a stand-in for GitHub, and Wharfinger");
    const folder = await mkdtemp(join(tmpdir(), "wharfinger-demo-"));
    endings.push(() => rm(folder, { recursive: true, force: true }));
    // Ctrl-C in the terminal is for the demo, which stops these in order: without its registry, or told twice, the
    // program would not clear its build away.
    const ownGroup = true;
    const registry = await startRegistry({ auth: true, ownGroup });
    endings.push(registry.stop);
    screen.line(`registry    ${registry.url}  (password-protected)`);
    const base = await pushBaseImage(registry);

    const github = await createGithubHost();
    endings.push(github.close);
    screen.line(`GitHub      ${github.url}  (stand-in: signed webhooks, app tokens, checks, private git)`);

    const program = await startProgram({ main: MAIN, github, registry, dataDir: folder, ownGroup });
    endings.push(program.stop);
    const { url, adminToken } = program;
    screen.line(`Wharfinger  ${url}  (wharfinger start)`);
    return { registry, github, base, api: createApi(url, adminToken), url, adminToken };
  }

  async function push(world: World, repository: HostRepository, message: string, files: Record<string, string>) {
    const { sha, delivery } = await world.github.push(repository, { message, files });
    expectThat(delivery.status === 202, `webhook ${delivery.guid} is signed, stored, and answered ${delivery.status}`);
    const seen = await until("the delivery to be planned", async () => {
      const found = await world.api.delivery(delivery.guid);
      return found === null || found.outcome === "pending" ? null : found;
    });
    screen.line(`delivery ${seen.id}: ${seen.outcome}`);
    for (const decision of seen.decisions) screen.line(`  ${decision.detail}`);
    return { sha, delivery: seen };
  }

  /** Shows the log as it grows; resolves with the build when it has ended. */
  async function follow(world: World, id: string): Promise<ApiBuild> {
    let offset = 0;
    let rest = "";
    const final = ["succeeded", "failed", "canceled", "superseded", "timed_out"];
    return until("the build to end", async () => {
      const build = await world.api.build(id);
      const more = await world.api.log(id, offset);
      offset += more.length;
      const lines = (rest + more.toString("utf8")).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) screen.log(line);
      return final.includes(build.state) && more.length === 0 ? build : null;
    });
  }

  async function conclusion(repository: HostRepository, sha: string) {
    const run = await until("the check to be concluded", async () => {
      const runs = repository.checkRuns(sha).filter((one) => one.name === "wharfinger");
      return runs.at(-1)?.conclusion ? (runs.at(-1) ?? null) : null;
    });
    screen.line(`check “${run.name}” on ${sha.slice(0, 7)}: ${run.conclusion} — ${run.output.title}`);
    for (const line of (run.output.summary ?? "").trim().split("\n")) screen.log(line);
    return run;
  }

  async function buildsAndShows(world: World, repository: HostRepository): Promise<void> {
    const { registry } = world;
    step("Push a Dockerfile and a .wharfinger.yml to a private repository");
    const begun = Date.now();
    const { sha, delivery } = await push(world, repository, "Greet", firstPush(world.base));
    const [id] = delivery.builds;
    if (id === undefined) throw new Error("the push did not lead to a build");

    step("buildah builds it: checkout, test, build, push");
    const build = await follow(world, id);
    expectThat(build.state === "succeeded", `build ${build.state} as ${build.image}:${build.tags.join(", ")}`);

    step("The commit gets its check");
    const run = await conclusion(repository, sha);
    screen.line(`from push to check: ${((Date.now() - begun) / 1_000).toFixed(1)} s`);
    expectThat(run.conclusion === "success", "the check says success");
    expectThat(
      build.digest !== null && (run.output.summary ?? "").includes(build.digest),
      "and carries the image, its tags, its digest and how long it took",
    );

    step("Pull the image back from the registry");
    const pulled = await readFileFromImage(createRegistryClient(registry), build.image, "latest", "srv/greeting.txt");
    const held = pulled?.toString("utf8") ?? null;
    screen.line(`${registry.name}/${build.image}:latest holds /srv/greeting.txt: ${JSON.stringify(held)}`);
    expectThat(held === GREETING, "which is the file that was pushed");
  }

  async function saysWhyNot(world: World, repository: HostRepository): Promise<void> {
    step("Push something that must not build: only docs/manual.md");
    const { sha, delivery } = await push(world, repository, "Write a manual", DOCS_ONLY);
    expectThat(delivery.builds.length === 0, "nothing is built");
    const run = await conclusion(repository, sha);
    expectThat(run.conclusion === "skipped", "and the commit says why");
  }

  async function run(): Promise<boolean> {
    const world = await start();
    step("Install the app on the organization acme");
    const acme = world.github.organization("acme");
    const repository = await world.github.repository(acme, "greeter", { private: true });
    await repository.commit({ message: "Begin", files: { "README.md": "# Greeter\n" } });
    const installation = await world.github.install(acme, { repositories: [repository] });
    const installed = await until("the installation to be recorded", () => world.api.installation(installation.id));
    screen.line(`installation ${installation.id}: its images go to ${world.registry.name}/${installed.namespace}/`);

    await buildsAndShows(world, repository);
    await saysWhyNot(world, repository);

    expectThat(world.github.violations.length === 0, "every call followed GitHub's API description and limits");
    for (const violation of world.github.violations) screen.line(violation);
    screen.note(
      [
        allGood ? "All of it worked." : "Something above is not as it should be.",
        "",
        `  builds       ${world.url}/`,
        `  deliveries   ${world.url}/deliveries`,
        `  sign in with ${world.adminToken}`,
        `  API          curl -H 'Authorization: Bearer ${world.adminToken}' ${world.url}/api/v1/builds`,
      ].join("\n"),
    );
    return allGood;
  }

  return {
    run() {
      const result = run();
      running = result;
      return result;
    },
    async stop() {
      stopping = true;
      // What it was about to start or to write has to be there to be cleared away.
      await running.catch(() => null);
      for (const end of endings.reverse()) await end();
      endings.length = 0;
    },
  };
}
