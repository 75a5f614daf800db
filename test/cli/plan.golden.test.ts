/** The same pushes, as each host tells of them, through the program's own parsers and planner. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import type { PlanReport } from "../../src/core/plan-report.ts";
import { printed, type Told } from "./plan-world.ts";

const folder = fileURLToPath(new URL("../fixtures/plans", import.meta.url));

/** `<case>.github.json` holds one delivery for each ref, `<case>.bitbucket.json` one for all. */
const cases = readdirSync(folder)
  .filter((name) => name.endsWith(".bitbucket.json"))
  .map((name) => name.slice(0, -".bitbucket.json".length));

function read(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

function run(host: Pick<Told, "provider" | "event">, payload: unknown, json: boolean): Promise<string> {
  const facts = JSON.parse(read("facts.json")) as object;
  return printed({ ...host, payload, config: read("wharfinger.yml"), facts }, json);
}

async function report(host: Pick<Told, "provider" | "event">, payload: unknown): Promise<PlanReport> {
  return JSON.parse(await run(host, payload, true)) as PlanReport;
}

const GITHUB = { provider: "github", event: "push" } as const;
const BITBUCKET = { provider: "bitbucket", event: "repo:push" } as const;

async function githubReports(name: string): Promise<readonly PlanReport[]> {
  const deliveries = JSON.parse(read(`${name}.github.json`)) as unknown[];
  return Promise.all(deliveries.map((payload) => report(GITHUB, payload)));
}

async function bitbucketReport(name: string): Promise<PlanReport> {
  return report(BITBUCKET, JSON.parse(read(`${name}.bitbucket.json`)));
}

/** Several deliveries' plans as one, without what names the host or is its own number for something. */
function neutral(reports: readonly PlanReport[]) {
  const diagnostics = reports.flatMap((one) => one.diagnostics).map((one) => JSON.stringify(one));
  return {
    repositories: [...new Set(reports.map(({ repository }) => repository?.fullName))],
    changes: reports.flatMap((one) => one.changes),
    requests: reports.flatMap((one) => one.requests).map((request) => ({ ...request, key: null })),
    skips: reports.flatMap((one) => one.skips),
    diagnostics: [...new Set(diagnostics)],
  };
}

describe.each(cases)("equal pushes to GitHub and Bitbucket: %s", (name) => {
  it("lead to the plans in their golden files", async () => {
    for (const [host, made] of [
      ["github", await githubReports(name)],
      ["bitbucket", await bitbucketReport(name)],
    ] as const) {
      const golden = join(folder, `${name}.${host}.golden.json`);
      if (process.env["UPDATE_GOLDEN"]) writeFileSync(golden, `${JSON.stringify(made, null, 2)}\n`);
      expect(made).toEqual(JSON.parse(readFileSync(golden, "utf8")));
    }
  });

  it("differ only in provider, event, ids and keys", async () => {
    const [github, bitbucket] = [await githubReports(name), await bitbucketReport(name)];
    expect(neutral([bitbucket])).toEqual(neutral(github));
    expect(JSON.stringify(neutral([bitbucket]))).not.toMatch(/github|bitbucket|https?:/i);
    expect([bitbucket.provider, bitbucket.event]).toEqual(["bitbucket", "repo:push"]);
    expect(new Set(github.map(({ provider, event }) => `${provider} ${event}`))).toEqual(new Set(["github push"]));
    const keys = [bitbucket, ...github].flatMap(({ requests }) => requests.map(({ key }) => key));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("are the same through either of Bitbucket's doors", async () => {
    const data: unknown = JSON.parse(read(`${name}.bitbucket.json`));
    const enveloped = { event: "repo:push", data };
    expect(await run(BITBUCKET, enveloped, true)).toBe(await run(BITBUCKET, data, true));
    expect(await run(BITBUCKET, enveloped, false)).toBe(await run(BITBUCKET, data, false));
  });
});

it("gives a build or an explained skip for every change of a push that moves five refs", async () => {
  const { changes, requests, skips } = await bitbucketReport("several-refs");
  expect(changes.map(({ ref }) => ref)).toEqual([
    "refs/heads/main",
    "refs/heads/release/2.x",
    "refs/tags/v2.0.0",
    "refs/tags/v1.9.1",
    "refs/heads/old-idea",
  ]);
  expect(requests.map(({ ref, image, tags }) => [ref, image, tags.join(" ")])).toEqual([
    ["refs/heads/main", "crane", "latest sha-9e27c1f"],
    ["refs/heads/release/2.x", "crane", "2-edge"],
    ["refs/tags/v2.0.0", "crane", "2.0.0 2.0 2"],
    ["refs/tags/v1.9.1", "crane", "1.9.1 1.9 1"],
  ]);
  expect(skips.filter(({ image }) => image === null)).toEqual([
    {
      ref: "refs/heads/old-idea",
      image: null,
      rule: null,
      reason: "ref-deleted",
      detail: "not built: branch old-idea was deleted",
    },
  ]);
});
