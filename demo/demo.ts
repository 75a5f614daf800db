import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createGithubHost, type GithubHost, type HostRepository } from "../test/hosts/github/index.ts";
import { pushBaseImage } from "../test/support/base-image.ts";
import { readFileFromImage } from "../test/support/image.ts";
import { attempt, readCredential, uploadTo } from "../test/support/registry-attempt.ts";
import { startTokenProgram, type TokenProgram } from "../test/support/token-program.ts";
import { type Api, type ApiBuild, createApi } from "./api.ts";
import { DOCS_ONLY, firstPush, GREETING } from "./repository.ts";
import type { Screen } from "./screen.ts";

export interface Demo {
  /** True when everything that was shown was as it should be. */
  run(): Promise<boolean>;
  stop(): Promise<void>;
}

/** What runs, in the order it was started; stopped in reverse. */
interface World extends TokenProgram {
  readonly dataDir: string;
  readonly github: GithubHost;
  readonly base: string;
  readonly api: Api;
}

/** What came of trying things with a running build's own credential. */
interface Trial {
  readonly where: string;
  readonly may: boolean;
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
    step("Start a stand-in for GitHub, Wharfinger, and a Docker registry that trusts it");
    const dataDir = await mkdtemp(join(tmpdir(), "wharfinger-demo-"));
    endings.push(() => rm(dataDir, { recursive: true, force: true }));
    const github = await createGithubHost();
    endings.push(github.close);
    screen.line(`GitHub      ${github.url}  (stand-in: signed webhooks, app tokens, checks, private git)`);

    // Ctrl-C in the terminal is for the demo, which stops these in order: without its registry, or told twice, the
    // program would not clear its build away.
    const lab = await startTokenProgram({ main: MAIN, github, dataDir, ownGroup: true });
    endings.push(lab.stop);
    const { program, registry } = lab;
    screen.line(`Wharfinger  ${program.url}  (wharfinger start)`);
    screen.line(`registry    ${registry.url}  (lets in who has a token from Wharfinger)`);
    const base = await pushBaseImage(registry, { repository: "acme/base", issue: lab.issue });
    return { ...lab, dataDir, github, base, api: createApi(program.url, program.adminToken) };
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

  /** Uses the credential of a running build for something it is not for. */
  async function tryCredential(world: World, build: ApiBuild): Promise<readonly Trial[]> {
    const { registry, dataDir } = world;
    const credential = await until("the build to get its credential", () =>
      readCredential(dataDir, registry.name, build.id),
    );
    const trials: Trial[] = [];
    for (const where of [`staging/${build.id}`, build.image]) {
      const { status } = await attempt(world, credential, uploadTo(where));
      trials.push({ where, may: status === 202 });
    }
    return trials;
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
    step("Push a Dockerfile and a .wharfinger.yml to a private repository");
    const begun = Date.now();
    const { sha, delivery } = await push(world, repository, "Greet", firstPush(world.base));
    const [id] = delivery.builds;
    if (id === undefined) throw new Error("the push did not lead to a build");

    step("buildah builds it: checkout, test, build, push");
    const trying = tryCredential(world, await world.api.build(id));
    const [build, trials] = await Promise.all([follow(world, id), trying]);
    await showPublished(world, build, trials);

    step("The commit gets its check");
    const run = await conclusion(repository, sha);
    screen.line(`from push to check: ${((Date.now() - begun) / 1_000).toFixed(1)} s`);
    expectThat(run.conclusion === "success", "the check says success");
    expectThat(
      build.digest !== null && (run.output.summary ?? "").includes(build.digest),
      "and carries the image, its tags, its digest and how long it took",
    );

    step("Pull the image back from the registry");
    const { registry, client } = world;
    const pulled = await readFileFromImage(client, build.image, "latest", "srv/greeting.txt");
    const held = pulled?.toString("utf8") ?? null;
    screen.line(`${registry.name}/${build.image}:latest holds /srv/greeting.txt: ${JSON.stringify(held)}`);
    expectThat(held === GREETING, "which is the file that was pushed");
  }

  async function showPublished(world: World, build: ApiBuild, trials: readonly Trial[]): Promise<void> {
    const { client, api } = world;
    step("What it pushed is staged; Wharfinger publishes it");
    const staging = await api.staging(build.id);
    screen.line(`staged at ${staging.repository}:${staging.tag}, which only this build may push to`);
    screen.line(`published: ${build.image} as ${build.tags.join(", ")}`);
    expectThat(build.state === "succeeded", `the build has ${build.state}`);
    const found = await Promise.all(build.tags.map((tag) => client.digest(build.image, tag)));
    expectThat(
      found.length > 0 && found.every((one) => one.ok && one.value === build.digest),
      `in the registry, each of these tags is ${build.digest}`,
    );
    await until("staging to be empty", async () => {
      const left = await client.digest(staging.repository, staging.tag);
      return left.ok && left.value === null ? true : null;
    });
    expectThat(true, "and the staging repository is empty again");

    screen.line("what the registry said to the build's own credential, while it ran:");
    for (const { where, may } of trials) {
      const wanted = where === staging.repository;
      expectThat(may === wanted, `push to ${where}: ${may ? "allowed" : "refused"}`);
    }
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
        `  builds       ${world.program.url}/`,
        `  deliveries   ${world.program.url}/deliveries`,
        `  sign in with ${world.program.adminToken}`,
        `  API          curl -H 'Authorization: Bearer ${world.program.adminToken}' ${world.program.url}/api/v1/builds`,
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
