/** An app as the host sees one: it serves a descriptor, takes down what it is sent, and answers as a test says. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { isObject, type JsonObject } from "../json.ts";

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body, which must be a JSON object. */
  json(): JsonObject;
}

export interface AppStub {
  readonly url: string;
  readonly received: Received[];
  /** Answers to the next requests, in order; then 204. `cut`: the connection is. `hang`: there is none. */
  readonly answers: (number | "cut" | "hang")[];
  /** Runs before a request is answered. */
  onRequest: (received: Received) => Promise<void> | void;
  /** A descriptor of this app, served at `/descriptor.json`. */
  descriptor: JsonObject;
  close(): Promise<void>;
}

export async function createAppStub(): Promise<AppStub> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      if (request.url === "/descriptor.json") {
        response.end(JSON.stringify(stub.descriptor));
        return;
      }
      const body = Buffer.concat(chunks).toString("utf8");
      const received: Received = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body,
        json() {
          const value: unknown = JSON.parse(body);
          if (!isObject(value)) throw new Error("the body is no object");
          return value;
        },
      };
      stub.received.push(received);
      await stub.onRequest(received);
      const answer = stub.answers.shift() ?? 204;
      if (answer === "cut") request.socket.destroy();
      else if (answer !== "hang") response.writeHead(answer).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`;
  const stub: AppStub = {
    url,
    received: [],
    answers: [],
    onRequest: () => undefined,
    descriptor: descriptorOf(url),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return stub;
}

/** `more` replaces whole fields. */
export function descriptorOf(baseUrl: string, more: JsonObject = {}): JsonObject {
  const events = ["repo:push", "repo:updated", "repo:transfer", "repo:deleted", "pullrequest:created"];
  return {
    key: "an-app",
    name: "An app",
    description: "Does things.",
    baseUrl,
    authentication: { type: "jwt" },
    lifecycle: { installed: "/installed", uninstalled: "/uninstalled" },
    scopes: ["account", "pullrequest"],
    contexts: ["account"],
    modules: {
      webhooks: events.map((event) => ({ event, url: "/hook" })),
      configurePage: {
        key: "configure",
        name: { value: "An app's <settings>" },
        url: "/configure?workspace={workspace.uuid}&user={user.uuid}&nothing={user.nothing}",
      },
      repoPages: [
        {
          key: "repository",
          name: { value: "Images" },
          location: "org.bitbucket.repository.navigation",
          url: "/repository/{repository.uuid}?name={repository.full_name}&by={user.uuid}",
        },
      ],
      postInstallRedirect: { key: "landing", url: "/landing?uuid={user_uuid}&type={user_type}&name={user_username}" },
    },
    ...more,
  };
}
