import { describe, expect, it } from "@jest/globals";
import { plainText } from "../../src/bitbucket/plain-text.ts";
import {
  buildReport,
  buildStatus,
  keyOf,
  reportAnnotations,
  resolvedAnnotation,
} from "../../src/bitbucket/report-content.ts";
import type { Annotation, BuildResult, CheckContent } from "../../src/core/check.ts";
import { checkContent } from "../../src/core/explain.ts";
import { escapeMarkdown } from "../../src/core/markdown.ts";
import type { Build } from "../../src/core/model.ts";
import { build, digest, planned, skip } from "../core/samples.ts";
import { computedMs } from "../support/cpu-time.ts";

const URL = "https://wharfinger.test/builds/1";

const result: BuildResult = { image: "harbour/crane", tags: ["latest"], digest, state: "succeeded", seconds: 72 };

const done: CheckContent = {
  status: "completed",
  conclusion: "success",
  title: "crane built: latest",
  summary: "All is well.",
  text: null,
  annotations: [],
  results: [result],
  branch: "main",
  detailsUrl: URL,
  actions: [],
  startedAt: "2026-11-20T10:00:00.000Z",
  completedAt: "2026-11-20T10:01:12.000Z",
};

function note(rest: Partial<Annotation> = {}): Annotation {
  return { path: "Dockerfile", line: 3, level: "failure", message: "unknown instruction: RUM", ...rest };
}

/** Half a pair of surrogates, a terminal's escape, a change of direction, a line's end. */
const HOSTILE = "a\ud83d b\u001b[31mred\u0007\u202e c\r\nd `<b>`[x](http://evil.test) @all\u0000";

/** What must be in no text of ours: control characters but line ends, halves of characters, what turns or hides text. */
const UNWANTED = /[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]|\p{Cs}/u;

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

describe("the key of a check", () => {
  it("is the same for a name always", () => {
    expect(keyOf("wharfinger")).toBe("wharfinger-e52386525294e6c774e8");
    expect(keyOf("wharfinger: api")).toBe("wharfinger-api-0385043cf4f2e60d9418");
  });

  it("has at most 40 characters, all harmless in an address, and differs where names do", () => {
    const long = "x".repeat(500);
    const names = ["", "é", "wharfinger: a/b", "wharfinger: a-b", "wharfinger: A-B", long, `${long}y`, HOSTILE, "- -"];
    const keys = names.map(keyOf);
    for (const key of keys) expect(key).toMatch(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])$/);
    expect(new Set(keys).size).toBe(names.length);
  });
});

describe("a build status", () => {
  it.each([
    ["success", "SUCCESSFUL"],
    ["neutral", "SUCCESSFUL"],
    ["skipped", "SUCCESSFUL"],
    ["failure", "FAILED"],
    ["timed_out", "FAILED"],
    ["cancelled", "STOPPED"],
    ["action_required", "STOPPED"],
  ] as const)("says of %s %s", (conclusion, state) => {
    expect(buildStatus("wharfinger", { ...done, conclusion })).toMatchObject({ state });
  });

  it("names check, page and branch, and sums up the end", () => {
    expect(buildStatus("wharfinger", done)).toEqual({
      key: keyOf("wharfinger"),
      state: "SUCCESSFUL",
      name: "wharfinger",
      description: "crane built: latest",
      url: URL,
      refname: "main",
    });
  });

  it("is the same for waiting and building, as only one of them is written", () => {
    const queued = { ...done, status: "queued", conclusion: null, title: "crane: waiting to be built" } as const;
    const building = { ...queued, status: "in_progress", title: "crane: being built" } as const;
    expect(buildStatus("wharfinger", queued)).toEqual(buildStatus("wharfinger", building));
    expect(buildStatus("wharfinger", queued)).toMatchObject({ state: "INPROGRESS" });
    expect(buildStatus("wharfinger", queued).description).toMatch(/waiting .* or being built/i);
  });

  it("says of every image why nothing was built", () => {
    const skips = [
      skip({ image: "api", reason: "paths-unchanged", detail: "nothing below services/api changed" }),
      skip({ image: "web", reason: "skip-requested", detail: "the commit says [skip ci]" }),
    ];
    const content = checkContent("wharfinger", { builds: [], skips }, options);
    if (content === null) throw new Error("there is something to say");
    expect(buildStatus("wharfinger", content)).toMatchObject({
      state: "SUCCESSFUL",
      description:
        "api: nothing below services/api changed (paths-unchanged); web: the commit says [skip ci] (skip-requested)",
    });
  });

  it("says of a build that somebody has to approve that it waits, and where it is said for whom", () => {
    const pull = planned({ trust: "untrusted", push: false });
    const hold = { reason: "awaiting-approval", detail: "Pull request #7 comes from a fork." } as const;
    const content = checkContent(
      "wharfinger",
      { builds: [build({ state: "held", planned: pull, hold })], skips: [] },
      options,
    );
    if (content === null) throw new Error("there is something to say");
    expect(content.conclusion).toBe("action_required");
    expect(buildStatus("wharfinger", content)).toMatchObject({
      // Neither lets it be merged nor goes on for ever.
      state: "STOPPED",
      description: expect.stringMatching(/waiting for approval\. The details page says what it waits for\.$/),
      url: content.detailsUrl,
    });
    const long = { ...content, title: "x".repeat(300) };
    expect(buildStatus("wharfinger", long).description).toMatch(/^x+…\. The details page says what it waits for\.$/);
    expect(buildStatus("wharfinger", long).description.length).toBeLessThanOrEqual(255);
    // Nothing was built that could be reported on.
    expect(content.results).toHaveLength(1);
    expect(buildReport("wharfinger", content)).toBeNull();
    expect(buildReport("wharfinger", { ...content, annotations: [note()] })).toMatchObject({ result: "PENDING" });
  });

  it("keeps to the limits, in whole characters", () => {
    for (const pad of ["", "x"]) {
      const long = `${pad}${"🚢".repeat(300)}`;
      const status = buildStatus(`wharfinger: ${long}`, { ...done, title: long, branch: long });
      expect(status.name.length).toBeLessThanOrEqual(255);
      expect(status.description.length).toBeLessThanOrEqual(255);
      expect(status.description).toMatch(/🚢…$/u);
      expect(textsIn(status).filter((text) => UNWANTED.test(text))).toEqual([]);
      // Cut short it would be another branch.
      expect(status).not.toHaveProperty("refname");
    }
  });

  it.each([null, "", "a".repeat(256), "a\u0007b", "a\u202eb", "a\ud83d"])("leaves out the branch %j", (branch) => {
    expect(buildStatus("wharfinger", { ...done, branch })).not.toHaveProperty("refname");
  });

  it("takes hostile text apart", () => {
    const status = buildStatus(HOSTILE, { ...done, title: HOSTILE });
    expect(textsIn(status).filter((text) => UNWANTED.test(text) || text.includes("\n"))).toEqual([]);
  });
});

const options = {
  buildUrl: (id: string) => `https://wharfinger.test/builds/${id}`,
  commitUrl: "https://wharfinger.test/builds",
  logTail: () => [],
  registry: () => "registry.test",
  now: "2026-11-20T11:00:00.000Z",
};

function of(image: string, rest: Partial<Build> = {}): Build {
  return build({ id: image, planned: planned({ image }), image: `harbour/${image}`, ...rest });
}

describe("a report", () => {
  it("has the image, its tags, digest and duration as fields", () => {
    expect(buildReport("wharfinger", done)).toEqual({
      title: "wharfinger",
      details: "crane built: latest\n\nAll is well.",
      report_type: "TEST",
      reporter: "Wharfinger",
      result: "PASSED",
      link: URL,
      data: [
        { title: "Image", type: "TEXT", value: "harbour/crane" },
        { title: "Tags", type: "TEXT", value: "latest" },
        { title: "Digest", type: "TEXT", value: digest },
        { title: "Duration", type: "DURATION", value: 72_000 },
      ],
    });
  });

  it.each([
    ["success", "PASSED"],
    ["neutral", "PASSED"],
    ["skipped", "PASSED"],
    ["failure", "FAILED"],
    ["timed_out", "FAILED"],
    ["cancelled", "FAILED"],
  ] as const)("of %s has %s", (conclusion, expected) => {
    expect(buildReport("wharfinger", { ...done, conclusion })?.result).toBe(expected);
  });

  it("is made when something has ended that has more to it than a status", () => {
    expect(buildReport("wharfinger", { ...done, status: "in_progress", conclusion: null })).toBeNull();
    expect(buildReport("wharfinger", { ...done, results: [] })).toBeNull();
    expect(buildReport("wharfinger", { ...done, results: [], annotations: [note()] })).not.toBeNull();
  });

  it("leaves out what is not there", () => {
    const failed = { ...result, tags: [], digest: null, state: "failed", seconds: null } as const;
    expect(buildReport("wharfinger", { ...done, results: [failed] })?.data).toEqual([
      { title: "Image", type: "TEXT", value: "harbour/crane" },
      { title: "Result", type: "TEXT", value: "failed" },
    ]);
  });

  it("has a field for each of several images, ten at most, with the digest whole", () => {
    const images = (count: number) => Array.from({ length: count }, (_, i) => ({ ...result, image: `harbour/${i}` }));
    const many = Array.from({ length: 500 }, (_, i) => `1.${i}`);
    const two = buildReport("wharfinger", {
      ...done,
      results: [result, { ...result, image: "harbour/web", tags: many }],
    });
    expect(two?.data[0]).toEqual({ title: "harbour/crane", type: "TEXT", value: `latest · ${digest} · 72 s` });
    expect(two?.data[1]?.value).toMatch(new RegExp(`^1\\.0, 1\\.1, .*, 1\\.\\d+ and \\d+ more · ${digest} · 72 s$`));
    expect(String(two?.data[1]?.value).length).toBeLessThanOrEqual(450);
    expect(buildReport("wharfinger", { ...done, results: images(10) })?.data).toHaveLength(10);
    const eleven = buildReport("wharfinger", { ...done, results: images(11) })?.data;
    expect(eleven).toHaveLength(10);
    expect(eleven?.at(-1)).toEqual({ title: "More images", type: "NUMBER", value: 2 });
  });

  it("names as many tags as there is room for, and counts the others", () => {
    const tags = Array.from({ length: 500 }, (_, i) => `v${i}`);
    const value = String(buildReport("wharfinger", { ...done, results: [{ ...result, tags }] })?.data[1]?.value);
    expect(value.length).toBeLessThanOrEqual(450);
    const [, named = "", left] = /^(.*) and (\d+) more$/.exec(value) ?? [];
    expect(named.split(", ").length + Number(left)).toBe(500);
    const huge = buildReport("wharfinger", { ...done, results: [{ ...result, tags: ["t".repeat(600), "u"] }] });
    expect(huge?.data[1]).toEqual({ title: "Tags", type: "TEXT", value: "and 2 more" });
  });

  it("keeps details to 2,000 characters, and says how many annotations are missing", () => {
    const annotations = Array.from({ length: 1_001 }, () => note());
    const report = buildReport("wharfinger", { ...done, summary: "🚢".repeat(3_000), annotations });
    expect(report?.details.length).toBeLessThanOrEqual(2_000);
    expect(report?.details).toMatch(/🚢…\n\n901 more annotations are not shown here\.$/u);
    expect(buildReport("wharfinger", { ...done, annotations: annotations.slice(0, 100) })?.details).not.toMatch(/more/);
  });

  it("takes hostile text apart", () => {
    const hostile = { ...result, image: HOSTILE, tags: [HOSTILE], digest: HOSTILE };
    const content = {
      ...done,
      title: HOSTILE,
      summary: HOSTILE,
      annotations: [note({ message: HOSTILE, path: HOSTILE })],
    };
    for (const results of [[hostile], [hostile, hostile]]) {
      const report = buildReport(HOSTILE, { ...content, results });
      expect(textsIn(report).filter((text) => UNWANTED.test(text))).toEqual([]);
    }
    expect(textsIn(reportAnnotations(HOSTILE, content)).filter((text) => UNWANTED.test(text))).toEqual([]);
  });

  it("says in plain text what a check says in Markdown", () => {
    const failure = { class: "build", message: "RUN make: exit code 2 at `x`", line: 7 } as const;
    const builds = [of("api"), of("web", { state: "failed", digest: null, failure })];
    const skips = [skip({ image: "docs", reason: "paths-unchanged", detail: "nothing below docs/*_a changed" })];
    const content = checkContent("wharfinger", { builds, skips }, options);
    if (content === null) throw new Error("there is something to say");
    const lines = plainText(content.summary).split("\n");
    expect(lines).toContain(`harbour/api · latest · ${digest} · 1 min 12 s`);
    expect(lines).toContain("harbour/web · latest · failed · 1 min 12 s");
    expect(lines).toContain(`docker pull registry.test/harbour/api@${digest}`);
    expect(lines).toContain("harbour/web: build");
    expect(lines).toContain("RUN make: exit code 2 at `x`");
    expect(lines).toContain("- docs: nothing below docs/*_a changed (paths-unchanged)");
    expect(lines.join("\n")).not.toMatch(/\\|&#8203;|```|\]\(|image · tags/);
  });
});

describe("plain text", () => {
  it.each([
    "feature/[a](b)",
    "**bold** _x_ ~y~ <b> & # | `code` \\",
    "1. one",
    "- a list",
    "@everyone GH-12 #12 www.evil.test http://evil.test",
    "``` fence",
  ])("gives back what was escaped: %s", (text) => {
    expect(plainText(`- ${escapeMarkdown(text)}`)).toBe(`- ${text}`);
  });

  it("reads code spans with backticks, and leaves code as it is", () => {
    expect(plainText("`` a`b `` and `c\\*d`")).toBe("a`b and c\\*d");
    expect(plainText("````text\n# not a title\n```\n[a](b)\n````\nafter")).toBe("# not a title\n```\n[a](b)\nafter");
  });

  it("takes no long time over what only looks like Markdown", () => {
    const started = process.cpuUsage();
    for (const part of ["`", "` `` ", "[", "](", "\\", "| "]) plainText(part.repeat(20_000));
    expect(computedMs(started)).toBeLessThan(2_000);
  });
});

describe("annotations", () => {
  it("stand on their line, with the type and severity of their level", () => {
    const annotations = [note({ level: "notice" }), note({ level: "warning" }), note()];
    const id = keyOf("wharfinger");
    const common = { summary: "unknown instruction: RUM", path: "Dockerfile", line: 3, link: URL, result: "FAILED" };
    expect(reportAnnotations("wharfinger", { ...done, annotations })).toEqual([
      { ...common, external_id: `${id}-1`, annotation_type: "BUG", severity: "HIGH" },
      { ...common, external_id: `${id}-2`, annotation_type: "CODE_SMELL", severity: "MEDIUM" },
      { ...common, external_id: `${id}-3`, annotation_type: "CODE_SMELL", severity: "LOW" },
    ]);
  });

  it("are a hundred, the gravest, each with an id of its own", () => {
    const annotations = Array.from({ length: 1_001 }, (_, line) =>
      note({ line: line + 1, level: line === 1_000 ? "failure" : "warning" }),
    );
    const shown = reportAnnotations("wharfinger", { ...done, annotations });
    expect(shown).toHaveLength(100);
    expect(shown[0]).toMatchObject({ severity: "HIGH", line: 1_001 });
    expect(new Set(shown.map(({ external_id }) => external_id)).size).toBe(100);
  });

  it("have a summary always, and details when it is too short for them", () => {
    const [empty, long] = reportAnnotations("wharfinger", {
      ...done,
      annotations: [note({ message: "\u0007 " }), note({ message: "🚢".repeat(2_000) })],
    });
    expect(empty?.summary).not.toBe("");
    expect(empty).not.toHaveProperty("details");
    expect(long?.summary).toMatch(/^(?:🚢)+…$/u);
    expect(long?.summary.length).toBeLessThanOrEqual(450);
    expect(long?.details?.length).toBeGreaterThan(1_900);
    expect(long?.details?.length).toBeLessThanOrEqual(2_000);
  });

  it.each(["", "a\nb", "a".repeat(2_001), "a\ud83d"])("stand beside the files when there can be no path %j", (path) => {
    const [only] = reportAnnotations("wharfinger", { ...done, annotations: [note({ path })] });
    expect(only).not.toHaveProperty("path");
    expect(only).not.toHaveProperty("line");
  });

  it("that are no longer so say so where they stood", () => {
    expect(resolvedAnnotation({ external_id: "x-2", path: "Dockerfile", line: 3 })).toMatchObject({
      external_id: "x-2",
      result: "PASSED",
      severity: "LOW",
      path: "Dockerfile",
      line: 3,
    });
    // The API tells lines that were never given as 0.
    expect(resolvedAnnotation({ external_id: "x-2", line: 0 })).not.toHaveProperty("line");
  });
});
