import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { payloads } from "./intake-payloads.ts";
import { type RequestKind, requestOf } from "./intake-requests.ts";

/** What the load generator is asked to do. */
export interface LoadOrder {
  readonly port: number;
  readonly path: string;
  /** Name of the payload that is sent. */
  readonly payload: string;
  /** Lines of the request's head, the signature among them. */
  readonly headers: readonly string[];
  /** The header that carries the delivery's id, and which version of UUID that is. */
  readonly ids: { readonly header: string; readonly version: 1 | 4 };
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

interface Variant {
  readonly server: ServerName;
  readonly title: string;
  readonly request: RequestKind;
  readonly payload: string;
}

/** One table: variants that take turns. The first is (a); (c), where there is one, is the last. */
interface Series {
  readonly title: string;
  readonly variants: readonly Variant[];
  readonly compared: boolean;
}

function githubSeries(payload: string): Series {
  const sent = { request: "github", payload } as const;
  return {
    title: `GitHub: ${payload}`,
    compared: true,
    variants: [
      { ...sent, server: "bare", title: "(a) node:http + HMAC" },
      { ...sent, server: "wharfinger", title: "Wharfinger: durable, deduplicated" },
      { ...sent, server: "probot", title: "(b) Probot Server, no-op handler" },
      { ...sent, server: "probot-create", title: "(c) Probot + Sequelize Model.create" },
    ],
  };
}

const SERIES: readonly Series[] = [
  githubSeries("push"),
  githubSeries("pull_request"),
  {
    title: "Bitbucket: repo:push",
    compared: false,
    variants: [
      { server: "bare", request: "signed", payload: "repo:push", title: "(a) node:http + HMAC" },
      { server: "wharfinger", request: "signed", payload: "repo:push", title: "Wharfinger, signed webhook" },
      {
        server: "wharfinger",
        request: "connect",
        payload: "repo:push in an envelope",
        title: "Wharfinger, Connect add-on",
      },
    ],
  },
];

const SERVERS = ["bare", "wharfinger", "probot", "probot-create"] as const;

export type ServerName = (typeof SERVERS)[number];

const CONNECTIONS = 32;

const METHOD = `
Every request is a whole payload with a fresh delivery id and a true signature: HMAC-SHA256 over its bytes, or the JWT of
Connect, which does not cover the body. One server process for each kind of server, one load generator process with ${CONNECTIONS} keep-alive connections; the variants take turns within a round, and
a ratio is the median over the rounds of ratios within one round. CPU is the server process's own time for a request, which
says more than req/s when the machine is busy with other things. Wharfinger and (c) commit to SQLite with WAL and
synchronous=FULL before they answer.`;

/** Prints how the intake compares; `--quick` runs less, for a first impression. */
export async function benchIntake(args: readonly string[]): Promise<void> {
  const quick = args.includes("--quick");
  const rounds = quick ? 2 : 7;
  const seconds = quick ? 0.5 : 2.5;
  const dir = await mkdtemp(join(tmpdir(), "wharfinger-bench-"));
  const servers = new Map<ServerName, Server>();
  const generator = startWorker("./intake-load.js", []);
  try {
    for (const name of SERVERS) servers.set(name, await startServer(name, dir));
    for (const series of SERIES) {
      const runs = series.variants.map((variant) => ({ variant, samples: [] as Sample[] }));
      // The first round warms up and is not counted: it takes seconds until V8 has compiled a server's hot paths.
      for (let round = 0; round <= rounds; round += 1) {
        for (const { variant, samples } of runs) {
          const server = servers.get(variant.server);
          if (server === undefined) throw new Error(`there is no server ${variant.server}`);
          const sample = await measure(server, generator, variant, round === 0 ? 2 * seconds : seconds);
          if (round > 0) samples.push(sample);
        }
      }
      print(`${rounds} rounds of ${seconds} s`, series, runs);
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
  /** Where it wants GitHub's webhooks; null: where Wharfinger does. */
  readonly path: string | null;
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

async function startServer(name: ServerName, dir: string): Promise<Server> {
  const worker = startWorker("./intake-server.js", [name, join(dir, `${name}.db`)]);
  const { port, path } = (await worker.answer()) as { port: number; path: string | null };
  return { ...worker, port, path };
}

async function ask(worker: Worker, question: LoadOrder | "cpu"): Promise<unknown> {
  const reply = worker.answer();
  worker.process.send(question);
  return reply;
}

async function measure(server: Server, generator: Worker, variant: Variant, seconds: number): Promise<Sample> {
  const payload = payloads().find(({ name }) => name === variant.payload);
  if (payload === undefined) throw new Error(`there is no payload ${variant.payload}`);
  const request = requestOf(variant.request, payload);
  const order: LoadOrder = {
    ...request,
    port: server.port,
    path: server.path ?? request.path,
    payload: payload.name,
    seconds,
    connections: CONNECTIONS,
  };
  const before = (await ask(server, "cpu")) as number;
  const load = (await ask(generator, order)) as Load;
  if (load.failures > 0) throw new Error(`${load.failures} of ${load.requests} requests to ${order.path} failed`);
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

function print(
  rounds: string,
  series: Series,
  runs: readonly { readonly variant: Variant; readonly samples: readonly Sample[] }[],
): void {
  const bare = runs[0]?.samples ?? [];
  const create = series.compared ? (runs.at(-1)?.samples ?? []) : null;
  const ratio = (own: readonly Sample[], other: readonly Sample[]) =>
    median(own.map((sample, round) => rate(sample) / rate(other[round] ?? sample))).toFixed(2);
  const bytes = payloads().find(({ name }) => name === series.variants[0]?.payload)?.body.length ?? 0;
  console.log(`\n${series.title}, ${bytes.toLocaleString("en")} bytes, ${rounds}`);
  console.log(`${"".padEnd(38)}    req/s   p50 ms   p99 ms   CPU µs    ÷ (a)${create === null ? "" : "    ÷ (c)"}`);
  for (const { variant, samples } of runs) {
    const cells = [
      Math.round(median(samples.map(rate))).toLocaleString("en"),
      median(samples.map((sample) => sample.p50)).toFixed(2),
      median(samples.map((sample) => sample.p99)).toFixed(2),
      median(samples.map((sample) => sample.cpu)).toFixed(0),
      ratio(samples, bare),
      ...(create === null ? [] : [ratio(samples, create)]),
    ];
    console.log(`${variant.title.padEnd(38)}${cells.map((cell) => cell.padStart(9)).join("")}`);
  }
}
