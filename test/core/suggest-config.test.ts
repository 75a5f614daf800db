import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { planBuilds } from "../../src/core/plan.ts";
import { parseRepoConfig } from "../../src/core/repo-config/parse.ts";
import { suggestConfig } from "../../src/core/suggest-config.ts";
import { branch, changeFacts, planFacts, repository } from "./samples.ts";

const REPOSITORY = { fullName: "acme/shop", defaultBranch: "main" };

/** Reads the file and pushes to its branches: what is built, and that there is nothing to remark on. */
function builtBy(text: string | null, facts: typeof REPOSITORY, pushed: string) {
  if (text === null) throw new Error("there is no file");
  const { config, diagnostics } = parseRepoConfig(text, { repositoryName: facts.fullName });
  expect(diagnostics).toEqual([]);
  if (config === null) throw new Error("the file is broken");
  const change = changeFacts(branch(pushed), config);
  const plan = planBuilds(planFacts([change], { repository: { ...repository, ...facts } }));
  expect(plan.diagnostics.filter(({ severity }) => severity === "warning")).toEqual([]);
  return plan.requests.map(({ image, tags, inputs: { context, dockerfile } }) => ({
    image,
    tags,
    context,
    dockerfile,
  }));
}

describe("the file suggested to a repository without one", () => {
  it("is the smallest for one Dockerfile in the root", () => {
    expect(suggestConfig(REPOSITORY, ["Dockerfile"])).toBe(
      "version: 1\nimages:\n  - rules:\n      - branch: main\n        tags: [latest]\n",
    );
  });

  it("has an image for each of several, the root's called as the repository, others as their folder", () => {
    const dockerfiles = [
      "services/web/Dockerfile",
      "Dockerfile",
      "services/api/Dockerfile",
      "services/api/Dockerfile.debug",
    ];
    expect(suggestConfig(REPOSITORY, dockerfiles)).toBe(`version: 1
images:
  - rules:
      - branch: main
        tags: [latest]
  - name: api
    context: services/api
    paths: { include: ["services/api/**"] }
    rules:
      - branch: main
        tags: [latest]
  - name: api-debug
    context: services/api
    dockerfile: Dockerfile.debug
    paths: { include: ["services/api/**"] }
    rules:
      - branch: main
        tags: [latest]
  - name: web
    context: services/web
    paths: { include: ["services/web/**"] }
    rules:
      - branch: main
        tags: [latest]
`);
  });

  it.each<[what: string, dockerfiles: readonly string[], images: readonly string[]]>([
    ["folders of one name", ["a/api/Dockerfile", "b/api/Dockerfile"], ["api", "b-api"]],
    ["a folder that is called as the repository", ["Dockerfile", "shop/Dockerfile"], ["shop", "image-2"]],
    ["other names for a Dockerfile", ["Containerfile", "dev.Dockerfile"], ["shop", "shop-dev"]],
    ["folders without a letter", ["_/Dockerfile", "__/Dockerfile"], ["image-1", "image-2"]],
    ["one alone in a folder", ["docker/Dockerfile"], ["shop"]],
    ["what was told twice", ["Dockerfile", "Dockerfile"], ["shop"]],
  ])("gives %s names of their own", (_, dockerfiles, images) => {
    const built = builtBy(suggestConfig(REPOSITORY, dockerfiles), REPOSITORY, "main");
    expect(built.map(({ image }) => image)).toEqual(images);
  });

  it("has no paths where there is one image, nor where no glob is long enough", () => {
    expect(suggestConfig(REPOSITORY, ["docker/Dockerfile"])).toBe(
      "version: 1\nimages:\n  - context: docker\n    rules:\n      - branch: main\n        tags: [latest]\n",
    );
    const text = suggestConfig(REPOSITORY, ["Dockerfile", `${"a".repeat(510)}/Dockerfile`]);
    expect(builtBy(text, REPOSITORY, "main")).toHaveLength(2);
    expect(text).not.toContain("paths");
  });

  it("shows each character it has, or writes it as an escape", () => {
    const text = suggestConfig(REPOSITORY, [
      "a\u3164b/Dockerfile",
      "c\u034f/Dockerfile",
      "\u202e/Dockerfile",
      "✔\ufe0f/Dockerfile",
    ]);
    for (const glyphless of ["\u3164", "\u034f", "\u202e", "\ufe0f"]) expect(text).not.toContain(glyphless);
    const contexts = builtBy(text, REPOSITORY, "main").map(({ context }) => context);
    expect(contexts).toEqual(["a\u3164b", "c\u034f", "\u202e", "✔\ufe0f"]);
  });

  it("ends after twenty images, and says that there are more", () => {
    const text = suggestConfig(
      REPOSITORY,
      Array.from({ length: 50 }, (__, n) => `s${n}/Dockerfile`),
    );
    expect(builtBy(text, REPOSITORY, "main")).toHaveLength(20);
    expect(text).toContain("  # and 30 more\n");
  });

  it.each([
    ["without a Dockerfile", REPOSITORY, []],
    ["without a default branch", { ...REPOSITORY, defaultBranch: null }, ["Dockerfile"]],
    ["with a branch no pattern is long enough for", { ...REPOSITORY, defaultBranch: "b".repeat(600) }, ["Dockerfile"]],
    ["with paths no file may name", REPOSITORY, ["a#b/Dockerfile", "-x/Dockerfile", "a\u0001/Dockerfile"]],
  ])("is none %s", (_, facts, dockerfiles) => {
    expect(suggestConfig(facts, dockerfiles)).toBeNull();
  });

  it.each([
    "main",
    "release/1.x",
    "a,b",
    "{a}",
    "!x",
    "on",
    "1.0",
    "refs/heads/x",
    "/^a$/",
    "x*",
    "@(a|b)",
    "a'b\"c",
    "日本",
    "a]b",
    "#1",
    "-",
    "~",
  ])("builds the default branch %j and no other", (name) => {
    const facts = { ...REPOSITORY, defaultBranch: name };
    const text = suggestConfig(facts, ["Dockerfile"]);
    const dockerfile = { image: "shop", tags: ["latest"], context: ".", dockerfile: "Dockerfile" };
    expect(builtBy(text, facts, name)).toEqual([dockerfile]);
    for (const other of [`${name}x`, `x${name}`, "a", "x", "b"]) {
      if (other !== name) expect([other, builtBy(text, facts, other)]).toEqual([other, []]);
    }
  });

  it("builds exactly the Dockerfiles it was told of, whatever they and the branch are called", () => {
    const part = fc.oneof(
      fc.constantFrom("a", "b", "api", "_", "[x]", "!y", "*", "a b", "{a,b}"),
      fc.string({ minLength: 1, maxLength: 6 }),
    );
    const segment = part.filter((text) => !text.includes("/") && !/^\.+$/.test(text));
    const file = fc.tuple(
      fc.array(segment, { maxLength: 3 }),
      fc.constantFrom("Dockerfile", "Containerfile", "Dockerfile.dev", "x.dockerfile"),
    );
    const files = fc.array(
      file.map(([folders, name]) => [...folders, name].join("/")),
      { minLength: 1, maxLength: 8 },
    );
    const name = fc.oneof(fc.constantFrom("main", "a/b", "{x}", "v*"), fc.string({ minLength: 1, maxLength: 12 }));
    let suggested = 0;
    fc.assert(
      fc.property(
        files,
        name,
        fc.constantFrom("acme/shop", "acme/___", "acme/api"),
        (dockerfiles, defaultBranch, fullName) => {
          const facts = { fullName, defaultBranch };
          const text = suggestConfig(facts, dockerfiles);
          if (text === null) return;
          suggested += 1;
          const built = builtBy(text, facts, defaultBranch);
          const paths = built.map(({ context, dockerfile }) =>
            context === "." ? dockerfile : `${context}/${dockerfile}`,
          );
          // What no file may name is left out.
          const usable = dockerfiles.filter((path) => !/[#:\\]|(?:^|\/)-|\p{Cc}|\p{Cs}/u.test(path));
          expect(new Set(paths)).toEqual(new Set(usable));
        },
      ),
      { numRuns: 500 },
    );
    expect(suggested).toBeGreaterThan(100);
  });
});
