import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "@jest/globals";
import { createRegistryClient } from "../../src/registry/client.ts";
import { describeRegistry, type RegistryWorld } from "../contract/registry.contract.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { type Handler, pass, type Server, serve } from "./door.ts";

async function start(auth: boolean): Promise<TestRegistry> {
  const registry = await startRegistry({ auth });
  await pushBaseImage(registry);
  return registry;
}

describeRegistry("docker-registry without authentication", () => start(false), createRegistryClient);
describeRegistry("docker-registry with Basic authentication", () => start(true), createRegistryClient);
describeRegistry("docker-registry behind token authentication", startWithTokens, createRegistryClient);

const USER = "tester";
const PASSWORD = "token-service-password";
const BASIC = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`;

/** A door that wants tokens in front of a real registry, and the service that gives them, scope by scope. */
async function startWithTokens(): Promise<RegistryWorld> {
  const registry = await start(false);
  const tokens = new Map<string, string>();
  const service = await serve((request, response) => {
    if (request.headers.authorization !== BASIC) {
      response
        .writeHead(401, { "content-type": "application/json" })
        .end('{"details":"incorrect username or password"}');
      return;
    }
    const url = new URL(request.url ?? "", "http://service");
    if (url.searchParams.get("service") !== "door") return void response.writeHead(400).end();
    const token = randomBytes(16).toString("hex");
    tokens.set(token, url.searchParams.get("scope") ?? "");
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ access_token: token, expires_in: 60 }));
  });
  const door = await serve((request, response) => {
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(request.url ?? "")?.[1];
    const scope = repository === undefined ? "" : `repository:${repository}:pull`;
    const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
    if (tokens.get(token) === scope) return pass(registry.url, request, response);
    const challenge = `Bearer realm="${service.url}/token",service="door"${scope === "" ? "" : `,scope="${scope}"`}`;
    response.writeHead(401, { "www-authenticate": challenge }).end();
  });
  return {
    url: door.url,
    username: USER,
    password: PASSWORD,
    pushes: false,
    async stop() {
      await Promise.all([door.stop(), service.stop(), registry.stop()]);
    },
  };
}

describe("a registry that misbehaves", () => {
  const servers: Server[] = [];
  async function against(handle: Handler): Promise<Server> {
    const server = await serve(handle);
    servers.push(server);
    return server;
  }
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
  });
  function client(url: string, timeoutMs = 2000) {
    return createRegistryClient({ url, username: USER, password: PASSWORD, timeoutMs });
  }

  it("may be asked again when it is down, silent or overloaded", async () => {
    expect(await client("http://127.0.0.1:9").check()).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringMatching(/127\.0\.0\.1:9 .*(?:ECONNREFUSED|bad port)/),
    });
    const silent = await against(() => undefined);
    expect(await client(silent.url, 100).digest("a/b", "1")).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringContaining("in time"),
    });
    const broken = await against((_, response) => void response.writeHead(503, { "retry-after": "7" }).end());
    expect(await client(broken.url).digest("a/b", "1")).toMatchObject({ ok: false, retryable: true, retryAfter: 7 });
  });

  it("is quoted in its own words, bounded and on one line", async () => {
    const words = `no\nway ${"x".repeat(5000)}`;
    const server = await against((_, response) => {
      response.writeHead(403).end(JSON.stringify({ errors: [{ code: "DENIED", message: words }] }));
    });
    const answer = await client(server.url).getManifest("a/b", "1");
    expect(answer).toMatchObject({ ok: false, retryable: false, message: expect.stringContaining("403: no") });
    expect(answer.ok ? "" : answer.message).not.toMatch(/\n/);
    expect(answer.ok ? "" : answer.message.length).toBeLessThan(400);
  });

  it("gets no credentials before it asks for them, and passes them to nobody by a redirect", async () => {
    const elsewhere = await against((_, response) => void response.writeHead(200).end("{}"));
    const server = await against((request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
      } else {
        response.writeHead(307, { location: `${elsewhere.url}/stolen` }).end();
      }
    });
    const one = client(server.url);
    expect(await one.digest("a/b", "1")).toMatchObject({ ok: false });
    expect(server.requests[0]?.authorization).toBeUndefined();
    expect(elsewhere.requests).toEqual([]);
    await one.getBlob("a/b", `sha256:${"0".repeat(64)}`, 1000);
    expect(elsewhere.requests.map((request) => request.authorization)).toEqual([undefined]);
  });

  it("can not send the password to what is no web address", async () => {
    for (const realm of ["file:///etc/passwd", "gopher://x", "x"]) {
      const challenge = { "www-authenticate": `Bearer realm="${realm}"` };
      const server = await against((_, response) => void response.writeHead(401, challenge).end());
      expect(await client(server.url).check()).toMatchObject({ ok: false, retryable: false });
    }
  });

  it("can not make us send the password in the open when it is itself encrypted", async () => {
    const asked: string[] = [];
    const one = createRegistryClient({
      url: "https://registry.example.com",
      username: USER,
      password: PASSWORD,
      fetch: async (input) => {
        asked.push(String(input));
        return new Response(null, {
          status: 401,
          headers: { "www-authenticate": 'Bearer realm="http://plain.example.com/"' },
        });
      },
    });
    expect(await one.check()).toMatchObject({ ok: false, retryable: false });
    expect(asked).toEqual(["https://registry.example.com/v2/"]);
  });

  it("is not believed when the bytes are others than the digest says", async () => {
    const server = await against((_, response) => void response.writeHead(200).end("other bytes"));
    const digest = `sha256:${"1".repeat(64)}`;
    expect(await client(server.url).getManifest("a/b", digest)).toMatchObject({ ok: false });
    expect(await client(server.url).getBlob("a/b", digest, 1000)).toMatchObject({ ok: false });
  });

  it("is asked for a token once for each scope, not once for each request", async () => {
    const world = await startWithTokens();
    try {
      let tokens = 0;
      const one = createRegistryClient({
        ...world,
        fetch: async (input, init) => {
          if (String(input).includes("/token")) tokens++;
          return await fetch(input, init);
        },
      });
      for (let turn = 0; turn < 3; turn++) await one.digest("base/busybox", "1");
      expect(tokens).toBe(1);
    } finally {
      await world.stop();
    }
  });
});

describe("addresses", () => {
  const create = (url: string) => createRegistryClient({ url, username: null, password: null });

  it("know the names of Docker Hub", () => {
    for (const url of ["docker.io", "https://index.docker.io/v1/", "https://registry-1.docker.io"]) {
      expect(create(url).name).toBe("docker.io");
    }
    expect(create("https://registry.example.com:5000/").name).toBe("registry.example.com:5000");
  });

  it("hold no credentials", () => {
    expect(() => create("https://user:pass@registry.example.com")).toThrow("must not contain credentials");
  });
});
