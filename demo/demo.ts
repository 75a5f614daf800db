import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type BitbucketHost, createBitbucketHost } from "../test/hosts/bitbucket/index.ts";
import {
  createGithubHost,
  type GithubHost,
  type HostInstallation,
  type HostRepository,
} from "../test/hosts/github/index.ts";
import { pushBaseImage } from "../test/support/base-image.ts";
import { readFileFromImage } from "../test/support/image.ts";
import { attempt, readCredential, uploadTo } from "../test/support/registry-attempt.ts";
import { startTokenProgram, type TokenProgram } from "../test/support/token-program.ts";
import { type Api, type ApiBuild, createApi } from "./api.ts";
import { runCommand } from "./command.ts";
import { bitbucketPlace, githubPlace, type Place } from "./places.ts";
import { DOCS_ONLY, firstPush, GREETING, proposal } from "./repository.ts";
import type { Screen } from "./screen.ts";
import { pushToWatch, type Watching } from "./watch.ts";

export interface Demo {
  /** True when everything that was shown was as it should be. */
  run(): Promise<boolean>;
  /** After that: pushes once more, for somebody who watches the build in a browser. */
  again(): Promise<void>;
  stop(): Promise<void>;
}

/** What runs, in the order it was started; stopped in reverse. */
interface World extends TokenProgram {
  readonly dataDir: string;
  readonly github: GithubHost;
  readonly bitbucket: BitbucketHost;
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
  /** Pages of the stand-in that show ours in a frame. */
  const framed: string[] = [];
  let watching: Watching | null = null;
  let turns = 0;

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
    step("Start stand-ins for GitHub and Bitbucket, Wharfinger, and a Docker registry that trusts it");
    const dataDir = await mkdtemp(join(tmpdir(), "wharfinger-demo-"));
    endings.push(() => rm(dataDir, { recursive: true, force: true }));
    const github = await createGithubHost();
    endings.push(github.close);
    screen.line(`GitHub      ${github.url}  (stand-in: signed webhooks, app tokens, checks, private git)`);
    const bitbucket = await createBitbucketHost();
    endings.push(bitbucket.close);
    screen.line(`Bitbucket   ${bitbucket.url}  (stand-in: Connect, webhooks, access tokens, statuses, private git)`);

    // Ctrl-C in the terminal is for the demo, which stops these in order: without its registry, or told twice, the
    // program would not clear its build away.
    const lab = await startTokenProgram({ main: MAIN, github, bitbucket, dataDir, ownGroup: true });
    endings.push(lab.stop);
    const { program, registry } = lab;
    screen.line(`Wharfinger  ${program.url}  (wharfinger start)`);
    screen.line(`registry    ${registry.url}  (lets in who has a token from Wharfinger)`);
    screen.note(`  watch it in your browser: ${program.url}/\n  sign in with              ${program.adminToken}`);
    return { ...lab, dataDir, github, bitbucket, api: createApi(program.url, program.adminToken) };
  }

  async function push(world: World, place: Place, message: string, files: Record<string, string>) {
    const { sha, delivery } = await place.push(message, files);
    expectThat(delivery.status === 202, `webhook ${delivery.id} is signed, stored, and answered ${delivery.status}`);
    const seen = await until("the delivery to be planned", async () => {
      const found = await world.api.delivery(delivery.id);
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

  /** What the commit shows; with `digest` once that is there too: a report follows its status. */
  async function conclusion(place: Place, sha: string, digest: string | null) {
    const shown = await until(
      `the commit to show how it ended${digest === null ? "" : ", and its image"}`,
      async () => {
        const now = place.shown(sha);
        return now !== null && (digest === null || now.text.includes(digest)) ? now : null;
      },
    );
    screen.line(`${sha.slice(0, 7)} has ${shown.line}`);
    for (const line of shown.text.trim().split("\n")) screen.log(line);
    return shown;
  }

  async function buildsAndShows(world: World, place: Place, image = "greeter"): Promise<void> {
    step(`Push a Dockerfile and a .wharfinger.yml to ${place.owner}'s private repository`);
    const { registry, client, issue } = world;
    const base = await pushBaseImage(registry, { repository: `${place.owner}/base`, issue });
    const begun = Date.now();
    const { sha, delivery } = await push(world, place, "Greet", firstPush(base, image));
    const [id] = delivery.builds;
    if (id === undefined) throw new Error("the push did not lead to a build");

    step("buildah builds it: checkout, test, build, push");
    const trying = tryCredential(world, await world.api.build(id));
    const [build, trials] = await Promise.all([follow(world, id), trying]);
    await showPublished(world, build, trials);

    step("The commit shows how it ended");
    const shown = await conclusion(place, sha, build.digest);
    screen.line(`from push to there: ${((Date.now() - begun) / 1_000).toFixed(1)} s`);
    expectThat(shown.passes, "a rule that requires it is satisfied");
    expectThat(build.digest !== null, "and it carries the image, its tags, its digest and how long it took");

    step("Pull the image back from the registry");
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

  async function saysWhyNot(world: World, place: Place): Promise<void> {
    step("Push something that must not build: only docs/manual.md");
    const { sha, delivery } = await push(world, place, "Write a manual", DOCS_ONLY);
    expectThat(delivery.builds.length === 0, "nothing is built");
    const shown = await conclusion(place, sha, null);
    expectThat(shown.passes && `${shown.line}${shown.text}`.includes("docs/"), "and the commit says why");
  }

  /** One command, as the operator types it on the server; its words are shown, and it has to succeed. */
  async function wharfinger({ program, dataDir }: World, args: readonly string[], input = ""): Promise<string> {
    const { code, output } = await runCommand(MAIN, args, { cwd: dataDir, input, env: program.environment });
    screen.line(`$ wharfinger ${args.join(" ")}`);
    for (const line of output.trim().split("\n")) screen.log(line);
    expectThat(code === 0, `exit code ${code}`);
    return output;
  }

  /** Who shares a namespace still publishes only its own images there. */
  async function mayNotTake(world: World, place: Place, image: string): Promise<void> {
    step(`It pushes a file that says its image is ${image}, which is another repository's`);
    const { sha, delivery } = await push(world, place, "Take over", firstPush("scratch", image));
    expectThat(delivery.builds.length === 0, "nothing is built");
    await conclusion(place, sha, null);
  }

  async function installed(world: World, id: string): Promise<void> {
    const found = await until("the installation to be recorded", () => world.api.installation(id));
    expectThat(found.namespace === null, `installation ${id} is known, and may publish nowhere yet`);
  }

  /** The default: a name on one host says nothing of who owns it elsewhere, so somebody looks at each. */
  async function claimApproved(world: World, namespace: string): Promise<void> {
    step(`The operator confirms that ${namespace}/ is theirs`);
    const listed = await until("the claim to be there", async () => {
      const claims = await world.api.claims();
      return claims.find((one) => one.namespace === namespace) ?? null;
    });
    screen.line(`claim ${listed.id}: ${listed.why}`);
    await wharfinger(world, ["claim", "approve", listed.id]);
  }

  async function onGithub(world: World): Promise<{
    readonly place: Place;
    readonly repository: HostRepository;
    readonly installation: HostInstallation;
  }> {
    step("GitHub: install the app on the organization acme");
    const { github } = world;
    const acme = github.organization("acme");
    const repository = await github.repository(acme, "greeter", { private: true });
    await repository.commit({ message: "Begin", files: { "README.md": "# Greeter\n" } });
    const installation = await github.install(acme, { repositories: [repository] });
    await installed(world, String(installation.id));
    await claimApproved(world, "acme");
    return { place: githubPlace(github, "acme", repository), repository, installation };
  }

  /** Of a fork: it waits for somebody who may push, and then runs without any credential of the registry. */
  async function testsAStranger(
    { github, registry, client, api, program, dataDir }: World,
    repository: HostRepository,
  ) {
    step("A stranger opens a pull request from a fork");
    const image = "acme/greeter";
    const opened = await runCommand(MAIN, ["image", image, "--public"], {
      cwd: dataDir,
      input: "",
      env: program.environment,
    });
    expectThat(opened.code === 0, `wharfinger image ${image} --public: everybody may pull it`);
    const fork = await github.fork(repository, github.user("visitor"));
    const files = proposal(`${registry.name}/${image}:latest`);
    await fork.commit({ branch: "polite", message: "Greet politely", files });
    const { pull } = await github.openPull(repository, { head: "polite", from: fork, title: "Greet politely" });
    const shown = (wanted: string) =>
      until(`the pull request to show ${wanted}`, async () => {
        const run = repository.checkRuns(pull.headSha).findLast((one) => one.name === "wharfinger");
        return run?.conclusion === wanted ? run : null;
      });
    const waiting = await shown("action_required");
    screen.line(`pull request #${pull.number} has check “wharfinger”: ${waiting.conclusion} — ${waiting.output.title}`);
    for (const line of (waiting.output.summary ?? "").trim().split("\n")) screen.log(line);
    expectThat(waiting.actions.length === 1, "it has a button, and nothing was built");

    step("Somebody who may push presses the button");
    const { guid } = await github.pressButton(waiting, "approve");
    const pressed = await until("the button to be heard", async () => {
      const found = await api.delivery(guid);
      return found === null || found.outcome === "pending" ? null : found;
    });
    screen.line(`delivery ${pressed.id}: ${pressed.outcome}: ${pressed.note}`);
    const passed = await shown("success");
    screen.line(`pull request #${pull.number} has check “wharfinger”: ${passed.conclusion} — ${passed.output.title}`);
    const published = await client.digest(image, `pr-${pull.number}`);
    expectThat(published.ok && published.value === null, "it was built and tested, and published nowhere");
  }

  async function onConnect(world: World): Promise<Place> {
    step("Bitbucket, first door: install the Connect add-on on the workspace harbour");
    const { bitbucket, program } = world;
    const harbour = bitbucket.workspace("harbour");
    const repository = await bitbucket.repository(harbour, "greeter", { private: true });
    await repository.commit({ message: "Begin", files: { "README.md": "# Greeter\n" } });
    const descriptor = `${program.url}/atlassian-connect.json`;
    const { install, status } = await bitbucket.install(harbour, { descriptor });
    expectThat(status === 204, `the first install is unsigned, taken down as a claim, and answered ${status}`);
    await installed(world, harbour.uuid);
    await claimApproved(world, "harbour");
    screen.line(`${install.clientKey}: Bitbucket gave a token for its secret, so it is Bitbucket's`);
    const user = bitbucket.user("harbour-owner");
    framed.push(
      bitbucket.framePage(install, "configure", { user }),
      bitbucket.framePage(install, "repository", { user, repository }),
    );
    return bitbucketPlace(bitbucket, "harbour", repository);
  }

  async function onWebhook(world: World): Promise<Place> {
    step("Bitbucket, second door: wharfinger connect bitbucket --workspace pier");
    const { bitbucket } = world;
    const pier = bitbucket.workspace("pier");
    const repository = await bitbucket.repository(pier, "tender", { private: true });
    await repository.commit({ message: "Begin", files: { "README.md": "# Tender\n" } });
    const { token } = bitbucket.accessToken({
      workspace: pier,
      scopes: ["account", "repository", "pullrequest", "webhook"],
    });
    const args = ["connect", "bitbucket", "--workspace", "pier", "--token-file", "-"];
    await wharfinger(world, args, `${token}\n`);
    await installed(world, pier.uuid);

    step("The workspace pier is the same company's: it joins acme/ by a code from there");
    const told = await wharfinger(world, ["namespace", "code", "acme"]);
    const code = /^code +(\S+)$/m.exec(told)?.[1] ?? "";
    await wharfinger(world, ["namespace", "join", "acme", "bitbucket:pier"], `${code}\n`);
    return bitbucketPlace(bitbucket, "acme", repository);
  }

  /** What a cluster pulls with, what the uninstall does to it, and what is said of that. */
  async function uninstalls(world: World, installation: HostInstallation): Promise<void> {
    step("A cluster gets a token to pull acme's images");
    const told = await wharfinger(world, [
      "token",
      "create",
      "acme",
      "--name",
      "cluster",
      "--account",
      `github:default:${installation.account.id}`,
    ]);
    const password = /^token +(\S+)$/m.exec(told)?.[1] ?? "";
    const pull = { method: "GET", path: "/v2/acme/greeter/manifests/latest", scope: "repository:acme/greeter:pull" };
    const credential = { username: "acme", password };
    const { status } = await attempt(world, credential, pull);
    expectThat(status === 200, `it pulls acme/greeter:latest with that: ${status}`);

    step("acme uninstalls the app on GitHub");
    await world.github.uninstall(installation);
    const receipt = await until("the receipt", async () => {
      const found = await world.api.receipt("github", String(installation.id));
      return found !== null && found.closedAt !== null ? found : null;
    });
    expectThat(
      receipt.items.every(({ state }) => state !== "left"),
      "nothing is left behind",
    );
    await wharfinger(world, ["receipt", "github:acme"]);
    const after = await attempt(world, credential, pull);
    expectThat(after.status === 401, `and the cluster's token is refused: ${after.status}`);
  }

  async function run(): Promise<boolean> {
    const world = await start();
    const github = await onGithub(world);
    await buildsAndShows(world, github.place);
    await saysWhyNot(world, github.place);
    await testsAStranger(world, github.repository);
    const connect = await onConnect(world);
    await buildsAndShows(world, connect);
    await saysWhyNot(world, connect);
    const webhook = await onWebhook(world);
    await mayNotTake(world, webhook, "greeter");
    await buildsAndShows(world, webhook, "tender");
    await uninstalls(world, github.installation);
    const base = `${world.registry.name}/${connect.owner}/base:1`;
    watching = { screen, api: world.api, url: world.program.url, place: connect, base, until };

    for (const host of [world.github, world.bitbucket]) {
      const name = host === world.github ? "GitHub" : "Bitbucket";
      expectThat(host.violations.length === 0, `every call followed ${name}'s API description and limits`);
      for (const violation of host.violations) screen.line(violation);
    }
    screen.note(
      [
        allGood ? "All of it worked." : "Something above is not as it should be.",
        "",
        `  builds       ${world.program.url}/`,
        `  deliveries   ${world.program.url}/deliveries`,
        `  sign in with ${world.program.adminToken}`,
        ...framed.map((address) => `  in Bitbucket ${address}`),
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
    async again() {
      if (watching === null) throw new Error("the demo is still running");
      turns += 1;
      await pushToWatch(watching, turns);
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
