import { randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { createVault } from "../../src/store/vault.ts";

const key = Buffer.alloc(32, 1);
const other = Buffer.alloc(32, 2);

describe("the vault", () => {
  it("opens what it sealed, whatever the text", () => {
    const vault = createVault([key]);
    for (const secret of ["", "s", "päßwörd 💥", "x".repeat(100_000)]) {
      expect(vault.open("webhook", vault.seal("webhook", secret))).toBe(secret);
    }
  });

  it("never seals the same way twice, and shows nothing of the secret", () => {
    const vault = createVault([key]);
    const sealed = Array.from({ length: 100 }, () => vault.seal("webhook", "correct horse").toString("hex"));
    expect(new Set(sealed).size).toBe(100);
    expect(sealed.some((hex) => Buffer.from(hex, "hex").includes("horse"))).toBe(false);
  });

  it("does not open a secret under another name", () => {
    const vault = createVault([key]);
    expect(() => vault.open("b", vault.seal("a", "secret"))).toThrow();
  });

  it("notices a change of any single bit", () => {
    const vault = createVault([key]);
    const sealed = vault.seal("webhook", "secret");
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => vault.open("webhook", changed)).toThrow();
    }
  });

  it("refuses what is cut short, empty or noise", () => {
    const vault = createVault([key]);
    const sealed = vault.seal("webhook", "secret");
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => vault.open("webhook", sealed.subarray(0, length))).toThrow();
    }
    for (let round = 0; round < 100; round += 1) {
      expect(() => vault.open("webhook", Buffer.concat([Buffer.of(1), randomBytes(60)]))).toThrow();
    }
  });

  it("opens with a previous key, seals with the current one", () => {
    const before = createVault([other]).seal("webhook", "secret");
    const rotated = createVault([key, other]);
    expect(rotated.open("webhook", before)).toBe("secret");
    expect(createVault([key]).open("webhook", rotated.seal("webhook", "secret"))).toBe("secret");
    expect(() => createVault([key]).open("webhook", before)).toThrow("another key");
  });

  it("takes only keys of 32 bytes, and at least one", () => {
    expect(() => createVault([])).toThrow("needs a key");
    expect(() => createVault([Buffer.alloc(31)])).toThrow("32 bytes");
    expect(() => createVault([key, Buffer.alloc(0)])).toThrow("32 bytes");
  });
});
