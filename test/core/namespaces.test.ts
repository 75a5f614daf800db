import { describe, expect, it } from "@jest/globals";
import { namespaceFor, RESERVED_NAMESPACES } from "../../src/core/namespaces.ts";

describe("the namespace of an account", () => {
  it.each([
    ["acme", "acme"],
    ["Acme-Inc", "acme-inc"],
    ["a", "a"],
    ["7", "7"],
    ["a--b", "a--b"],
    ["a__b.c", "a__b.c"],
    ["x".repeat(100), "x".repeat(100)],
  ])("%s is its name in lower case: %s", (login, namespace) => {
    expect(namespaceFor({ login })).toBe(namespace);
  });

  it.each([
    "",
    "-acme",
    "acme-",
    ".",
    "..",
    "a/b",
    "a..b",
    "a___b",
    "a:b",
    "a b",
    "a\n",
    "ünïcode",
    // KELVIN SIGN: its lower case is the ASCII letter k, and the account is somebody else.
    "\u212Aacme",
    "x".repeat(101),
    ...RESERVED_NAMESPACES,
    ...RESERVED_NAMESPACES.map((name) => name.toUpperCase()),
  ])("%j gives none", (login) => {
    expect(namespaceFor({ login })).toBeNull();
  });
});
