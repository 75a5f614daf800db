import { verify } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { makeAccessToken } from "../../src/core/access-tokens.ts";
import type { Answer } from "../../src/engine/ports.ts";
import { ensureKeyFile } from "../../src/keys.ts";
import type { Accounts } from "../../src/registry/admission.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import type { AccessHolder, BuildHolder } from "../../src/registry/token-grants.ts";
import { openTokenKeys, type TokenKeys } from "../../src/registry/token-keys.ts";
import { createTokenService, type TokenService } from "../../src/registry/token-service.ts";

const NOW = Date.parse("2026-11-20T12:00:00.700Z");
const SECONDS = Math.floor(NOW / 1_000);
const PASSWORD = "the-secret-of-the-lease";
const { id: TOKEN_ID, text: ACCESS_TOKEN } = makeAccessToken(Buffer.alloc(10, 1), Buffer.alloc(20, 2));

let folder: string;
let keys: TokenKeys;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-tokens-"));
  keys = openTokenKeys(folder, ensureKeyFile, NOW);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let now: number;
let holder: BuildHolder;
let access: AccessHolder;
let asked: unknown[];
let warnings: object[];
let service: TokenService;
beforeEach(() => {
  now = NOW;
  holder = { kind: "build", buildId: "b1", staging: "staging/b1", until: NOW + 60 * 60 * 1_000 };
  access = { kind: "access", tokenId: TOKEN_ID, namespace: "acme", access: "push", until: NOW + 60 * 60 * 1_000 };
  asked = [];
  warnings = [];
  service = create();
});

function create(changes: Partial<Accounts> = {}): TokenService {
  const accounts: Accounts = {
    async verify(username, password) {
      asked.push([username, password]);
      if (username === "acme" && password === ACCESS_TOKEN) return access;
      return username === "build-b1" && password === PASSWORD ? holder : null;
    },
    async pullable({ kind }, repositories) {
      asked.push([kind, ...repositories]);
      const open = kind === "anonymous" ? ["library/busybox"] : ["acme/api", "acme/tool", "library/busybox"];
      return new Set(repositories.filter((name) => open.includes(name)));
    },
    async pushable({ tokenId }, repositories) {
      asked.push([`push ${tokenId}`, ...repositories]);
      return new Map(repositories.map((name) => [name, name === "acme/tool" ? "granted" : "image-not-owned"]));
    },
    ...changes,
  };
  const log = {
    info: () => undefined,
    warn: (fields: object, message: string) => {
      warnings.push({ ...fields, message });
    },
    error: () => undefined,
  };
  return createTokenService({
    issuer: "wharfinger",
    service: "registry.example.com",
    keys,
    guests: { accounts, log },
    staging: createStagingNames("staging/{build}"),
    clock: { now: () => now },
  });
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text, "utf8").toString("base64")}`;
}

function ask(query: string, authorization?: string, from = "192.0.2.1"): Promise<Answer> {
  return service.answer({ query: new URLSearchParams(query), authorization, from });
}

const asBuild = (query: string) => ask(query, basic(`build-b1:${PASSWORD}`));

interface Token {
  readonly head: Record<string, unknown>;
  readonly claims: Record<string, unknown> & { readonly access: readonly object[]; readonly exp: number };
}

/** Checks the signature, too. */
function open(token: string): Token {
  const [head = "", claims = "", signature = ""] = token.split(".");
  const key = { key: keys.current.publicKey, dsaEncoding: "ieee-p1363" } as const;
  expect(verify("sha256", Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, "base64url"))).toBe(true);
  const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  return { head: read(head), claims: read(claims) };
}

function tokenOf(answer: Answer): Token {
  expect(answer).toMatchObject({ status: 200, body: { token: expect.any(String) } });
  return open((answer.body as { token: string }).token);
}

describe("the answer to a build", () => {
  it("is a token for the part of the scopes it may have", async () => {
    const answer = await asBuild(
      "service=registry.example.com&account=build-b1&scope=repository:staging/b1:pull,push&scope=repository:other/x:pull",
    );
    expect(answer).toMatchObject({
      status: 200,
      body: { expires_in: 300, issued_at: "2026-11-20T12:00:00.000Z" },
      headers: { "Cache-Control": "no-store" },
    });
    const { token, access_token: other } = answer.body as { token: string; access_token: string };
    expect(other).toBe(token);
    const { head, claims } = open(token);
    expect(head).toEqual({ typ: "JWT", alg: "ES256", kid: expect.stringMatching(/^(?:[A-Z2-7]{4}:){11}[A-Z2-7]{4}$/) });
    expect(claims).toEqual({
      iss: "wharfinger",
      sub: "build-b1",
      aud: "registry.example.com",
      iat: SECONDS,
      nbf: SECONDS,
      exp: SECONDS + 300,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      access: [{ type: "repository", name: "staging/b1", actions: ["pull", "push"] }],
    });
  });

  it("looks up all images to pull with one question, and its own staging with none", async () => {
    await asBuild("scope=repository:acme/api:pull repository:x/y:pull&scope=repository:staging/b1:pull,push");
    expect(asked).toEqual([
      ["build-b1", PASSWORD],
      ["build", "acme/api", "x/y"],
    ]);
  });

  it("is a token that opens nothing when nothing was asked for, as clients do to sign in", async () => {
    expect(tokenOf(await asBuild("account=build-b1&client_id=buildah&offline_token=true")).claims.access).toEqual([]);
  });

  it("never outlives the lease by a second", async () => {
    for (const [left, seconds] of [
      [400_000, 300],
      [300_000, 300],
      [299_000, 300],
      [15_000, 16],
      [1, 1],
    ] as const) {
      holder = { ...holder, until: NOW + left };
      const answer = await asBuild("scope=repository:staging/b1:push");
      expect(answer.body).toMatchObject({ expires_in: seconds });
      const { exp } = tokenOf(answer).claims;
      expect(exp * 1_000 - holder.until).toBeLessThan(1_000);
      expect(exp).toBe(SECONDS + seconds);
    }
  });

  it("is no when its lease is over, also if that happens while its images are looked up", async () => {
    holder = { ...holder, until: NOW };
    expect(await asBuild("")).toMatchObject({ status: 401 });
    holder = { ...holder, until: NOW + 50 };
    service = create({
      async pullable() {
        now += 50;
        return new Set();
      },
    });
    expect(await asBuild("scope=repository:staging/b1:push")).toMatchObject({ status: 200 });
    expect(await asBuild("scope=repository:staging/b1:push repository:acme/api:pull")).toMatchObject({ status: 401 });
  });
});

const asAccess = (query: string) => ask(query, basic(`acme:${ACCESS_TOKEN}`));

describe("the answer to an access token", () => {
  it("is a token to pull and push what it may, in the name of the access token's id", async () => {
    const { claims } = tokenOf(
      await asAccess("account=acme&scope=repository:acme/tool:pull,push repository:acme/api:pull,push"),
    );
    expect(claims).toMatchObject({
      sub: `whf_${TOKEN_ID}`,
      access: [
        { type: "repository", name: "acme/tool", actions: ["pull", "push"] },
        { type: "repository", name: "acme/api", actions: ["pull"] },
      ],
    });
    expect(JSON.stringify(claims)).not.toContain(ACCESS_TOKEN);
    expect(warnings).toEqual([
      {
        user: `whf_${TOKEN_ID}`,
        repository: "acme/api",
        actions: ["push"],
        reason: "image-not-owned",
        message: "the registry was asked for more than its user may have",
      },
    ]);
  });

  it("asks who owns an image only where somebody wants to push to it: asking takes it", async () => {
    await asAccess("scope=repository:acme/tool:pull repository:staging/b1:pull,push registry:catalog:*");
    expect(asked.filter((one) => String((one as string[])[0]).startsWith("push"))).toEqual([]);
    expect(warnings).toMatchObject([{ repository: "staging/b1", actions: ["pull", "push"], reason: "staging" }]);
  });

  it("never holds a deletion, nor the list of repositories", async () => {
    const { claims } = tokenOf(await asAccess("scope=repository:acme/tool:* registry:catalog:*"));
    expect(claims.access).toEqual([{ type: "repository", name: "acme/tool", actions: ["pull", "push"] }]);
    expect(warnings).toMatchObject([{ repository: "acme/tool", actions: ["delete"], reason: "nobody-deletes" }]);
  });

  it("says for the log who asked for another namespace, a build as well", async () => {
    await asAccess("scope=repository:other/api:pull");
    await asBuild("scope=repository:other/api:pull repository:acme/api:push");
    expect(warnings).toMatchObject([
      { user: `whf_${TOKEN_ID}`, repository: "other/api", reason: "other-namespace" },
      { user: "build-b1", repository: "other/api", reason: "other-namespace" },
      { user: "build-b1", repository: "acme/api", actions: ["push"], reason: "builds-push-to-staging" },
    ]);
  });

  it("never outlives the access token, whose end is a whole second", async () => {
    for (const left of [301, 300, 299, 15, 1]) {
      access = { ...access, until: (SECONDS + left) * 1_000 };
      const { exp } = tokenOf(await asAccess("scope=repository:acme/api:pull")).claims;
      expect(exp).toBe(SECONDS + Math.min(300, left));
    }
    access = { ...access, until: SECONDS * 1_000 };
    expect(await asAccess("")).toMatchObject({ status: 401 });
  });
});

describe("wrong access tokens", () => {
  const wrong = (seed: number) => makeAccessToken(Buffer.alloc(10, 1), Buffer.alloc(20, 100 + seed)).text;
  const send = (text: string, from?: string) => ask("", basic(`acme:${text}`), from);

  it("are refused in the same words as everything else", async () => {
    const answer = await send(wrong(1));
    expect(answer).toEqual(await ask("", basic("build-b1:wrong")));
    // From memory, too.
    expect(await send(wrong(1))).toEqual(answer);
    expect(asked).toHaveLength(2);
  });

  it("are looked at twenty times a minute from one address, and then not, right or wrong", async () => {
    for (let count = 0; count < 20; count += 1) expect(await send(wrong(count))).toMatchObject({ status: 401 });
    expect(asked).toHaveLength(20);
    const slow = {
      status: 429,
      body: { errors: [{ code: "TOOMANYREQUESTS" }] },
      headers: { "Retry-After": "60", "Cache-Control": "no-store" },
    };
    for (const text of [wrong(20), ACCESS_TOKEN]) expect(await send(text)).toMatchObject(slow);
    expect(asked).toHaveLength(20);
    expect(warnings).toContainEqual({
      from: "192.0.2.1",
      reason: "too-many-wrong",
      message: "an access token was not looked at",
    });
    now += 60_000;
    expect(await send(ACCESS_TOKEN)).toMatchObject({ status: 200 });
  });

  it("lock out nobody else: neither another address, nor a token that was right before, nor a build", async () => {
    expect(await send(ACCESS_TOKEN)).toMatchObject({ status: 200 });
    for (let count = 0; count < 40; count += 1) await send(wrong(count));
    expect(await send(wrong(99))).toMatchObject({ status: 429 });
    expect(await send(ACCESS_TOKEN)).toMatchObject({ status: 200 });
    expect(await asBuild("")).toMatchObject({ status: 200 });
    expect(await ask("scope=repository:library/busybox:pull")).toMatchObject({ status: 200 });
    expect(await send(wrong(99), "192.0.2.2")).toMatchObject({ status: 401 });
  });

  it("count once however often the same one comes: a cluster goes on for days with one that was revoked", async () => {
    for (let count = 0; count < 200; count += 1) expect(await send(wrong(0))).toMatchObject({ status: 401 });
    expect(asked).toHaveLength(1);
    expect(await send(ACCESS_TOKEN)).toMatchObject({ status: 200 });
    now += 60_000;
    expect(await send(wrong(0))).toMatchObject({ status: 401 });
    expect(asked).toHaveLength(3);
  });

  it("that were right once count again from then on", async () => {
    let revoked = false;
    service = create({
      verify: async (_username, password) => (password === ACCESS_TOKEN && !revoked ? access : null),
    });
    expect(await send(ACCESS_TOKEN)).toMatchObject({ status: 200 });
    revoked = true;
    expect(await send(ACCESS_TOKEN)).toMatchObject({ status: 401 });
    now += 60_000;
    for (let count = 0; count < 20; count += 1) await send(wrong(count));
    expect(await send(ACCESS_TOKEN)).toMatchObject({ status: 429 });
  });

  it("do not count when nobody could tell", async () => {
    let away = true;
    service = create({
      async verify(username, password) {
        if (away) throw new Error("database is away");
        return username === "acme" && password === ACCESS_TOKEN ? access : null;
      },
    });
    for (let count = 0; count < 30; count += 1) await expect(send(wrong(count))).rejects.toThrow("database is away");
    await expect(send(ACCESS_TOKEN)).rejects.toThrow("database is away");
    away = false;
    expect(await send(ACCESS_TOKEN)).toMatchObject({ status: 200 });
  });

  it("are counted before they are judged: sending them all at once is no way round", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, count) => send(wrong(count))));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(20);
    expect(asked).toHaveLength(20);
  });

  it("of a right one, sent several times at once by a client that pulls in parallel, there are none", async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(ACCESS_TOKEN)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  });
});

describe("the answer to nobody", () => {
  it("is a token to pull what is public, in nobody's name", async () => {
    const { claims } = tokenOf(await ask("scope=repository:library/busybox:pull,push repository:acme/api:pull"));
    expect(claims).toMatchObject({
      sub: "",
      access: [{ type: "repository", name: "library/busybox", actions: ["pull"] }],
      exp: SECONDS + 300,
    });
    expect(asked).toEqual([["anonymous", "library/busybox", "acme/api"]]);
  });

  it("is no for whoever names an account without a password", async () => {
    expect(await ask("account=build-b1&scope=repository:library/busybox:pull")).toMatchObject({ status: 401 });
    expect(asked).toEqual([]);
  });
});

describe("a refusal", () => {
  it("is an errors document, in the same words for every reason", async () => {
    const wrong = await ask("", basic("build-b1:wrong"));
    expect(wrong).toMatchObject({
      status: 401,
      body: { errors: [{ code: "UNAUTHORIZED", message: expect.any(String), detail: null }] },
      headers: { "WWW-Authenticate": expect.stringMatching(/^Basic /) },
    });
    expect(await ask("", basic("build-b2:wrong"))).toEqual(wrong);
    holder = { ...holder, until: NOW - 1 };
    expect(await asBuild("")).toEqual(wrong);
    expect(JSON.stringify(wrong)).not.toContain(PASSWORD);
  });

  it("meets whoever signs in as one and says to be another", async () => {
    expect(await asBuild("account=build-b2")).toMatchObject({ status: 401 });
    expect(await asBuild("account=build-b1&account=build-b2")).toMatchObject({ status: 401 });
  });

  it("meets whoever asks for another registry", async () => {
    for (const query of ["service=other", "service=", "service=registry.example.com&service=other"]) {
      expect(await asBuild(query)).toMatchObject({ status: 400, body: { errors: [{ code: "UNSUPPORTED" }] } });
    }
    expect(asked).toEqual([]);
  });

  it.each([
    "",
    "Basic",
    "Basic ",
    "Basic !!!!",
    "Bearer abc",
    `Bearer ${Buffer.from(`build-b1:${PASSWORD}`).toString("base64")}`,
    `${basic(`build-b1:${PASSWORD}`)},Basic eDp5`,
    basic("build-b1"),
    basic(":"),
    basic(`:${PASSWORD}`),
    basic("build-b1:"),
    basic(`build-b1:${PASSWORD}\n`),
    basic(`build b1:${PASSWORD}`),
    basic(`build-b1\u0000:${PASSWORD}`),
    basic(`b\u00fcild:${PASSWORD}`),
    basic(`build-b1:${"x".repeat(2_000)}`),
    basic(`${"x".repeat(2_000)}:${PASSWORD}`),
  ])("meets credentials that are none, without anybody being asked: %j", async (authorization) => {
    expect(await ask("", authorization)).toMatchObject({ status: 401 });
    expect(asked).toEqual([]);
  });

  it("does not hide that the accounts do not answer", async () => {
    service = create({ verify: () => Promise.reject(new Error("database is away")) });
    await expect(asBuild("")).rejects.toThrow("database is away");
  });
});

describe("a password", () => {
  it("may hold colons", async () => {
    await ask("", basic("build-b1:a:b:c"));
    expect(asked).toEqual([["build-b1", "a:b:c"]]);
  });
});

describe("the service's own tokens", () => {
  it("hold what is asked for, and ask nobody", async () => {
    const { token, seconds } = await service.issue([
      "repository:staging/b1:pull",
      "repository:acme/api:pull,push,delete",
    ]);
    expect(seconds).toBe(300);
    expect(open(token).claims).toMatchObject({
      sub: "wharfinger",
      access: [
        { type: "repository", name: "staging/b1", actions: ["pull"] },
        { type: "repository", name: "acme/api", actions: ["pull", "push", "delete"] },
      ],
    });
    expect(asked).toEqual([]);
  });

  it("are all different", async () => {
    const [one, other] = await Promise.all([service.issue([]), service.issue([])]);
    expect(one.token).not.toBe(other.token);
  });

  it("name their key as the registry wants it", async () => {
    const clock = { now: () => now };
    const staging = createStagingNames("staging/{build}");
    const options = { issuer: "i", service: "s", keys, guests: null, staging, clock };
    const x5c = await createTokenService({ ...options, kidFormat: "x5c" }).issue([]);
    expect(open(x5c.token).head).toEqual({ typ: "JWT", alg: "ES256", x5c: [expect.stringMatching(/^MII/)] });
    const rfc7638 = await createTokenService({ ...options, kidFormat: "rfc7638" }).issue([]);
    expect(open(rfc7638.token).head).toEqual({ typ: "JWT", alg: "ES256", kid: expect.stringMatching(/^[\w-]{43}$/) });
  });
});
