/** The compiled program with a real registry, real git and real builds. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createRegistryClient } from "../../src/registry/client.ts";
import { createGithubHost, type GithubHost, type HostCheckRun, type HostRepository } from "../hosts/github/index.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { compiledMain } from "../support/compiled.ts";
import { readImage } from "../support/image.ts";
import { contents, leaksIn, type Secret, shownText, watchCommandLines } from "../support/leaks.ts";
import { type Program, startProgram } from "../support/program.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { eventually } from "../support/world.ts";

const run = promisify(execFile);
const MAIN = compiledMain();
const WEBHOOK_SECRET = "webhook-secret-that-must-appear-nowhere-0123456789";
const ADMIN_TOKEN = "admin-token-that-must-appear-nowhere-0123456789";

let folder: string;
let dataDir: string;
let registry: TestRegistry;
let github: GithubHost;
let program: Program;
let repository: HostRepository;
let base: string;
/** The first build. */
let published = { sha: "", summary: "" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-e2e-"));
  registry = await startRegistry({ auth: true });
  base = await pushBaseImage(registry);
  github = await createGithubHost({ tokenFormat: "stateless" });
  dataDir = join(folder, "data");
  program = await start();
  const acme = github.organization("acme");
  repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  await github.install(acme, { repositories: [repository] });
}, 120_000);

afterAll(async () => {
  await program?.stop();
  await github?.close();
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

function start(): Promise<Program> {
  return startProgram({
    main: MAIN,
    github,
    registry,
    dataDir,
    webhookSecret: WEBHOOK_SECRET,
    adminToken: ADMIN_TOKEN,
    env: { NAMESPACE_POLICY: "automatic" },
  });
}

function files(run: string): Record<string, string> {
  return {
    Dockerfile: `FROM ${base}\nCOPY . /srv\nRUN ${run}\n`,
    "marker.txt": "pushed",
    ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n",
  };
}

function concluded(sha: string): Promise<HostCheckRun> {
  const last = () => repository.checkRuns(sha).at(-1);
  return eventually("a concluded check", () => (last()?.conclusion ? (last() ?? null) : null), 60_000);
}

/** Everything secret that took part: what it is, and the text that must not be found. */
function secrets(): Secret[] {
  const tokens = github.issuedTokens.map((text) => ({ what: "installation token", text }));
  const plain = [
    { what: "webhook secret", text: WEBHOOK_SECRET },
    { what: "admin token", text: ADMIN_TOKEN },
    { what: "registry password", text: registry.password ?? "" },
    { what: "private key", text: github.privateKey.split("\n")[3] ?? "" },
    ...tokens,
  ];
  const encoded = [
    ...tokens.map(({ text }) => `x-access-token:${text}`),
    `${registry.username}:${registry.password}`,
  ].map((text) => ({ what: "Basic credential", text: Buffer.from(text).toString("base64") }));
  return [...plain, ...encoded];
}

describe("the program", () => {
  it("builds a push, and no secret is left anywhere", async () => {
    const commands = watchCommandLines();
    const pushed = github.push(repository, { files: files("env && cat /proc/self/environ && sleep 1") });
    const { sha, check } = await pushed
      .then(async (push) => ({ sha: push.sha, check: await concluded(push.sha) }))
      .finally(commands.stop);
    const commandLines = await commands.stop();
    expect(check.conclusion).toBe("success");
    published = { sha, summary: check.output.summary ?? "" };
    expect(commandLines).toContain("buildah");
    expect(github.issuedTokens.length).toBeGreaterThanOrEqual(2);

    const api = async (path: string) =>
      (await fetch(`${program.url}${path}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })).text();
    const [build] = (JSON.parse(await api("/api/v1/builds")) as { items: { id: string }[] }).items;
    const image = await readImage(createRegistryClient(registry), "acme/api", "latest");
    const shown = [
      shownText("command lines", commandLines),
      shownText("the program's output", program.output()),
      shownText("the check", JSON.stringify(check.output)),
      shownText("the build log", await api(`/api/v1/builds/${build?.id}/log`)),
      shownText("an error page", await (await fetch(`${program.url}/nowhere?token=x`)).text()),
      shownText("the metrics", await api("/metrics")),
      ...image.blobs.map((bytes, n) => ({ place: `blob ${n} of the image`, bytes })),
      ...(await contents(dataDir)),
    ];
    expect(leaksIn(shown, secrets())).toEqual([]);
    // The search finds what is there.
    expect(image.blobs.some((bytes) => bytes.includes("pushed"))).toBe(true);
    expect(shown.some(({ place, bytes }) => place.endsWith("wharfinger.db") && bytes.length > 0)).toBe(true);
  }, 90_000);

  it("publishes what other clients of registries read too, under the digest it reports", async () => {
    const { stdout } = await run("skopeo", [
      "inspect",
      "--tls-verify=false",
      `--creds=${registry.username}:${registry.password}`,
      `docker://${registry.name}/acme/api:latest`,
    ]);
    const seen = JSON.parse(stdout) as { Digest: string; Labels: Record<string, string> };
    const { sha, summary } = published;
    expect(summary).toContain(seen.Digest);
    expect(seen.Labels["org.opencontainers.image.revision"]).toBe(sha);
  });

  it("keeps .git out of the image", async () => {
    const image = await readImage(createRegistryClient(registry), "acme/api", "latest");
    expect([...image.files.keys()].filter((path) => path.includes(".git/"))).toEqual([]);
    expect(image.labels["org.opencontainers.image.revision"]).toMatch(/^[0-9a-f]{40}$/);
  });

  it("tells on the commit what broke and what to do", async () => {
    const { sha } = await github.push(repository, { files: files("echo so far so good; exit 3") });
    const check = await concluded(sha);
    expect(check.conclusion).toBe("failure");
    expect(`${check.output.summary}${check.output.text}`).toContain("so far so good");
    expect(check.output.annotations[0]).toMatchObject({ path: "Dockerfile", start_line: 3 });
  }, 60_000);

  it("stops within seconds when told to, and goes on where it was", async () => {
    const { sha } = await github.push(repository, { files: files("sleep 8 && echo slept") });
    await eventually(
      "the build runs",
      () => (repository.checkRuns(sha).at(-1)?.status === "in_progress" ? true : null),
      30_000,
    );
    expect(await program.stop()).toBe(0);
    program = await start();
    expect((await concluded(sha)).conclusion).toBe("success");
  }, 120_000);

  it("followed GitHub's rules all the way", () => {
    expect(github.violations).toEqual([]);
  });
});
