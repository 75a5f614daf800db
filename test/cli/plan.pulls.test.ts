/** The same pull requests, as each host tells of them, through the program's own parsers and planner. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import type { Provider } from "../../src/core/model.ts";
import type { PlanReport } from "../../src/core/plan-report.ts";
import { printed } from "./plan-world.ts";

const folder = fileURLToPath(new URL("../fixtures/plans/pulls", import.meta.url));

interface Told {
  readonly event: string;
  readonly payload: unknown;
}

/** `bitbucket` left out: that host has no such event. */
interface Case {
  readonly facts: object;
  readonly github: Told;
  readonly bitbucket?: Told;
}

const names = readdirSync(folder)
  .filter((name) => name.endsWith(".json") && !name.endsWith(".golden.json"))
  .map((name) => name.slice(0, -".json".length));

function read(name: string): Case {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Case;
}

function run(provider: Provider, { facts }: Case, told: Told, json: boolean): Promise<string> {
  const config = readFileSync(join(folder, "wharfinger.yml"), "utf8");
  return printed({ provider, ...told, config, facts }, json);
}

async function report(provider: Provider, name: string): Promise<PlanReport | null> {
  const one = read(name);
  const told = one[provider];
  return told === undefined ? null : (JSON.parse(await run(provider, one, told, true)) as PlanReport);
}

/** Without what names the host, what only one of them tells, and digits that only one of them has. */
function neutral(one: PlanReport) {
  return {
    fullName: one.repository?.fullName,
    changes: one.changes.map(({ abbreviated: _, ...change }) => ({
      ...change,
      before: null,
      after: change.after?.slice(0, 12),
    })),
    requests: one.requests.map(({ abbreviated: _, ...request }) => ({
      ...request,
      key: null,
      sha: request.sha.slice(0, 12),
    })),
    skips: one.skips,
    diagnostics: one.diagnostics,
  };
}

describe.each(names)("equal pull requests on GitHub and Bitbucket: %s", (name) => {
  it("lead to the plans in their golden files", async () => {
    for (const provider of ["github", "bitbucket"] as const) {
      const made = await report(provider, name);
      if (made === null) continue;
      const golden = join(folder, `${name}.${provider}.golden.json`);
      if (process.env["UPDATE_GOLDEN"]) writeFileSync(golden, `${JSON.stringify(made, null, 2)}\n`);
      expect(made).toEqual(JSON.parse(readFileSync(golden, "utf8")));
    }
  });

  it("differ only in provider, event, ids, keys and the length of hashes", async () => {
    const [github, bitbucket] = [await report("github", name), await report("bitbucket", name)];
    expect(github).not.toBeNull();
    if (github === null || bitbucket === null) return;
    expect(neutral(bitbucket)).toEqual(neutral(github));
  });
});

describe("hashes", () => {
  it("are full where the payload has them so, and marked where it does not", async () => {
    const [github, bitbucket] = [await report("github", "opened"), await report("bitbucket", "opened")];
    const full = "c3f8a960d7214be5098c6e1f3ab57d42e9016c8b";
    expect(github?.changes).toEqual([expect.objectContaining({ after: full, before: null })]);
    expect(github?.requests.map(({ sha }) => sha)).toEqual([full, full]);
    expect(JSON.stringify(github)).not.toContain("abbreviated");
    const short = { abbreviated: true };
    expect(bitbucket?.changes).toEqual([expect.objectContaining({ after: full.slice(0, 12), before: null, ...short })]);
    for (const request of bitbucket?.requests ?? [])
      expect(request).toMatchObject({ sha: full.slice(0, 12), ...short });
  });

  it("say what it was before where the payload does", async () => {
    const [github, bitbucket] = [await report("github", "pushed-to"), await report("bitbucket", "pushed-to")];
    expect(github?.changes[0]?.before).toBe("9e27c1f4058b7a6d3e91c2f0b84d5a6e7f8091a2");
    expect(bitbucket?.changes[0]?.before).toBeNull();
  });

  it("are shown of what was closed, too", async () => {
    for (const provider of ["github", "bitbucket"] as const) {
      for (const name of ["merged", "declined"]) {
        const closed = await report(provider, name);
        expect(closed?.changes[0]?.after).toMatch(/^c3f8a960d721/);
        expect(closed?.skips).toEqual([
          {
            ref: "refs/heads/feature/winch",
            image: null,
            rule: null,
            reason: "pull-request-closed",
            detail: "not built: pull request #7 was closed",
          },
        ]);
      }
    }
  });
});

it.each([
  [
    "opened",
    [
      "  #7 refs/heads/feature/winch at c3f8a96",
      "- crane: build pull request #7 at c3f8a96 without publishing pr-7",
      "- crane-manual: build pull request #7 at c3f8a96 without publishing pr-7",
      "- info: crane: pull request #7 is tested, not published: the installation's policy says so",
    ],
  ],
  [
    "fork-to-approve",
    [
      "  #7 refs/heads/feature/winch at c3f8a96",
      "- crane: hold pull request #7 at c3f8a96: Pull request #7 comes from a fork: somebody who may push to the repository has to approve this commit. (awaiting-approval)",
      "- crane-manual: hold pull request #7 at c3f8a96: Pull request #7 comes from a fork: somebody who may push to the repository has to approve this commit. (awaiting-approval)",
      "- info: crane: pull request #7 comes from a fork: it is tested, never published",
    ],
  ],
])("reads well as text: %s", async (name, lines) => {
  const one = read(name);
  expect(await run("github", one, one.github, false)).toBe(
    ["pull_request to harbour-works/crane", ...lines, ""].join("\n"),
  );
});
