import { describe, expect, it } from "@jest/globals";
import { createBitbucketHost } from "../../src/bitbucket/host.ts";
import type { HostId, Repository } from "../../src/core/model.ts";
import {
  ACME,
  type Answer,
  type Answering,
  API_URL,
  accessAnswering,
  CLIENT,
  CONNECTION,
  type Granted,
  NOT_FOUND,
  REPO,
  REPO_PATH,
  refused,
  WEB_URL,
} from "./recorded-fetch.ts";

const TIP = "c".repeat(40);

const installation: HostId = { provider: "bitbucket", host: "default", id: ACME };

const repository: Repository = {
  provider: "bitbucket",
  host: "default",
  id: REPO,
  fullName: "acme/api",
  private: true,
  defaultBranch: "main",
  cloneUrl: `${WEB_URL}/acme/api.git`,
  webUrl: `${WEB_URL}/acme/api`,
};

const branch: Answer = { status: 200, body: { type: "branch", name: "main", target: { hash: TIP } } };

const shown: Answer = {
  status: 200,
  body: {
    type: "repository",
    uuid: REPO,
    full_name: "acme/api",
    is_private: true,
    workspace: { uuid: ACME },
    mainbranch: { type: "branch", name: "main", target: { hash: TIP } },
  },
};

const NOT_KNOWN = { ok: true, value: null };

function file(path: string, attributes: unknown = []) {
  return { type: "commit_file", path, attributes };
}

function list(values: readonly unknown[], next?: string): Answer {
  return { status: 200, body: { values, ...(next === undefined ? {} : { next }) } };
}

/** `pages` answers for the tree: from 1, how often it was asked. */
function setUp(pages: (count: number) => Answer, tip: Answer = branch, granted: Granted = { clients: [CLIENT] }) {
  let listed = 0;
  const answer: Answering = (call) => {
    if (call.path.includes("/refs/")) return tip;
    if (!call.path.includes("/src/")) return call.method === "GET" ? shown : { status: 201, body: {} };
    listed += 1;
    return pages(listed);
  };
  const side = accessAnswering(answer, granted);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const host = createBitbucketHost({ ...side, log });
  const survey = (of: Repository = repository) => host.survey(installation, of);
  return { ...side, host, survey };
}

function surveyed(values: readonly unknown[]) {
  return setUp(() => list(values)).survey();
}

describe("a survey", () => {
  it("is one listing at the tip of the default branch", async () => {
    const values = [
      file(".wharfinger.yml"),
      file("web/web.Dockerfile"),
      file("Dockerfile", ["executable"]),
      file("api/DOCKERFILE.jvm", ["lfs"]),
      { type: "commit_file", path: "b/dockerfile" },
    ];
    const { survey, network } = setUp(() => list(values));
    expect(await survey()).toEqual({
      ok: true,
      value: {
        defaultBranch: "main",
        hasFile: true,
        dockerfiles: ["Dockerfile", "api/DOCKERFILE.jvm", "b/dockerfile", "web/web.Dockerfile"],
      },
    });
    expect(network.asked().map((call) => [call.path.split("?")[0], call.query])).toEqual([
      [`${REPO_PATH}/refs/branches/main`, { fields: "name,target.hash,target.message,target.date" }],
      [
        `${REPO_PATH}/src/${TIP}/`,
        {
          max_depth: "6",
          pagelen: "100",
          fields: "next,values.type,values.path,values.attributes",
          q: 'path ~ "dockerfile" OR path = ".wharfinger.yml"',
        },
      ],
    ]);
  });

  it("is one call when the tip was just seen", async () => {
    const { host, survey, network } = setUp(() => list([]));
    expect(await host.look(installation, repository)).toMatchObject({ value: { kind: "seen" } });
    expect(await survey()).toEqual({ ok: true, value: { defaultBranch: "main", hasFile: false, dockerfiles: [] } });
    expect(network.paths().slice(1)).toEqual([expect.stringContaining(`/src/${TIP}/?`)]);
  });

  it("leaves out what was listed though nobody asked for it", async () => {
    const values = [
      file("README.md"),
      file("Dockerfile/main.go"),
      file("dockerfiles/run.sh"),
      file("Dockerfile.dockerignore"),
      file("sub/.wharfinger.yml"),
      file(".Wharfinger.yml"),
      { type: "commit_directory", path: "x/Dockerfile" },
      { type: "commit_directory", path: ".wharfinger.yml" },
      { type: "commit_file", path: "y/Dockerfile", attributes: ["link"] },
      { type: "commit_file", path: "z/Dockerfile", attributes: "link" },
      { type: "commit_file", path: "m/Dockerfile", attributes: ["binary", "subrepository"] },
      { type: "something_new", path: "n/Dockerfile" },
    ];
    expect(await surveyed(values)).toEqual({
      ok: true,
      value: { defaultBranch: "main", hasFile: false, dockerfiles: [] },
    });
  });

  it("takes a link for the file, as it is followed when it is read, and no submodule", async () => {
    const hasFile = (attributes: readonly string[]) => surveyed([file(".wharfinger.yml", attributes)]);
    expect(await hasFile(["link"])).toMatchObject({ value: { hasFile: true } });
    expect(await hasFile(["subrepository"])).toMatchObject({ value: { hasFile: false } });
  });

  it("names nothing outside the repository, and nothing twice", async () => {
    const paths = [
      "../Dockerfile",
      "/Dockerfile",
      "a//Dockerfile",
      "a/./Dockerfile",
      "a/../Dockerfile",
      "b/Dockerfile",
    ];
    const dockerfiles = ["b/Dockerfile"];
    expect(await surveyed([...paths, ...paths].map((path) => file(path)))).toMatchObject({ value: { dockerfiles } });
  });

  it("names a hundred, in the order of their names, whatever the order they came in", async () => {
    const names = Array.from({ length: 101 }, (_, index) => `${100 + index}/Dockerfile`);
    const values = names.toReversed().map((path) => file(path));
    const next = `${API_URL}${REPO_PATH}/src/${TIP}/?page=more`;
    const { survey, network } = setUp((count) =>
      count === 1 ? list(values.slice(0, 100), next) : list(values.slice(100)),
    );
    expect(await survey()).toEqual({
      ok: true,
      value: { defaultBranch: "main", hasFile: false, dockerfiles: names.slice(0, 100) },
    });
    expect(network.asked()[2]?.url).toBe(next);
  });

  it("is not known, after three calls, when there is more to list", async () => {
    const next = `${API_URL}${REPO_PATH}/src/${TIP}/?page=more`;
    const { survey, network } = setUp(() => list([file("Dockerfile")], next));
    expect(await survey()).toEqual(NOT_KNOWN);
    expect(network.asked()).toHaveLength(3);
  });

  it("is not known without a call while there are no commits", async () => {
    const { survey, network } = setUp(() => list([]));
    expect(await survey({ ...repository, defaultBranch: null })).toEqual(NOT_KNOWN);
    expect(network.calls).toEqual([]);
  });

  it("is not known when the branch, or the commit, is gone", async () => {
    const nowhere = setUp(() => list([]), NOT_FOUND);
    expect(await nowhere.survey()).toEqual(NOT_KNOWN);
    expect(nowhere.network.asked()).toHaveLength(1);
    expect(await setUp(() => NOT_FOUND).survey()).toEqual(NOT_KNOWN);
  });

  it("is not known when Bitbucket takes too long for it, on any page", async () => {
    const next = `${API_URL}${REPO_PATH}/src/${TIP}/?page=more`;
    const late: Answer = { status: 555, body: "" };
    expect(await setUp(() => late).survey()).toEqual(NOT_KNOWN);
    expect(await setUp((count) => (count === 1 ? list([], next) : late)).survey()).toEqual(NOT_KNOWN);
    expect(await setUp(() => list([]), late).survey()).toMatchObject({ ok: false, retryable: true });
  });

  it.each<[Answer, boolean]>([
    [{ status: 500 }, true],
    [{ status: 429 }, true],
    [refused(401, "Expired"), true],
    [refused(400, "Invalid query"), false],
    [refused(403, "Lacking", { required: ["repository"] }), false],
    [{ status: 204 }, false],
    [{ status: 200, body: "<html>" }, false],
    [{ status: 200, body: {} }, false],
    [{ status: 200, body: { values: {} } }, false],
    [list([null]), false],
    [list([{ type: "commit_file" }]), false],
    [list([file("Dockerfile", [1])]), false],
    [list([file("Dockerfile")], "https://elsewhere.test/2.0/src"), false],
    [{ status: 301, headers: { location: "https://elsewhere.test/" } }, false],
  ])("is not made up from %j", async (answer, retryable) => {
    expect(await setUp(() => answer).survey()).toMatchObject({ ok: false, retryable });
    expect(await setUp(() => list([]), answer).survey()).toMatchObject({ ok: false });
  });

  it("is all or nothing: what a second page lacks is not left out", async () => {
    const next = `${API_URL}${REPO_PATH}/src/${TIP}/?page=more`;
    for (const second of [{ status: 502 }, refused(403, "No"), { status: 200, body: {} }]) {
      const { survey } = setUp((count) => (count === 1 ? list([file("Dockerfile")], next) : second));
      expect(await survey()).toMatchObject({ ok: false });
    }
  });

  it("leaves what is kept for reports alone", async () => {
    const few: Answer = { ...list([]), headers: { "x-ratelimit-limit": "20" } };
    const { survey, access, network } = setUp(() => few, branch, { connections: [CONNECTION] });
    for (let calls = 0; calls < 18; calls += 2) expect(await survey()).toMatchObject({ ok: true });
    expect(await survey()).toMatchObject({ ok: false, retryable: true, retryAfter: expect.any(Number) });
    expect(network.asked()).toHaveLength(18);
    const scope = { workspace: ACME, repository: REPO };
    const report = { method: "POST", path: `${REPO_PATH}/commit/${TIP}/statuses/build`, body: {} } as const;
    for (const _ of [19, 20]) expect(await access.call(scope, report)).toMatchObject({ ok: true });
  });
});
