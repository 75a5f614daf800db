import { describe, expect, it } from "@jest/globals";
import { planBuilds } from "../../../src/core/plan.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { branch, changeFacts, config, image, inputs, planFacts, rule } from "../samples.ts";

interface Second {
  readonly tag: string;
  readonly target: string | null;
  readonly push: boolean;
}

const FIRST = { tag: "latest", target: null };

/** Every second rule beside every first one: published or not, same or other tag, same or other inputs. */
const PAIRS = [true, false].flatMap((push) =>
  ["latest", "edge"].flatMap((tag) =>
    [null, "debug"].flatMap((target) => [true, false].map((other) => ({ push, second: { tag, target, push: other } }))),
  ),
);

function ruleText({ tag, target, push }: Second): string {
  return `{ branch: main, tags: [${tag}], push: ${push}${target === null ? "" : `, target: ${target}`} }`;
}

/** Whether the file's checks refuse the two rules. */
function refused(first: Second, second: Second): boolean {
  const text = `version: 1\nimages: [{ name: api, rules: [${ruleText(first)}, ${ruleText(second)}] }]`;
  const { diagnostics } = parseRepoConfig(text, { repositoryName: "api" });
  return diagnostics.some(({ message }) => message.includes("already gives"));
}

/** Whether the planner, if it were asked all the same, would take a tag from one of them. */
function collide(...rules: readonly Second[]): boolean {
  const file = config([
    image(
      "api",
      rules.map(({ tag, target, push }) => rule({ branch: "main" }, [tag], { push, inputs: { ...inputs, target } })),
    ),
  ]);
  const { skips } = planBuilds(planFacts([changeFacts(branch("main"), file)]));
  return skips.some(({ reason }) => reason === "tag-collision");
}

describe("a tag given twice", () => {
  it.each(PAIRS)("is judged the same by lint and by the planner: %j", ({ push, second }) => {
    const first = { ...FIRST, push };
    const twice = push && second.push && second.tag === FIRST.tag && second.target !== FIRST.target;
    expect([refused(first, second), collide(first, second)]).toEqual([twice, twice]);
  });

  it.each([
    ["two entries without a name", "[{ rules: [{ branch: main }] }, { rules: [{ branch: main }] }]", true],
    ["two entries of one name", "[{ name: a, rules: [{ tag: v1 }] }, { name: a, rules: [{ tag: v1 }] }]", true],
    ["two names", "[{ name: a, rules: [{ branch: main }] }, { name: b, rules: [{ branch: main }] }]", false],
    ["a branch and a tag", "[{ rules: [{ branch: x, tags: [a] }, { tag: x, tags: [a], target: t }] }]", false],
    ["two prefixes", "[{ rules: [{ semver: '*' }, { semver: '*', prefix: b/, target: t }] }]", false],
  ])("by %s", (_, images, expected) => {
    const { config: file } = parseRepoConfig(`version: 1\nimages: ${images}`, { repositoryName: "api" });
    expect(file === null).toBe(expected);
  });
});
