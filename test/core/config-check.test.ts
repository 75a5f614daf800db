import { describe, expect, it } from "@jest/globals";
import {
  type Comparison,
  checkFile,
  compareFiles,
  type FileEffect,
  MAX_COMPARED,
} from "../../src/core/config-check.ts";
import { fileSection, fileTitle } from "../../src/core/config-check-text.ts";
import { type Change, DEFAULT_POLICY, parseSha, type RefChange, type Sha } from "../../src/core/model.ts";
import type { ConfigFact } from "../../src/core/repo-config/config.ts";
import { parseRepoConfig } from "../../src/core/repo-config/parse.ts";
import { branch, planFacts, pull, tag } from "./samples.ts";

const { changes: _, ...facts } = planFacts([]);

function read(text: string): ConfigFact {
  return { kind: "read", parsed: parseRepoConfig(text, { repositoryName: "api" }) };
}

/** A file with one image, in flow style. */
function file(rules: string, more = ""): ConfigFact {
  return read(`version: 1\nimages:\n  - { name: api, rules: [${rules}]${more} }\n`);
}

const MISSING: ConfigFact = { kind: "missing", hint: null };
const MAIN = "{ branch: main, tags: [latest] }";

function compare(before: ConfigFact, after: ConfigFact, changes: readonly Change[], more: Partial<Comparison> = {}) {
  return compareFiles({ before, after, changes, facts, ...more });
}

/** The list of differences as people read it. */
function lines(effect: FileEffect): readonly string[] {
  const section = fileSection({ kind: "push", problems: [], effect }, { told: false }) ?? "";
  return section.split("\n").filter((line) => line.startsWith("- "));
}

function shaOf(number: number): Sha {
  const made = parseSha(number.toString(16).padStart(40, "c"));
  if (made === null) throw new Error("no hash");
  return made;
}

function pushes(count: number, name = "main"): RefChange[] {
  return Array.from({ length: count }, (_unused, index) => {
    return branch(name, { after: shaOf(count - index), commit: shaOf(count - index) });
  });
}

const EDGE = "{ branch: main, tags: [latest, edge] }";

describe("what a file changes", () => {
  it.each<[string, ConfigFact, ConfigFact, Change, readonly string[]]>([
    ["a further tag", file(MAIN), file(EDGE), branch("main"), ["would also get `edge`"]],
    ["a tag less", file(EDGE), file(MAIN), branch("main"), ["would no longer get `edge`"]],
    [
      "one tag for another",
      file(MAIN),
      file("{ branch: main, tags: [edge] }"),
      branch("main"),
      ["would also get `edge`; would no longer get `latest`"],
    ],
    ["the same in another spelling", file(MAIN), file(`${MAIN}`, ", supersede: newest"), branch("main"), []],
    [
      "a rule more",
      file(MAIN),
      file(`${MAIN}, { branch: docs, tags: [docs] }`),
      branch("docs"),
      ["would be built and published as `docs`"],
    ],
    [
      "a rule less",
      file(`${MAIN}, { branch: docs, tags: [docs] }`),
      file(MAIN),
      branch("docs"),
      ["would no longer be built (no-match)"],
    ],
    ["a rule that does not concern it", file(MAIN), file(`${MAIN}, { branch: docs }`), branch("main"), []],
    [
      "an end of publishing",
      file(MAIN),
      file("{ branch: main, tags: [latest], push: false }"),
      branch("main"),
      ["would no longer be published"],
    ],
    [
      "a beginning of publishing",
      file("{ branch: main, tags: [latest], push: false }"),
      file(MAIN),
      branch("main"),
      ["would be published"],
    ],
    [
      "another Dockerfile and target",
      file(MAIN),
      file(MAIN, ", dockerfile: Other, target: run"),
      branch("main"),
      ["would be built with another Dockerfile, target"],
    ],
    [
      "build arguments in another order",
      file(MAIN, ", build_args: { A: '1', B: '2' }"),
      file(MAIN, ", build_args: { B: '2', A: '1' }"),
      branch("main"),
      [],
    ],
    [
      "another value of a build argument",
      file(MAIN, ", build_args: { A: '1' }"),
      file(MAIN, ", build_args: { A: '2' }"),
      branch("main"),
      ["would be built with another set of build arguments"],
    ],
    [
      "a second build of the image",
      file(MAIN),
      file(`${MAIN}, { branch: main, tags: [debug], target: debug }`),
      branch("main"),
      ["would also get `debug`; would be built with another target; would be built 2 times instead of once"],
    ],
    ["the first file", MISSING, file(MAIN), branch("main"), ["would be built and published as `latest`"]],
    ["the end of the file", file(MAIN), MISSING, branch("main"), ["would no longer be built (config-missing)"]],
    [
      "a file after a broken one",
      read("version: 1\nimages: 5\n"),
      file(MAIN),
      branch("main"),
      ["would be built and published as `latest`"],
    ],
    [
      "tags of a version",
      file("{ semver: '*', tags: ['{version}'] }"),
      file("{ semver: '*', tags: ['{version}', '{major}'] }"),
      tag("v1.2.3"),
      ["would also get `1`"],
    ],
    [
      "a rule for pull requests",
      file(MAIN),
      file(`${MAIN}, { pull_request: main }`),
      pull(),
      ["would be built and not published"],
    ],
    [
      "forks",
      file(`${MAIN}, { pull_request: main }`, " }\npull_requests: { forks: never"),
      file(`${MAIN}, { pull_request: main }`, " }\npull_requests: { forks: approve"),
      pull({ fork: true }),
      ["would be built and not published; would wait for approval (awaiting-approval)"],
    ],
    [
      "a second build of the same inputs, for nobody",
      file(MAIN),
      file(`${MAIN}, { branch: main, tags: [latest], push: false }`),
      branch("main"),
      ["would be built 2 times instead of once"],
    ],
    [
      "another reason not to build",
      file("{ branch: docs }"),
      file("{ branch: 'x/{sourceref}' }, { branch: main, tags: ['...'] }"),
      branch("main"),
      [],
    ],
  ])("is told of %s", (_what, before, after, change, expected) => {
    expect(lines(compare(before, after, [change])).map((line) => line.replace(/^- .*?\): `api` |\.$/g, ""))).toEqual(
      expected,
    );
  });

  it("names where, with the short hash, for each kind of change", () => {
    const after = file(`${MAIN}, { branch: docs, tags: [d] }, { tag: v1, tags: [t] }, { pull_request: main }`);
    expect(lines(compare(file(MAIN), after, [branch("docs"), tag("v1"), pull()]))).toEqual([
      "- push to `docs` (`bbbbbbb`): `api` would be built and published as `d`.",
      "- tag `v1` (`bbbbbbb`): `api` would be built and published as `t`.",
      "- pull request \\#&#8203;5 (`bbbbbbb`): `api` would be built and not published.",
    ]);
  });

  it("tells each image of a lane once, with the newest commit and how many more", () => {
    const effect = compare(file(MAIN), file(EDGE), [...pushes(5), branch("docs")]);
    expect(effect).toMatchObject({ compared: 6, different: 5, more: 0 });
    expect(lines(effect)).toEqual([
      `- push to \`main\` (\`${shaOf(5).slice(0, 7)}\` and 4 more): \`api\` would also get \`edge\`.`,
    ]);
  });

  it("keeps apart pull requests from branches of one name", () => {
    const [before, after] = [file("{ pull_request: docs }"), file("{ pull_request: '*' }")];
    expect(lines(compare(before, after, [pull({ number: 5 }), pull({ number: 6 })]))).toHaveLength(2);
  });

  it("says so when nothing differs, and when there is nothing to compare", () => {
    const [none, same] = [compare(file(MAIN), file(EDGE), []), compare(file(MAIN), file(EDGE), [branch("docs")])];
    const told = [none, same].map((effect) => {
      return fileSection({ kind: "pull_request", problems: [], effect }, { told: false });
    });
    expect(told).toEqual([
      "#### What this file changes\n\nThere are no earlier pushes and pull requests to compare with.",
      "#### What this file changes\n\nThe last push or pull request would lead to the same builds.",
    ]);
    expect(fileSection({ kind: "push", problems: [], effect: none }, { told: false })).toBeNull();
    expect(same).toMatchObject({ compared: 1, different: 0, differences: [] });
  });

  it("does not count what no file would build: deleted refs, closed pull requests, lost sources, queues", () => {
    const gone = [
      branch("main", { after: null, commit: null }),
      pull({}, { after: null, commit: null }),
      pull({ closed: true }),
      pull({ checkout: null }),
      pull({ queued: true }),
    ];
    expect(compare(MISSING, file(`${MAIN}, { pull_request: main }`), gone)).toMatchObject({
      compared: 0,
      different: 0,
    });
  });

  it("knows versions of the tags it compares, so that an older one does not take `latest`", () => {
    const changes = [tag("v2.0.0"), tag("v1.9.0")];
    const before = file("{ semver: '*', tags: ['{version}'] }");
    const after = file("{ semver: '*', tags: ['{version}', latest] }");
    expect(lines(compare(before, after, changes))).toEqual([
      "- tag `v2.0.0` (`bbbbbbb`): `api` would also get `latest`.",
    ]);
  });

  it("grants a branch what its own file says, on both sides", () => {
    const before = file("{ branch: '*', tags: [one] }");
    const after = file("{ branch: '*', tags: [one, two] }");
    expect(lines(compare(before, after, [branch("docs")]))).toEqual([
      "- push to `docs` (`bbbbbbb`): `api` would also get `two`.",
    ]);
  });

  it("says that paths are not compared, and of which images", () => {
    const effect = compare(file(MAIN), file(MAIN, ", paths: { exclude: ['docs/**'] }"), [branch("main")]);
    expect(effect).toMatchObject({ different: 0, unseen: { items: ["api"], more: 0 } });
    const section = fileSection({ kind: "push", problems: [], effect }, { told: false });
    expect(section).toContain("Not compared: the paths of `api`");
    expect(compare(file(MAIN), file(EDGE), [branch("main")]).unseen.items).toEqual([]);
  });

  it("plans by the policy and the owners of images there are", () => {
    const owners = new Map([["api", { other: "acme/other" }]]);
    const taken = compare(file("{ branch: docs }"), file(MAIN), [branch("main")], {
      facts: { ...facts, imageOwners: owners },
    });
    expect(lines(taken)).toEqual([
      "- push to `main` (`bbbbbbb`): `api` would not be built for another reason: image-not-owned instead of no-match.",
    ]);
    const lax = { ...facts, policy: { ...DEFAULT_POLICY, forks: "test" } } as const;
    const [approve, test] = ["approve", "test"].map((forks) => {
      return file(`${MAIN}, { pull_request: main }`, ` }\npull_requests: { forks: ${forks}`);
    });
    const trusted = compare(approve ?? MISSING, test ?? MISSING, [pull({ fork: true })], { facts: lax });
    expect(lines(trusted)).toEqual(["- pull request \\#&#8203;5 (`bbbbbbb`): `api` would not wait for approval."]);
    const zero = { ...facts, policy: { ...DEFAULT_POLICY, zeroConfig: true } };
    expect(lines(compare(MISSING, file(EDGE), [branch("main")], { facts: zero }))).toEqual([
      "- push to `main` (`bbbbbbb`): `api` would also get `edge`.",
    ]);
  });
});

describe("the check of a file", () => {
  it("has no plan where the file has errors, and all that is wrong with it", () => {
    const check = checkFile("pull_request", {
      before: file(MAIN),
      after: read("version: 1\nimages:\n  - { name: api, rules: [{ branhc: main }] }\n"),
      changes: [branch("main")],
      facts,
    });
    expect(check.effect).toBeNull();
    expect(check.problems).toMatchObject([{ severity: "error", line: 3 }]);
    expect(fileTitle(check)).toBe(".wharfinger.yml has an error");
    const section = fileSection(check, { told: false });
    expect(section).toContain("Merged as it is, it would stop all builds.");
    expect(section).toContain("- `.wharfinger.yml:3:");
    expect(fileSection(check, { told: true })).toBeNull();
  });

  it("has an error on the first line where the file can not be read", () => {
    const after: ConfigFact = { kind: "unreadable", why: "it is a folder" };
    const check = checkFile("push", { before: file(MAIN), after, changes: [], facts });
    expect(check).toEqual({
      kind: "push",
      problems: [{ severity: "error", line: 1, column: 1, message: "the file can not be read: it is a folder" }],
      effect: null,
    });
  });

  it("sums up in its title what would be different", () => {
    const check = checkFile("push", { before: file(MAIN), after: file(EDGE), changes: pushes(3), facts });
    expect(fileTitle(check)).toBe(
      ".wharfinger.yml has no errors; 3 of the last 3 pushes and pull requests would lead to something else",
    );
    expect(fileTitle({ ...check, effect: compare(file(MAIN), file(EDGE), []) })).toBe(".wharfinger.yml has no errors");
  });

  it("keeps warnings of a file without errors", () => {
    const after = file("{ branch: main, tags: ['{date}', latest] }, { branch: main, tags: [latest] }");
    const check = checkFile("push", { before: file(MAIN), after, changes: [], facts });
    expect(check.problems).toEqual(after.kind === "read" ? after.parsed.diagnostics : []);
  });

  it("tells ten errors and counts the others", () => {
    const problems = Array.from({ length: 12 }, (_unused, index) => {
      return { severity: "error", line: index + 1, column: 1, message: "wrong" } as const;
    });
    const section = fileSection({ kind: "pull_request", problems, effect: null }, { told: false });
    expect(section?.split("\n").filter((line) => line.startsWith("- "))).toHaveLength(11);
    expect(section).toContain("- … and 2 more");
    expect(section).toContain("#### This file has 12 errors");
  });
});

describe("a hostile file", () => {
  it("can not write Markdown into the check", () => {
    const name = "x`|<img src=x>|@everyone";
    const effect = compare(file("{ branch: docs, tags: [a] }"), file("{ branch: '**', tags: [a] }"), [branch(name)]);
    expect(lines(effect)).toEqual([
      "- push to `` x`<img src=x>@everyone `` (`bbbbbbb`): `api` would be built and published as `a`.",
    ]);
    const problems = [{ severity: "error", line: 1, column: 1, message: "<b>@all [x](http://evil)" }] as const;
    const section = fileSection({ kind: "pull_request", problems, effect: null }, { told: false }) ?? "";
    expect(section).not.toMatch(/<b>|@all|\]\(http:/);
  });

  it("is compared with a bounded number of changes", () => {
    expect(compare(file(MAIN), file(EDGE), pushes(MAX_COMPARED + 30))).toMatchObject({ compared: MAX_COMPARED });
  });

  it("leads to a bounded list, with the number of what is left out", () => {
    const images = Array.from({ length: 90 }, (_unused, index) => {
      const tags = Array.from({ length: 15 }, (_none, at) => `t${at}`).join(", ");
      return `  - { name: i${index}, rules: [{ branch: main, tags: [${tags}] }] }`;
    });
    const effect = compare(MISSING, read(`version: 1\nimages:\n${images.join("\n")}\n`), pushes(20));
    expect(effect.differences).toHaveLength(20);
    expect(effect).toMatchObject({ more: 70, different: 4 });
    expect(effect.differences[0]?.after.tags).toMatchObject({ more: 5 });
    expect(JSON.stringify(effect).length).toBeLessThan(40_000);
    expect(lines(effect).at(-1)).toBe("- … and 70 more");
    expect(lines(effect)[0]).toContain("`t9` and 5 more");
  });

  it.each<[string, string]>([
    ["many rules", manyRules((index) => `{ branch: '/^(a+)+${index % 9}$/', tags: [t${index}] }`)],
    [
      "many rules that all match",
      manyRules((index) => `{ branch: '**', tags: ['t${index}-{sha}'], target: s${index} }`),
    ],
    [
      "many version rules",
      manyRules((index) => `{ semver: '>=0.${index} || >=1.${index}', tags: ['{major}', 'l${index}'] }`),
    ],
    ["many globs", manyRules((index) => `{ branch: '**/*a*a${index % 50}', tags: [x${index}] }`)],
  ])("of %s is compared in a moment", (_what, text) => {
    const name = `${"a".repeat(200)}/${"a".repeat(40)}!`;
    const changes = [...pushes(10, name), ...Array.from({ length: 10 }, (_unused, n) => tag(`v1.${n}.0`))];
    const after = read(text);
    expect(after.kind === "read" && after.parsed.config?.images.length).toBeGreaterThan(50);
    // Time of the processor: other tests run beside this one.
    const began = process.cpuUsage();
    const { compared } = compare(file(MAIN), after, changes);
    // Its own file's length is what takes away from it, and something is left.
    expect([compared > 0, compared < 10]).toEqual([true, true]);
    const { user, system } = process.cpuUsage(began);
    expect((user + system) / 1_000).toBeLessThan(2_000);
  });
});

/** As many as one file may hold. */
function manyRules(rule: (index: number) => string): string {
  const images: string[] = [];
  let index = 0;
  for (let image = 0; image < 100; image += 1) {
    const rules: string[] = [];
    for (let at = 0; at < 10; at += 1) {
      rules.push(rule(index));
      index += 1;
    }
    images.push(`  - { name: i${image}, rules: [${rules.join(", ")}] }`);
    if (images.join("\n").length > 58_000) break;
  }
  return `version: 1\nimages:\n${images.join("\n")}\n`;
}

it("is the same however often it is asked", () => {
  const [one, other] = [1, 2].map(() => compare(file(MAIN), file(EDGE), [...pushes(4), tag("v1"), pull()]));
  expect(one).toEqual(other);
});
