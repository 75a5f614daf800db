import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { CheckContent } from "../../src/core/check.ts";
import { parseSha, type Repository, type Sha } from "../../src/core/model.ts";
import type { Reporter } from "../../src/engine/ports.ts";
import type { ShownCheck } from "../../src/engine/store-port.ts";
import { createGithubAccess } from "../../src/github/access.ts";
import { createGithubReporter } from "../../src/github/reporter.ts";
import {
  createGithubHost,
  type GithubHost,
  HOST_KINDS,
  type HostInstallation,
  type HostRepository,
} from "../hosts/github/index.ts";
import { accessAnswering } from "./recorded-fetch.ts";

type Check = Parameters<Reporter["show"]>[0];

const queued: CheckContent = {
  status: "queued",
  conclusion: null,
  title: "Queued",
  summary: "One image waits.",
  text: null,
  annotations: [],
  results: [],
  branch: null,
  detailsUrl: "https://wharfinger.test/builds/1",
  actions: [],
  startedAt: null,
  completedAt: null,
};

const done: CheckContent = {
  ...queued,
  status: "completed",
  conclusion: "failure",
  title: "Failed",
  summary: "The Dockerfile is broken.",
  text: "the log",
  annotations: [{ path: "Dockerfile", line: 3, level: "failure", message: "unknown instruction: RUM" }],
  startedAt: "2026-11-20T10:00:00.000Z",
  completedAt: "2026-11-20T10:01:00.000Z",
};

const fresh: ShownCheck = { hostId: null, externalId: "check-1", uncertain: false, concluded: false };

function shaOf(text: string): Sha {
  const sha = parseSha(text);
  if (sha === null) throw new Error(`Not a hash: ${text}`);
  return sha;
}

const CREATE = "/repos/{owner}/{repo}/check-runs";
const UPDATE = "/repos/{owner}/{repo}/check-runs/{check_run_id}";

describe.each(HOST_KINDS)("the GitHub reporter, on $kind", (kind) => {
  let github: GithubHost;
  let repository: HostRepository;
  let installation: HostInstallation;
  let reporter: Reporter;

  beforeAll(async () => {
    github = await createGithubHost(kind);
    const acme = github.organization("acme");
    repository = await github.repository(acme, "api", { private: true });
    installation = await github.install(acme, { repositories: [repository] });
    reporter = createGithubReporter({
      access: createGithubAccess({
        host: "default",
        appId: github.appId,
        privateKey: github.privateKey,
        apiUrl: github.apiUrl,
        clock: { now: () => Date.now() },
        timeoutMs: 5_000,
      }),
    });
  });

  afterAll(async () => {
    await github.close();
    expect(github.violations).toEqual([]);
  });

  /** A check on a commit of its own. */
  async function newCheck(shown: ShownCheck = fresh): Promise<Check> {
    const { sha } = await repository.commit({ files: {} });
    return {
      installation: { provider: "github", host: "default", id: String(installation.id) },
      repository: {
        provider: "github",
        host: "default",
        id: String(repository.id),
        fullName: repository.fullName,
        private: true,
        defaultBranch: "main",
        cloneUrl: repository.cloneUrl,
        webUrl: repository.webUrl,
      },
      sha: shaOf(sha),
      name: "wharfinger",
      shown,
    };
  }

  function loseAnswer(route: string, method: string): void {
    github.inject({
      match: (call) => call.route === route && call.method === method,
      effect: { afterwards: { status: 502 } },
    });
  }

  async function show(check: Check, content: CheckContent): Promise<string> {
    const outcome = await reporter.show(check, content);
    if (!outcome.ok) throw new Error(outcome.message);
    return outcome.value.hostId;
  }

  it("takes a check from queued to its conclusion, as one run", async () => {
    const check = await newCheck();
    const hostId = await show(check, queued);
    const known = { ...check, shown: { ...fresh, hostId } };
    await show(known, { ...queued, status: "in_progress", startedAt: "2026-11-20T10:00:00.000Z" });
    await show(known, done);
    const runs = repository.checkRuns(check.sha);
    expect(runs).toMatchObject([
      {
        id: Number(hostId),
        name: "wharfinger",
        externalId: "check-1",
        detailsUrl: "https://wharfinger.test/builds/1",
        status: "completed",
        conclusion: "failure",
        writes: 3,
        output: { title: "Failed", summary: "The Dockerfile is broken.", text: "the log" },
      },
    ]);
    expect(Date.parse(runs[0]?.startedAt ?? "")).toBe(Date.parse(done.startedAt ?? ""));
    expect(Date.parse(runs[0]?.completedAt ?? "")).toBe(Date.parse(done.completedAt ?? ""));
  });

  it("shows buttons as long as there is something to press them for", async () => {
    const check = await newCheck();
    const approve = { label: "Approve", description: "Build this commit", identifier: "approve" } as const;
    const held: CheckContent = { ...done, annotations: [], conclusion: "action_required", actions: [approve] };
    const hostId = await show(check, held);
    expect(repository.checkRuns(check.sha)).toMatchObject([
      { status: "completed", conclusion: "action_required", actions: [approve] },
    ]);
    const known = { ...check, shown: { ...fresh, hostId } };
    await show(known, queued);
    expect(repository.checkRuns(check.sha)).toMatchObject([{ status: "queued", conclusion: null, actions: [] }]);
    await show(known, held);
    expect(repository.checkRuns(check.sha)).toMatchObject([{ conclusion: "action_required", actions: [approve] }]);
  });

  it("creates it once, although the answer was lost", async () => {
    const check = await newCheck();
    loseAnswer(CREATE, "POST");
    expect(await reporter.show(check, queued)).toMatchObject({ ok: false, retryable: true });
    expect(repository.checkRuns(check.sha)).toHaveLength(1);
    const hostId = await show({ ...check, shown: { ...fresh, uncertain: true } }, done);
    expect(repository.checkRuns(check.sha)).toMatchObject([{ id: Number(hostId), conclusion: "failure" }]);
  });

  it("creates it when it turns out that it never arrived", async () => {
    const check = await newCheck();
    github.inject({ match: (call) => call.route === CREATE && call.method === "POST", effect: { reset: true } });
    expect(await reporter.show(check, queued)).toMatchObject({ ok: false, retryable: true });
    expect(repository.checkRuns(check.sha)).toEqual([]);
    await show({ ...check, shown: { ...fresh, uncertain: true } }, queued);
    expect(repository.checkRuns(check.sha)).toHaveLength(1);
  });

  it("does not take a run of the same name for its own when the external id differs", async () => {
    const check = await newCheck();
    const first = await show(check, done);
    const rerun = { ...check, shown: { ...fresh, externalId: "check-1/2", uncertain: true } };
    expect(await show(rerun, queued)).not.toBe(first);
    expect(repository.checkRuns(check.sha).map((run) => [run.externalId, run.status])).toEqual([
      ["check-1", "completed"],
      ["check-1/2", "queued"],
    ]);
  });

  it("shows the same once, when an update's answer was lost, annotations included", async () => {
    const check = await newCheck();
    const hostId = await show(check, queued);
    const known = { ...check, shown: { ...fresh, hostId } };
    loseAnswer(UPDATE, "PATCH");
    expect(await reporter.show(known, done)).toMatchObject({ ok: false, retryable: true });
    await show(known, done);
    expect(repository.checkRuns(check.sha)).toMatchObject([{ output: { annotations: [{ path: "Dockerfile" }] } }]);
  });

  it("stays within GitHub's limits, whatever a build produced", async () => {
    const check = await newCheck();
    const annotations = Array.from({ length: 120 }, (_, index) => ({
      path: "Dockerfile",
      line: index + 1,
      level: "warning" as const,
      message: "€".repeat(40_000),
    }));
    const huge = "😀 € line\n".repeat(20_000);
    await show(check, { ...done, title: "😀".repeat(300), summary: huge, text: `\`\`\`\n${huge}\`\`\``, annotations });
    expect(repository.checkRuns(check.sha)[0]?.output.annotations).toHaveLength(50);
  });

  it("needs no more than one call for a state without annotations", async () => {
    const check = await newCheck();
    const hostId = await show(check, queued);
    const before = github.calls.length;
    await show({ ...check, shown: { ...fresh, hostId } }, { ...done, annotations: [] });
    expect(github.calls.slice(before).map((call) => [call.method, call.route])).toEqual([["PATCH", UPDATE]]);
  });

  it("gives up on a commit or a run that is not there", async () => {
    const check = await newCheck();
    const gone = { ...check, sha: shaOf("1".repeat(40)) };
    expect(await reporter.show(gone, queued)).toMatchObject({ ok: false, retryable: false });
    const lost = { ...check, shown: { ...fresh, hostId: "999999999" } };
    expect(await reporter.show(lost, queued)).toMatchObject({ ok: false, retryable: false });
  });

  it("names the permission that is missing", async () => {
    const org = github.organization("frugal");
    const other = await github.repository(org, "app", { private: true });
    const { sha } = await other.commit({ files: {} });
    const frugal = await github.install(org, { permissions: { contents: "read", metadata: "read" } });
    const check = await newCheck();
    const outcome = await reporter.show(
      {
        ...check,
        sha: shaOf(sha),
        installation: { ...check.installation, id: String(frugal.id) },
        repository: { ...check.repository, id: String(other.id), fullName: other.fullName },
      },
      queued,
    );
    expect(outcome).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("checks: write"),
    });
  });
});

describe("the GitHub reporter", () => {
  const repository: Repository = {
    provider: "github",
    host: "default",
    id: "5",
    fullName: "acme/api",
    private: true,
    defaultBranch: "main",
    cloneUrl: "https://github.test/acme/api.git",
    webUrl: "https://github.test/acme/api",
  };
  const check: Check = {
    installation: { provider: "github", host: "default", id: "7" },
    repository,
    sha: shaOf("a".repeat(40)),
    name: "wharfinger",
    shown: fresh,
  };

  it("writes with a token for the checks of this repository and nothing else", async () => {
    const { access, network } = accessAnswering(() => ({ status: 201, body: { id: 9 } }));
    expect(await createGithubReporter({ access }).show(check, queued)).toEqual({ ok: true, value: { hostId: "9" } });
    expect(network.calls[0]?.body).toEqual({ repository_ids: [5], permissions: { checks: "write" } });
    expect(network.asked()[0]?.body).not.toHaveProperty("actions");
  });

  it("looks for a lost run by name, App and commit, on every page", async () => {
    const link = '<https://api.github.test/repositories/5/commits/a/check-runs?page=2>; rel="next"';
    const { access, network } = accessAnswering((call, count) => {
      if (call.method === "PATCH") return { status: 200, body: { id: 12 } };
      if (count === 1)
        return { status: 200, body: { check_runs: [{ id: 11, external_id: "else" }] }, headers: { link } };
      return { status: 200, body: { check_runs: [{ id: 12, external_id: "check-1" }] } };
    });
    const uncertain = { ...check, shown: { ...fresh, uncertain: true } };
    expect(await createGithubReporter({ access }).show(uncertain, queued)).toMatchObject({ value: { hostId: "12" } });
    expect(network.asked().map((call) => `${call.method} ${call.path}`)).toEqual([
      `GET /repositories/5/commits/${"a".repeat(40)}/check-runs?check_name=wharfinger&app_id=42&filter=all&per_page=100`,
      "GET /repositories/5/commits/a/check-runs?page=2",
      "PATCH /repositories/5/check-runs/12",
    ]);
  });

  it("does not create a run when the search for a lost one failed", async () => {
    const { access, network } = accessAnswering(() => ({ status: 502 }));
    const uncertain = { ...check, shown: { ...fresh, uncertain: true } };
    expect(await createGithubReporter({ access }).show(uncertain, queued)).toMatchObject({
      ok: false,
      retryable: true,
    });
    expect(network.asked().map((call) => call.method)).toEqual(["GET"]);
  });

  it("names the permission when GitHub refuses the write", async () => {
    const { access } = accessAnswering(() => ({
      status: 403,
      body: { message: "Resource not accessible by integration" },
      headers: { "x-accepted-github-permissions": "checks=write" },
    }));
    expect(await createGithubReporter({ access }).show(check, queued)).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("must grant checks: write"),
    });
  });
});
