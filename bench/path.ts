/**
 * How long a push takes to become an image, and what it costs the Git host. Per round one commit goes the whole way
 * through the program (webhook, plan, checkout, build, push, check), and the same commit through plain
 * `git fetch`, `buildah build` and `buildah push`, turn by turn, so that both meet the same noise.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  createGithubHost,
  type GithubHost,
  type HostInstallation,
  type HostRepository,
} from "../test/hosts/github/index.ts";
import { pushBaseImage } from "../test/support/base-image.ts";
import { createTestDatabase } from "../test/support/postgres.ts";
import { type Program, startProgram } from "../test/support/program.ts";
import { startRegistry, type TestRegistry } from "../test/support/registry.ts";

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));

interface Lab {
  readonly folder: string;
  readonly registry: TestRegistry;
  readonly github: GithubHost;
  readonly program: Program;
  readonly repository: HostRepository;
  readonly installation: HostInstallation;
  readonly base: string;
}

/** Milliseconds. */
interface Round {
  readonly answered: number;
  readonly started: number;
  readonly published: number;
  readonly reported: number;
  /** The build alone, from its start to its end. */
  readonly build: number;
  /** Of it: from the end of the push to staging until the build has ended, its image published. */
  readonly promotion: number;
  /** Of that: copying the image and moving its tag. */
  readonly publish: number;
  readonly plain: number;
}

export async function benchPath(args: readonly string[]): Promise<void> {
  const rounds = args.includes("--quick") ? 3 : 10;
  const endings: (() => Promise<unknown>)[] = [];
  try {
    const lab = await prepare(endings, args.includes("--postgres"));
    console.log(`${rounds} rounds, one build at a time; the first push of each side fills caches and is not counted\n`);
    await once(lab, 0);
    const results: Round[] = [];
    for (let n = 1; n <= rounds; n += 1) {
      results.push(await once(lab, n));
      process.stdout.write(".");
    }
    console.log("\n");
    printTimes(results);
    await printCalls(lab);
  } finally {
    for (const end of endings.reverse()) await end().catch((error: Error) => console.error(error.message));
  }
}

async function prepare(endings: (() => Promise<unknown>)[], postgres: boolean): Promise<Lab> {
  const database = postgres ? await createTestDatabase({ migrated: false }) : null;
  if (database !== null) endings.push(database.drop);
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-bench-"));
  endings.push(async () => {
    // The plain side's storage driver leaves its folder mounted.
    await run("umount", ["--lazy", join(folder, "plain/root/overlay")]).catch((error: Error) => error);
    await rm(folder, { recursive: true, force: true });
  });
  const registry = await startRegistry();
  endings.push(registry.stop);
  const base = await pushBaseImage(registry);
  const github = await createGithubHost();
  endings.push(github.close);
  const program = await startProgram({
    main: MAIN,
    github,
    registry,
    dataDir: join(folder, "data"),
    env: {
      ...(database === null ? {} : { DATABASE_URL: database.url }),
      BUILD_CONCURRENCY: "1",
      NAMESPACE_POLICY: "automatic",
    },
  });
  endings.push(program.stop);
  const acme = github.organization("acme");
  const repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  const installation = await github.install(acme, { repositories: "all" });
  await writeFile(
    join(folder, "registries.conf"),
    `unqualified-search-registries = []\n[[registry]]\nlocation = "${registry.name}"\ninsecure = true\n`,
  );
  await mkdir(join(folder, "plain"), { mode: 0o711 });
  return { folder, registry, github, program, repository, installation, base };
}

function files({ base }: Lab, n: number): Record<string, string> {
  return {
    Dockerfile: `FROM ${base}\nRUN echo a layer that stays > /stays\nCOPY changing.txt /srv/\nRUN cat /srv/changing.txt\n`,
    "changing.txt": `round ${n}\n`,
    "docs/manual.md": `round ${n}\n`,
    ".wharfinger.yml": `version: 1
images:
  - name: api
    paths: { exclude: ["docs/**"] }
    rules: [{ branch: main, tags: [latest] }]
`,
  };
}

async function once(lab: Lab, n: number): Promise<Round> {
  const { sha } = await lab.github.push(lab.repository, { message: `Round ${n}`, files: files(lab, n) });
  const sent = lab.github.deliveries.at(-1);
  if (sent === undefined) throw new Error("no webhook was sent");
  const answered = Date.now();
  const reported = await untilConcluded(lab, sha);
  const build = await newestBuild(lab, sha);
  // Counted from when the webhook left the host: making the commit is not the program's time.
  const zero = answered - sent.duration * 1000;
  const startedAt = Date.parse(build.startedAt);
  const finishedAt = Date.parse(build.finishedAt);
  return {
    answered: sent.duration * 1000,
    started: startedAt - zero,
    published: finishedAt - zero,
    reported: reported - zero,
    build: finishedAt - startedAt,
    ...promotionOf(build),
    plain: await plainBuild(lab, sha),
  };
}

async function untilConcluded({ repository }: Lab, sha: string): Promise<number> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const check = repository.checkRuns(sha).at(-1);
    if (check?.conclusion === "success") return Date.now();
    if (check?.conclusion) throw new Error(`the build ended as ${check.conclusion}: ${check.output.summary}`);
    await sleep(5);
  }
  throw new Error("the check was not concluded within a minute");
}

function promotionOf({ steps, finishedAt }: ApiBuild) {
  const at = (name: string) => steps.find((step) => step.name === name);
  const pushed = Date.parse(at("push")?.finishedAt ?? "");
  const published = at("publish");
  return {
    promotion: Date.parse(finishedAt) - pushed,
    publish: Date.parse(published?.finishedAt ?? "") - Date.parse(published?.startedAt ?? ""),
  };
}

interface ApiBuild {
  readonly steps: readonly { readonly name: string; readonly startedAt: string; readonly finishedAt: string | null }[];
  readonly sha: string;
  readonly startedAt: string;
  readonly finishedAt: string;
}

async function newestBuild({ program }: Lab, sha: string): Promise<ApiBuild> {
  const headers = { authorization: `Bearer ${program.adminToken}` };
  const response = await fetch(`${program.url}/api/v1/builds?limit=5`, { headers });
  const { items } = (await response.json()) as { items: ApiBuild[] };
  const found = items.find((one) => one.sha === sha);
  if (found === undefined) throw new Error(`no build of ${sha}`);
  return found;
}

/** What somebody would type, with the same runtime and layer cache, and no user namespace: fetch, build, push. */
async function plainBuild({ folder, registry, repository }: Lab, sha: string): Promise<number> {
  const begun = Date.now();
  const source = await mkdtemp(join(folder, "plain", "src-"));
  const git = (...words: string[]) => run("git", ["-C", source, ...words]);
  await git("init", "-q");
  await git("fetch", "-q", "--depth", "1", repository.gitDir, sha);
  await git("checkout", "-q", "--detach", "FETCH_HEAD");
  await rm(join(source, ".git"), { recursive: true });
  const env = {
    ...process.env,
    TMPDIR: join(folder, "plain"),
    CONTAINERS_REGISTRIES_CONF: join(folder, "registries.conf"),
  };
  const store = [
    "--root",
    join(folder, "plain/root"),
    "--runroot",
    join(folder, "plain/run"),
    "--storage-driver",
    "overlay",
  ];
  const image = `${registry.name}/plain/api:latest`;
  const isolation = ["--isolation", "oci", "--runtime", "runc", "--network", "none", "--memory", "4g"];
  await run("buildah", [...store, "build", ...isolation, "--layers", "--pull", "-t", image, source], { env });
  await run("buildah", [...store, "push", "--tls-verify=false", image, `docker://${image}`], { env });
  return Date.now() - begun;
}

function printTimes(results: readonly Round[]): void {
  const row = (name: string, values: number[]) => {
    const sorted = values.toSorted((a, b) => a - b);
    const at = (part: number) => `${Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0)}`.padStart(8);
    console.log(`  ${name.padEnd(44)}${at(0.5)}${at(0.9)}${at(1)}`);
  };
  console.log(`  ${"milliseconds".padEnd(44)}${"p50".padStart(8)}${"p90".padStart(8)}${"max".padStart(8)}`);
  row(
    "webhook → answered",
    results.map((one) => one.answered),
  );
  row(
    "webhook → build starts",
    results.map((one) => one.started),
  );
  row(
    "webhook → image in the registry",
    results.map((one) => one.published),
  );
  row(
    "webhook → check concluded",
    results.map((one) => one.reported),
  );
  row(
    "the build alone",
    results.map((one) => one.build),
  );
  row(
    "plain git fetch + buildah build + push",
    results.map((one) => one.plain),
  );
  row(
    "the build, over plain (difference)",
    results.map((one) => one.build - one.plain),
  );
  row(
    "staging and promotion, of the build",
    results.map((one) => one.promotion),
  );
  row(
    "  the publish step, of that",
    results.map((one) => one.publish),
  );
  row(
    "staging and promotion, % of plain",
    results.map((one) => (one.promotion / one.plain) * 100),
  );
}

/** Calls of the host's API for one more push of each kind; minting tokens is counted apart, they serve for an hour. */
async function printCalls(lab: Lab): Promise<void> {
  const { github, repository } = lab;
  console.log(
    `\n  ${"calls of the host".padEnd(44)}${"reads".padStart(8)}${"writes".padStart(8)}${"tokens".padStart(8)}`,
  );
  const count = async (name: string, act: () => Promise<void>) => {
    const before = github.calls.length;
    await act();
    const calls = github.calls.slice(before);
    const tokens = calls.filter((call) => call.path.endsWith("/access_tokens")).length;
    const reads = calls.filter((call) => call.method === "GET").length;
    const numbers = [reads, calls.length - reads - tokens, tokens].map((n) => String(n).padStart(8));
    console.log(`  ${name.padEnd(44)}${numbers.join("")}`);
  };
  await count("a push that builds", async () => {
    await untilConcluded(lab, (await github.push(repository, { files: files(lab, 1_000) })).sha);
  });
  await count("a push that no rule matches", async () => {
    await untilSettled(lab, (await github.push(repository, { branch: "feature", files: { a: "1" } })).sha);
  });
  await count("a push that changes no path that counts", async () => {
    await untilSettled(lab, (await github.push(repository, { files: { "docs/manual.md": "new" } })).sha);
  });
  await github.removeRepositories(lab.installation, [repository]);
  await untilPlanned(lab);
  await count("a push to a repository that was taken out", async () => {
    const payload = github.deliveries.findLast((one) => one.event === "push")?.body ?? "";
    await github.deliver("push", payload);
    await untilPlanned(lab);
  });
}

async function untilSettled({ repository }: Lab, sha: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!repository.checkRuns(sha).at(-1)?.conclusion) {
    if (Date.now() > deadline) throw new Error("the check was not concluded");
    await sleep(5);
  }
}

async function untilPlanned(lab: Lab): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { items } = await api<{ items: { outcome: string }[] }>(lab, "/deliveries?limit=100");
    if (items.every((one) => one.outcome !== "pending")) return;
    if (Date.now() > deadline) throw new Error("a delivery was not processed");
    await sleep(20);
  }
}

async function api<T>({ program }: Lab, path: string): Promise<T> {
  const headers = { authorization: `Bearer ${program.adminToken}` };
  return (await (await fetch(`${program.url}/api/v1${path}`, { headers })).json()) as T;
}
