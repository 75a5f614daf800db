import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { payloads } from "./intake-payloads.ts";

/** What the load generator is asked to do. */
export interface LoadOrder {
  readonly port: number;
  readonly path: string;
  /** The event whose payload is sent. */
  readonly payload: string;
  readonly seconds: number;
  readonly connections: number;
}

/** What one run of the load generator saw. */
export interface Load {
  readonly requests: number;
  readonly failures: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

interface Sample extends Load {
  /** Microseconds of processor time the server spent on a request. */
  readonly cpu: number;
}

const VARIANTS = [
  { name: "bare", title: "(a) node:http + HMAC" },
  { name: "wharfinger", title: "Wharfinger: durable, deduplicated" },
  { name: "probot", title: "(b) Probot Server, no-op handler" },
  { name: "probot-create", title: "(c) Probot + Sequelize Model.create" },
] as const;

export type VariantName = (typeof VARIANTS)[number]["name"];

const CONNECTIONS = 32;

const METHOD = `
Every request is a real example payload with a fresh delivery id and a true HMAC-SHA256 over its bytes. One server process
for each variant, one load generator process with ${CONNECTIONS} keep-alive connections; the variants take turns within a round, and
a ratio is the median over the rounds of ratios within one round. CPU is the server process's own time for a request, which
says more than req/s when the machine is busy with other things. Wharfinger and (c) commit to SQLite with WAL and
synchronous=FULL before they answer.`;

/** Prints how the intake compares; `--quick` runs less, for a first impression. */
export async function benchIntake(args: readonly string[]): Promise<void> {
  const quick = args.includes("--quick");
  const rounds = quick ? 2 : 7;
  const seconds = quick ? 0.5 : 2.5;
  const dir = await mkdtemp(join(tmpdir(), "wharfinger-bench-"));
  const servers = new Map<VariantName, Server>();
  const generator = startWorker("./intake-load.js", []);
  try {
    for (const { name } of VARIANTS) servers.set(name, await startServer(name, dir));
    for (const { name: payload, body } of payloads()) {
      const samples = new Map<VariantName, Sample[]>(VARIANTS.map(({ name }) => [name, []]));
      // The first round warms up and is not counted: it takes seconds until V8 has compiled a server's hot paths.
      for (let round = 0; round <= rounds; round += 1) {
        for (const [name, server] of servers) {
          const sample = await measure(server, generator, payload, round === 0 ? 2 * seconds : seconds);
          if (round > 0) samples.get(name)?.push(sample);
        }
      }
      print(`${payload}, ${body.length.toLocaleString("en")} bytes, ${rounds} rounds of ${seconds} s`, samples);
    }
    console.log(METHOD);
    console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}`);
  } finally {
    for (const worker of [generator, ...servers.values()]) worker.process.kill("SIGKILL");
    await rm(dir, { recursive: true });
  }
}

interface Worker {
  readonly process: ChildProcess;
  /** Its next message; rejects when it ends instead. */
  answer(): Promise<unknown>;
}

interface Server extends Worker {
  readonly port: number;
  readonly path: string;
}

function startWorker(file: string, args: readonly string[]): Worker {
  const child = fork(new URL(file, import.meta.url), args, {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: { PATH: process.env["PATH"] ?? "" },
  });
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${[file, ...args].join(" ")} ended with ${code}`);
  });
  // A worker that ends after its last answer did nothing wrong.
  ended.catch(() => undefined);
  return {
    process: child,
    answer: async () => {
      const [message] = await Promise.race([once(child, "message"), ended]);
      return message;
    },
  };
}

async function startServer(name: VariantName, dir: string): Promise<Server> {
  const worker = startWorker("./intake-server.js", [name, join(dir, `${name}.db`)]);
  const { port, path } = (await worker.answer()) as { port: number; path: string };
  return { ...worker, port, path };
}

async function ask(worker: Worker, question: LoadOrder | "cpu"): Promise<unknown> {
  const reply = worker.answer();
  worker.process.send(question);
  return reply;
}

async function measure(server: Server, generator: Worker, payload: string, seconds: number): Promise<Sample> {
  const { port, path } = server;
  const before = (await ask(server, "cpu")) as number;
  const load = (await ask(generator, { port, path, payload, seconds, connections: CONNECTIONS })) as Load;
  if (load.failures > 0) throw new Error(`${load.failures} of ${load.requests} requests to ${path} failed`);
  const cpu = ((await ask(server, "cpu")) as number) - before;
  return { ...load, cpu: cpu / Math.max(1, load.requests) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function rate(load: Load): number {
  return load.requests / load.seconds;
}

function print(title: string, samples: ReadonlyMap<VariantName, readonly Sample[]>): void {
  const bare = samples.get("bare") ?? [];
  const create = samples.get("probot-create") ?? [];
  const ratio = (own: readonly Sample[], other: readonly Sample[]) =>
    median(own.map((sample, round) => rate(sample) / rate(other[round] ?? sample))).toFixed(2);
  console.log(`\n${title}`);
  console.log(`${"".padEnd(38)}    req/s   p50 ms   p99 ms   CPU µs    ÷ (a)    ÷ (c)`);
  for (const { name, title: label } of VARIANTS) {
    const own = samples.get(name) ?? [];
    const cells = [
      Math.round(median(own.map(rate))).toLocaleString("en"),
      median(own.map((sample) => sample.p50)).toFixed(2),
      median(own.map((sample) => sample.p99)).toFixed(2),
      median(own.map((sample) => sample.cpu)).toFixed(0),
      ratio(own, bare),
      ratio(own, create),
    ];
    console.log(`${label.padEnd(38)}${cells.map((cell) => cell.padStart(9)).join("")}`);
  }
}
