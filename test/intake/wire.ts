import { createServer, type Server, type ServerOptions } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Inbox } from "../../src/engine/inbox.ts";
import type { Entrance, IncomingDelivery } from "../../src/engine/ports.ts";
import type { IntakeLimits } from "../../src/intake/limits.ts";
import { createIntake, serverLimits } from "../../src/intake/receive.ts";

/** Takes anything posted to /hook; a body that begins with `forged` is refused once it is complete. */
function hookEntrance(maxBytes: number, onBytes: (count: number) => void): Entrance {
  return {
    open({ method, path, headers }) {
      if (path !== "/hook") return null;
      if (method !== "POST") return { answer: { status: 405, body: { error: { code: "method", message: "" } } } };
      let seen = 0;
      return {
        maxBytes,
        update: (chunk) => {
          if (headers["x-bug"] !== undefined) throw new Error("a bug in the entrance");
          seen += chunk.length;
          onBytes(chunk.length);
        },
        close: (body) => {
          if (seen !== body.length) throw new Error("update did not see the whole body");
          if (body.subarray(0, 6).equals(Buffer.from("forged"))) {
            return { answer: { status: 401, body: { error: { code: "signature", message: "" } } } };
          }
          return delivery(String(headers["x-id"] ?? "none"), body);
        },
      };
    },
  };
}

function lookingUp(entrance: Entrance, lookUp: () => Promise<void>): Entrance {
  return {
    open(request) {
      const opening = entrance.open(request);
      return opening === null ? null : lookUp().then(() => opening);
    },
  };
}

function delivery(deliveryId: string, body: Buffer): IncomingDelivery {
  return {
    provider: "github",
    host: "default",
    deliveryId,
    event: "push",
    action: null,
    stream: "repo:1",
    repositoryId: "1",
    repositoryName: "acme/api",
    installationId: "7",
    receivedAt: Date.UTC(2026, 10, 20, 10),
    body,
  };
}

export interface Receiver {
  readonly port: number;
  readonly answers: string[];
  /** Bytes of bodies that arrived so far. */
  arrived(): number;
  close(): Promise<void>;
}

export async function startReceiver(options: {
  readonly inbox: Pick<Inbox, "accept">;
  readonly maxBytes?: number;
  readonly limits?: Partial<IntakeLimits>;
  readonly server?: ServerOptions;
  /** What the entrance looks up before it opens; left out: nothing. */
  readonly lookUp?: () => Promise<void>;
}): Promise<Receiver> {
  const answers: string[] = [];
  let arrived = 0;
  const entrance = hookEntrance(options.maxBytes ?? 1000, (count) => {
    arrived += count;
  });
  const intake = createIntake({
    entrances: [options.lookUp === undefined ? entrance : lookingUp(entrance, options.lookUp)],
    inbox: options.inbox,
    limits: { lingerMs: 200, ...options.limits },
    onAnswer: (path, status, ms) => answers.push(`${path} ${status} ${ms >= 0}`),
  });
  const server: Server = createServer({ ...serverLimits(), ...options.server }, (req, res) => {
    if (!intake.handle(req, res)) res.writeHead(404).end("not a webhook");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    answers,
    arrived: () => arrived,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

/** A connection of which the test says every byte. */
export interface Wire {
  send(bytes: string | Buffer): void;
  /** Resolves with everything received when `wanted` is in it; rejects when the connection ends or 10 s pass before. */
  until(wanted: string): Promise<string>;
  /** Resolves with everything received once the other side closed. */
  closed(): Promise<string>;
  abort(): void;
}

export function openWire(port: number): Wire {
  const socket: Socket = connect(port, "127.0.0.1");
  let received = "";
  let ended = false;
  let check: () => void = () => undefined;
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    check();
  });
  socket.on("close", () => {
    ended = true;
    check();
  });
  // A reset is one of the ways to be turned away; "close" follows.
  socket.on("error", () => check());

  function wait(done: () => boolean, what: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${what} in 10 s, but: ${received}`)), 10_000);
      check = () => {
        if (!done() && !ended) return;
        clearTimeout(timer);
        check = () => undefined;
        if (done()) resolve(received);
        else reject(new Error(`closed without ${what}: ${received}`));
      };
      check();
    });
  }
  return {
    send: (bytes) => socket.write(bytes),
    until: (wanted) => wait(() => received.includes(wanted), wanted),
    closed: () => wait(() => ended, "end"),
    abort: () => socket.destroy(),
  };
}

/** Head of a POST to /hook. */
export function head(id: string, ...lines: string[]): string {
  return ["POST /hook?from=test HTTP/1.1", "Host: test", `X-Id: ${id}`, ...lines, "", ""].join("\r\n");
}

/** A whole POST to /hook. */
export function post(id: string, body: string): string {
  return head(id, `Content-Length: ${Buffer.byteLength(body)}`) + body;
}
