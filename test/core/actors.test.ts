import { describe, expect, it } from "@jest/globals";
import { parseActorArgument, parseActorJson } from "../../src/core/actors.ts";

describe("a person on the command line", () => {
  it.each([
    ["583231:octocat", { id: "583231", login: "octocat" }],
    ["{5d2b3a6e-0f3c-4c22-8d43-2a5cb1f6d0c1}:Rita", { id: "{5d2b3a6e-0f3c-4c22-8d43-2a5cb1f6d0c1}", login: "Rita" }],
    ["1:a:b c", { id: "1", login: "a:b c" }],
  ])("is %s", (text, actor) => {
    expect(parseActorArgument(text)).toEqual({ ok: true, actor });
  });

  it.each(["", "octocat", ":octocat", "583231:", "583231: ", " :a", "1:a\nb", `1:${"x".repeat(201)}`])(
    "is not %j",
    (text) => {
      expect(parseActorArgument(text)).toEqual({ ok: false, message: expect.stringContaining("is not ID:LOGIN") });
    },
  );
});

describe("a person in JSON", () => {
  it("is an id and a login, both as texts", () => {
    const actor = { id: "583231", login: "octocat" };
    expect(parseActorJson({ actor })).toEqual({ ok: true, actor });
  });

  it.each([
    undefined,
    null,
    [],
    "octocat",
    {},
    { actor: null },
    { actor: [] },
    { actor: "octocat" },
    { Actor: { id: "1", login: "a" } },
    { actor: { id: "1", login: "a" }, force: true },
    { actor: { id: "1", login: "a", admin: true } },
    { actor: { id: "1" } },
    { actor: { id: 1, login: "a" } },
    { actor: { id: "", login: "a" } },
    { actor: { id: "1", login: " " } },
    { actor: { id: "1", login: "a\u0000b" } },
    { actor: { id: "1", login: "x".repeat(201) } },
    JSON.parse('{"__proto__":{"actor":{"id":"1","login":"a"}}}'),
  ])("is not %j, which must not come to mean anybody else", (body) => {
    expect(parseActorJson(body)).toEqual({ ok: false, message: expect.stringMatching(/actor/) });
  });
});
