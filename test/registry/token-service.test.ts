import { verify } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Answer } from "../../src/engine/ports.ts";
import { ensureKeyFile } from "../../src/keys.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import type { BuildHolder } from "../../src/registry/token-grants.ts";
import { openTokenKeys, type TokenKeys } from "../../src/registry/token-keys.ts";
import { type Accounts, createTokenService, type TokenService } from "../../src/registry/token-service.ts";

const NOW = Date.parse("2026-11-20T12:00:00.700Z");
const SECONDS = Math.floor(NOW / 1_000);
const PASSWORD = "the-secret-of-the-lease";

let folder: string;
let keys: TokenKeys;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-tokens-"));
  keys = openTokenKeys(folder, ensureKeyFile, NOW);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let now: number;
let holder: BuildHolder;
let asked: unknown[];
let service: TokenService;
beforeEach(() => {
  now = NOW;
  holder = { kind: "build", buildId: "b1", staging: "staging/b1", until: NOW + 60 * 60 * 1_000 };
  asked = [];
  service = create();
});

function create(changes: Partial<Accounts> = {}): TokenService {
  const accounts: Accounts = {
    async verify(username, password) {
      asked.push([username, password]);
      return username === "build-b1" && password === PASSWORD ? holder : null;
    },
    async pullable({ kind }, repositories) {
      asked.push([kind, ...repositories]);
      const open = kind === "build" ? ["acme/api", "library/busybox"] : ["library/busybox"];
      return new Set(repositories.filter((name) => open.includes(name)));
    },
    ...changes,
  };
  return createTokenService({
    issuer: "wharfinger",
    service: "registry.example.com",
    keys,
    accounts,
    staging: createStagingNames("staging/{build}"),
    clock: { now: () => now },
  });
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text, "utf8").toString("base64")}`;
}

function ask(query: string, authorization?: string): Promise<Answer> {
  return service.answer({ query: new URLSearchParams(query), authorization });
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
    const accounts: Accounts = { verify: async () => null, pullable: async () => new Set() };
    const staging = createStagingNames("staging/{build}");
    const options = { issuer: "i", service: "s", keys, accounts, staging, clock };
    const x5c = await createTokenService({ ...options, kidFormat: "x5c" }).issue([]);
    expect(open(x5c.token).head).toEqual({ typ: "JWT", alg: "ES256", x5c: [expect.stringMatching(/^MII/)] });
    const rfc7638 = await createTokenService({ ...options, kidFormat: "rfc7638" }).issue([]);
    expect(open(rfc7638.token).head).toEqual({ typ: "JWT", alg: "ES256", kid: expect.stringMatching(/^[\w-]{43}$/) });
  });
});
