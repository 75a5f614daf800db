/** The first run: serves the setup wizard, and nothing else, until the instance was told what it needs. */
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Config, Environment } from "./config.ts";
import type { Clock, Logger } from "./engine/ports.ts";
import type { SetupEnd } from "./engine/setup-port.ts";
import { serverLimits } from "./intake/receive.ts";
import { closeServer, listen } from "./listening.ts";
import { openConfiguredStore, systemClock } from "./parts.ts";
import { createSetupDesk } from "./setup-desk.ts";
import { migrateStore } from "./store/store.ts";
import { version } from "./version.ts";
import { createSetupWeb } from "./web/setup.ts";
import { createSetupSessions } from "./web/setup-session.ts";
import { createViews } from "./web/views.ts";

export interface Setup {
  /** Opens the wizard, once, within the hour. */
  readonly link: string;
  /** Resolves when the operator has finished it. */
  readonly finished: Promise<SetupEnd>;
  /** Frees the address and the database. */
  stop(): Promise<void>;
}

export interface SetupOptions {
  /** As the environment has it. */
  readonly config: Config;
  readonly env: Environment;
  /** Folder with the templates. */
  readonly views: string;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** The last answer is out by then. */
const CLOSE_MS = 1_000;

/** Resolves when it listens. */
export async function startSetup({ config, env, views, log, clock = systemClock }: SetupOptions): Promise<Setup> {
  await migrateStore(config.databaseUrl);
  const store = await openConfiguredStore(config, clock);
  const sessions = createSetupSessions(clock);
  const identity = randomBytes(16).toString("hex");
  let finish: (end: SetupEnd) => void = () => undefined;
  const finished = new Promise<SetupEnd>((resolve) => {
    finish = resolve;
  });
  const server = createServer(serverLimits());
  const desk = createSetupDesk({ env, store, clock, identity, ownUrl: () => `http://localhost:${portOf(server)}` });
  server.on(
    "request",
    createSetupWeb({
      desk,
      sessions,
      views: createViews(views, version),
      clock,
      log,
      identity,
      onFinished: (end) => finish(end),
    }),
  );
  try {
    await listen(server, config);
    const { publicUrl } = await desk.state();
    return {
      link: `${publicUrl}/setup/${sessions.link()}`,
      finished,
      async stop() {
        await closeServer(server, CLOSE_MS);
        await store.close();
      },
    };
  } catch (error) {
    await closeServer(server, CLOSE_MS);
    await store.close();
    throw error;
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
