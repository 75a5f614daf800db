import { describe, expect, it } from "@jest/globals";
import { DEFAULT_POLICY } from "../../src/core/model.ts";
import { planBuilds } from "../../src/core/plan.ts";
import { judgeRule } from "../../src/core/rules.ts";
import { zeroConfig } from "../../src/core/zero-config.ts";
import { branch, changeFacts, config, planFacts, repository } from "./samples.ts";

describe("a repository without a file", () => {
  it("builds what the smallest file would, named after the repository", () => {
    const { config: file, diagnostics } = zeroConfig({ fullName: "Acme/My-API" }, "main");
    expect(diagnostics).toEqual([]);
    expect(file?.images).toMatchObject([
      { name: "my-api", inputs: { context: ".", dockerfile: "Dockerfile" }, rules: [{ tags: ["latest"], push: true }] },
    ]);
  });

  // All of these are legal branch names for git; each means something, or is an error, as a pattern of the file.
  it.each([
    "release/{next}",
    "{a,b}",
    "a}",
    "!main",
    "@(main|x)",
    "+(a)",
    "/main/",
    "refs/heads/main",
    "1.0",
    "true",
    "null",
    "a,b",
    "a'b\"c",
    "\u202emain",
    "b".repeat(600),
    // No git takes this one: nothing but the planner's own caution keeps it from being a glob.
    "*",
  ])("takes its default branch %j by its exact name", (name) => {
    const facts = planFacts([changeFacts(branch(name), config([]), { config: { kind: "missing", hint: null } })], {
      policy: { ...DEFAULT_POLICY, zeroConfig: true },
      repository: { ...repository, defaultBranch: name },
    });
    const { requests, skips } = planBuilds(facts);
    expect(skips).toEqual([]);
    expect(requests).toMatchObject([{ ref: `refs/heads/${name}`, tags: ["latest"] }]);
  });

  it.each([
    ["*", "main"],
    ["{a,b}", "a"],
    ["/main/", "main"],
    ["main", "mainx"],
  ])("whose default branch is %j has no rule for %j", (defaultBranch, name) => {
    const rules = zeroConfig(repository, defaultBranch).config?.images.flatMap((image) => image.rules) ?? [];
    expect(rules.map((rule) => judgeRule(rule, branch(name)).matches)).toEqual([false]);
  });

  it("says so when its name makes no image name", () => {
    expect(zeroConfig({ fullName: "acme/___" }, "main")).toMatchObject({
      config: null,
      diagnostics: [
        expect.objectContaining({ severity: "error", message: expect.stringContaining("repository's name") }),
      ],
    });
  });
});
