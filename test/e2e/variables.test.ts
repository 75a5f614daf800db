/** From an owner's secret, set on the command line, to the image of a signed push that mounts it. Real registry, git and builds. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createRegistryClient } from "../../src/registry/client.ts";
import { createGithubHost, type GithubHost, type HostCheckRun, type HostRepository } from "../hosts/github/index.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { compiledMain } from "../support/compiled.ts";
import { readImage } from "../support/image.ts";
import { contents, leaksIn, shownText, watchCommandLines } from "../support/leaks.ts";
import { type Program, startProgram } from "../support/program.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { eventually } from "../support/world.ts";

const MAIN = compiledMain();
const TOKEN = "npm_a-secret-that-must-appear-nowhere/0123456789";
const KEY = "-----BEGIN KEY-----\nYS1zZWNyZXQtdGhhdC1tdXN0LWFwcGVhci1ub3doZXJl\n-----END KEY-----\n";

let folder: string;
let dataDir: string;
let registry: TestRegistry;
let github: GithubHost;
let program: Program;
let repository: HostRepository;
let base: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-e2e-variables-"));
  dataDir = join(folder, "data");
  registry = await startRegistry({ auth: true });
  base = await pushBaseImage(registry);
  github = await createGithubHost();
  const env = { BUILD_CONCURRENCY: "1", NAMESPACE_POLICY: "automatic" };
  program = await startProgram({ main: MAIN, github, registry, dataDir, env });
  const acme = github.organization("acme");
  repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  await github.install(acme, { repositories: [repository] });
  const installed = async () => ((await wharfinger(["variable", "list", "acme"])).code === 0 ? true : null);
  await eventually("the installation is known", installed, 20_000);
}, 120_000);

afterAll(async () => {
  await program?.stop();
  await github?.close();
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function wharfinger(args: readonly string[], stdin = "") {
  const child = spawn(process.execPath, [MAIN, ...args], { timeout: 60_000, env: { ...program.environment } });
  child.stdin.end(stdin);
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once("close", resolve)),
  ]);
  return { code, out, err };
}

async function api(path: string, init: RequestInit = {}): Promise<string> {
  const headers = { authorization: `Bearer ${program.adminToken}`, "content-type": "application/json" };
  return await (await fetch(`${program.url}/api/v1${path}`, { ...init, headers })).text();
}

async function push(dockerfile: string, buildArgs = "{}"): Promise<HostCheckRun> {
  const rules = "[{ branch: main, tags: [latest] }]";
  const file = `version: 1\nimages:\n  - { name: api, build_args: ${buildArgs}, rules: ${rules} }\n`;
  const { sha } = await github.push(repository, { files: { Dockerfile: dockerfile, ".wharfinger.yml": file } });
  const last = () => repository.checkRuns(sha).find(({ name }) => name === "wharfinger");
  return await eventually("a concluded check", () => (last()?.conclusion ? (last() ?? null) : null), 60_000);
}

async function logOfNewest(): Promise<string> {
  const [build] = (JSON.parse(await api("/builds")) as { items: { id: string }[] }).items;
  return await api(`/builds/${build?.id}/log`);
}

const using = () => `FROM ${base}
ARG LEVEL
ARG COLOUR
RUN --mount=type=secret,id=npm-token --mount=type=secret,id=key sha256sum /run/secrets/npm-token /run/secrets/key > /sums; \
  echo "token $(cat /run/secrets/npm-token)"; cat /run/secrets/key; base64 /run/secrets/npm-token; env; sleep 1
RUN echo "$LEVEL $COLOUR" > /given
`;

describe("what owners set for builds", () => {
  it("is set on the command line, of an account and of a repository, and secrets are not shown again", async () => {
    await writeFile(join(folder, "key"), KEY);
    const token = await wharfinger(["secret", "set", "acme/api", "npm-token"], `${TOKEN}\n`);
    const key = await wharfinger(["secret", "set", "acme", "key", "--file", join(folder, "key")]);
    expect([token, key]).toMatchObject([
      { code: 0, err: "", out: expect.stringMatching(/^saved {3}secret npm-token of acme\/api, fingerprint /) },
      { code: 0, err: "", out: expect.stringMatching(/^saved {3}secret key of all repositories of acme, /) },
    ]);
    const { items } = JSON.parse(await api("/installations")) as {
      items: { provider: string; host: string; id: string }[];
    };
    const [one] = items;
    const installation = `/installations/${one?.provider}/${one?.host}/${one?.id}`;
    for (const [path, value] of [
      ["secrets/npm-token", "not the repository's"],
      ["variables/LEVEL", "of the account"],
      [`repositories/${repository.id}/variables/COLOUR`, "blue"],
    ]) {
      const body = JSON.stringify({ value });
      expect(JSON.parse(await api(`${installation}/${path}`, { method: "PUT", body }))).toMatchObject({
        name: path?.split("/").at(-1),
      });
    }
    expect((await wharfinger(["variable", "list", "acme/api"])).out).toBe("COLOUR=blue\n");
    const { out } = await wharfinger(["secret", "list", "acme", "--json"]);
    expect((JSON.parse(out) as { items: { name: string }[] }).items.map((one) => Object.keys(one))).toEqual([
      ["name", "fingerprint", "savedAt"],
      ["name", "fingerprint", "savedAt"],
    ]);
  }, 90_000);

  it("reaches the build of a push, and no secret is left anywhere", async () => {
    const commands = watchCommandLines();
    const check = await push(using()).finally(commands.stop);
    const log = await logOfNewest();
    expect([check.conclusion, log]).toEqual(["success", expect.stringContaining("token ***\n***\n***\n***\n***\n")]);
    expect(log).toContain("Set by owners: variables COLOUR, LEVEL; secrets key, npm-token\n");

    const image = await readImage(createRegistryClient(registry), "acme/api", "latest");
    const sum = (value: string) => createHash("sha256").update(value).digest("hex");
    expect(image.files.get("sums")?.bytes.toString()).toBe(
      `${sum(TOKEN)}  /run/secrets/npm-token\n${sum(KEY)}  /run/secrets/key\n`,
    );
    expect(image.files.get("given")?.bytes.toString()).toBe("of the account blue\n");
    const audit = (await wharfinger(["audit", "--json"])).out;
    expect(audit).toContain('"variable.saved"');
    const shown = [
      shownText("command lines", await commands.stop()),
      shownText("the program's output", program.output()),
      shownText("the check", JSON.stringify(check.output)),
      shownText("the build log", log),
      shownText("the audit log", audit),
      shownText("builds", await api("/builds")),
      ...image.blobs.map((bytes, n) => ({ place: `blob ${n} of the image`, bytes })),
      ...(await contents(dataDir)),
      ...(await contents(registry.folder)),
    ];
    const secrets = [TOKEN, ...KEY.split("\n").slice(1, 2), "not the repository's"].flatMap((secret) => [
      { what: secret, text: secret },
      { what: `base64 of ${secret}`, text: Buffer.from(secret).toString("base64").slice(0, -4) },
    ]);
    expect(leaksIn(shown, secrets)).toEqual([]);
  }, 90_000);

  it("gives way to what the file says, aloud", async () => {
    const check = await push(`FROM ${base}\nARG LEVEL\nRUN echo "level: $LEVEL"\n`, '{ LEVEL: "the file\'s" }');
    expect(check.conclusion).toBe("success");
    const log = await logOfNewest();
    expect(log).toContain("level: the file's\n");
    expect(log).toContain("The variable LEVEL is left out: the file's build_args set it.\n");
  }, 90_000);

  it("is gone for the next build once it is removed", async () => {
    const removed = ["acme", "acme/api"].map((target) => wharfinger(["secret", "remove", target, "npm-token"]));
    expect((await Promise.all(removed)).map(({ code }) => code)).toEqual([0, 0]);
    const check = await push(
      `FROM ${base}\nRUN --mount=type=secret,id=npm-token,required=true cat /run/secrets/npm-token\n`,
    );
    expect(check.conclusion).toBe("failure");
    expect(await logOfNewest()).toContain("Set by owners: variables COLOUR, LEVEL; secrets key\n");
    expect((await wharfinger(["audit", "--json"])).out).toContain('"variable.removed"');
  }, 90_000);
});
