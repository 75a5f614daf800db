/** Tokens that this program makes itself: which it makes, when, and who gets to see them. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { createRegistryClient, type RegistryOptions } from "../../src/registry/client.ts";
import { refuse, type Server, serve } from "./door.ts";

const DIGEST = `sha256:${"1".repeat(64)}`;
const REALM = "http://127.0.0.1:9/token";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

/** Has nothing, lets in who carries a token that `accepts` knows, and is in need of no other service. */
async function doorman(accepts: (token: string) => boolean): Promise<Server> {
  const server = await serve((request, response) => {
    const token = request.headers.authorization?.replace(/^Bearer /, "") ?? "";
    if (accepts(token)) return void response.writeHead(404).end();
    const challenge = `Bearer realm="${REALM}",service="x",scope="repository:a/b:pull"`;
    refuse(response, 401, "UNAUTHORIZED", "authentication required", { "www-authenticate": challenge });
  });
  servers.push(server);
  return server;
}

/** Makes `token-1`, `token-2`, … and keeps what they were asked for. */
function mint(seconds = 300) {
  const asked: (readonly string[])[] = [];
  return {
    asked,
    knows: (token: string) => asked.some((_, at) => token === `token-${at + 1}`),
    async issue(scopes: readonly string[]) {
      asked.push(scopes);
      return { token: `token-${asked.length}`, seconds };
    },
  };
}

function client(server: Server, options: Partial<RegistryOptions>) {
  return createRegistryClient({ url: server.url, username: null, password: null, timeoutMs: 2_000, ...options });
}

describe("a registry that trusts our token service", () => {
  it("gets tokens for exactly what is done, and the service it names is not asked", async () => {
    const { issue, asked, knows } = mint();
    const server = await doorman(knows);
    const sent: string[] = [];
    const one = client(server, {
      issue,
      fetch: async (input, init) => {
        sent.push(new URL(String(input)).origin);
        return await fetch(input, init);
      },
    });
    await one.check();
    await one.digest("acme/api", "1");
    await one.copy("staging/b1", "acme/api", DIGEST);
    await one.tag("acme/api", "1", DIGEST);
    await one.discard("staging/b1", DIGEST);
    expect(asked).toEqual([
      [],
      ["repository:acme/api:pull"],
      ["repository:staging/b1:pull", "repository:acme/api:pull,push"],
      ["repository:acme/api:pull,push"],
      ["repository:staging/b1:pull,delete"],
    ]);
    expect(new Set(sent)).toEqual(new Set([server.url]));
  });

  it("is not made to refuse first again and again", async () => {
    const { issue, knows } = mint();
    const server = await doorman(knows);
    const one = client(server, { issue });
    await one.digest("acme/api", "1");
    await one.digest("acme/web", "1");
    expect(server.requests.map(({ authorization }) => authorization)).toEqual([
      undefined,
      "Bearer token-1",
      "Bearer token-2",
    ]);
  });

  it("is shown one token by any number of requests at once", async () => {
    const { issue, asked, knows } = mint();
    const server = await doorman(knows);
    let go: () => void = () => undefined;
    const allRefused = new Promise<void>((resolve) => (go = resolve));
    let refused = 0;
    const one = client(server, {
      async issue(scopes) {
        await allRefused;
        return await issue(scopes);
      },
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        refused += response.status === 401 ? 1 : 0;
        if (refused === 20) setImmediate(go);
        return response;
      },
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => one.digest("acme/api", "1")));
    expect(answers).toEqual(answers.map(() => ({ ok: true, value: null })));
    expect(asked).toHaveLength(1);
  });

  it("gets a new token shortly before the old one ends", async () => {
    const { issue, asked, knows } = mint(100);
    const server = await doorman(knows);
    let now = Date.parse("2026-11-20T10:00:00Z");
    const one = client(server, { issue, clock: { now: () => now } });
    await one.digest("acme/api", "1");
    now += 70_000;
    await one.digest("acme/api", "1");
    expect(asked).toHaveLength(1);
    now += 10_000;
    await one.digest("acme/api", "1");
    expect(asked).toHaveLength(2);
    expect(server.requests).toHaveLength(4);
  });

  it("gets a new token when it takes the old one no longer, and only one", async () => {
    const { issue, asked } = mint();
    const server = await doorman((token) => token === "token-2");
    const one = client(server, { issue });
    // The first is refused at once: that is an answer, not a reason to go on making tokens.
    expect(await one.digest("acme/api", "1")).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("401"),
    });
    expect(asked).toHaveLength(1);
    expect(await one.digest("acme/api", "1")).toEqual({ ok: true, value: null });
    expect(asked).toHaveLength(2);
  });

  it("waits for no token longer than for an answer, and whoever stops waiting stops nobody else", async () => {
    const server = await doorman((token) => token === "late");
    let give: (answer: { token: string; seconds: number }) => void = () => undefined;
    const issue = () => new Promise<{ token: string; seconds: number }>((resolve) => (give = resolve));
    const one = client(server, { issue, timeoutMs: 300 });
    const controller = new AbortController();
    const stopped = one.tag("acme/api", "1", DIGEST, controller.signal);
    const patient = one.tag("acme/api", "1", DIGEST);
    setTimeout(() => controller.abort(), 50);
    expect(await stopped).toMatchObject({ ok: false, retryable: true, message: expect.stringContaining("stopped") });
    give({ token: "late", seconds: 60 });
    // There is no such manifest: it was let in.
    expect(await patient).toMatchObject({ ok: false, message: expect.stringContaining("has no") });
    expect(await one.discard("acme/api", DIGEST)).toMatchObject({ ok: false, retryable: true });
  });

  it("may be asked again when no token could be made", async () => {
    const server = await doorman(() => false);
    const issue = async () => {
      throw new Error("the key is not readable");
    };
    expect(await client(server, { issue }).copy("a", "b", DIGEST)).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringContaining("the key is not readable"),
    });
  });

  it("gets the password instead if that is what it wants, and no token", async () => {
    const { issue, asked } = mint();
    const basic = `Basic ${Buffer.from("me:secret").toString("base64")}`;
    const server = await serve((request, response) => {
      if (request.headers.authorization === basic) return void response.writeHead(404).end();
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    });
    servers.push(server);
    const one = client(server, { issue, username: "me", password: "secret" });
    expect(await one.digest("a", "1")).toEqual({ ok: true, value: null });
    expect(asked).toEqual([]);
    expect(await client(server, { issue }).digest("a", "1")).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("user name and password"),
    });
  });
});

it("a registry that is open for reading stays so after it wanted a password for writing", async () => {
  const server = await serve((request, response) => {
    if (request.method !== "DELETE") return void response.writeHead(404).end();
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
  });
  servers.push(server);
  const one = client(server, {});
  expect(await one.discard("a/b", DIGEST)).toMatchObject({ ok: false, retryable: false });
  expect(await one.digest("a/b", "1")).toEqual({ ok: true, value: null });
});

it("a refusal without a body is told in the words of its header", async () => {
  const server = await doorman(() => false);
  const challenge = `Bearer realm="${REALM}",service="x",error="insufficient_scope"`;
  const strict = await serve((_, response) => void response.writeHead(401, { "www-authenticate": challenge }).end());
  servers.push(strict);
  const { issue } = mint();
  expect(await client(strict, { issue }).digest("a/b", "1")).toMatchObject({
    ok: false,
    message: expect.stringMatching(/ answered 401: insufficient_scope$/),
  });
  expect(await client(server, { issue }).digest("a/b", "1")).toMatchObject({
    message: expect.stringMatching(/ answered 401$/),
  });
});

it("the service of another registry is asked for all scopes at once", async () => {
  const seen: string[][] = [];
  const service = await serve((request, response) => {
    seen.push(new URL(request.url ?? "", "http://x").searchParams.getAll("scope"));
    response.writeHead(200).end('{"token":"given"}');
  });
  servers.push(service);
  const server = await serve((request, response) => {
    if (request.headers.authorization === "Bearer given") return void response.writeHead(404).end();
    response.writeHead(401, { "www-authenticate": `Bearer realm="${service.url}/token",service="x"` }).end();
  });
  servers.push(server);
  await client(server, {}).copy("a/b", "c/d", DIGEST);
  expect(seen).toEqual([["repository:a/b:pull", "repository:c/d:pull,push"]]);
});
