import { beforeEach, describe, expect, it } from "@jest/globals";
import { accessTokenId } from "../../src/core/access-tokens.ts";
import { DEFAULT_REGISTRY_SETTINGS } from "../../src/core/registry-settings.ts";
import {
  type AccessTokens,
  accessTokenJson,
  createAccessTokens,
  madeTokenJson,
} from "../../src/engine/access-tokens.ts";
import type {
  AccessToken,
  AccessTokenRecord,
  NamespaceAccount,
  NewAccessToken,
} from "../../src/engine/access-tokens-port.ts";
import { hashOfToken } from "../../src/engine/accounts.ts";
import type { KnownRegistry } from "../../src/engine/registries.ts";

const NOW = Date.parse("2026-11-20T12:00:00.500Z");
const BY = { kind: "operator" } as const;
const ACCOUNT: NamespaceAccount = {
  account: { provider: "github", host: "default", id: "9" },
  login: "acme",
  standing: "good",
};
const WORKSPACE: NamespaceAccount = {
  account: { provider: "bitbucket", host: "default", id: "{5d2b}" },
  login: null,
  standing: "good",
};
const WISH = { name: "ci", access: "pull", days: 90, account: null } as const;

let accounts: readonly NamespaceAccount[];
let kind: "token" | "basic" | null;
let answer: "saved" | "name-taken" | "too-many" | "no-standing";
let saved: NewAccessToken[];
let rows: readonly AccessToken[];
let revoked: unknown[];
let tokens: AccessTokens;
beforeEach(() => {
  accounts = [ACCOUNT];
  kind = "token";
  answer = "saved";
  saved = [];
  rows = [];
  revoked = [];
  tokens = createAccessTokens({
    store: {
      namespaceAccounts: async (namespace) => (namespace === "acme" ? accounts : []),
      async saveAccessToken(token) {
        saved.push(token);
        return answer;
      },
      async accessToken(id): Promise<AccessTokenRecord | null> {
        const token = saved.find((one) => one.id === id);
        const kept = token === undefined ? rows.find((one) => one.id === id) : rowOf(token);
        return kept === undefined
          ? null
          : { token: kept, hash: token?.hash ?? "", standing: "good", registry: "default" };
      },
      async listAccessTokens({ namespace, limit, cursor }) {
        const of = namespace === "acme" ? rows : [];
        const from = Number(cursor ?? 0);
        const next = from + limit < of.length ? String(from + limit) : null;
        return { items: of.slice(from, from + limit), next };
      },
      async revokeAccessToken(namespace, id) {
        revoked.push([namespace, id]);
        return rows.find((one) => one.id === id && namespace === "acme") ?? null;
      },
    },
    registries: { ofNamespace: async () => (kind === null ? null : registryOf(kind)) },
    clock: { now: () => NOW },
  });
});

function rowOf({ hash: _hash, expiresAt, ...token }: NewAccessToken): AccessToken {
  const createdAt = new Date(NOW).toISOString();
  const never = { revokedAt: null, lastUsedAt: null };
  return { ...token, ...never, by: BY, createdAt, expiresAt: new Date(expiresAt).toISOString() };
}

function registryOf(kind: "token" | "basic"): KnownRegistry {
  return {
    name: "default",
    host: "registry.example.com",
    settings: { ...DEFAULT_REGISTRY_SETTINGS, url: "https://registry.example.com", kind },
    staging: { of: () => ({ repository: "staging/b", tag: "build", own: true }), has: () => false },
    namespaces: [],
    credential: () => null,
    client() {
      throw new Error("no registry is asked for a token");
    },
  };
}

describe("making a token", () => {
  it("keeps its hash, and answers the token, whose name is the namespace", async () => {
    const made = await tokens.make("acme", { ...WISH, access: "push", days: 1 }, BY);
    if (made.kind === "refused") throw new Error(made.why);
    const [kept] = saved;
    expect(accessTokenId(made.secret)).toBe(kept?.id);
    expect(kept).toEqual({
      id: expect.any(String),
      hash: hashOfToken(made.secret),
      namespace: "acme",
      account: ACCOUNT.account,
      name: "ci",
      access: "push",
      expiresAt: Date.parse("2026-11-21T12:00:00.000Z"),
    });
    expect(JSON.stringify(kept)).not.toContain(made.secret.slice(21));
    expect(made).toMatchObject({ registry: "registry.example.com", token: { expiresAt: "2026-11-21T12:00:00.000Z" } });
    expect(madeTokenJson(made)).toMatchObject({
      id: made.secret.slice(0, 20),
      token: made.secret,
      username: "acme",
      registry: "registry.example.com",
      account: "github:default:9",
    });
    expect(JSON.stringify(accessTokenJson(made.token))).not.toContain(made.secret.slice(21));
  });

  it("makes another one each time", async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => tokens.make("acme", WISH, BY)));
    expect(new Set(all.map((one) => (one.kind === "made" ? one.secret : ""))).size).toBe(50);
  });

  it("is for the account that is named where there are several, and for no other", async () => {
    accounts = [WORKSPACE, ACCOUNT];
    const unclear = await tokens.make("acme", WISH, BY);
    expect(unclear).toMatchObject({ kind: "refused", code: "account" });
    expect(unclear).toMatchObject({
      why: expect.stringContaining("bitbucket:default:{5d2b} and github:default:9 (acme) may"),
    });
    for (const account of ["github:default:8", "acme", "github:other:9", "bitbucket:default:9"]) {
      expect(await tokens.make("acme", { ...WISH, account }, BY)).toMatchObject({ kind: "refused", code: "account" });
    }
    expect(saved).toEqual([]);
    await tokens.make("acme", { ...WISH, account: "bitbucket:default:{5d2b}" }, BY);
    expect(saved).toMatchObject([{ account: WORKSPACE.account }]);
  });

  it.each<[string, () => void, string, string]>([
    [
      "nobody has the namespace",
      () => {
        accounts = [];
      },
      "unknown-namespace",
      "Nobody has the namespace",
    ],
    [
      "its registry is gone",
      () => {
        kind = null;
      },
      "unknown-namespace",
      "in a registry there is",
    ],
    [
      "its registry has accounts of its own",
      () => {
        kind = "basic";
      },
      "no-token-registry",
      "does not know our tokens",
    ],
    [
      "its account is not installed",
      () => {
        answer = "no-standing";
      },
      "not-standing",
      "github:default:9 (acme) has no installation",
    ],
    [
      "the name is taken",
      () => {
        answer = "name-taken";
      },
      "name-taken",
      "A token called ci works in acme already",
    ],
    [
      "there are too many",
      () => {
        answer = "too-many";
      },
      "too-many",
      "acme has 100 tokens",
    ],
  ])("is refused with what to do where %s", async (_what, given, code, words) => {
    given();
    expect(await tokens.make("acme", WISH, BY)).toEqual({ kind: "refused", code, why: expect.stringContaining(words) });
    if (["unknown-namespace", "no-token-registry"].includes(code)) expect(saved).toEqual([]);
  });
});

describe("listing tokens", () => {
  it("tells a namespace without tokens from one nobody has", async () => {
    expect(await tokens.list("acme", { limit: 10, cursor: null })).toEqual({ items: [], next: null });
    expect(await tokens.list("acme-evil", { limit: 10, cursor: null })).toBeNull();
  });
});

describe("revoking a token", () => {
  const row = (id: string, changes: Partial<AccessToken> = {}): AccessToken => ({
    ...rowOf({ ...WISH, id, hash: "", namespace: "acme", account: ACCOUNT.account, expiresAt: NOW + 1_000 }),
    ...changes,
  });
  const [ONE, TWO, THREE] = ["a", "b", "c"].map((digit) => digit.repeat(16)) as [string, string, string];

  it("takes an id, or the name of the one that works", async () => {
    rows = [
      row(ONE, { expiresAt: new Date(NOW).toISOString() }),
      ...Array.from({ length: 120 }, (_, index) => row(`${index}`.padStart(16, "d"), { name: `other-${index}` })),
      row(TWO),
      row(THREE, { revokedAt: "2026-11-20T11:00:00.000Z" }),
    ];
    expect(await tokens.revoke("acme", "ci", BY)).toMatchObject({ id: TWO });
    expect(await tokens.revoke("acme", `whf_${ONE}`, BY)).toMatchObject({ id: ONE });
    expect(await tokens.revoke("acme", THREE, BY)).toMatchObject({ id: THREE });
    expect(revoked).toEqual([
      ["acme", TWO],
      ["acme", ONE],
      ["acme", THREE],
    ]);
  });

  it("takes an id for the token it is of, whatever others are called", async () => {
    rows = [row(TWO, { name: `whf_${ONE}` }), row(THREE, { name: ONE }), row(ONE)];
    expect(await tokens.revoke("acme", `whf_${ONE}`, BY)).toMatchObject({ id: ONE });
    expect(await tokens.revoke("acme", ONE, BY)).toMatchObject({ id: ONE });
  });

  it("asks for nothing where the name is nobody's, nor for another namespace's", async () => {
    rows = [row(ONE, { revokedAt: "2026-11-20T11:00:00.000Z" })];
    expect(await tokens.revoke("acme", "ci", BY)).toBeNull();
    expect(await tokens.revoke("acme", "'; DROP TABLE access_tokens", BY)).toBeNull();
    expect(revoked).toEqual([]);
    expect(await tokens.revoke("acme-evil", ONE, BY)).toBeNull();
  });
});
