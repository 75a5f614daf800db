import { describe, expect, it } from "@jest/globals";
import type { PullRequestEvent } from "../../src/core/events.ts";
import type { Sha } from "../../src/core/model.ts";
import { type Planned, planReport, planText } from "../../src/core/plan-report.ts";
import { pullRequestChange } from "../../src/core/pulls.ts";
import { branch, planned, repository, sha, skip, tag } from "./samples.ts";

const sample: Planned = {
  provider: "github",
  event: "push",
  repository,
  changes: [branch("main", { forced: true }), tag("v1", { after: null, commit: null, before: sha("a") })],
  plan: {
    requests: [planned()],
    held: [],
    skips: [skip({ problems: [] })],
    diagnostics: [{ severity: "info", line: 1, column: 1, message: "note" }],
    trace: [],
  },
};

/** Paths of all keys, in the order they are printed. */
function keys(value: object, prefix = ""): string[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const path = Array.isArray(value) ? prefix : `${prefix}/${key}`;
    const below = typeof inner === "object" && inner !== null ? keys(inner, path) : [];
    return Array.isArray(value) ? below : [path, ...below];
  });
}

describe("the report", () => {
  it("has the keys of the public contract, in their order, and no others", () => {
    const one = { ...sample, changes: sample.changes.slice(0, 1) };
    expect(keys(planReport(one))).toEqual([
      "/provider",
      "/event",
      ...["/repository", "/repository/id", "/repository/fullName"],
      "/changes",
      ...["ref", "kind", "name", "before", "after", "forced"].map((key) => `/changes/${key}`),
      "/requests",
      ...["key", "image", "tags", "ref", "sha", "context", "dockerfile", "rules", "push", "trust"].map(
        (key) => `/requests/${key}`,
      ),
      "/skips",
      ...["ref", "image", "rule", "reason", "detail"].map((key) => `/skips/${key}`),
      "/diagnostics",
      ...["severity", "line", "column", "message"].map((key) => `/diagnostics/${key}`),
    ]);
  });

  it("keeps null where there is nothing", () => {
    expect(planReport(sample).changes).toMatchObject([{ forced: true }, { after: null, before: sha("a") }]);
    expect(planReport({ ...sample, repository: null }).repository).toBeNull();
  });

  it("marks an abbreviated hash, and only that", () => {
    const short = "bbbbbbb" as Sha;
    const report = planReport({
      ...sample,
      changes: [branch("main", { after: short })],
      plan: { ...sample.plan, requests: [planned({ sha: short })] },
    });
    expect(report.changes).toMatchObject([{ after: "bbbbbbb", abbreviated: true }]);
    expect(report.requests).toMatchObject([{ sha: "bbbbbbb", abbreviated: true }]);
    const sha256 = "b".repeat(64) as Sha;
    expect(planReport({ ...sample, changes: [branch("main", { after: sha256 })] }).changes[0]).not.toHaveProperty(
      "abbreviated",
    );
  });
});

it("lists what is held among what is not built, once for each of its rules", () => {
  const hold = { reason: "awaiting-approval", detail: "Somebody has to approve it." } as const;
  const rules = ["images[0].rules[0]", "images[0].rules[2]"];
  const report = planReport({
    ...sample,
    plan: { ...sample.plan, requests: [], held: [{ ...planned({ rules }), hold }] },
  });
  expect(report.requests).toEqual([]);
  expect(report.skips.slice(0, 2).map((one) => Object.entries(one))).toEqual(
    rules.map((rule) => Object.entries({ ref: "refs/heads/main", image: "api", rule, ...hold })),
  );
});

it("shows a pull request by its number, with the branch it comes from", () => {
  const event: PullRequestEvent = {
    type: "pull_request",
    action: "opened",
    repository,
    installation: { provider: "github", host: "default", id: "7" },
    number: 12,
    source: { repository: null, branch: "feature/x", commit: "bbbbbbbbbbbb", before: null },
    checkout: null,
    target: { branch: "main", commit: null },
    fork: true,
    draft: false,
    queued: false,
    actor: null,
  };
  const shown = {
    ...sample,
    changes: [pullRequestChange(event, { head: "bbbbbbbbbbbb" as Sha, before: null, target: null })],
  };
  expect(planReport(shown).changes).toEqual([
    {
      ref: "refs/heads/feature/x",
      kind: "pull_request",
      name: "12",
      before: null,
      after: "bbbbbbbbbbbb",
      forced: false,
      abbreviated: true,
    },
  ]);
  expect(planText(shown)).toContain("  #12 refs/heads/feature/x at bbbbbbb\n");
});

it("reads well as text", () => {
  expect(planText(sample)).toBe(
    [
      "push to acme/api",
      "  refs/heads/main aaaaaaa -> bbbbbbb (forced)",
      "  refs/tags/v1 aaaaaaa -> nothing",
      "- api: build refs/heads/main at bbbbbbb as latest",
      "- api: not built: branch docs does not match branch main (no-match)",
      "- info: note",
    ].join("\n"),
  );
});

it("shows no character that hides or turns text around, whatever a ref is called", () => {
  const text = planText({ ...sample, changes: [branch("ma\u200bin\u202e")] });
  expect(text).toContain("  refs/heads/main aaaaaaa -> bbbbbbb\n");
});
