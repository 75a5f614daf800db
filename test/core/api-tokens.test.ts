import { describe, expect, it } from "@jest/globals";
import { apiTokenId, makeApiToken, parseApiTokenId, parseApiTokenWish } from "../../src/core/api-tokens.ts";

const { id, text } = makeApiToken(Buffer.alloc(10, 7), Buffer.alloc(20, 9));

describe("an API token", () => {
  it("is its prefix, its id and its secret", () => {
    expect(text).toMatch(/^wha_[a-z2-7]{16}_[a-z2-7]{32}$/);
    expect([apiTokenId(text), parseApiTokenId(id), parseApiTokenId(`wha_${id}`)]).toEqual([id, id, id]);
  });

  it.each([
    "",
    id,
    `wha_${id}`,
    text.replace("wha", "whf"),
    `${text}a`,
    ` ${text}`,
    `${text}\n`,
    text.toUpperCase(),
    text.slice(0, -1),
  ])("is not %j", (given) => {
    expect(apiTokenId(given)).toBeNull();
  });

  it("has 10 bytes of id and 20 of secret", () => {
    expect(() => makeApiToken(Buffer.alloc(9), Buffer.alloc(20))).toThrow("10 bytes");
    expect(() => makeApiToken(Buffer.alloc(10), Buffer.alloc(21))).toThrow("20 of secret");
  });
});

describe("what somebody asks for", () => {
  it("may leave out role and days", () => {
    expect(parseApiTokenWish({ name: "report" })).toEqual({
      ok: true,
      wish: { name: "report", role: "read", days: 90 },
    });
    const wish = { name: "a b.c_d-1", role: "owner", days: 366 };
    expect(parseApiTokenWish(wish)).toEqual({ ok: true, wish });
  });

  it.each<[string | null, unknown]>([
    [null, null],
    [null, []],
    [null, "report"],
    [null, { name: "report", rol: "read" }],
    ["name", {}],
    ["name", { name: "" }],
    ["name", { name: " x" }],
    ["name", { name: "x\n" }],
    ["name", { name: "раypal" }],
    ["name", { name: "x".repeat(65) }],
    ["role", { name: "x", role: "operator" }],
    ["role", { name: "x", role: "none" }],
    ["role", { name: "x", role: ["read"] }],
    ["days", { name: "x", days: 0 }],
    ["days", { name: "x", days: 367 }],
    ["days", { name: "x", days: 1.5 }],
    ["days", { name: "x", days: "30" }],
  ])("is refused at %s: %j", (field, given) => {
    expect(parseApiTokenWish(given)).toMatchObject({ ok: false, field });
  });
});
