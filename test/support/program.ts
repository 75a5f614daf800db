/** The program as an operator starts it: compiled, in a process of its own, configured by environment. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { BitbucketHost } from "../hosts/bitbucket/index.ts";
import type { GithubHost } from "../hosts/github/index.ts";
import { freePort } from "./free-port.ts";
import type { TestRegistry } from "./registry.ts";

export interface Program {
  readonly url: string;
  readonly adminToken: string;
  readonly pid: number;
  /** With which another command of the program finds the same database. */
  readonly environment: Readonly<Record<string, string>>;
  /** Everything it printed so far. */
  output(): string;
  /** As an operator's Ctrl-C; resolves with the exit code. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
}

export interface ProgramOptions {
  /** The compiled `src/main.js`. */
  readonly main: string;
  readonly github: GithubHost;
  /** Left out: Bitbucket is not configured. */
  readonly bitbucket?: BitbucketHost;
  /** May be one that is yet to start. */
  readonly registry: Pick<TestRegistry, "url" | "username" | "password">;
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly webhookSecret?: string;
  readonly adminToken?: string;
  /** For `work` see {@link startProgramWorker}. */
  readonly command?: "start" | "serve";
  /** In a process group of its own: Ctrl-C in the terminal reaches only who started it, and who then stops it. */
  readonly ownGroup?: boolean;
}

const READY_MS = 30_000;
const STOP_MS = 20_000;

/** Starts it, points the stand-in's webhook at it, and resolves when it is ready. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { github } = options;
  const url = `http://127.0.0.1:${await freePort()}`;
  const adminToken = options.adminToken ?? randomBytes(24).toString("base64url");
  const secret = options.webhookSecret ?? randomBytes(24).toString("base64url");
  await mkdir(options.dataDir, { recursive: true });
  const env = environment(options, {
    PORT: new URL(url).port,
    PUBLIC_URL: url,
    ADMIN_TOKEN: adminToken,
    WEBHOOK_SECRET: secret,
  });
  // Not where a developer's .env may lie.
  const child = spawn(process.execPath, ["--enable-source-maps", options.main, options.command ?? "start"], {
    cwd: options.dataDir,
    detached: options.ownGroup ?? false,
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  }
  await untilReady(url, child, () => output);
  github.setWebhook({ url: `${url}/webhooks/github`, secret });
  github.setCallbackUrls([`${url}/auth/github/callback`]);
  return {
    url,
    adminToken,
    pid: child.pid ?? 0,
    environment: env,
    output: () => output,
    stop: () => end(child, "SIGTERM"),
    async kill() {
      await end(child, "SIGKILL");
    },
  };
}

/** `wharfinger work`, which listens nowhere; ready when it says so. */
export async function startProgramWorker(
  options: ProgramOptions,
): Promise<Omit<Program, "url" | "adminToken" | "environment">> {
  await mkdir(options.dataDir, { recursive: true });
  const secret = options.webhookSecret ?? randomBytes(24).toString("base64url");
  const child = spawn(process.execPath, ["--enable-source-maps", options.main, "work"], {
    cwd: options.dataDir,
    stdio: ["ignore", "pipe", "pipe"],
    env: environment(options, { WEBHOOK_SECRET: secret }),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  }
  const deadline = Date.now() + READY_MS;
  while (!output.includes('"msg":"working"')) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await end(child, "SIGKILL");
      throw new Error(`wharfinger work did not begin:\n${output.slice(-4_000)}`);
    }
    await sleep(30);
  }
  return {
    pid: child.pid ?? 0,
    output: () => output,
    stop: () => end(child, "SIGTERM"),
    async kill() {
      await end(child, "SIGKILL");
    },
  };
}

function environment(
  { dataDir, github, bitbucket, registry, env }: ProgramOptions,
  more: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    DATA_DIR: dataDir,
    APP_ID: String(github.appId),
    PRIVATE_KEY: github.privateKey,
    GITHUB_CLIENT_ID: github.clientId,
    GITHUB_CLIENT_SECRET: github.clientSecret,
    GITHUB_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
    ...(bitbucket === undefined ? {} : { BITBUCKET_URL: bitbucket.url, BITBUCKET_API_URL: bitbucket.apiUrl }),
    REGISTRY_URL: registry.url,
    ...(registry.username === null ? {} : { REGISTRY_USERNAME: registry.username }),
    ...(registry.password === null ? {} : { REGISTRY_PASSWORD: registry.password }),
    LOG_FORMAT: "json",
    ...more,
    ...env,
  };
}

async function untilReady(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const deadline = Date.now() + READY_MS;
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    const answer = await fetch(`${url}/readyz`).catch(() => null);
    if (answer?.ok) return;
    await sleep(30);
  }
  await end(child, "SIGKILL");
  throw new Error(`wharfinger did not become ready:\n${output().slice(-4_000)}`);
}

async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
  }
  return child.exitCode;
}
