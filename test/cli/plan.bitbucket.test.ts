/** `wharfinger plan` for what Bitbucket sends, with the program's own parser. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { parseBitbucket } from "../../src/bitbucket/parse.ts";
import type { PayloadParsers } from "../../src/cli/plan.ts";
import type { PlanReport } from "../../src/core/plan-report.ts";
import { aDelivery } from "../web/world.ts";
import { noStore, type Ran, run } from "./world.ts";

const folder = fileURLToPath(new URL("../fixtures/bitbucket/", import.meta.url));

const CONFIG = `
version: 1
images:
  - name: crane
    rules:
      - branch: main
      - tag: "*"
`;

const parsers: PayloadParsers = {
  bitbucket: (event, payload, installationId) =>
    parseBitbucket(event, payload, { host: "default", webUrl: "https://bitbucket.org", installationId }),
};

function readText(path: string): Promise<string> {
  if (path === ".wharfinger.yml") return Promise.resolve(CONFIG);
  if (path === "facts.json") return Promise.resolve('{"defaultBranch":"trunk"}');
  return readFile(`${folder}${path}.json`, "utf8");
}

/** `fixture` is a payload of test/fixtures/bitbucket. */
function plan(fixture: string, ...flags: readonly string[]): Promise<Ran> {
  const argv = ["plan", "--provider", "bitbucket", "--payload", fixture, ...flags];
  return run(argv, { parsers }, false, { readFile: readText });
}

async function report(fixture: string, ...flags: readonly string[]): Promise<PlanReport> {
  const { code, out } = await plan(fixture, "--json", ...flags);
  expect(code).toBe(0);
  return JSON.parse(out) as PlanReport;
}

const withConfig = ["--config", ".wharfinger.yml"];

describe("a push to Bitbucket", () => {
  it.each(["repo-push.several", "repo-push.several-enveloped"])(
    "is what is planned by default: %s",
    async (fixture) => {
      const { provider, event, repository, requests, skips } = await report(fixture, ...withConfig);
      expect({ provider, event, repository }).toEqual({
        provider: "bitbucket",
        event: "repo:push",
        repository: { id: "{b1c7e4d2-58aa-4f09-8e36-c2d94f1a7705}", fullName: "harbour-works/crane" },
      });
      expect(requests.map(({ ref, tags }) => [ref, ...tags])).toEqual([
        ["refs/heads/main", "latest"],
        ["refs/tags/v2.0.0", "v2.0.0"],
        ["refs/tags/v1.9.1", "v1.9.1"],
      ]);
      expect(skips.map(({ ref, image, reason }) => [ref, image, reason])).toEqual([
        ["refs/heads/release/2.x", "crane", "no-match"],
        ["refs/heads/release/2.x", "crane", "no-match"],
        ["refs/heads/old-idea", null, "ref-deleted"],
      ]);
    },
  );

  it("takes main for the default branch unless it is told, and says so where it matters", async () => {
    const assumed = "the payload does not say which branch is the default one, so main is taken for it";
    expect((await plan("repo-push.branch", ...withConfig)).err).toContain(assumed);
    expect((await plan("repo-push.branch")).err).toBe("");
    const told = await plan("repo-push.branch", "--json", ...withConfig, "--facts", "facts.json");
    expect([told.err, JSON.parse(told.out).requests[0].tags]).toEqual(["", ["main"]]);
  });

  it("lists a ref whose commit is abbreviated, marks it, and says why it is not built", async () => {
    const { changes, requests, skips } = await report("repo-push.abbreviated-hash", ...withConfig);
    expect(changes).toEqual([
      expect.objectContaining({ ref: "refs/tags/v3.0.0" }),
      {
        kind: "branch",
        ref: "refs/heads/main",
        name: "main",
        before: "41d0b7c92e6f835a1c04d9e7b2f85a3609cd71e4",
        after: "9e27c1f4058b",
        forced: false,
        abbreviated: true,
      },
    ]);
    expect(requests.map(({ ref }) => ref)).toEqual(["refs/tags/v3.0.0"]);
    expect(skips).toEqual([
      {
        ref: "refs/heads/main",
        image: null,
        rule: null,
        reason: "no-commits",
        detail: "not built: the event does not say in full which commits branch main moved between",
      },
    ]);
  });

  it("that moved nothing is one skip", async () => {
    const { changes, requests, skips } = await report("repo-push.no-changes", ...withConfig);
    expect([changes, requests]).toEqual([[], []]);
    expect(skips).toEqual([
      { ref: null, image: null, rule: null, reason: "unsupported-event", detail: expect.stringContaining("no branch") },
    ]);
  });
});

describe("a pull request on Bitbucket", () => {
  it.each([
    ["pullrequest:created", "pullrequest-created.plain", "config-missing", "there is no .wharfinger.yml on main"],
    ["pullrequest:created", "pullrequest-created.enveloped", "config-missing", "there is no .wharfinger.yml on main"],
    ["pullrequest:created", "pullrequest-created.fork", "config-missing", "there is no .wharfinger.yml on main"],
    ["pullrequest:updated", "pullrequest-updated.plain", "config-missing", "there is no .wharfinger.yml on main"],
    ["pullrequest:fulfilled", "pullrequest-fulfilled.plain", "pull-request-closed", "pull request #7 was closed"],
    ["pullrequest:rejected", "pullrequest-rejected.plain", "pull-request-closed", "pull request #7 was closed"],
  ])("is shown with its abbreviated commit, and why it is not built: %s of %s", async (event, fixture, reason, why) => {
    expect(await report(fixture, "--event", event)).toEqual({
      provider: "bitbucket",
      event,
      repository: { id: "{b1c7e4d2-58aa-4f09-8e36-c2d94f1a7705}", fullName: "harbour-works/crane" },
      changes: [
        {
          ref: "refs/heads/feature/winch",
          kind: "pull_request",
          name: "7",
          before: null,
          after: "c3f8a960d721",
          forced: false,
          abbreviated: true,
        },
      ],
      requests: [],
      skips: [{ ref: "refs/heads/feature/winch", image: null, rule: null, reason, detail: `not built: ${why}` }],
      diagnostics: [],
    });
  });

  it("is not marked where its commit is named in full, or not at all", async () => {
    const full = await report("pullrequest-created.full-hash", "--event", "pullrequest:created");
    expect(full.changes).toEqual([expect.not.objectContaining({ abbreviated: true })]);
    const gone = await report("pullrequest-updated.fork-is-gone", "--event", "pullrequest:updated");
    expect(gone.changes).toEqual([expect.objectContaining({ after: null })]);
    expect(gone.changes).toEqual([expect.not.objectContaining({ abbreviated: true })]);
  });

  it("reads well as text", async () => {
    expect(await plan("pullrequest-created.plain", "--event", "pullrequest:created")).toEqual({
      code: 0,
      err: "",
      out: [
        "pullrequest:created to harbour-works/crane",
        "  #7 refs/heads/feature/winch at c3f8a96",
        "- not built: there is no .wharfinger.yml on main (config-missing)",
        "",
      ].join("\n"),
    });
    const gone = await plan("pullrequest-updated.fork-is-gone", "--event", "pullrequest:updated");
    expect(gone.out).toContain("  #7 refs/heads/feature/winch at an unknown commit\n");
  });
});

it.each([
  ["repo:updated", "repo-updated.renamed", "moves no branch or tag", "harbour-works/crane"],
  ["repo:updated", "repo-updated.described", "moves no branch or tag", "harbour-works/crane"],
  ["repo:fork", "repo-fork.plain", "`repo:fork`", "harbour-works/crane"],
  ["installed", "installed.connect", "moves no branch or tag", null],
])("what moves no ref is one skip: %s of %s", async (event, fixture, detail, fullName) => {
  const { changes, requests, skips, repository } = await report(fixture, "--event", event, ...withConfig);
  expect([changes, requests, repository?.fullName ?? null]).toEqual([[], [], fullName]);
  expect(skips).toEqual([
    { ref: null, image: null, rule: null, reason: "unsupported-event", detail: expect.stringContaining(detail) },
  ]);
});

it.each([
  ["pullrequest-created.plain", "repo:push", "push: Invalid input"],
  ["pullrequest-created.enveloped", "repo:push", "its envelope is of pullrequest:created"],
  ["repo-push.branch", "pullrequest:created", "pullrequest: Invalid input"],
  ["repo-push.branch", "push", "Not the name of a Bitbucket event"],
  ["repo-push.neither-owner-nor-workspace", "repo:push", "names no workspace"],
])("%s is no %s: exit 2 and one line that says why", async (fixture, event, message) => {
  const { code, out, err } = await plan(fixture, "--event", event, ...withConfig);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toMatch(/^plan: --payload is not a bitbucket [\w:]+ event: [^\n]+\n$/);
  expect(err).toContain(message);
});

describe("a stored delivery of Bitbucket's", () => {
  async function planStored(fixture: string, event: string, installationId: string | null): Promise<Ran> {
    const body = await readText(fixture);
    const store = {
      ...noStore,
      findDelivery: async () => aDelivery({ provider: "bitbucket", event, installationId }),
      deliveryBody: async () => Buffer.from(body),
    };
    const argv = ["plan", "--delivery", "1", "--json", ...withConfig];
    return run(argv, { parsers, openStore: async () => store }, false, { readFile: readText });
  }

  it("is planned as the event it came as", async () => {
    const { code, out } = await planStored("pullrequest-created.enveloped", "pullrequest:created", null);
    expect([code, JSON.parse(out).changes]).toEqual([0, [expect.objectContaining({ kind: "pull_request" })]]);
  });

  it("is of the workspace that was verified when it came", async () => {
    const workspace = "{6f2d8a10-3b7e-4c55-9a41-0d5be2c7f813}";
    const { code, out } = await planStored("repo-push.neither-owner-nor-workspace", "repo:push", workspace);
    expect([code, JSON.parse(out).requests.length]).toEqual([0, 1]);
    expect((await planStored("repo-push.neither-owner-nor-workspace", "repo:push", null)).code).toBe(2);
  });
});
