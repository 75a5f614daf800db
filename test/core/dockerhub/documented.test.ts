/**
 * What Docker Hub's documentation and page show of build rules, each with where it is shown: the rule in this file's
 * words plans the tags that are shown there, and so does the rule as the importer takes it over.
 */
import { describe, expect, it } from "@jest/globals";
import { importDockerHub } from "../../../src/core/dockerhub/import.ts";
import { planBuilds } from "../../../src/core/plan.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { branch, planFacts, tag } from "../samples.ts";

const CLOUD = "docs.docker.com/docker-cloud/builds/automated-build/ (docker/docs 017a919e)";
const SETUP = "docs.docker.com/docker-hub/repos/manage/builds/setup/ (docker/docs 2297b955)";
const MIGRATE = "docs.docker.com/docker-hub/repos/manage/builds/migrate/ (docker/docs 1c3206fa)";
const PAGE = "the help beside the rules on the page, as quoted in AliyunContainerService/roadmap#40";

interface Example {
  readonly shown: string;
  readonly source: string;
  readonly hub: { readonly [column: string]: string };
  /** The rule in `.wharfinger.yml`. */
  readonly rule: string;
  /** Ref to the tags of its build; none: nothing is built. */
  readonly builds: Readonly<Record<string, readonly string[]>>;
}

const examples: readonly Example[] = [
  {
    shown: "the rule that is there by default",
    source: SETUP,
    hub: { "Source Type": "Branch", Source: "master", "Docker Tag": "latest" },
    rule: "{ branch: master, tags: [latest] }",
    builds: {
      "refs/heads/master": ["latest"],
      "refs/heads/master-2": [],
      "refs/heads/x/master": [],
      "refs/tags/master": [],
    },
  },
  {
    shown: "an exact match",
    source: PAGE,
    hub: { "Source Type": "Branch", Source: "master", "Docker Tag": "latest" },
    rule: "{ branch: master, tags: [latest] }",
    builds: { "refs/heads/master": ["latest"] },
  },
  {
    shown: "matching versions",
    source: PAGE,
    hub: { "Source Type": "Tag", Source: "/^[0-9.]+$/", "Docker Tag": "release-{sourceref}" },
    rule: "{ tag: '/^[0-9.]+$/', tags: ['release-{sourceref}'] }",
    builds: { "refs/tags/1.2.0": ["release-1.2.0"], "refs/tags/1.2.0-rc": [], "refs/heads/1.2.0": [] },
  },
  {
    shown: "trailing modifiers: the whole name is the tag, not the part that matched",
    source: PAGE,
    hub: { "Source Type": "Tag", Source: "/^[0-9.]+/", "Docker Tag": "release-{sourceref}" },
    rule: "{ tag: '/^[0-9.]+/', tags: ['release-{sourceref}'] }",
    builds: { "refs/tags/1.2.0-rc": ["release-1.2.0-rc"], "refs/tags/v1.2.0": [] },
  },
  {
    shown: "a version taken out of a name, v1.2.3 to version-1.2.3",
    source: "docker/hub-feedback#1831",
    hub: { "Source Type": "Tag", Source: "/^v([0-9.]+)$/", "Docker Tag": "version-{\\1}" },
    rule: "{ tag: '/^v([0-9.]+)$/', tags: ['version-{\\1}'] }",
    builds: { "refs/tags/v1.2.3": ["version-1.2.3"], "refs/tags/1.2.3": [], "refs/tags/v1.2.3-rc": [] },
  },
  {
    shown: "branches that end with a version",
    source: CLOUD,
    hub: { "Source Type": "Branch", Source: "/[0-9.]+$/", "Docker Tag": "version-{sourceref}" },
    rule: "{ branch: '/[0-9.]+$/', tags: ['version-{sourceref}'] }",
    builds: {
      "refs/heads/1.2": ["version-1.2"],
      "refs/heads/release-1.2": ["version-release-1.2"],
      "refs/heads/1.2-rc": [],
    },
  },
  {
    shown: "capture groups from several sources",
    source: `${CLOUD}, beside the text`,
    hub: { "Source Type": "Branch", Source: "/(alice|bob)-v([0-9.]+)/", "Docker Tag": "{\\2}-{\\1}" },
    rule: "{ branch: '/(alice|bob)-v([0-9.]+)/', tags: ['{\\2}-{\\1}'] }",
    builds: { "refs/heads/alice-v1.0": ["1.0-alice"], "refs/heads/for-bob-v2": ["2-bob"], "refs/heads/eve-v1": [] },
  },
  {
    shown: "as many groups as there may be",
    source: `the sentence in ${SETUP}; the expression is ours`,
    hub: {
      "Source Type": "Tag",
      Source: "/^(.)(.)(.)(.)(.)(.)(.)(.)(.)$/",
      "Docker Tag": "{\\9}{\\8}{\\7}{\\6}{\\5}{\\4}{\\3}{\\2}{\\1}",
    },
    rule: "{ tag: '/^(.)(.)(.)(.)(.)(.)(.)(.)(.)$/', tags: ['{\\9}{\\8}{\\7}{\\6}{\\5}{\\4}{\\3}{\\2}{\\1}'] }",
    builds: { "refs/tags/123456789": ["987654321"], "refs/tags/12345678": [] },
  },
  {
    shown: "several tags from one build",
    source: CLOUD,
    hub: { "Source Type": "Tag", Source: "/^[0-9.]+$/", "Docker Tag": "{sourceref},latest" },
    rule: "{ tag: '/^[0-9.]+$/', tags: ['{sourceref}', latest] }",
    builds: { "refs/tags/1.2": ["1.2", "latest"] },
  },
  {
    shown: "parts of a version, in one build where Docker Hub needed three",
    source: "AtomGraph/fuseki-docker#4",
    hub: {
      "Source Type": "Tag",
      Source: "/^v([0-9]+)\\.([0-9]+)\\.([0-9]+)$/",
      "Docker Tag": "{\\1}.{\\2}.{\\3},{\\1}.{\\2},{\\1}",
    },
    rule: "{ tag: '/^v([0-9]+)\\.([0-9]+)\\.([0-9]+)$/', tags: ['{\\1}.{\\2}.{\\3}', '{\\1}.{\\2}', '{\\1}'] }",
    builds: { "refs/tags/v3.14.0": ["3.14.0", "3.14", "3"], "refs/tags/v3.14": [] },
  },
  {
    shown: "groups and plain text in one tag, as migrating is explained",
    source: MIGRATE,
    hub: { "Source Type": "Tag", Source: "/^v([0-9.]+)$/", "Docker Tag": "v{\\1}" },
    rule: "{ tag: '/^v([0-9.]+)$/', tags: ['v{\\1}'] }",
    builds: { "refs/tags/v1.0": ["v1.0"], "refs/heads/v1.0": [] },
  },
];

function tagsOf(file: string, ref: string): readonly string[] {
  const parsed = parseRepoConfig(file, { repositoryName: "app" });
  expect(parsed.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const [, kind, name = ""] = /^refs\/(heads|tags)\/(.+)$/.exec(ref) ?? [];
  const config = { kind: "read", parsed } as const;
  const change = kind === "heads" ? branch(name) : tag(name);
  const facts = { change, config, defaultBranchConfig: config, changedPaths: null, tags: null };
  const { requests } = planBuilds(planFacts([facts]));
  expect(requests.length).toBeLessThanOrEqual(1);
  return requests.flatMap(({ tags }) => tags);
}

function table(rule: Example["hub"]): string {
  const cells = (values: readonly string[]) => values.map((value) => `"${value.replaceAll('"', '""')}"`).join(",");
  return `${cells(Object.keys(rule))}\n${cells(Object.values(rule))}\n`;
}

const cases = examples.flatMap((example) =>
  Object.entries(example.builds).map(
    ([ref, tags]) => [`${example.shown} [${example.source}]`, ref, tags, example] as const,
  ),
);

describe("Docker Hub's documented examples", () => {
  it.each(cases)("%s: %s gives %j", (_, ref, tags, { rule }) => {
    expect(tagsOf(`version: 1\nimages: [{ rules: [${rule}] }]\n`, ref)).toEqual(tags);
  });

  it.each(cases)("%s, imported: %s gives %j", (_, ref, tags, { hub }) => {
    const imported = importDockerHub(table(hub), `${ref}\n`);
    if (!imported.ok) throw new Error(imported.message);
    expect(imported.value).toMatchObject({ complete: true, findings: [] });
    expect(imported.value.comparisons).toMatchObject([{ ref, verdict: "same", hub: tags, file: tags }]);
    expect(tagsOf(imported.value.file ?? "", ref)).toEqual(tags);
  });
});

interface Place {
  readonly shown: string;
  readonly context: string;
  readonly location: string;
  /** Context and Dockerfile of the build. */
  readonly builds: readonly [string, string];
}

/** All of {@link SETUP}, "Set the build context and Dockerfile location". */
const places: readonly Place[] = [
  { shown: "both at the root", context: "/", location: "/", builds: [".", "Dockerfile"] },
  {
    shown: "a context, its own Dockerfile",
    context: "/services/api",
    location: "/",
    builds: ["services/api", "Dockerfile"],
  },
  {
    shown: "a location relative to the context",
    context: "/services",
    location: "/api/Dockerfile",
    builds: ["services", "api/Dockerfile"],
  },
  { shown: "a blank context", context: "", location: "/alpine/Dockerfile", builds: ["alpine", "Dockerfile"] },
  { shown: "a blank context, Dockerfile at the root", context: "", location: "/", builds: [".", "Dockerfile"] },
  {
    shown: "a blank context, the location a folder",
    context: "",
    location: "alpine/",
    builds: ["alpine", "Dockerfile"],
  },
  {
    shown: "a folder with a slash behind it",
    context: "/docker-test/",
    location: "Dockerfile",
    builds: ["docker-test", "Dockerfile"],
  },
];

describe("Docker Hub's build context and Dockerfile location", () => {
  it.each(places)("$shown", ({ context, location, builds }) => {
    const rule = { "Source Type": "Branch", Source: "main", "Docker Tag": "latest" };
    const imported = importDockerHub(
      table({ ...rule, "Dockerfile location": location, "Build Context": context }),
      null,
    );
    if (!imported.ok) throw new Error(imported.message);
    const { config } = parseRepoConfig(imported.value.file ?? "", { repositoryName: "app" });
    const inputs = config?.images[0]?.rules[0]?.inputs;
    expect([inputs?.context, inputs?.dockerfile]).toEqual(builds);
  });
});
