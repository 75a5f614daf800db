import { describe, expect, it } from "@jest/globals";
import { type BuildOrder, kindOfRef, orderText, parseOrder, refsCalled } from "../../src/core/build-order.ts";

const ORDER: BuildOrder = {
  repository: { provider: "github", host: "default", id: "5" },
  ref: "refs/heads/main",
  image: "api",
  actor: { id: "42", login: "ann" },
};

describe("an order", () => {
  it("is read as it was written, and holds no more of a repository or person than it says", () => {
    expect(parseOrder(orderText(ORDER))).toEqual(ORDER);
    expect(parseOrder(orderText({ ...ORDER, image: null, actor: null }))).toEqual({
      ...ORDER,
      image: null,
      actor: null,
    });
    const wide = { ...ORDER.repository, fullName: "acme/api", cloneUrl: "https://x" };
    expect(JSON.parse(orderText({ ...ORDER, repository: wide }))).toEqual(ORDER);
  });

  it.each([
    "",
    "{",
    "null",
    "[]",
    JSON.stringify({ ...ORDER, more: 1 }),
    JSON.stringify({ ...ORDER, ref: null }),
    JSON.stringify({ ...ORDER, repository: { ...ORDER.repository, provider: "gitlab" } }),
    JSON.stringify({ ref: "refs/heads/main", repository: { id: 5, full_name: "acme/api" } }),
  ])("is none in %j", (text) => {
    expect(parseOrder(text)).toBeNull();
  });
});

describe("the refs a name may be", () => {
  it.each([
    ["main", ["refs/heads/main", "refs/tags/main"]],
    ["feature/ü#1", ["refs/heads/feature/ü#1", "refs/tags/feature/ü#1"]],
    ["heads/main", ["refs/heads/heads/main", "refs/tags/heads/main"]],
    ["refs/heads/main", ["refs/heads/main"]],
    ["refs/tags/v1.0.0", ["refs/tags/v1.0.0"]],
    ["refs/pull/1/head", ["refs/heads/refs/pull/1/head", "refs/tags/refs/pull/1/head"]],
    ["@", ["refs/heads/@", "refs/tags/@"]],
  ])("%s: %j", (name, refs) => {
    expect(refsCalled(name)).toEqual(refs);
  });

  it.each([
    "",
    " ",
    "a b",
    "a..b",
    "../../../app",
    "refs/heads/..",
    "refs/heads/",
    "a//b",
    "/a",
    "a/",
    ".a",
    "a/.b",
    "a.",
    "a.lock",
    "a.lock/b",
    "-a",
    "a~1",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[b",
    "a\\b",
    "a@{1}",
    "a\u0000",
    "a\nb",
    "a\u001b[31m",
    "\ud800",
    "ü".repeat(126),
  ])("%j: none", (name) => {
    expect(refsCalled(name)).toEqual([]);
  });

  it("have a kind and a short name", () => {
    expect(kindOfRef("refs/heads/a/b")).toEqual({ kind: "branch", name: "a/b" });
    expect(kindOfRef("refs/tags/refs/heads/x")).toEqual({ kind: "tag", name: "refs/heads/x" });
  });
});
