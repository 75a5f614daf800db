/** Servers of a test's own: stand-ins for a registry, or doors in front of a real one that change what passes. */
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly accept: string | undefined;
}

export interface Server {
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  stop(): Promise<void>;
}

export async function serve(handle: Handler): Promise<Server> {
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const { authorization, accept } = request.headers;
    requests.push({ method: request.method ?? "", url: request.url ?? "", authorization, accept });
    handle(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Hands a request on to the registry at `target`, without its authorization, and the answer back. */
export function pass(
  target: string,
  request: IncomingMessage,
  response: ServerResponse,
  path = request.url ?? "",
): void {
  const { authorization: _, ...headers } = request.headers;
  const outgoing = httpRequest(new URL(path, target), { method: request.method ?? "GET", headers });
  outgoing.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  outgoing.on("error", () => response.destroy());
  request.on("aborted", () => outgoing.destroy());
  request.pipe(outgoing);
}

/** What a registry says when it refuses. */
export function refuse(response: ServerResponse, status: number, code: string, message: string, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}
