import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { call, messageOf } from "./client.ts";
import { type BitbucketHost, createBitbucketHost, type HostRepository, type HostWorkspace } from "./index.ts";

let host: BitbucketHost;
let acme: HostWorkspace;
let repository: HostRepository;
let sha: string;
let token: string;

const REPO = "/repositories/acme/api";

beforeEach(async () => {
  host = await createBitbucketHost();
  acme = host.workspace("acme");
  repository = await host.repository(acme, "api", { private: true });
  sha = (await repository.commit({ files: { "a.txt": "1" } })).sha;
  token = host.accessToken({ workspace: acme, scopes: ["account", "repository", "pullrequest", "webhook"] }).token;
});

afterEach(async () => {
  await host.close();
});

/** Nothing but `problem` was found wrong: above all nothing with our own answers. */
function expectViolation(problem: RegExp): void {
  expect(host.violations.length).toBeGreaterThan(0);
  for (const violation of host.violations) expect(violation).toMatch(problem);
}

describe("a build status is refused with 400", () => {
  const good = { key: "wharf", state: "SUCCESSFUL", url: "https://builds.test/1" };

  it.each([
    [
      "whose key is over 40 characters",
      { ...good, key: "k".repeat(41) },
      /key: Ensure this value has at most 40 characters \(it has 41\)/,
    ],
    ["whose key is empty", { ...good, key: "" }, /key: This field may not be blank/],
    ["without a key", { state: "SUCCESSFUL" }, /required property 'key'/],
    ["without a state", { key: "wharf" }, /required property 'state'/],
    ["of a state there is not", { ...good, state: "success" }, /allowed values/],
    ["whose name is over 255 characters", { ...good, name: "n".repeat(256) }, /name: .* at most 255/],
    [
      "whose description is over 255 characters",
      { ...good, description: "d".repeat(256) },
      /description: .* at most 255/,
    ],
    ["whose url is over 450 characters", { ...good, url: `https://b.test/${"u".repeat(450)}` }, /url: .* at most 450/],
    ["whose url is none", { ...good, url: "builds/1" }, /url: Enter a valid URL/],
    ["with a name of another type", { ...good, name: 1 }, /must be string/],
    [
      "with a field there is not",
      { ...good, target_url: "https://b.test" },
      /target_url is not in the API description/,
    ],
    ["that is no JSON", "{", /not JSON/],
  ])("%s", async (_, body, problem) => {
    const answer = await call(host, token, `POST ${REPO}/commit/${sha}/statuses/build`, body);
    expect(answer.status).toBe(400);
    expect(messageOf(answer)).toMatch(problem);
    expectViolation(problem);
    expect(repository.statuses(sha)).toEqual([]);
  });

  it("and says which field it is", async () => {
    const { body } = await call(host, token, `POST ${REPO}/commit/${sha}/statuses/build`, {
      ...good,
      key: "k".repeat(48),
    });
    const problem = "Ensure this value has at most 40 characters (it has 48).";
    expect(body).toEqual({ type: "error", error: { message: `key: ${problem}`, fields: { key: [problem] } } });
  });

  it("also as an update", async () => {
    await call(host, token, `POST ${REPO}/commit/${sha}/statuses/build`, good);
    const path = `PUT ${REPO}/commit/${sha}/statuses/build/wharf`;
    expect((await call(host, token, path, { ...good, name: "n".repeat(256) })).status).toBe(400);
    expect(repository.statuses(sha)[0]?.writes).toBe(1);
  });
});

describe("a build status finds nothing to be of", () => {
  it.each([
    ["a commit that is not there", `POST ${REPO}/commit/${"1".repeat(40)}/statuses/build`],
    ["a branch", `POST ${REPO}/commit/main/statuses/build`],
    ["six characters of a hash", `POST ${REPO}/commit/SIX/statuses/build`],
    ["a key that was never posted, to update", `PUT ${REPO}/commit/SHA/statuses/build/wharf`],
  ])("%s", async (_, operation) => {
    const path = operation.replace("SIX", sha.slice(0, 6)).replace("SHA", sha);
    const answer = await call(host, token, path, { key: "wharf", state: "FAILED" });
    expect(answer.status).toBe(404);
    expect(host.violations).toEqual([]);
  });
});

describe("a report is refused with 400", () => {
  const good = { title: "Images", details: "Two", report_type: "TEST", result: "PASSED" };
  const field = (value: unknown, type?: string) => ({
    ...good,
    data: [{ title: "x", value, ...(type ? { type } : {}) }],
  });

  it.each([
    ["without a title", { ...good, title: undefined }, /title field is required/],
    ["without details", { ...good, details: undefined }, /details field is required/],
    ["without a type", { ...good, report_type: undefined }, /report_type field is required/],
    ["of a type there is not", { ...good, report_type: "BUILD" }, /allowed values/],
    ["of a result there is not", { ...good, result: "SUCCESS" }, /allowed values/],
    [
      "whose title is over 450 characters",
      { ...good, title: "t".repeat(451) },
      /title field cannot contain more than 450/,
    ],
    [
      "whose details are over 2000 characters",
      { ...good, details: "d".repeat(2001) },
      /details field cannot contain more than 2000/,
    ],
    ["whose link is none", { ...good, link: "builds/1" }, /must match format "uri"/],
    [
      "with eleven data fields",
      { ...good, data: Array.from({ length: 11 }, () => ({ title: "x", value: "1" })) },
      /over 10 data fields/,
    ],
    ["with a field of a type there is not", field("1", "STRING"), /allowed values/],
    ["with a list in a field", field(["1"]), /must NOT be valid/],
    ["with a text for a number", field("1", "NUMBER"), /not of its type/],
    ["with a number for a text", field(1, "TEXT"), /not of its type/],
    ["with a percentage over 100", field(101, "PERCENTAGE"), /not of its type/],
    ["with a text for a link", field("https://b.test", "LINK"), /not of its type/],
    ["with a field without title", { ...good, data: [{ type: "TEXT", value: "1" }] }, /needs a title/],
  ])("%s", async (_, body, problem) => {
    const answer = await call(host, token, `PUT ${REPO}/commit/${sha}/reports/wharf`, body);
    expect(answer.status).toBe(400);
    expect(messageOf(answer)).toMatch(problem);
    expectViolation(problem);
    expect(repository.reports(sha)).toEqual([]);
  });
});

it("refuses reports in the shape of Code Insights", async () => {
  const { body } = await call(host, token, `PUT ${REPO}/commit/${sha}/reports/wharf`, { title: "Images" });
  const message = "The details field is required.";
  expect(body).toEqual({ key: "report-service.general.bad-request", message, arguments: {} });
});

describe("annotations are refused with 400", () => {
  const annotation = (id: number, more: object = {}) => ({
    external_id: `a${id}`,
    annotation_type: "BUG",
    summary: "Broken",
    ...more,
  });
  const path = () => `POST ${REPO}/commit/${sha}/reports/wharf/annotations`;

  beforeEach(async () => {
    const report = { title: "Images", details: "Two", report_type: "TEST" };
    expect((await call(host, token, `PUT ${REPO}/commit/${sha}/reports/wharf`, report)).status).toBe(200);
  });

  it.each([
    ["when there are none", [], /must NOT have fewer than 1/],
    [
      "when there are 101 in a call",
      Array.from({ length: 101 }, (_, id) => annotation(id)),
      /must NOT have more than 100/,
    ],
    ["without an id", [{ annotation_type: "BUG", summary: "x" }], /external_id field is required/],
    ["without a type", [{ external_id: "a", summary: "x" }], /annotation_type field is required/],
    ["without a summary", [annotation(1, { summary: "" })], /summary field is required/],
    ["whose summary is over 450 characters", [annotation(1, { summary: "s".repeat(451) })], /more than 450/],
    ["whose details are over 2000 characters", [annotation(1, { details: "d".repeat(2001) })], /more than 2000/],
    ["on line 0", [annotation(1, { line: 0 })], /must be >= 1/],
    ["of a severity there is not", [annotation(1, { severity: "WARNING" })], /allowed values/],
  ])("%s", async (_, body, problem) => {
    const answer = await call(host, token, path(), body);
    expect(answer.status).toBe(400);
    expect(messageOf(answer)).toMatch(problem);
    expectViolation(problem);
  });

  it("when they would be more than 1000 of a report, but not when they replace others", async () => {
    for (let call100 = 0; call100 < 10; call100 += 1) {
      const body = Array.from({ length: 100 }, (_, id) => annotation(call100 * 100 + id));
      expect((await call(host, token, path(), body)).status).toBe(200);
    }
    expect((await call(host, token, path(), [annotation(5, { summary: "Again" })])).status).toBe(200);
    expect(host.violations).toEqual([]);
    const answer = await call(host, token, path(), [annotation(1000)]);
    expect([answer.status, messageOf(answer)]).toEqual([400, "A report can not have over 1000 annotations."]);
    expect(repository.reports(sha)[0]?.annotations).toHaveLength(1000);
  });

  it("and find nothing to be of without a report", async () => {
    const answer = await call(host, token, path().replace("wharf", "other"), [annotation(1)]);
    expect(answer.status).toBe(404);
  });
});

describe("a webhook is refused with 400", () => {
  const good = { url: "https://builds.test/hook", events: ["repo:push"] };

  it.each([
    ["without a url", { events: ["repo:push"] }, /url: This field is required/],
    ["without events", { url: good.url }, /events: This field is required/],
    ["of no events", { ...good, events: [] }, /fewer than 1/],
    ["of an event that only Connect knows", { ...good, events: ["pullrequest:superseded"] }, /allowed values/],
    ["of an event of Data Center", { ...good, events: ["repo:refs_changed"] }, /allowed values/],
    [
      "whose secret is over 128 characters",
      { ...good, secret: "s".repeat(129) },
      /more than 128|must be null|match a schema/,
    ],
    ["that leads nowhere", { ...good, url: "mailto:me@builds.test" }, /Enter a valid URL/],
  ])("%s", async (_, body, problem) => {
    for (const subject of ["/workspaces/acme", REPO]) {
      const answer = await call(host, token, `POST ${subject}/hooks`, body);
      expect(answer.status).toBe(400);
      expect(messageOf(answer)).toMatch(problem);
    }
    expectViolation(problem);
    expect(host.hooks).toEqual([]);
  });
});

describe("a token without the scope is refused with 403", () => {
  it.each([
    [`GET ${REPO}`, ["account", "webhook"], "repository"],
    [`GET ${REPO}/commit/SHA/statuses`, ["account"], "repository"],
    [`GET ${REPO}/pullrequests/1`, ["repository"], "pullrequest"],
    [`GET ${REPO}/hooks`, ["repository", "pullrequest"], "webhook"],
    ["GET /workspaces/acme/hooks", ["account", "repository"], "webhook"],
    ["GET /workspaces/acme/permissions", ["repository"], "account"],
    // It is neither reading nor writing.
    [`GET ${REPO}`, ["repository:admin"], "repository"],
  ])("%s with %j", async (operation, scopes, required) => {
    const other = host.accessToken({ workspace: acme, scopes });
    const answer = await call(host, other.token, operation.replace("SHA", sha));
    expect(answer.status).toBe(403);
    expect(answer.body).toEqual({
      type: "error",
      error: {
        message: "Your credentials lack one or more required privilege scopes.",
        detail: { required: [required], granted: scopes },
      },
    });
    expect(host.violations).toEqual([]);
  });

  it("and let in with one that implies it", async () => {
    const other = host.accessToken({ workspace: acme, scopes: ["pullrequest:write"] });
    const { status, headers } = await call(host, other.token, `GET ${REPO}`);
    expect([status, headers.get("x-oauth-scopes")]).toEqual([200, "pullrequest:write"]);
  });
});

describe("what a token does not reach", () => {
  it("is not there when it is private, and may only be read when it is public", async () => {
    const other = host.workspace("other");
    await host.repository(other, "secret", { private: true });
    const open = await host.repository(other, "open");
    const commit = await open.commit({ files: { a: "1" } });
    expect((await call(host, token, "GET /repositories/other/secret")).status).toBe(404);
    expect((await call(host, token, "GET /repositories/other/open")).status).toBe(200);
    const write = `POST /repositories/other/open/commit/${commit.sha}/statuses/build`;
    expect((await call(host, token, write, { key: "k", state: "FAILED" })).status).toBe(403);
    expect((await call(host, token, "GET /repositories/other/open/hooks")).status).toBe(403);
    expect((await call(host, token, "GET /workspaces/other/hooks")).status).toBe(403);
    expect((await call(host, token, "GET /repositories/other")).values.map((item) => item["slug"])).toEqual(["open"]);
    expect(open.statuses(commit.sha)).toEqual([]);
    expect(host.violations).toEqual([]);
  });

  it("is everything but its repository, and nothing of the workspace, when it is a repository's", async () => {
    await host.repository(acme, "web", { private: true });
    const mine = host.accessToken({ repository, scopes: ["repository", "webhook", "account"] }).token;
    expect((await call(host, mine, `GET ${REPO}`)).status).toBe(200);
    expect((await call(host, mine, `GET ${REPO}/hooks`)).status).toBe(200);
    expect((await call(host, mine, "GET /repositories/acme/web")).status).toBe(404);
    expect((await call(host, mine, "GET /workspaces/acme/hooks")).status).toBe(403);
    expect((await call(host, mine, "GET /repositories/acme")).values.map((item) => item["slug"])).toEqual(["api"]);
  });

  it("is what lies outside its project, when it is a project's", async () => {
    const core = await host.repository(acme, "core", { private: true, project: "CORE" });
    const its = host.accessToken({
      project: { workspace: acme, key: "CORE" },
      scopes: ["repository", "webhook"],
    }).token;
    expect((await call(host, its, `GET /repositories/acme/${encodeURIComponent(core.uuid)}`)).status).toBe(200);
    expect((await call(host, its, `GET ${REPO}`)).status).toBe(404);
    expect((await call(host, its, "GET /workspaces/acme/hooks")).status).toBe(403);
  });

  it("is its own repository, once that went to another workspace or was deleted", async () => {
    const mine = host.accessToken({ repository, scopes: ["repository"] }).token;
    await host.transfer(repository, host.workspace("other"));
    const path = `GET /repositories/%7B%7D/${encodeURIComponent(repository.uuid)}`;
    expect((await call(host, mine, path)).status).toBe(404);
    expect((await call(host, token, path)).status).toBe(404);
    const theirs = host.accessToken({ workspace: host.workspace("other"), scopes: ["repository"] }).token;
    expect((await call(host, theirs, path)).status).toBe(200);
    await host.delete(repository);
    expect((await call(host, theirs, path)).status).toBe(404);
  });

  it("are permissions, and whose token it is, when it is an access token", async () => {
    for (const operation of ["GET /workspaces/acme/permissions", "GET /workspaces/acme/permissions/repositories/api"]) {
      expect((await call(host, token, operation)).status).toBe(403);
    }
    expect((await call(host, token, "GET /user")).status).toBe(401);
    expect(host.violations).toEqual([]);
  });
});

describe("nobody in particular", () => {
  it("sees public repositories only", async () => {
    const open = await host.repository(acme, "open");
    const commit = await open.commit({ files: { "a.txt": "1" } });
    expect((await call(host, null, "GET /repositories/acme/open")).status).toBe(200);
    expect((await call(host, null, `GET /repositories/acme/open/src/${commit.sha}/a.txt`)).text).toBe("1");
    expect((await call(host, null, `GET ${REPO}`)).status).toBe(404);
    expect((await call(host, null, "GET /repositories/acme")).values.map((item) => item["slug"])).toEqual(["open"]);
  });

  it.each([
    "GET /user",
    "GET /workspaces/acme/permissions",
    "GET /workspaces/acme/hooks",
    "POST /repositories/acme/open/commit/SHA/statuses/build",
    "POST /repositories/acme/api/commit/SHA/statuses/build",
    "DELETE /addon",
  ])("is refused %s", async (operation) => {
    await host.repository(acme, "open");
    const body = operation.startsWith("POST") ? { key: "k", state: "FAILED" } : undefined;
    expect((await call(host, null, operation.replace("SHA", sha), body)).status).toBe(401);
  });
});

describe("a credential that is none is refused with 401", () => {
  it.each([
    ["a token nobody gave out", "Bearer made-up"],
    ["basic authentication", `Basic ${Buffer.from("x-token-auth:made-up").toString("base64")}`],
    ["a JWT that was not exchanged", "JWT a.b.c"],
  ])("%s", async (_, authorization) => {
    expect((await call(host, authorization, `GET ${REPO}`)).status).toBe(401);
  });

  it("a token that was revoked", async () => {
    const other = host.accessToken({ workspace: acme, scopes: ["repository"] });
    expect((await call(host, other.token, `GET ${REPO}`)).status).toBe(200);
    host.revoke(other);
    expect((await call(host, other.token, `GET ${REPO}`)).status).toBe(401);
  });
});

describe("a call there is no such operation for", () => {
  it.each(["GET /repositories", "PATCH /repositories/acme/api", "GET /teams/acme", "GET /repositories/acme/%ZZ"])(
    "is not found, and a violation: %s",
    async (operation) => {
      expect((await call(host, token, operation)).status).toBe(404);
      expectViolation(/no such operation/);
    },
  );

  it("or no such parameter is answered, and a violation", async () => {
    expect((await call(host, token, `GET ${REPO}/refs/tags?per_page=10`)).status).toBe(200);
    expectViolation(/query parameter per_page is not in the API description/);
  });
});

describe("a page is refused with 400", () => {
  it.each([
    ["longer than 100", `${REPO}/refs/tags?pagelen=101`],
    ["longer than 500, of differences", `${REPO}/diffstat/SHA?pagelen=501`],
    ["of no length", `${REPO}/refs/tags?pagelen=0`],
    ["before the first", `${REPO}/refs/tags?page=0`],
    ["named by a number, of a folder", `${REPO}/src/SHA/?page=2`],
    ["named by a made-up word, of a folder", `${REPO}/src/SHA/?page=cGFnZSAx%20`],
    ["filtered by nonsense", `${REPO}/refs/tags?q=${encodeURIComponent("name LIKE")}`],
  ])("%s", async (_, path) => {
    expect((await call(host, token, `GET ${path.replace("SHA", sha)}`)).status).toBe(400);
  });
});
