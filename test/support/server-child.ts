/**
 * The whole server with a builder that only notes down what it was asked to build, for tests that kill it. Argument: a
 * {@link ServerChildInput} as JSON. Prints its address.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Builder, Logger } from "../../src/engine/ports.ts";
import { createGithubParts } from "../../src/parts.ts";
import { startServer } from "../../src/server.ts";
import { createLogStore } from "../../src/store/logs.ts";
import { migrateStore, openStore } from "../../src/store/store.ts";
import { registryOf } from "../engine/fakes.ts";
import { requestParts } from "./request-parts.ts";
import { soleRegistry } from "./sole-registry.ts";
import { digestOf } from "./world.ts";

export interface ServerChildInput {
  readonly folder: string;
  readonly databaseUrl: string;
  readonly appId: number;
  readonly privateKey: string;
  readonly secret: string;
  readonly url: string;
  readonly apiUrl: string;
  readonly leaseMs: number;
  /** How far its clock is ahead of the machine's; left out: it is not. */
  readonly aheadMs?: number;
  /** Left out: branches and tags are hardly ever compared. */
  readonly comparing?: { readonly everyMs: number; readonly graceMs: number };
}

const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

function notingBuilder(folder: string): Builder {
  return {
    name: "noting",
    check: async () => [],
    async build(context) {
      const { id, source } = context.request;
      appendFileSync(join(folder, "built.txt"), `${id} ${source.ref}\n`);
      await sleep(5);
      return { kind: "built", image: { digest: digestOf(source.sha) } };
    },
  };
}

async function main(input: ServerChildInput): Promise<void> {
  const { aheadMs = 0, comparing = { everyMs: 3_600_000, graceMs: 120_000 } } = input;
  const clock = { now: () => Date.now() + aheadMs };
  await migrateStore(input.databaseUrl);
  const github = { ...input, host: "default", webhookSecrets: [input.secret], clientId: null, clientSecret: null };
  const running = await startServer(
    {
      store: await openStore({ url: input.databaseUrl, clock }),
      logs: createLogStore(join(input.folder, "logs")),
      registries: soleRegistry(registryOf()),
      ...requestParts(join(input.folder, "request-key.pem")),
      builder: notingBuilder(input.folder),
      hosts: [createGithubParts(github, silent, clock)],
      clock,
      log: silent,
    },
    {
      host: "127.0.0.1",
      port: 0,
      publicUrl: "http://wharfinger.test",
      adminToken: null,
      views: fileURLToPath(new URL("../../views", import.meta.url)),
      namespaces: { kind: "automatic", provider: "github", host: "default" },
      builds: { concurrency: 4, network: "none", timeoutSeconds: 60, memoryBytes: 1024 ** 3, logBytes: 1024 ** 2 },
      retention: { bodiesDays: 30, deliveriesDays: 400, uninstalledDays: 30 },
      leaseMs: input.leaseMs,
      comparing: { ...comparing, spacingMs: 0 },
    },
  );
  process.stdout.write(`${running.url}\n`);
}

await main(JSON.parse(process.argv[2] ?? "{}") as ServerChildInput);
