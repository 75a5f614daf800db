import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createBitbucketAccess } from "../../src/bitbucket/access.ts";
import { keyOf } from "../../src/bitbucket/report-content.ts";
import { createBitbucketReporter } from "../../src/bitbucket/reporter.ts";
import type { Annotation, BuildResult, CheckContent } from "../../src/core/check.ts";
import { parseSha, type Repository, type Sha } from "../../src/core/model.ts";
import type { Reporter } from "../../src/engine/ports.ts";
import type { ShownCheck } from "../../src/engine/store-port.ts";
import { type BitbucketHost, createBitbucketHost, type HostRepository } from "../hosts/bitbucket/index.ts";
import {
  ACME,
  type Answer,
  accessAnswering,
  CONNECTION,
  grantsOf,
  NOT_FOUND,
  REPO,
  REPO_PATH,
  refused,
} from "./recorded-fetch.ts";

type Check = Parameters<Reporter["show"]>[0];

const DIGEST = `sha256:${"c".repeat(64)}`;

const result: BuildResult = { image: "acme/api", tags: ["latest"], digest: DIGEST, state: "succeeded", seconds: 72 };

const queued: CheckContent = {
  status: "queued",
  conclusion: null,
  title: "api: waiting to be built",
  summary: "One image waits.",
  text: null,
  annotations: [],
  results: [{ ...result, digest: null, state: "queued", seconds: null }],
  branch: "main",
  detailsUrl: "https://wharfinger.test/builds/1",
  actions: [],
  startedAt: null,
  completedAt: null,
};

const building: CheckContent = { ...queued, status: "in_progress", title: "api: being built" };

const built: CheckContent = {
  ...queued,
  status: "completed",
  conclusion: "success",
  title: "api built: latest",
  summary: "All is well.",
  results: [result],
};

const held: CheckContent = {
  ...built,
  conclusion: "action_required",
  title: "api: waiting for approval",
  results: [{ ...result, digest: null, state: "held", seconds: null }],
};

const broken: CheckContent = {
  ...built,
  conclusion: "failure",
  title: "api: failed",
  summary: "The Dockerfile is broken.",
  results: [{ ...result, digest: null, state: "failed" }],
  annotations: notes(1),
};

/** As the engine repeats what was refused with all its details. */
function bare(content: CheckContent): CheckContent {
  return { ...content, summary: content.title, text: null, annotations: [], results: [] };
}

function notes(count: number, rest: Partial<Annotation> = {}): readonly Annotation[] {
  return Array.from({ length: count }, (_, i) => ({
    path: "Dockerfile",
    line: i + 1,
    level: "failure" as const,
    message: `unknown instruction: RUM (${i + 1})`,
    ...rest,
  }));
}

const fresh: ShownCheck = { hostId: null, externalId: "check-1", uncertain: false, concluded: false };
const KEY = keyOf("wharfinger");
const underway: ShownCheck = { ...fresh, hostId: KEY };

function shaOf(text: string): Sha {
  const sha = parseSha(text);
  if (sha === null) throw new Error(`Not a hash: ${text}`);
  return sha;
}

function repositoryOf(id: string): Repository {
  return {
    provider: "bitbucket",
    host: "default",
    id,
    fullName: "renamed/meanwhile",
    private: true,
    defaultBranch: "main",
    cloneUrl: "https://bitbucket.test/acme/api.git",
    webUrl: "https://bitbucket.test/acme/api",
  };
}

function checkOf(workspace: string, repository: string, sha: string, shown: ShownCheck, name = "wharfinger"): Check {
  const installation = { provider: "bitbucket", host: "default", id: workspace } as const;
  return { installation, repository: repositoryOf(repository), sha: shaOf(sha), name, shown };
}

const SHA = "b".repeat(40);
const COMMIT = `${REPO_PATH}/commit/${SHA}`;
const CREATED = { created_on: "2026-11-20T10:00:00Z", updated_on: "2026-11-20T10:00:00Z" };
const UPDATED = { ...CREATED, updated_on: "2026-11-20T11:00:00Z" };

/** The reporter before a Bitbucket that answers so: by method and what follows the commit in the path. */
function facing(answers: Readonly<Record<string, Answer>> = {}) {
  const usual: Readonly<Record<string, Answer>> = {
    "POST /statuses/build": { status: 201, body: {} },
    [`PUT /reports/${KEY}`]: { status: 200, body: CREATED },
    [`POST /reports/${KEY}/annotations`]: { status: 200, body: [] },
  };
  const { access, network } = accessAnswering(
    ({ method, path }) => {
      const call = `${method} ${path.replace(COMMIT, "")}`;
      return answers[call] ?? usual[call] ?? NOT_FOUND;
    },
    { connections: [CONNECTION] },
  );
  const reporter = createBitbucketReporter({ access });
  return {
    show: (content: CheckContent, shown = fresh) => reporter.show(checkOf(ACME, REPO, SHA, shown), content),
    calls: () => network.asked().map(({ method, path }) => `${method} ${path.replace(COMMIT, "")}`),
    body: (index: number): unknown => JSON.parse(network.asked()[index]?.body ?? "null"),
  };
}

const STATUS = "POST /statuses/build";
const REPORT = `PUT /reports/${KEY}`;
const NOTES = `POST /reports/${KEY}/annotations`;
const LIST = `GET /reports/${KEY}/annotations?pagelen=100`;

describe("what the reporter asks Bitbucket for", () => {
  it("is one write when a check begins, named by ids", async () => {
    const side = facing();
    expect(await side.show(queued)).toEqual({ ok: true, value: { hostId: KEY } });
    expect(side.calls()).toEqual([STATUS]);
    expect(side.body(0)).toMatchObject({ key: KEY, state: "INPROGRESS", refname: "main" });
  });

  it("is nothing when a check that waits is being built", async () => {
    const side = facing();
    expect(await side.show(building, underway)).toEqual({ ok: true, value: { hostId: KEY } });
    expect(side.calls()).toEqual([]);
  });

  it("is a write when a check begins anew, or may not have been written", async () => {
    for (const shown of [
      { ...underway, concluded: true },
      { ...fresh, uncertain: true },
    ]) {
      const side = facing();
      await side.show(building, shown);
      expect(side.calls()).toEqual([STATUS]);
    }
  });

  it("is one write when a build waits for somebody's approval, and one when it begins after it", async () => {
    const side = facing();
    await side.show(held);
    expect(side.body(0)).toMatchObject({ key: KEY, state: "STOPPED" });
    await side.show(queued, { ...fresh, externalId: "check-1.2" });
    expect(side.body(1)).toMatchObject({ key: KEY, state: "INPROGRESS" });
    expect(side.calls()).toEqual([STATUS, STATUS]);
  });

  it("is no more than the status where there is no such commit, as may be of a fork's", async () => {
    const side = facing({ [STATUS]: NOT_FOUND });
    expect(await side.show(broken, underway)).toEqual({ ok: true, value: { hostId: KEY } });
    expect(side.calls()).toEqual([STATUS]);
    const report = facing({ [REPORT]: NOT_FOUND });
    expect(await report.show(broken, underway)).toMatchObject({ ok: false, retryable: false });
  });

  it("is two writes at its end, three with annotations, the status first", async () => {
    const well = facing();
    expect(await well.show(built, underway)).toEqual({ ok: true, value: { hostId: KEY } });
    expect(well.calls()).toEqual([STATUS, REPORT]);
    const badly = facing();
    await badly.show(broken, underway);
    expect(badly.calls()).toEqual([STATUS, REPORT, NOTES]);
    expect(badly.body(2)).toMatchObject([{ external_id: `${KEY}-1`, path: "Dockerfile", line: 1 }]);
  });

  it("is a status only, where nothing was built or the details were refused", async () => {
    const side = facing();
    await side.show({ ...built, conclusion: "skipped", results: [] });
    await side.show(bare(broken), underway);
    expect(side.calls()).toEqual([STATUS, STATUS]);
  });

  it("is what an earlier run has left, when the report was there", async () => {
    const left = [
      { external_id: `${KEY}-1`, path: "Dockerfile", line: 9 },
      { external_id: `${KEY}-2`, path: "Dockerfile", line: 3, result: "FAILED" },
      { external_id: `${KEY}-3`, path: null, line: 0, result: null },
      { external_id: `${KEY}-4`, path: "Dockerfile", line: 4, result: "PASSED" },
      { external_id: "somebody-else-5" },
      {},
    ];
    const answers = { [REPORT]: { status: 200, body: UPDATED }, [LIST]: { status: 200, body: { values: left } } };
    const failed = facing(answers);
    await failed.show(broken, underway);
    expect(failed.calls()).toEqual([STATUS, REPORT, LIST, NOTES]);
    expect(failed.body(3)).toMatchObject([
      { external_id: `${KEY}-1`, line: 1, result: "FAILED" },
      { external_id: `${KEY}-2`, line: 3, result: "PASSED" },
      { external_id: `${KEY}-3`, result: "PASSED" },
    ]);
    const well = facing(answers);
    await well.show(built, underway);
    expect(well.body(3)).toMatchObject([1, 2, 3].map((n) => ({ external_id: `${KEY}-${n}`, result: "PASSED" })));
  });

  it("is no annotation where the earlier run has left none", async () => {
    for (const list of [{ status: 200, body: { values: [] } }, NOT_FOUND]) {
      const side = facing({ [REPORT]: { status: 200, body: UPDATED }, [LIST]: list });
      expect(await side.show(built, underway)).toMatchObject({ ok: true });
      expect(side.calls()).toEqual([STATUS, REPORT, LIST]);
    }
  });
});

describe("what is refused", () => {
  it("ends there: no report without its status", async () => {
    const side = facing({ [STATUS]: refused(400, "No") });
    expect(await side.show(built, underway)).toMatchObject({ ok: false, retryable: false });
    expect(side.calls()).toEqual([STATUS]);
  });

  it.each([REPORT, NOTES, LIST])("leaves the status written: %s", async (call) => {
    const side = facing({
      [REPORT]: { status: 200, body: call === LIST ? UPDATED : CREATED },
      [call]: refused(403, "Forbidden"),
    });
    expect(await side.show(broken, underway)).toMatchObject({ ok: false, retryable: false });
    expect(side.calls().slice(0, 2)).toEqual([STATUS, REPORT]);
    expect(await side.show(bare(broken), underway)).toEqual({ ok: true, value: { hostId: KEY } });
  });

  it("says which scope is missing", async () => {
    const detail = { granted: ["account"], required: ["repository"] };
    const side = facing({
      [STATUS]: refused(403, "Your credentials lack one or more required privilege scopes.", detail),
    });
    const shown = await side.show(queued);
    expect(shown).toMatchObject({ ok: false, retryable: false, retryAfter: null });
    expect(shown.ok ? "" : shown.message).toMatch(/needs: repository.*reading is enough/);
  });

  it.each([STATUS, REPORT, NOTES])("for a while is tried again: %s", async (call) => {
    const busy = facing({ [call]: { status: 503, headers: { "retry-after": "7" } } });
    expect(await busy.show(broken, underway)).toMatchObject({ ok: false, retryable: true, retryAfter: 7 });
    const limited = facing({ [call]: { status: 429 } });
    expect(await limited.show(broken, underway)).toMatchObject({ ok: false, retryable: true, retryAfter: 60 });
  });

  it("is an answer of another shape", async () => {
    const list = { status: 200, body: { values: [{ external_id: 7 }] } };
    const side = facing({ [REPORT]: { status: 200, body: UPDATED }, [LIST]: list });
    expect(await side.show(built, underway)).toMatchObject({ ok: false, retryable: false });
  });
});

describe("the reporter on the stand-in", () => {
  let host: BitbucketHost;
  let repository: HostRepository;
  let reporter: Reporter;
  let commits = 0;

  function reporterWith(token: string): Reporter {
    const connection = { ...CONNECTION, workspace: repository.workspace.uuid, token };
    const access = createBitbucketAccess({
      host: "default",
      webUrl: host.url,
      apiUrl: host.apiUrl,
      appKey: "wharfinger",
      appSecret: null,
      grants: grantsOf({ connections: [connection] }).grants,
      clock: { now: () => Date.now() },
      timeoutMs: 5_000,
    });
    return createBitbucketReporter({ access });
  }

  beforeAll(async () => {
    host = await createBitbucketHost();
    const workspace = host.workspace("acme");
    repository = await host.repository(workspace, "api", { private: true });
    reporter = reporterWith(host.accessToken({ workspace, scopes: ["repository"] }).token);
  });

  afterAll(async () => {
    const { violations } = host;
    await host.close();
    expect(violations).toEqual([]);
  });

  async function newCheck(name = "wharfinger"): Promise<Check> {
    commits += 1;
    const { sha } = await repository.commit({ files: { n: String(commits) } });
    return checkOf(repository.workspace.uuid, repository.uuid, sha, fresh, name);
  }

  async function show(check: Check, content: CheckContent): Promise<Check> {
    const shown = await reporter.show(check, content);
    if (!shown.ok) throw new Error(shown.message);
    const concluded = content.status === "completed";
    return { ...check, shown: { ...check.shown, hostId: shown.value.hostId, uncertain: false, concluded } };
  }

  /** As the engine begins a check anew after its conclusion. */
  function again(check: Check): Check {
    return { ...check, shown: { ...fresh, externalId: "check-2" } };
  }

  it("shows a check from its beginning to its end in four writes", async () => {
    const before = host.calls.length;
    let check = await show(await newCheck(), queued);
    expect(repository.statuses(check.sha)).toMatchObject([{ state: "INPROGRESS", refname: "main", writes: 1 }]);
    check = await show(check, building);
    await show(check, broken);
    const calls = host.calls.slice(before).map(({ method, status }) => `${method} ${status}`);
    expect(calls).toEqual(["POST 201", "POST 201", "PUT 200", "POST 200"]);
    expect(repository.statuses(check.sha)).toMatchObject([
      { key: KEY, name: "wharfinger", state: "FAILED", description: "api: failed", url: broken.detailsUrl, writes: 2 },
    ]);
    const [report, ...others] = repository.reports(check.sha);
    expect(others).toEqual([]);
    expect(report).toMatchObject({ externalId: KEY, content: { result: "FAILED", report_type: "TEST" } });
    expect(report?.annotations).toMatchObject([{ externalId: `${KEY}-1`, content: { path: "Dockerfile", line: 1 } }]);
  });

  it("shows the same once, however often, and whenever an answer is lost", async () => {
    const check = await newCheck();
    for (const route of ["/statuses/build", "/reports/{reportId}", "/reports/{reportId}/annotations"]) {
      host.inject({
        match: (call) => call.method !== "GET" && call.route?.endsWith(route) === true,
        effect: { afterwards: "reset" },
      });
      expect(await reporter.show(check, broken)).toMatchObject({ ok: false, retryable: true });
    }
    const shown = await show({ ...check, shown: { ...fresh, uncertain: true } }, broken);
    await show(shown, broken);
    expect(repository.statuses(check.sha)).toMatchObject([{ state: "FAILED" }]);
    expect(repository.reports(check.sha)).toHaveLength(1);
    expect(repository.reports(check.sha)[0]?.annotations).toMatchObject([{ content: { result: "FAILED" } }]);
  });

  it("replaces what the first run of a commit has found, in four writes as well", async () => {
    const first = await show(await show(await newCheck(), queued), { ...broken, annotations: notes(3) });
    const before = host.calls.length;
    const second = await show(again(first), queued);
    expect(repository.statuses(first.sha)).toMatchObject([{ state: "INPROGRESS" }]);
    await show(second, broken);
    const calls = host.calls.slice(before).map(({ method }) => method);
    expect(calls).toEqual(["POST", "POST", "PUT", "GET", "POST"]);
    const results = () => repository.reports(first.sha)[0]?.annotations.map(({ content }) => content["result"]);
    expect(results()).toEqual(["FAILED", "PASSED", "PASSED"]);
    await show(await show(again(first), queued), built);
    expect(results()).toEqual(["PASSED", "PASSED", "PASSED"]);
    expect(repository.reports(first.sha)).toMatchObject([{ content: { result: "PASSED" } }]);
  });

  it("keeps the checks of several images apart", async () => {
    const check = await newCheck();
    const longName = `wharfinger: ${"very-long-name-".repeat(20)}`;
    const names = ["wharfinger", "wharfinger: api", `${longName}a`, `${longName}b`];
    for (const name of names) await show({ ...check, name }, { ...broken, title: name });
    expect(repository.statuses(check.sha).map(({ key }) => key)).toEqual(names.map(keyOf));
    expect(repository.reports(check.sha).map(({ externalId }) => externalId)).toEqual(names.map(keyOf));
  });

  it("stays within Bitbucket's limits, whatever a build produced", async () => {
    const huge = "😀 € `line`\n".repeat(20_000);
    const tags = Array.from({ length: 500 }, (_, i) => `1.${i}`);
    const results = Array.from({ length: 40 }, (_, i) => ({
      ...result,
      image: `acme/${"long-".repeat(100)}${i}`,
      tags,
    }));
    for (const count of [1, 40]) {
      const check = await newCheck(`wharfinger: ${"😀".repeat(300)}`);
      await show(check, {
        ...broken,
        title: "😀".repeat(300),
        summary: huge,
        branch: "b".repeat(250),
        annotations: notes(1_001, { message: "€".repeat(40_000), path: `${"d/".repeat(900)}Dockerfile` }),
        results: results.slice(0, count),
      });
      const [report] = repository.reports(check.sha);
      expect(report?.annotations).toHaveLength(100);
      expect(report?.content["details"]).toMatch(/901 more annotations are not shown here\.$/);
    }
  });

  it("shows hostile text as text", async () => {
    const hostile = "a\ud83d b\u001b[31mred\u0007\u202e\r\nd <b>[x](http://evil.test)\u0000 \udc00";
    const check = await newCheck(`wharfinger: ${hostile}`);
    await show(check, {
      ...broken,
      title: hostile,
      summary: hostile,
      branch: hostile,
      annotations: notes(1, { message: hostile, path: hostile }),
      results: [{ ...result, image: hostile, tags: [hostile] }],
    });
    expect(repository.statuses(check.sha)[0]?.description).toBe("a� bred d <b>[x](http://evil.test) �");
    expect(repository.reports(check.sha)[0]?.annotations).toHaveLength(1);
  });

  it("keeps the conclusion where reports are refused", async () => {
    const check = await show(await newCheck(), queued);
    host.inject({ match: (call) => call.method === "PUT", effect: { status: 403 } });
    expect(await reporter.show(check, broken)).toMatchObject({ ok: false, retryable: false });
    await show(check, bare(broken));
    expect(repository.statuses(check.sha)).toMatchObject([{ state: "FAILED", description: "api: failed" }]);
    expect(repository.reports(check.sha)).toEqual([]);
  });

  it("says what is missing where a token may not write, and nothing of a commit that is gone", async () => {
    const poor = reporterWith(host.accessToken({ workspace: repository.workspace, scopes: ["account"] }).token);
    const refusal = await poor.show(await newCheck(), queued);
    expect(refusal).toMatchObject({ ok: false, retryable: false });
    expect(refusal.ok ? "" : refusal.message).toMatch(/scope repository/);
    const gone = await reporter.show({ ...(await newCheck()), sha: shaOf("e".repeat(40)) }, queued);
    expect(gone).toMatchObject({ ok: true });
  });
});
