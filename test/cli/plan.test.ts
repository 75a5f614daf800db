import { describe, expect, it } from "@jest/globals";
import { type PayloadParsers, type PlanOptions, plan } from "../../src/cli/plan.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import type { ParseResult } from "../../src/core/events.ts";
import type { RefChange } from "../../src/core/model.ts";
import { branch, repository, tag } from "../core/samples.ts";

const CONFIG = `
version: 1
images:
  - name: api
    paths: { include: ["src/**"] }
    rules:
      - branch: main
      - semver: "*"
        tags: ["{version}", latest]
`;

const CHANGES: Readonly<Record<string, RefChange>> = {
  main: branch("main"),
  docs: branch("docs"),
  v1: tag("v1.0.0"),
  deleted: branch("old", { after: null, commit: null }),
};

/** Understands `{"push":["main",…]}`, `{"ping":true}` and `{"rerun":true}`; stands in for a host's parser. */
function parse(event: string, payload: unknown): ParseResult {
  const body: Partial<Record<string, unknown>> = typeof payload === "object" && payload !== null ? { ...payload } : {};
  const installation = { provider: "github", host: "default", id: "7" } as const;
  if (event === "push" && Array.isArray(body["push"])) {
    const changes = body["push"].flatMap((name) => CHANGES[String(name)] ?? []);
    return { ok: true, event: { type: "push", repository, installation, actor: null, changes } };
  }
  if (event === "ping") {
    return { ok: true, event: { type: "ignored", reason: "ping", detail: "GitHub greets" } };
  }
  if (event === "star") {
    const detail = "nobody builds for stars";
    return { ok: true, event: { type: "ignored", reason: "unsupported-event", detail, repository } };
  }
  if (event === "check_run") {
    const change = branch("main");
    if (change.commit === null) throw new Error("bad sample");
    return {
      ok: true,
      event: { type: "rerun", repository, installation, sha: change.commit, check: null, actor: null },
    };
  }
  return { ok: false, message: "push is missing" };
}

const parsers: PayloadParsers = { github: parse };

/** Runs the command over files held in memory. */
async function run(files: Record<string, string>, options: Partial<PlanOptions> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    stdin: async () => files["-"] ?? "",
    readFile: async (path) => {
      const text = files[path];
      if (text === undefined)
        throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: "ENOENT" });
      return text;
    },
    color: false,
  };
  const all = {
    provider: "github",
    event: "push",
    payload: "payload.json",
    config: null,
    facts: null,
    json: true,
  } as const;
  const code = await plan({ ...all, ...options }, terminal, parsers);
  return {
    code,
    out: out.join(""),
    err: err.join(""),
    report: code === 2 || options.json === false ? null : JSON.parse(out.join("")),
  };
}

function push(...names: string[]): string {
  return JSON.stringify({ push: names });
}

const withConfig = { config: ".wharfinger.yml" };

describe("wharfinger plan", () => {
  it("prints the plan of a push as one JSON object", async () => {
    const { code, report, err } = await run({ "payload.json": push("main"), ".wharfinger.yml": CONFIG }, withConfig);
    expect([code, err]).toEqual([0, ""]);
    expect(report).toMatchObject({
      provider: "github",
      event: "push",
      repository: { id: "186853002", fullName: "acme/api" },
      changes: [{ ref: "refs/heads/main", kind: "branch", name: "main" }],
      requests: [{ image: "api", tags: ["latest"], rules: ["images[0].rules[0]"], trust: "trusted" }],
      skips: [],
      diagnostics: [{ severity: "info", message: expect.stringContaining("not known") }],
    });
  });

  it("prints it for people", async () => {
    const files = { "payload.json": push("main", "docs", "deleted"), ".wharfinger.yml": CONFIG };
    const { code, out } = await run(files, { ...withConfig, json: false });
    expect(code).toBe(0);
    expect(out).toContain("push to acme/api\n");
    expect(out).toContain("- api: build refs/heads/main at bbbbbbb as latest\n");
    expect(out).toContain("- not built: branch old was deleted (ref-deleted)\n");
    expect(out.endsWith("\n")).toBe(true);
  });

  it("reads the payload from standard input", async () => {
    const { code, report } = await run(
      { "-": push("docs"), ".wharfinger.yml": CONFIG },
      { ...withConfig, payload: "-" },
    );
    expect(code).toBe(0);
    expect(report.skips).toMatchObject([{ reason: "no-match" }, { reason: "no-match" }]);
  });

  it("says that there is no file when none is given", async () => {
    const { code, report } = await run({ "payload.json": push("main") });
    expect(code).toBe(0);
    expect(report.skips).toMatchObject([{ ref: "refs/heads/main", image: null, rule: null, reason: "config-missing" }]);
  });

  it("exits 1 when the file has errors, and prints the plan all the same", async () => {
    const files = { "payload.json": push("main"), ".wharfinger.yml": "version: 1\nimagez: []\n" };
    const { code, report } = await run(files, withConfig);
    expect(code).toBe(1);
    expect(report).toMatchObject({ requests: [], skips: [{ image: null, reason: "config-invalid" }] });
    expect(report.diagnostics).toContainEqual(expect.objectContaining({ severity: "error", line: 2 }));
    expect(report.skips[0]).not.toHaveProperty("problems");
  });

  it.each([
    ["a ref that was deleted", { "payload.json": push("deleted") }, {}],
    ["an event that moves no ref", { "payload.json": "{}" }, { event: "ping" }],
    ["an installation that is paused", { "payload.json": push("main") }, { facts: "f.json" }],
  ])("tells the file's errors also where they are not needed: %s", async (_, payload, options) => {
    const files = { ...payload, ".wharfinger.yml": "version: 2\n", "f.json": '{"installation":{"state":"paused"}}' };
    const { code, report } = await run(files, { ...withConfig, ...options });
    expect(code).toBe(1);
    expect(report).toMatchObject({ requests: [], skips: [{ image: null }] });
    expect(report.diagnostics).toEqual([expect.objectContaining({ severity: "error", line: 1, column: 10 })]);
  });

  it("reads files with a byte order mark", async () => {
    const files = {
      "payload.json": `\ufeff${push("main")}`,
      ".wharfinger.yml": `\ufeff${CONFIG}`,
      "facts.json": '\ufeff{"changedPaths":["src/a"]}',
    };
    const { code, report } = await run(files, { ...withConfig, facts: "facts.json" });
    expect([code, report.requests.length]).toEqual([0, 1]);
  });

  it.each([
    ["ping", "GitHub greets", null],
    ["star", "nobody builds for stars", "acme/api"],
    ["check_run", "moves no branch or tag", "acme/api"],
  ])("answers an event that moves no ref with one skip: %s", async (event, detail, fullName) => {
    const { code, report } = await run({ "payload.json": "{}" }, { event });
    expect(code).toBe(0);
    expect(report).toMatchObject({ changes: [], requests: [] });
    expect(report.skips).toEqual([
      { ref: null, image: null, rule: null, reason: "unsupported-event", detail: expect.stringContaining(detail) },
    ]);
    expect(report.repository?.fullName ?? null).toBe(fullName);
  });
});

describe("stated facts", () => {
  async function planWith(facts: object, name: string, config: string | null = ".wharfinger.yml") {
    const files = { "payload.json": push(name), ".wharfinger.yml": CONFIG, "facts.json": JSON.stringify(facts) };
    const { report } = await run(files, { config, facts: "facts.json" });
    return [
      ...report.requests.map((request: { tags: string[] }) => request.tags.join(",")),
      ...report.skips.map((skip: { reason: string }) => skip.reason),
    ];
  }

  it.each<[string, object, string, string[]]>([
    ["changed paths elsewhere", { changedPaths: ["README.md"] }, "main", ["paths-unchanged"]],
    ["changed paths that count", { changedPaths: ["src/a"] }, "main", ["latest"]],
    ["another default branch", { defaultBranch: "trunk" }, "main", ["main"]],
    ["newer tags", { tags: ["v2.0.0"] }, "v1", ["1.0.0"]],
    ["no newer tags", { tags: ["v1.0.0"] }, "v1", ["1.0.0,latest"]],
    ["a paused installation", { installation: { state: "paused" } }, "main", ["paused"]],
    ["no namespace", { installation: { namespace: null } }, "main", ["no-namespace"]],
    ["an unlinked repository", { installation: { link: "unlinked" } }, "main", ["not-linked"]],
    ["no installation", { installation: null }, "main", ["not-linked"]],
    ["a namespace", { installation: { namespace: "other" } }, "main", ["latest"]],
  ])("count: %s", async (_, facts, name, expected) => {
    expect(await planWith(facts, name)).toEqual(expected);
  });

  const LESS = CONFIG.replace("latest]", "stable]");

  it.each<[string, string | null, string, string[]]>([
    ["a tag it does not give", LESS, "v1", ["1.0.0", "tag-not-granted"]],
    ["nothing of an image it does not have", CONFIG.replace("name: api", "name: web"), "v1", ["tag-not-granted"]],
    ["nothing but the tag's own name where there is none", null, "v1", ["tag-not-granted"]],
    ["nothing but that where it is broken", "version: [", "v1", ["tag-not-granted"]],
    ["everything to itself", LESS, "main", ["latest"]],
    ["what the pushed file gives, when they are the same", CONFIG, "v1", ["1.0.0,latest"]],
  ])("grant by the default branch's file: %s", async (_, defaultBranchConfig, name, expected) => {
    expect(await planWith({ defaultBranchConfig }, name)).toEqual(expected);
  });

  it("make no error of a broken file on the default branch", async () => {
    const facts = JSON.stringify({ defaultBranchConfig: "version: [" });
    const files = { "payload.json": push("v1"), ".wharfinger.yml": CONFIG, "facts.json": facts };
    const { code, report } = await run(files, { ...withConfig, facts: "facts.json" });
    expect(code).toBe(0);
    expect(report.skips).toMatchObject([{ detail: expect.stringContaining("on main has errors and grants nothing") }]);
  });

  it("allow a build without a file", async () => {
    expect(await planWith({ zeroConfig: true }, "main", null)).toEqual(["latest"]);
    expect(await planWith({ zeroConfig: true }, "docs", null)).toEqual(["config-missing"]);
  });
});

describe("unusable input exits 2 with one line that says why", () => {
  const good = { "payload.json": push("main"), ".wharfinger.yml": CONFIG };
  it.each<[string, Record<string, string>, Partial<PlanOptions>, string]>([
    ["a payload that is not there", {}, {}, "--payload payload.json can not be read: ENOENT"],
    ["a payload that is not JSON", { "payload.json": "push" }, {}, "--payload is not JSON"],
    ["another event's payload", { "payload.json": "{}" }, {}, "--payload is not a github push event: push is missing"],
    ["a payload that is no object", { "payload.json": "3" }, {}, "--payload is not a github push event"],
    ["a host without a parser", good, { provider: "bitbucket" }, "payloads of bitbucket are not understood"],
    ["a config file that is not there", good, { config: "x.yml" }, "--config x.yml can not be read"],
    ["a facts file that is not there", good, { facts: "x.json" }, "--facts x.json can not be read"],
    ["a facts file that is wrong", { ...good, "f.json": '{"tags":1}' }, { facts: "f.json" }, "--facts: key tags:"],
    ["standard input twice", good, { payload: "-", config: "-" }, "only one of"],
  ])("%s", async (_, files, options, message) => {
    const { code, out, err } = await run(files, options);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(message);
    expect(err.split("\n")).toHaveLength(2);
  });
});

it("does not swallow a bug", async () => {
  const broken: PayloadParsers = {
    github: () => {
      throw new TypeError("a bug");
    },
  };
  const said: string[] = [];
  const say = (text: string): void => {
    said.push(text);
  };
  const terminal: Terminal = {
    out: say,
    err: say,
    stdin: async () => "{}",
    readFile: async () => "{}",
    color: false,
  };
  const options = { provider: "github", event: "push", payload: "-", config: null, facts: null, json: true } as const;
  await expect(plan(options, terminal, broken)).rejects.toThrow("a bug");
  expect(said).toEqual([]);
});
