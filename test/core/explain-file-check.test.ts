import { describe, expect, it } from "@jest/globals";
import type { CheckFacts } from "../../src/core/check.ts";
import type { Difference, FileCheck } from "../../src/core/config-check.ts";
import { checkContent, checkNames, type ExplainOptions } from "../../src/core/explain.ts";
import { build, planned, sha, skip } from "./samples.ts";

const options: ExplainOptions = {
  buildUrl: (id) => `https://ci.example/builds/${id}`,
  commitUrl: "https://ci.example/builds",
  logTail: () => [],
  registry: () => "registry.example:5000",
  now: "2026-11-20T11:00:00.000Z",
};

function content(facts: Partial<CheckFacts>, name = "wharfinger") {
  return checkContent(name, { builds: [], skips: [], ...facts }, options);
}

const NONE = { items: [], more: 0 };
const LATEST = { builds: 1, tags: { items: ["latest"], more: 0 }, published: true, held: null, reason: null };
const DIFFERENCE: Difference = {
  ...{ ref: "refs/heads/main", kind: "branch", name: "main", sha: sha("d"), times: 1, image: "api" },
  before: LATEST,
  after: { ...LATEST, tags: { items: ["latest", "edge"], more: 0 } },
  gained: { items: ["edge"], more: 0 },
  lost: NONE,
  inputs: [],
};
const FINE: FileCheck = {
  kind: "pull_request",
  problems: [{ severity: "warning", line: 4, column: 3, message: "a rule that never matches" }],
  effect: { compared: 12, different: 1, differences: [DIFFERENCE], more: 0, unseen: NONE },
};
const BROKEN: FileCheck = {
  kind: "pull_request",
  problems: [{ severity: "error", line: 2, column: 1, message: "unknown key `imagse`" }],
  effect: null,
};
const INVALID = skip({
  reason: "config-invalid",
  image: null,
  rule: null,
  detail: "not built: .wharfinger.yml has an error",
  problems: [{ severity: "error", line: 9, column: 1, message: "another version's" }],
});
const OF_PULL = { ...INVALID, ref: "refs/heads/feature", lane: "refs/pull/5/head" };

describe("the check of a commit that changes the file", () => {
  it("is there, and passes, where nothing is built and nothing else is to say", () => {
    expect(content({ fileCheck: FINE })).toMatchObject({
      status: "completed",
      conclusion: "success",
      title: ".wharfinger.yml has no errors; 1 of the last 12 pushes and pull requests would lead to something else",
      summary: [
        "#### What this file changes",
        "With this file, 1 of the last 12 pushes and pull requests would lead to something else:",
        "- push to `main` (`ddddddd`): `api` would also get `edge`.",
      ].join("\n\n"),
      annotations: [{ path: ".wharfinger.yml", line: 4, level: "warning", message: "a rule that never matches" }],
      completedAt: options.now,
    });
    expect(content({})).toBeNull();
  });

  it("fails where the file is broken, so that it is not merged, though builds succeed", () => {
    expect(content({ builds: [build()], fileCheck: BROKEN })).toMatchObject({
      conclusion: "failure",
      title: ".wharfinger.yml has an error",
      annotations: [{ line: 2, level: "failure", message: "unknown key `imagse`" }],
    });
    expect(content({ fileCheck: BROKEN })?.summary).toContain("- `.wharfinger.yml:2:1` unknown key \\`imagse\\`");
  });

  it("tells errors once, where a push is not built for them", () => {
    const shown = content({ skips: [INVALID], fileCheck: { ...BROKEN, kind: "push" } });
    expect(shown).toMatchObject({ conclusion: "failure", annotations: [{ line: 2 }] });
    expect(shown?.summary).not.toContain("#### This file");
  });

  it("keeps what else it has to say", () => {
    const shown = content({ builds: [build()], skips: [skip({ image: "web" })], fileCheck: FINE });
    expect(shown?.title).toBe("api built: latest");
    expect(shown).toMatchObject({ conclusion: "success" });
    expect(shown?.summary.indexOf("What this file changes")).toBeGreaterThan(shown?.summary.indexOf("web") ?? 0);
    expect(content({ skips: [skip()], fileCheck: FINE })?.conclusion).toBe("skipped");
    expect(
      content({ builds: [build({ state: "running", finishedAt: null })], fileCheck: BROKEN })?.conclusion,
    ).toBeNull();
  });

  it("does not keep a pull request from putting right the file of its target", () => {
    const shown = content({ skips: [OF_PULL], fileCheck: FINE });
    expect(shown?.conclusion).toBe("skipped");
    // Lines of the target's file are other lines.
    expect(shown?.annotations.map(({ line }) => line)).toEqual([4]);
  });

  it.each<[string, Partial<CheckFacts>]>([
    ["a push", { skips: [INVALID], fileCheck: FINE }],
    ["one that does not touch the file", { skips: [OF_PULL] }],
    ["one that breaks it anew", { skips: [OF_PULL], fileCheck: BROKEN }],
    [
      "one whose branch was pushed, which says nothing of the target",
      { skips: [OF_PULL], fileCheck: { ...FINE, kind: "push" } },
    ],
  ])("but still fails on a broken file: %s", (_what, facts) => {
    expect(content(facts)?.conclusion).toBe("failure");
  });

  it("says it once, in the check that stands for all images", () => {
    const builds = ["api", "web"].map((image) =>
      build({ id: image, planned: planned({ image }), image: `acme/${image}` }),
    );
    const facts = { builds, skips: [], fileCheck: BROKEN };
    expect(checkNames(facts)).toEqual(["wharfinger", "wharfinger: api", "wharfinger: web"]);
    const one = content(facts, "wharfinger: api");
    expect(one).toMatchObject({ conclusion: "success", annotations: [] });
    expect(one?.summary).not.toContain("This file");
  });
});
