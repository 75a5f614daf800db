import { expect, it } from "@jest/globals";
import type { Change } from "../../../src/core/model.ts";
import { planBuilds } from "../../../src/core/plan.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { branch, changeFacts, planFacts, pull } from "../samples.ts";

/** What the builds say of those before them. */
function superseding(images: string, change: Change): readonly string[] {
  const { config } = parseRepoConfig(`version: 1\nimages: ${images}`, { repositoryName: "api" });
  if (config === null) throw new Error("the file was meant to be good");
  return planBuilds(planFacts([changeFacts(change, config)])).requests.map((request) => request.supersede);
}

it.each<[what: string, images: string, change: Change, expected: readonly string[]]>([
  ["by itself the newest counts", "[{ rules: [{ branch: main }] }]", branch("main"), ["newest"]],
  ["the image's", "[{ supersede: cancel, rules: [{ branch: main }] }]", branch("main"), ["cancel"]],
  [
    "the rule's over the image's",
    "[{ supersede: cancel, rules: [{ branch: main, supersede: none }] }]",
    branch("main"),
    ["none"],
  ],
  [
    "of pull requests, where a push is left alone",
    "[{ rules: [{ branch: main }, { pull_request: main, supersede: cancel }] }]",
    pull(),
    ["cancel"],
  ],
  [
    "the cautious one of two rules that make one build",
    "[{ rules: [{ branch: main, tags: [a], supersede: cancel }, { branch: main, tags: [b], supersede: newest }] }]",
    branch("main"),
    ["newest"],
  ],
  [
    "each its own, of two rules that make two builds",
    "[{ supersede: none, rules: [{ branch: main, tags: [a] }, { branch: main, tags: [b], target: x, supersede: cancel }] }]",
    branch("main"),
    ["none", "cancel"],
  ],
])("%s", (_, images, change, expected) => {
  expect(superseding(images, change)).toEqual(expected);
});
