/** The compiled program with BUILDER=webhook, a registry that trusts its tokens, and the sample builder. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, it } from "@jest/globals";
import { createGithubHost, type GithubHost, type HostCheckRun, type HostRepository } from "../hosts/github/index.ts";
import { compiledMain } from "../support/compiled.ts";
import { readImage } from "../support/image.ts";
import { startTokenProgram, type TokenProgram } from "../support/token-program.ts";
import { eventually } from "../support/world.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = compiledMain();
const BUILDER_TOKEN = "a-token-of-builders-of-more-than-thirty-two-characters";
const KEY = Buffer.alloc(32, 7);

interface Offer {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let folder: string;
let github: GithubHost;
let lab: TokenProgram;
let repository: HostRepository;
let endpoint: Server;
const offers: Offer[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-e2e-http-builder-"));
  endpoint = createServer(async (req, res) => {
    offers.push({ headers: req.headers, body: await text(req) });
    res.writeHead(202).end();
  }).listen(0, "127.0.0.1");
  await once(endpoint, "listening");
  // With a store of its own, so that nothing is left on the machine.
  const store = `--root ${folder}/root --runroot ${folder}/runroot --storage-driver vfs`;
  const buildah = execFileSync("sh", ["-c", "command -v buildah"], { encoding: "utf8" }).trim();
  await writeFile(join(folder, "buildah"), `#!/bin/sh\nexec ${buildah} ${store} "$@"\n`, { mode: 0o755 });
  github = await createGithubHost();
  lab = await startTokenProgram({
    main: MAIN,
    github,
    dataDir: join(folder, "data"),
    env: {
      NAMESPACE_POLICY: "automatic",
      BUILDER: "webhook",
      BUILDER_TOKEN,
      BUILDER_URLS: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/offers`,
      BUILDER_WEBHOOK_SECRET: `whsec_${KEY.toString("base64")}`,
      BUILD_NETWORK: "none",
      // No tool of any builder is asked for.
      PATH: "/nonexistent",
    },
  });
  const acme = github.organization("acme");
  repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  await github.install(acme, { repositories: [repository] });
}, 120_000);

afterEach(async () => {
  await Promise.all(children.splice(0).map(end));
});
afterAll(async () => {
  await lab?.stop();
  await github?.close();
  endpoint?.close();
  await rm(folder, { recursive: true, force: true });
});

async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, "close");
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  await closed;
}

/** Starts `examples/http-builder.mjs`; what it printed is in the answer. */
function startSample(): { said(): string } {
  const env = {
    PATH: `${folder}:${process.env["PATH"]}`,
    HOME: folder,
    WHARFINGER_URL: lab.program.url,
    BUILDER_TOKEN,
    REGISTRY_TLS: "false",
  };
  const child = spawn(process.execPath, [join(ROOT, "examples/http-builder.mjs")], { env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  children.push(child);
  return { said: () => said };
}

function files(dockerfile: string): Record<string, string> {
  const rules = "[{ branch: main, tags: [latest] }]";
  return {
    Dockerfile: dockerfile,
    "hello.txt": "built elsewhere\n",
    ".wharfinger.yml": `version: 1\nimages:\n  - { name: api, build_args: { GREETING: "a b" }, rules: ${rules} }\n`,
  };
}

function concluded(sha: string, said: () => string): Promise<HostCheckRun> {
  const last = () => repository.checkRuns(sha).at(-1);
  const ask = () => (last()?.conclusion ? (last() ?? null) : null);
  return eventually("a concluded check", ask, 60_000).catch((error: unknown) => {
    throw new Error(`${error}\n${said()}\n${lab.program.output().slice(-3_000)}`);
  });
}

interface Claimed {
  readonly build: string;
  readonly attempt: number;
  readonly lease: { readonly token: string };
}

function ask(path: string, token: string, body: object): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return fetch(`${lab.program.url}/builder/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
}

async function logOf(build: string): Promise<string> {
  const headers = { authorization: `Bearer ${lab.program.adminToken}` };
  return (await fetch(`${lab.program.url}/api/v1/builds/${build}/log`, { headers })).text();
}

/** Sets a variable or a secret of the one installation there is. */
async function set(path: string, value: string): Promise<void> {
  const headers = { authorization: `Bearer ${lab.program.adminToken}`, "content-type": "application/json" };
  const api = `${lab.program.url}/api/v1/installations`;
  const { provider, host, id } = await eventually("the installation is known", async () => {
    const { items } = (await (await fetch(api, { headers })).json()) as { items: Record<string, string>[] };
    return items[0] ?? null;
  });
  const body = JSON.stringify({ value });
  const answer = await fetch(`${api}/${provider}/${host}/${id}/${path}`, { method: "PUT", headers, body });
  expect(answer.status).toBe(200);
}

it("gets a push offered, built by the sample and published, with what owners have set", async () => {
  await set("variables/TARGET", "it's $high");
  await set("secrets/npm-token", "npm_s3cret-of-the-owner");
  const dockerfile = "FROM scratch\nARG GREETING\nARG TARGET\nLABEL level=$TARGET\nCOPY hello.txt /\n";
  const { sha } = await github.push(repository, { files: files(dockerfile) });
  const offer = await eventually("an offer", () => offers.at(-1) ?? null);
  const [id, timestamp] = [offer.headers["webhook-id"], offer.headers["webhook-timestamp"]];
  const expected = createHmac("sha256", KEY).update(`${id}.${timestamp}.${offer.body}`).digest("base64");
  expect(offer.headers["webhook-signature"]).toBe(`v1,${expected}`);
  const { data } = JSON.parse(offer.body) as { data: { build: string } };

  const sample = startSample();
  const check = await concluded(sha, sample.said);
  const log = await logOf(data.build);
  expect([check.conclusion, check.output.summary, log]).toEqual([
    "success",
    expect.stringContaining("acme/api"),
    expect.stringContaining("COPY hello.txt /"),
  ]);
  const digest = await lab.client.digest("acme/api", "latest");
  const image = await readImage(lab.client, "acme/api", digest.ok ? (digest.value ?? "") : "");
  expect(image.files.get("hello.txt")?.bytes.toString()).toBe("built elsewhere\n");
  expect(image.labels["org.opencontainers.image.revision"]).toBe(sha);
  expect(image.labels["level"]).toBe("it's $high");
  expect(log).toContain("Set by owners: variables TARGET; secrets npm-token\n");
  expect(Buffer.concat(image.blobs).includes("npm_s3cret")).toBe(false);
  const staging = `staging/${data.build}`;
  await eventually("staging is empty", async () => {
    const left = await lab.client.digest(staging, "build");
    return left.ok && left.value === null ? true : null;
  });
}, 90_000);

it("shows what failed in the sample as the check's failure", async () => {
  const { sha } = await github.push(repository, { files: files("FROM scratch\nCOPY nowhere.txt /\n") });
  const sample = startSample();
  const check = await concluded(sha, sample.said);
  expect(check.conclusion).toBe("failure");
  expect(`${check.output.summary}${check.output.text}`).toContain("nowhere.txt");
}, 90_000);

it("gives the build of a builder that died to the next one, and refuses what the first says later", async () => {
  const { sha } = await github.push(repository, { files: files("FROM scratch\nCOPY hello.txt /again\n") });
  const answer = await ask("claim", BUILDER_TOKEN, { wait: 20 });
  expect(answer.status).toBe(200);
  const dead = (await answer.json()) as Claimed;
  const begun = Date.now();
  const sample = startSample();
  const check = await concluded(sha, sample.said);
  expect(check.conclusion).toBe("success");
  expect(Date.now() - begun).toBeGreaterThan(10_000);
  const late = await ask("outcome", dead.lease.token, { result: "built", digest: `sha256:${"0".repeat(64)}` });
  expect(late.status).toBe(409);
  expect((await ask("credentials", dead.lease.token, {})).status).toBe(409);
}, 90_000);
