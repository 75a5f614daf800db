/** The compiled program, from a machine that was told nothing to a service that takes what GitHub sends: one process, no variable, no restart. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { createGithubHost, type GithubHost } from "../hosts/github/index.ts";
import { compiledMain } from "../support/compiled.ts";
import { freePort } from "../support/free-port.ts";
import { formIn, openSetup } from "../support/setup-browser.ts";
import { eventually } from "../support/world.ts";

const MAIN = compiledMain();

let folder: string;
let port: number;
let github: GithubHost;
let running: ChildProcess | null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-first-run-"));
  port = await freePort();
  github = await createGithubHost();
  running = null;
});

afterEach(async () => {
  if (running !== null && running.exitCode === null) {
    running.kill("SIGKILL");
    await once(running, "exit");
  }
  await github.close();
  await rm(folder, { recursive: true, force: true });
});

function spawnMain(argv: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, [MAIN, ...argv], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", PORT: String(port), LOG_FORMAT: "json", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

function start(env: Readonly<Record<string, string>> = {}): {
  readonly child: ChildProcess;
  readonly said: () => string;
} {
  let said = "";
  const child = spawnMain(["start"], env);
  running = child;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
    });
  }
  return { child, said: () => said };
}

async function run(argv: readonly string[], input = "", env: Readonly<Record<string, string>> = {}) {
  const child = spawnMain(argv, env);
  child.stdin?.end(input);
  if (child.stdout === null || child.stderr === null) throw new Error("its output is piped");
  const [out, err] = [text(child.stdout), text(child.stderr)];
  const [code] = await once(child, "exit");
  return { code, out: await out, err: await err };
}

async function stop(child: ChildProcess): Promise<number | null> {
  child.kill("SIGTERM");
  const [code] = await once(child, "exit");
  running = null;
  return code;
}

function linkIn(said: string): string | null {
  return /http:\/\/localhost:\d+\/setup\/[\w-]{43}/.exec(said)?.[0] ?? null;
}

it("goes from the printed link to a service that GitHub reaches, and stays one", async () => {
  const mona = github.user("mona");
  const acme = github.organization("acme");
  const first = start();
  const link = await eventually("the link", () => linkIn(first.said()));
  const browser = await openSetup(link);

  const asked = {
    change: "register",
    name: "Acme builds",
    organization: "acme",
    GITHUB_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
  };
  github.setMembership(acme, mona, { role: "admin", state: "active" });
  const { action, value: manifest } = formIn((await browser.send("/setup/github", asked)).text, "manifest");
  const body = new URLSearchParams({ manifest, login: "mona", name: "Acme builds" });
  const registered = await fetch(action, { method: "POST", body, redirect: "manual" });
  const back = new URL(registered.headers.get("location") ?? "");
  expect((await browser.get(back.pathname + back.search)).status).toBe(303);
  await browser.send("/setup/registry", { change: "save", kind: "token", REGISTRY_URL: "http://127.0.0.1:9" });
  await browser.send("/setup/builder", { BUILDER: "webhook" });
  const made = await browser.send("/setup/operator", { change: "make" });
  const token = /<pre[^>]*>([0-9a-f]{64})<\/pre>/.exec(made.text)?.[1] ?? "";
  // Events that come too early are to be sent again, and are not lost without a word.
  await github.install(acme);
  expect(github.deliveries.at(-1)?.statusCode).toBe(503);
  expect((await browser.send("/setup/finish")).status).toBe(200);

  const url = `http://localhost:${port}`;
  const ready = async () => ((await fetch(`${url}/readyz`).catch(() => null))?.status === 200 ? true : null);
  await eventually("the service", ready);
  await github.install(github.organization("other"));
  expect(github.deliveries.at(-1)?.statusCode).toBe(202);
  const list = await fetch(`${url}/api/v1/deliveries`, { headers: { authorization: `Bearer ${token}` } });
  expect([list.status, ((await list.json()) as { items: unknown[] }).items.length]).toEqual([200, 1]);
  expect((await browser.get("/setup/operator")).status).toBe(404);
  expect(await stop(first.child)).toBe(0);

  const again = start();
  await eventually("the service", ready);
  expect([linkIn(again.said()), await stop(again.child)]).toEqual([null, 0]);
  const told = first.said() + again.said();
  for (const secret of [token, github.clientSecret, github.privateKey.slice(100, 140)])
    expect(told).not.toContain(secret);

  const settings = await run(["settings"]);
  expect(settings.out).toMatch(/^APP_ID +database +1000001$/m);
  expect(settings.out).toMatch(/^PORT +environment +\d+$/m);
  expect(settings.out).toMatch(/^ADMIN_TOKEN +database +\(set, not shown\)$/m);
  expect(settings.out).not.toContain(token);
  // What is taken away is missing from then on, all of it said at once, and no wizard opens.
  expect((await run(["settings", "remove", "REGISTRY_URL"])).code).toBe(0);
  const refused = await run(["start"]);
  expect([refused.code, refused.out]).toEqual([78, ""]);
  expect(refused.err).toContain("REGISTRY_URL is not set");
  expect(refused.err).not.toContain("APP_ID is not set");
}, 240_000);

it("stops when it is told to, also before anybody has opened the link", async () => {
  const { child, said } = start();
  await eventually("the link", () => linkIn(said()));
  expect(await stop(child)).toBe(0);
}, 60_000);
