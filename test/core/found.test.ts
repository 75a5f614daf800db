import { describe, expect, it } from "@jest/globals";
import { type Found, foundText, parseFound } from "../../src/core/found.ts";
import type { Sha } from "../../src/core/model.ts";

const A = "a".repeat(40) as Sha;
const B = "b".repeat(64) as Sha;

const found: Found = {
  repository: { provider: "github", host: "default", id: "186853002" },
  changes: [
    {
      kind: "tag",
      ref: "refs/tags/v1.0.0",
      name: "v1.0.0",
      before: null,
      after: B,
      commit: A,
      forced: false,
      message: "Release\n\n[skip ci] \u202e",
      committedAt: "2026-11-21T10:00:00.000Z",
    },
    {
      kind: "branch",
      ref: "refs/heads/refs/tags/x",
      name: "refs/tags/x",
      before: A,
      after: null,
      commit: null,
      forced: false,
      message: "",
    },
  ],
};

it("what was found is read as it was written", () => {
  expect(parseFound(foundText(found))).toEqual(found);
  expect(parseFound(foundText({ ...found, changes: [] }))).toEqual({ ...found, changes: [] });
});

describe("what nobody here has written", () => {
  const body = JSON.parse(foundText(found));
  const [change] = body.changes;
  it.each([
    ["no JSON", "x"],
    ["something else", "[]"],
    ["more than there is", JSON.stringify({ ...body, secret: 1 })],
    ["another provider", JSON.stringify({ ...body, repository: { ...body.repository, provider: "gitlab" } })],
    ["a short hash", JSON.stringify({ ...body, changes: [{ ...change, after: "abc" }] })],
    ["the hash of nothing", JSON.stringify({ ...body, changes: [{ ...change, before: "0".repeat(40) }] })],
    ["a change without a ref", JSON.stringify({ ...body, changes: [{ ...change, ref: undefined }] })],
  ])("is not read: %s", (_what, text) => {
    expect(parseFound(text)).toBeNull();
  });
});
