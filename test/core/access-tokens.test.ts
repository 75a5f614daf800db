import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import {
  accessTokenId,
  inNamespace,
  makeAccessToken,
  parseTokenId,
  parseTokenWish,
  shownTokenId,
  TOKEN_ID_BYTES,
  TOKEN_SECRET_BYTES,
  tokenExpiry,
  tokenRefusal,
} from "../../src/core/access-tokens.ts";

const { id: ID, text: TOKEN } = makeAccessToken(
  Buffer.from("000102030405060708ff", "hex"),
  Buffer.from("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeed00", "hex"),
);

describe("an access token", () => {
  it("is whf_, its id and its secret, in base32 of RFC 4648", () => {
    expect(TOKEN).toBe("whf_aaaqeayeaudaoch7_777p37h37l47r57w6x2ph4xr6dx653ia");
    expect([ID, shownTokenId(ID)]).toEqual(["aaaqeayeaudaoch7", "whf_aaaqeayeaudaoch7"]);
  });

  it("is different for different bytes, and always one that is understood", () => {
    const seen = new Set<string>();
    for (let count = 0; count < 2_000; count += 1) {
      const { id, text } = makeAccessToken(randomBytes(TOKEN_ID_BYTES), randomBytes(TOKEN_SECRET_BYTES));
      expect(accessTokenId(text)).toBe(id);
      seen.add(text);
    }
    expect(seen.size).toBe(2_000);
    // Every bit of the secret counts.
    const secret = createHash("sha1").update("seed").digest();
    const texts = Array.from({ length: 160 }, (_, bit) => {
      const flipped = Buffer.from(secret);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      return makeAccessToken(Buffer.alloc(10), flipped).text;
    });
    expect(new Set([...texts, makeAccessToken(Buffer.alloc(10), secret).text]).size).toBe(161);
  });

  it("is made of the right number of bytes or not at all", () => {
    for (const [id, secret] of [
      [9, 20],
      [10, 19],
      [10, 21],
      [15, 20],
      [0, 0],
    ] as const) {
      expect(() => makeAccessToken(Buffer.alloc(id), Buffer.alloc(secret))).toThrow("10 bytes of id");
    }
  });

  it.each([
    "",
    "whf_",
    `${TOKEN}a`,
    TOKEN.slice(0, -1),
    ` ${TOKEN}`,
    `${TOKEN}\n`,
    TOKEN.toUpperCase(),
    TOKEN.replace("whf_", "whf-"),
    TOKEN.replace("whf_", ""),
    TOKEN.replace(/_/g, "."),
    TOKEN.replace("a", "0"),
    TOKEN.replace("a", "8"),
    `${TOKEN}\u0000`,
    `${TOKEN}' OR '1'='1`,
    "whf_%%%%%%%%%%%%%%%%_%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%",
    randomBytes(32).toString("base64url"),
  ])("is no other text: %j", (text) => {
    expect(accessTokenId(text)).toBeNull();
  });

  it("is meant by its id, with or without the beginning, and never by a whole token", () => {
    expect([parseTokenId(ID), parseTokenId(`whf_${ID}`)]).toEqual([ID, ID]);
    for (const text of [TOKEN, "", "whf_", "whf_whf_", `${ID}a`, ID.toUpperCase(), "ci", `whf_whf_${ID}`]) {
      expect(parseTokenId(text)).toBeNull();
    }
  });
});

describe("what is asked for", () => {
  it("is a name, and the rest as usual", () => {
    expect(parseTokenWish({ name: "ci" })).toEqual({
      ok: true,
      wish: { name: "ci", access: "pull", days: 90, account: null },
    });
    const all = {
      name: "Cluster EU-1",
      access: "push",
      days: 366,
      account: "github:default:9",
    };
    expect(parseTokenWish(all)).toEqual({ ok: true, wish: all });
    expect(parseTokenWish({ name: "a", days: 1 })).toMatchObject({ ok: true, wish: { days: 1 } });
    expect(parseTokenWish({ name: "a".repeat(64) })).toMatchObject({ ok: true });
  });

  it.each<[unknown, string]>([
    [null, "send a JSON object"],
    [[], "send a JSON object"],
    ["ci", "send a JSON object"],
    [{}, "needs a name"],
    [{ name: "" }, "needs a name"],
    [{ name: " ci" }, "needs a name"],
    [{ name: "ci " }, "needs a name"],
    [{ name: "-ci" }, "needs a name"],
    [{ name: "a".repeat(65) }, "needs a name"],
    [{ name: "c\u0456" }, "needs a name"],
    [{ name: "ci\n" }, "needs a name"],
    [{ name: "ci\u001b[2J" }, "needs a name"],
    [{ name: 7 }, "needs a name"],
    [{ name: "ci", access: "delete" }, "access can be"],
    [{ name: "ci", access: ["push"] }, "access can be"],
    [{ name: "ci", days: 0 }, "from 1 to 366"],
    [{ name: "ci", days: -1 }, "from 1 to 366"],
    [{ name: "ci", days: 367 }, "from 1 to 366"],
    [{ name: "ci", days: 1.5 }, "from 1 to 366"],
    [{ name: "ci", days: "90" }, "from 1 to 366"],
    [{ name: "ci", days: Number.NaN }, "from 1 to 366"],
    [{ name: "ci", days: Number.POSITIVE_INFINITY }, "from 1 to 366"],
    [{ name: "ci", account: 7 }, "account must be"],
    [{ name: "ci", namespace: "other" }, 'no key "namespace"'],
    [JSON.parse('{"name":"ci","__proto__":{"access":"push"}}'), 'no key "__proto__"'],
  ])("is refused: %j", (given, message) => {
    expect(parseTokenWish(given)).toEqual({ ok: false, message: expect.stringContaining(message) });
  });
});

describe("a token's end", () => {
  it("is a whole second, and never later than that many days from now", () => {
    const now = Date.parse("2026-11-20T10:00:00.999Z");
    expect(new Date(tokenExpiry(now, 1)).toISOString()).toBe("2026-11-21T10:00:00.000Z");
    for (const days of [1, 90, 366]) {
      const end = tokenExpiry(now, days);
      expect([end % 1_000, end <= now + days * 86_400_000]).toEqual([0, true]);
    }
  });
});

describe("signing in", () => {
  const NOW = 1_000_000;
  const at = (username: string) => ({ registry: "default", username });
  const good = {
    namespace: "acme",
    registry: "default",
    expiresAt: NOW + 1,
    revoked: false,
    standing: "good",
  } as const;

  it("is for a token that lives, in its namespace's name, while its account stands", () => {
    expect(tokenRefusal(good, at("acme"), NOW)).toBeNull();
  });

  it.each([
    ["revoked", { ...good, revoked: true }],
    ["expired", { ...good, expiresAt: NOW }],
    ["expired", { ...good, expiresAt: NOW - 1 }],
    ["other-registry", { ...good, registry: "second" }],
    ["namespace-lost", { ...good, standing: "lost" }],
    ["installation-suspended", { ...good, standing: "suspended" }],
    ["installation-removed", { ...good, standing: "removed" }],
  ] as const)("is refused as %s", (reason, token) => {
    expect(tokenRefusal(token, at("acme"), NOW)).toBe(reason);
  });

  it.each(["acme-evil", "acme_", "acm", "Acme", "ACME", "acme/", "acme/api", "", "build-b1", "wharfinger", "аcme"])(
    "is refused in the name %j",
    (username) => {
      expect(tokenRefusal(good, at(username), NOW)).toBe("other-namespace");
    },
  );
});

describe("lying in a namespace", () => {
  it.each(["acme/api", "acme/base/debian", "acme/a/b/c"])("is true of %s in acme", (image) => {
    expect(inNamespace(image, "acme")).toBe(true);
  });

  it.each([
    "acme",
    "acme-evil/api",
    "acme_/api",
    "acme.x/api",
    "acmeapi",
    "Acme/api",
    "ACME/api",
    "x/acme/api",
    "/acme/api",
    "",
  ])("is false of %j in acme", (image) => {
    expect(inNamespace(image, "acme")).toBe(false);
  });

  it("goes by all components of a namespace that has several", () => {
    expect(inNamespace("corp/acme/api", "corp/acme")).toBe(true);
    for (const image of ["corp/acme", "corp/acme-evil/api", "corp/api", "acme/api", "corp/acme_/api"]) {
      expect(inNamespace(image, "corp/acme")).toBe(false);
    }
  });

  it("is the same as the beginning of the name up to a slash, for all legal names", () => {
    const parts = ["acme", "acme-evil", "acme_", "a", "api", "acme.x"];
    for (const a of parts) {
      for (const b of parts) {
        for (const c of parts) {
          expect(inNamespace(`${a}/${b}`, c)).toBe(a === c);
          expect(inNamespace(`${a}/${b}/${c}`, `${a}/${b}`)).toBe(true);
          expect(inNamespace(`${a}/${b}`, `${a}/${c}`)).toBe(false);
        }
      }
    }
  });
});
