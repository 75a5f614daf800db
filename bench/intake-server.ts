/** One variant, a process of its own. Arguments: variant, SQLite file. Tells its parent `{port, path}`, then CPU time when asked. */
import { createHmac, createSecretKey, generateKeyPairSync, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type ApplicationFunction, Probot, Server } from "probot";
import { DataTypes, Sequelize } from "sequelize";
import { createConnectEntrance } from "../src/bitbucket/addon.ts";
import { createSignedWebhookEntrance } from "../src/bitbucket/hooks.ts";
import type { Connection } from "../src/engine/grants-port.ts";
import { createInbox } from "../src/engine/inbox.ts";
import type { Entrance } from "../src/engine/ports.ts";
import { createGithubEntrance } from "../src/github/entrance.ts";
import { createIntake, serverLimits } from "../src/intake/receive.ts";
import { migrateStore, openStore } from "../src/store/store.ts";
import { freePort } from "../test/support/free-port.ts";
import type { ServerName } from "./intake.ts";
import { CLIENT_KEY, CONNECTION, SECRET, WORKSPACE } from "./intake-payloads.ts";
import { BASE_URL, GITHUB_PATH } from "./intake-requests.ts";

interface Listening {
  readonly port: number;
  readonly path: string | null;
}

async function listen(handler: RequestListener): Promise<Listening> {
  const server = createServer(serverLimits(), handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, path: null };
}

/** The least a receiver must do: read the body, check its signature, answer. */
function bare(): Promise<Listening> {
  const key = createSecretKey(SECRET, "utf8");
  function handle(req: IncomingMessage, res: ServerResponse): void {
    const hmac = createHmac("sha256", key);
    req.on("data", (chunk: Buffer) => hmac.update(chunk));
    req.once("end", () => {
      const given = Buffer.from(
        String(req.headers["x-hub-signature-256"] ?? req.headers["x-hub-signature"]).slice("sha256=".length),
        "hex",
      );
      const wanted = hmac.digest();
      const good = given.length === wanted.length && timingSafeEqual(given, wanted);
      res.writeHead(good ? 200 : 401, { "content-length": 2 }).end("ok");
    });
  }
  return listen(handle);
}

async function wharfinger(file: string): Promise<Listening> {
  const url = `sqlite:${file}`;
  await migrateStore(url);
  const inbox = createInbox(await openStore({ url, clock: Date }));
  const intake = createIntake({ entrances: entrances(), inbox });
  return listen((req, res) => {
    if (!intake.handle(req, res)) res.writeHead(404).end();
  });
}

/** All doors; what is known of those who knock is at hand, as it is in a server that has heard of them a moment ago. */
function entrances(): readonly Entrance[] {
  const common = { host: "default", clock: Date } as const;
  const account = { workspace: WORKSPACE, kind: "organization", login: "acme" } as const;
  const client = { ...account, clientKey: CLIENT_KEY, state: "active", secret: SECRET } as const;
  const connection: Connection = {
    ...account,
    id: CONNECTION,
    repository: null,
    secrets: [SECRET],
    token: "",
    hook: null,
    createdAt: new Date().toISOString(),
  };
  return [
    createGithubEntrance({ ...common, path: GITHUB_PATH, secrets: [SECRET] }),
    createSignedWebhookEntrance({ ...common, grants: { connection: async () => connection } }),
    createConnectEntrance({
      ...common,
      baseUrl: BASE_URL,
      appKey: "wharfinger",
      appSecret: null,
      clients: { find: async () => client },
    }),
  ];
}

/** Probot as its documentation starts it, its log included: that goes to a standard output nobody reads. */
async function probot(app: ApplicationFunction): Promise<Listening> {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  const server = new Server({
    host: "127.0.0.1",
    // Probot reads port 0 as its default port, 3000.
    port: await freePort(),
    Probot: Probot.defaults({ appId: 1, privateKey, secret: SECRET }),
  });
  await server.load(app);
  const { port } = (await server.start()).address() as AddressInfo;
  return { port, path: "/api/github/webhooks" };
}

function doNothing(): Promise<Listening> {
  return probot((app) => {
    app.on(["push", "pull_request"], () => undefined);
  });
}

async function create(file: string): Promise<Listening> {
  const sequelize = new Sequelize({ dialect: "sqlite", storage: file, logging: false });
  await sequelize.query("PRAGMA journal_mode = WAL");
  await sequelize.query("PRAGMA synchronous = FULL");
  const deliveries = sequelize.define("delivery", {
    deliveryId: { type: DataTypes.STRING, unique: true },
    event: DataTypes.STRING,
    payload: DataTypes.TEXT,
  });
  await sequelize.sync();
  return probot((app) => {
    app.on(["push", "pull_request"], async ({ id, name, payload }) => {
      await deliveries.create({ deliveryId: id, event: name, payload: JSON.stringify(payload) });
    });
  });
}

const start: Readonly<Record<ServerName, (file: string) => Promise<Listening>>> = {
  bare,
  wharfinger,
  probot: doNothing,
  "probot-create": create,
};

const [variant = "", file = ""] = process.argv.slice(2);
const listening = await start[variant as ServerName](file);
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
process.on("disconnect", () => process.exit());
process.send?.(listening);
