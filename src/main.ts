#!/usr/bin/env node
/** The program's beginning and end: environment, terminal, signals, exit code. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseEnv } from "node:util";
import pino from "pino";
import { openTokens } from "./access-tokens.ts";
import { openAuthorizer } from "./authorizer.ts";
import { parseBitbucket } from "./bitbucket/parse.ts";
import { openBuilds } from "./build-actions.ts";
import { doctorChecks } from "./checks.ts";
import type { CliParts } from "./cli/parts.ts";
import { runCli } from "./cli/program.ts";
import type { ExitCode, Terminal } from "./cli/terminal.ts";
import { type Config, type Environment, startHelp } from "./config.ts";
import { type Configuration, openSettings, readConfiguration } from "./configuration.ts";
import { openConnections } from "./connections.ts";
import type { Logger } from "./engine/ports.ts";
import { parseGithub } from "./github/parse.ts";
import { openNamespaces } from "./namespaces.ts";
import { openNotices } from "./notices.ts";
import { createParts, createWorkerParts, openConfiguredStore, StartError } from "./parts.ts";
import { openPausing } from "./pausing.ts";
import { openRegistries } from "./registries.ts";
import { createRotations } from "./rotations.ts";
import { startServer } from "./server.ts";
import { startSetup } from "./setup.ts";
import { migrateStore } from "./store/store.ts";
import { packageRoot, version } from "./version.ts";
import { startWork } from "./worker.ts";

/** The environment, with what a `.env` file in the working folder adds. Variables that are set win; empty means not set. */
function readEnvironment(): Environment {
  let file = "";
  try {
    file = readFileSync(".env", "utf8");
  } catch (error) {
    const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!absent) throw error;
  }
  const set = Object.entries(process.env).filter(([, value]) => value !== "");
  return { ...parseEnv(file), ...Object.fromEntries(set) };
}

function createTerminal(env: Environment): Terminal {
  return {
    out: (line) => process.stdout.write(line),
    err: (line) => process.stderr.write(line),
    stdin: () => text(process.stdin),
    readFile: (path) => readFile(path, "utf8"),
    color: process.stdout.isTTY === true && !env["NO_COLOR"],
  };
}

function createLogger(config: Config): Logger {
  const pretty = config.log.format === null ? process.stdout.isTTY === true : config.log.format === "pretty";
  return pino({
    level: config.log.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    ...(pretty ? { transport: { target: "pino-pretty", options: { translateTime: "SYS:HH:MM:ss" } } } : {}),
  });
}

/** Of commands, whose answer is on standard output. */
function createErrorLogger(): Logger {
  return pino({ level: "warn", base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
}

/** Resolves at the first SIGTERM or SIGINT; a second one, whichever it is, ends the process at once. */
function untilSignalled(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (asked) process.exit(128 + constants.signals[signal]);
        asked = true;
        resolve();
      });
    }
  });
}

interface Stoppable {
  stop(): Promise<void>;
}

/** Runs until told to stop, which `begin` learns of, too. */
async function run(terminal: Terminal, begin: (signalled: Promise<void>) => Promise<Stoppable>): Promise<ExitCode> {
  const signalled = untilSignalled();
  try {
    const running = await begin(signalled);
    await signalled;
    await running.stop();
    return 0;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    terminal.err(`Not started:\n\n${error.problems.map((problem) => `  ${problem}\n`).join("")}`);
    return 78;
  }
}

/** The web half, and unless others do it the working half. */
async function serve(config: Config, { builds }: { readonly builds: boolean }): Promise<Stoppable> {
  await migrateStore(config.databaseUrl);
  const parts = await createParts(config, createLogger(config), { builds, environment: process.env });
  return startServer(parts, { ...config, views: join(packageRoot, "views") });
}

async function work(config: Config): Promise<Stoppable> {
  const parts = await createWorkerParts(config, createLogger(config));
  return startWork(parts, { concurrency: config.builds.concurrency });
}

/** Serves the setup wizard; once it is finished, the service, with what it has learnt. */
async function setUp(
  config: Config,
  env: Environment,
  terminal: Terminal,
  signalled: Promise<void>,
): Promise<Stoppable> {
  const setup = await startSetup({ config, env, views: join(packageRoot, "views"), log: createLogger(config) });
  terminal.out(
    `Wharfinger is not set up yet. Open this link, which works once and for an hour:\n\n  ${setup.link}\n\n`,
  );
  const { hostname, port } = new URL(setup.link);
  if (hostname === "localhost") {
    terminal.out(`From another machine: ssh -L ${port}:localhost:${port} THIS-MACHINE, and then open it there.\n\n`);
  }
  const finished = await Promise.race([setup.finished.then(() => true), signalled.then(() => false)]);
  await setup.stop();
  if (!finished) return { stop: async () => undefined };
  const { read, missing } = await readConfiguration(env);
  const problems = [...missing, ...(read.ok ? [] : read.problems)];
  if (!read.ok || problems.length > 0) {
    throw new StartError(problems.map(({ variable, wrong, todo }) => `${variable} ${wrong}: ${todo}`));
  }
  terminal.out("The setup is finished, and closed for good. `wharfinger settings` shows what it has learnt.\n\n");
  return serve(read.config, { builds: true });
}

function createCliParts(env: Environment, terminal: Terminal): CliParts<Config> {
  let known: Promise<Configuration> | null = null;
  const configuration = () => {
    known ??= readConfiguration(env);
    return known;
  };
  return {
    version,
    terminal,
    config: async () => (await configuration()).read,
    startProblems: async () => (await configuration()).missing,
    firstRun: async () => {
      const { setup } = await configuration();
      return setup && (() => run(terminal, (signalled) => setUp(setup, env, terminal, signalled)));
    },
    openSettings: () => openSettings(env),
    startHelp,
    start: (config) => run(terminal, () => serve(config, { builds: true })),
    serve: (config) => run(terminal, () => serve(config, { builds: false })),
    work: (config) => run(terminal, () => work(config)),
    severalProcesses: (config) => !config.databaseUrl.startsWith("sqlite:"),
    openStore: (config) => openConfiguredStore(config),
    openConnections: (config) => openConnections(config),
    openAuthorizer: (config) => openAuthorizer(config),
    openRegistries: (config) => openRegistries(config),
    openTokens: (config) => openTokens(config),
    openNotices: (config) => openNotices(config),
    openPausing: (config) => openPausing(config, createErrorLogger()),
    openBuilds: (config) => openBuilds(config, createErrorLogger()),
    openNamespaces: (config) => openNamespaces(config, createErrorLogger()),
    migrate: async (config) => (await migrateStore(config.databaseUrl)).applied,
    checks: doctorChecks,
    publicUrl: (config) => config.publicUrl,
    rotations: createRotations,
    parsers: {
      github: (event, payload) => parseGithub(event, payload, { host: "default", appId: null }),
      // Addresses are made of it that a plan does not show.
      bitbucket: (event, payload, installationId) =>
        parseBitbucket(event, payload, { host: "default", webUrl: "https://bitbucket.org", installationId }),
    },
  };
}

/** Who reads our output may stop before its end (`wharfinger plan … | head`). Then nobody is left to tell: no error. */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}

outliveReaders();
const env = readEnvironment();
process.exitCode = await runCli(process.argv.slice(2), createCliParts(env, createTerminal(env)));
