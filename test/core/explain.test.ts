import { describe, expect, it } from "@jest/globals";
import type { CheckFacts } from "../../src/core/check.ts";
import { checkContent, checkNames, type ExplainOptions, planLines, sentence } from "../../src/core/explain.ts";
import type { Build, FailureClass, SkipReason } from "../../src/core/model.ts";
import { build, digest, inputs, planned, sha, skip } from "./samples.ts";

const options: ExplainOptions = {
  buildUrl: (id) => `https://ci.example/builds/${id}`,
  commitUrl: "https://ci.example/builds",
  logTail: () => [],
  registry: () => "registry.example:5000",
  now: "2026-11-20T11:00:00.000Z",
};

function content(facts: Partial<CheckFacts>, name = "wharfinger", rest: Partial<ExplainOptions> = {}) {
  return checkContent(name, { builds: [], skips: [], ...facts }, { ...options, ...rest });
}

function of(image: string, rest: Partial<Build> = {}): Build {
  return build({ id: image, planned: planned({ image }), image: `acme/${image}`, ...rest });
}

const failed = {
  state: "failed",
  digest: null,
  failure: { class: "build", message: "RUN make: exit code 2", line: 7 },
} as const satisfies Partial<Build>;

describe("the checks of a commit", () => {
  it("are one for one image", () => {
    expect(checkNames({ builds: [of("api")], skips: [skip()] })).toEqual(["wharfinger"]);
  });

  it("are one more for each of several, built or not", () => {
    const names = checkNames({ builds: [of("api")], skips: [skip({ image: "web" }), skip({ image: null })] });
    expect(names).toEqual(["wharfinger", "wharfinger: api", "wharfinger: web"]);
  });
});

describe("state and conclusion", () => {
  const end = { queued: {}, running: {}, held: {} };
  it.each<[string, Build["state"][], SkipReason[], string, string | null]>([
    ["waits", ["queued", "queued"], [], "queued", null],
    ["needs a person while something is held", ["held"], [], "completed", "action_required"],
    ["needs a person also where the rest succeeded", ["held", "succeeded"], [], "completed", "action_required"],
    ["runs while something is held beside it", ["held", "running"], [], "in_progress", null],
    ["waits while something is held beside it", ["held", "queued"], [], "queued", null],
    ["fails although something is held", ["held", "failed"], [], "completed", "failure"],
    ["runs when one does", ["queued", "running"], [], "in_progress", null],
    ["runs until all have ended", ["failed", "queued"], [], "in_progress", null],
    ["succeeds", ["succeeded", "succeeded"], ["no-match"], "completed", "success"],
    ["fails when one does", ["succeeded", "failed", "timed_out", "canceled"], [], "completed", "failure"],
    ["timed out", ["succeeded", "timed_out", "canceled"], [], "completed", "timed_out"],
    ["was canceled", ["succeeded", "canceled"], [], "completed", "cancelled"],
    ["is cancelled, not passed, when superseded", ["superseded"], [], "completed", "cancelled"],
    ["is skipped when nothing is built", [], ["paths-unchanged", "no-match"], "completed", "skipped"],
    ["fails on a broken file", [], ["config-invalid"], "completed", "failure"],
    ["fails on a broken file beside a build", ["succeeded"], ["config-invalid"], "completed", "failure"],
  ])("%s", (_, states, reasons, status, conclusion) => {
    const builds = states.map((state, i) => of(`image${i}`, { state, ...(state in end && { finishedAt: null }) }));
    const shown = content({ builds, skips: reasons.map((reason) => skip({ reason, image: reason })) });
    expect(shown).toMatchObject({ status, conclusion });
    expect(shown?.completedAt === null).toBe(conclusion === null);
  });

  it.each<SkipReason>([
    "config-missing",
    "not-linked",
    "suspended",
    "paused",
    "no-namespace",
    "ref-deleted",
    "superseded",
  ])("there is no check for %s alone", (reason) => {
    expect(content({ skips: [skip({ reason, image: null })] })).toBeNull();
  });

  it("there is a check for a quiet reason beside a build", () => {
    const shown = content({ builds: [build()], skips: [skip({ reason: "config-missing", image: null })] });
    expect(shown).toMatchObject({ conclusion: "success" });
    expect(shown?.summary).not.toContain("config-missing");
  });

  it("a superseded build does not hide that another ref built the image", () => {
    const old = build({ id: "2", state: "superseded", digest: null });
    expect(content({ builds: [old, build()] })).toMatchObject({ conclusion: "success" });
  });

  it("times span all builds", () => {
    const first = of("api", { startedAt: "2026-11-20T10:00:00.000Z", finishedAt: "2026-11-20T10:05:00.000Z" });
    const second = of("web", { startedAt: "2026-11-20T10:01:00.000Z", finishedAt: "2026-11-20T10:09:00.000Z" });
    expect(content({ builds: [second, first] })).toMatchObject({
      startedAt: "2026-11-20T10:00:00.000Z",
      completedAt: "2026-11-20T10:09:00.000Z",
    });
  });
});

describe("the check of one image", () => {
  const facts = { builds: [of("api"), of("web", failed)], skips: [skip({ image: "docs" })] };

  it.each([
    ["wharfinger: api", "success"],
    ["wharfinger: web", "failure"],
    ["wharfinger: docs", "skipped"],
    ["wharfinger", "failure"],
  ])("%s: %s", (name, conclusion) => {
    expect(content(facts, name)).toMatchObject({ conclusion });
  });

  it("is not there for an image the commit does not have", () => {
    expect(content(facts, "wharfinger: other")).toBeNull();
    expect(content(facts, "wharfinger: ")).toBeNull();
  });

  it("says nothing of the others", () => {
    const summary = content(facts, "wharfinger: api")?.summary ?? "";
    expect(summary).toContain("acme/api");
    expect(summary).not.toMatch(/web|docs/);
  });
});

describe("what a check says", () => {
  it("of a published image: tags, digest, duration, how to pull it", () => {
    const shown = content({ builds: [build({ planned: planned({ tags: ["latest", "1.0"] }) })] });
    expect(shown?.title).toBe("api built: latest, 1.0");
    expect(shown?.summary).toBe(
      [
        "| image | tags | digest | duration |",
        "| --- | --- | --- | --- |",
        `| [\`acme/api\`](https://ci.example/builds/1) | \`latest\` \`1.0\` | \`${digest}\` | 1 min 12 s |`,
        "",
        "```sh",
        `docker pull registry.example:5000/acme/api@${digest}`,
        "```",
      ].join("\n"),
    );
    expect(shown).toMatchObject({ text: null, annotations: [], detailsUrl: "https://ci.example/builds/1" });
  });

  it("of an image that was only tested", () => {
    const shown = content({ builds: [build({ digest: null, planned: planned({ push: false }) })] });
    expect(shown?.title).toBe("api tested: latest");
    expect(shown?.summary).toContain("tested, not published");
    expect(shown?.summary).not.toContain("docker pull");
  });

  it("of a failure: class, message, advice, commands, the log's end, the Dockerfile's line", () => {
    const shown = content(
      { builds: [of("web"), of("api", { ...failed, planned: planned({ inputs: { ...inputs, context: "srv" } }) })] },
      "wharfinger",
      { logTail: (id) => [`log of ${id}`, "make: *** [all] Error 2"] },
    );
    expect(shown?.title).toBe("1 of 2 builds: failed");
    expect(shown?.detailsUrl).toBe("https://ci.example/builds/api");
    expect(shown?.summary).toContain(
      "#### `acme/api`: build\n\nRUN make\\: exit code 2\n\nA step of the Dockerfile failed",
    );
    expect(shown?.summary).toContain(`git checkout --detach ${sha("b")}`);
    expect(shown?.text).toBe("#### Log of `acme/api`, its end\n\n```text\nlog of api\nmake: *** [all] Error 2\n```");
    expect(shown?.annotations).toEqual([
      { path: "srv/Dockerfile", line: 7, level: "failure", message: "RUN make: exit code 2" },
    ]);
  });

  it.each<[FailureClass, boolean]>([
    ["checkout", false],
    ["dockerfile", true],
    ["build", true],
    ["test", true],
    ["push", false],
    ["timeout", true],
    ["out-of-memory", true],
    ["internal", false],
  ])("of a failure of class %s, commands only where they show it (%j)", (failureClass, expected) => {
    const failure = { class: failureClass, message: "It broke." };
    const summary = content({ builds: [build({ ...failed, failure })] })?.summary ?? "";
    expect(summary.includes("docker build")).toBe(expected);
    expect(summary).toContain(failureClass);
  });

  it("of a build that ended without a word", () => {
    const timedOut = build({ state: "timed_out", digest: null, failure: null });
    expect(content({ builds: [timedOut] })?.summary).toContain("stopped at its time limit");
    expect(content({ builds: [build({ ...failed, failure: null })] })?.summary).toContain("without saying why");
  });

  it("of skips: the image, the sentence, the reason; many of one kind once", () => {
    const skips = [skip(), skip({ rule: "images[0].rules[1]" }), skip({ image: "web", reason: "paths-unchanged" })];
    expect(content({ skips })?.summary.split("\n")).toEqual([
      "- `api`: not built\\: branch docs does not match branch main; the same for 1 more rule (no-match)",
      "- `web`: not built\\: branch docs does not match branch main (paths-unchanged)",
    ]);
  });

  it("of one skip in the title", () => {
    const detail = "not built: the commit message says [skip ci]";
    const skips = ["api", "web"].map((image) => skip({ image, reason: "skip-requested", detail }));
    expect(content({ skips })?.title).toBe(detail);
  });

  it("of a broken file: every problem, at its line", () => {
    const problems = [
      { severity: "error", line: 3, column: 5, message: "unknown key `brach`" },
      { severity: "warning", line: 9, column: 1, message: "no anchors" },
    ] as const;
    const detail = "not built: .wharfinger.yml has an error: 3:5: unknown key `brach`";
    const shown = content({ skips: [skip({ image: null, rule: null, reason: "config-invalid", detail, problems })] });
    expect(shown?.title).toBe(detail);
    expect(shown?.summary).toContain("an error\\: 3\\:5\\: unknown key \\`brach\\`");
    expect(shown?.annotations).toEqual([
      { path: ".wharfinger.yml", line: 3, level: "failure", message: "unknown key `brach`" },
      { path: ".wharfinger.yml", line: 9, level: "warning", message: "no anchors" },
    ]);
  });

  it("of a great many skips: some, and how many more", () => {
    const skips = Array.from({ length: 70 }, (_, i) => skip({ image: `image${i}` }));
    const lines = content({ skips })?.summary.split("\n") ?? [];
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toBe("- … and 20 more");
  });
});

describe("text of strangers", () => {
  const evil = "x @everyone ![i](https://evil.example/i) <img src=x> | `";

  it("does nothing in a skip, a failure or a log", () => {
    const builds = [of("api", { ...failed, failure: { class: "build", message: `${evil}\n# big` } })];
    const shown = content({ builds, skips: [skip({ image: "web", detail: evil })] }, "wharfinger", {
      logTail: () => ["```", "# escaped the fence", evil],
    });
    expect(shown?.summary).not.toMatch(/@everyone|!\[|[^\\]<img|https:\/\/evil|^# /m);
    expect(shown?.text?.split("\n").filter((line) => line.startsWith("````"))).toHaveLength(2);
  });

  it("stays one line of bounded length in the title", () => {
    const detail = `not built: ${"long\n".repeat(100)}`;
    const title = content({ skips: [skip({ detail })] })?.title ?? "";
    expect(title.length).toBeLessThanOrEqual(120);
    expect(title).not.toContain("\n");
  });
});

describe("a plan in lines", () => {
  it("says what is built, what is not and what else to know", () => {
    const diagnostics = [
      { severity: "error", line: 3, column: 5, message: "unknown key" },
      { severity: "info", line: 1, column: 1, message: "api: a/b is published as a-b" },
    ] as const;
    const requests = [planned({ tags: ["latest", "1.0"] }), planned({ image: "web", push: false })];
    const ofPull = planned({ push: false, tags: ["pr-5"], pull: { number: 5, target: "main", fork: true } });
    const hold = { reason: "awaiting-approval", detail: "Somebody has to approve it." } as const;
    const skips = [skip({ detail: "not built: why\u001b[31m" })];
    const held = [{ ...ofPull, hold }];
    expect(planLines({ requests: [...requests, ofPull], held, skips, diagnostics, trace: [] })).toEqual([
      "api: build refs/heads/main at bbbbbbb as latest, 1.0",
      "web: build refs/heads/main at bbbbbbb without publishing latest",
      "api: build pull request #5 at bbbbbbb without publishing pr-5",
      "api: hold pull request #5 at bbbbbbb: Somebody has to approve it. (awaiting-approval)",
      "api: not built: why (no-match)",
      "error: .wharfinger.yml:3:5: unknown key",
      "info: api: a/b is published as a-b",
    ]);
  });

  it("names the image of a skip, where there is one", () => {
    expect(sentence(skip({ detail: "not built: why" }))).toBe("api: not built: why");
    expect(sentence(skip({ image: null, detail: "not built: why" }))).toBe("not built: why");
  });
});

describe("what is held", () => {
  const hold = { reason: "awaiting-approval", detail: "Somebody has to approve <it>." } as const;
  const held = of("api", { state: "held", hold, startedAt: null, finishedAt: null });

  it("has a button, says what it waits for once, and leads to its page", () => {
    const shown = content({ builds: [held, of("web", { ...held, planned: planned({ image: "web" }) })], skips: [] });
    expect(shown?.actions).toEqual([
      { label: "Approve and build", description: "Build what is held at this commit", identifier: "approve" },
    ]);
    expect(shown?.summary.split("Somebody has to approve")).toHaveLength(2);
    expect(shown?.title).toBe("2 of 2 builds: waiting for approval");
    expect(content({ builds: [held], skips: [] })?.title).toBe("api: waiting for approval");
  });

  it("has no button any more once it was approved", () => {
    const approved = { ...held, state: "queued" as const, approval: { actor: null, at: "2026-11-20T10:00:00Z" } };
    expect(content({ builds: [approved], skips: [] })).toMatchObject({ actions: [], status: "queued" });
  });

  it("keeps to the limits of a host's buttons", () => {
    for (const { label, description, identifier } of content({ builds: [held], skips: [] })?.actions ?? []) {
      expect([label.length <= 20, description.length <= 40, identifier.length <= 20]).toEqual([true, true, true]);
    }
  });
});

it("says nothing of a queue's branch that was pushed, so that the queue waits for the test it asks for", () => {
  const pushed = skip({ reason: "merge-queue" });
  expect(content({ builds: [], skips: [pushed] })).toBeNull();
  expect(content({ builds: [of("api")], skips: [pushed] })?.summary).not.toContain("merge-queue");
});

describe("what hosts with fields are told", () => {
  it("is each build with what it has, or asks for", () => {
    const tags = { published: ["latest"], older: [{ tag: "1", why: "1.2 has it" }] };
    const web = of("web", { state: "running", digest: null, finishedAt: null });
    expect(content({ builds: [of("api", { tags, digest }), web], skips: [skip()] })?.results).toEqual([
      { image: "acme/api", tags: ["latest"], digest, state: "succeeded", seconds: 72 },
      { image: "acme/web", tags: ["latest"], digest: null, state: "running", seconds: null },
    ]);
    expect(content({ skips: [skip()] })?.results).toEqual([]);
  });

  it.each([
    ["of one branch", ["refs/heads/feature/a"], ["refs/heads/feature/a"], "feature/a"],
    ["of one branch that is not built", [], ["refs/heads/main"], "main"],
    ["of a tag", ["refs/tags/v1"], [], null],
    ["of a branch and a tag", ["refs/heads/main", "refs/tags/v1"], [], null],
    ["of a branch that is built and one that is not", ["refs/heads/main"], ["refs/heads/docs"], null],
    ["of one branch, and of no ref", ["refs/heads/main"], [null], "main"],
    ["of something else with refs/heads/ in its name", ["refs/tags/refs/heads/x"], [], null],
  ])("is the branch of what is %s", (_, built, skipped, branch) => {
    const builds = built.map((ref) => build({ planned: planned({ ref }) }));
    expect(content({ builds, skips: skipped.map((ref) => skip({ ref, image: "web" })) })?.branch).toBe(branch);
  });

  it("is no branch of what comes from a fork: that branch is not one of this repository", () => {
    const pulled = (fork: boolean) => build({ planned: planned({ pull: { number: 5, target: "main", fork } }) });
    expect(content({ builds: [pulled(false)] })?.branch).toBe("main");
    expect(content({ builds: [pulled(true)] })?.branch).toBeNull();
    expect(content({ skips: [skip({ reason: "untrusted-fork" })] })?.branch).toBeNull();
  });
});
