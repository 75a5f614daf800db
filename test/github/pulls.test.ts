import { describe, expect, it } from "@jest/globals";
import type { PullRequestEvent } from "../../src/core/events.ts";
import type { Actor, HostId, Repository } from "../../src/core/model.ts";
import { createGithubHost } from "../../src/github/host.ts";
import { readPermission } from "../../src/github/pulls.ts";
import { type Answer, accessAnswering } from "./recorded-fetch.ts";

const installation: HostId = { provider: "github", host: "default", id: "7" };

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

const HEAD = "a".repeat(40);
const TARGET = "b".repeat(40);

const event: PullRequestEvent = {
  type: "pull_request",
  action: "opened",
  repository,
  installation,
  number: 3,
  source: {
    repository: { provider: "github", host: "default", id: "9", fullName: "eve/api", private: false },
    branch: "fix",
    commit: HEAD,
    before: null,
  },
  checkout: { cloneUrl: repository.cloneUrl, ref: "refs/pull/3/head", anonymous: false },
  target: { branch: "main", commit: TARGET },
  fork: true,
  draft: false,
  queued: false,
  actor: null,
};

function hostAnswering(answer: Answer) {
  const { access, network } = accessAnswering(() => answer);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const host = createGithubHost({ access, webUrl: "https://github.test", log });
  return { access, host, network, paths: () => network.asked().map((call) => call.path) };
}

const FAILURES: readonly (readonly [Answer, boolean])[] = [
  [{ status: 500 }, true],
  [{ status: 429, headers: { "retry-after": "60" } }, true],
  [{ status: 403, body: { message: "Resource not accessible by integration" } }, false],
  [{ status: 422, body: { message: "No" } }, false],
  [{ status: 200, body: [] }, false],
  [{ status: 200, body: "<html>" }, false],
];

describe("the head of a pull request", () => {
  const commit = { message: "Fix it\n\n[skip ci]", committer: { date: "2026-11-20T12:00:00+02:00", name: "eve" } };

  it("is one call to the repository it goes to, by a token for its contents", async () => {
    const { host, network, paths } = hostAnswering({ status: 200, body: commit });
    expect(await host.head(event)).toEqual({
      ok: true,
      value: {
        commit: HEAD,
        message: "Fix it\n\n[skip ci]",
        committedAt: "2026-11-20T10:00:00.000Z",
        target: TARGET,
      },
    });
    expect(paths()).toEqual([`/repositories/5/git/commits/${HEAD}`]);
    expect(network.calls[0]?.body).toEqual({ repository_ids: [5], permissions: { contents: "read" } });
  });

  it.each([{ date: "9999999-01-01T00:00:00+99:99" }, { date: "" }, { date: null }, {}, null])(
    "may be of a date that is none: %j",
    async (committer) => {
      const { host } = hostAnswering({ status: 200, body: { ...commit, committer } });
      expect(await host.head(event)).toMatchObject({ ok: true, value: { commit: HEAD, committedAt: null } });
    },
  );

  it("is gone when GitHub does not have it", async () => {
    const { host } = hostAnswering({ status: 404, body: { message: "Not Found" } });
    expect(await host.head(event)).toEqual({ ok: true, value: null });
  });

  it("is not asked for where the event names no commit", async () => {
    const { host, network } = hostAnswering({ status: 200, body: commit });
    for (const odd of [null, "0".repeat(40), "main", HEAD.slice(0, 12)]) {
      expect(await host.head({ ...event, source: { ...event.source, commit: odd } })).toEqual({
        ok: true,
        value: null,
      });
    }
    expect(network.calls).toEqual([]);
  });

  it.each(FAILURES)("is not called gone after %j", async (answer, retryable) => {
    expect(await hostAnswering(answer).host.head(event)).toMatchObject({ ok: false, retryable });
  });
});

describe("what somebody may do in a repository", () => {
  const rita: Actor = { id: "11", login: "rita" };
  const user = { id: 11, login: "rita" };

  function ask(answer: Answer, actor = rita) {
    const side = hostAnswering(answer);
    return { ...side, outcome: readPermission(side.access, installation, repository, actor) };
  }

  it("is one call, with a token that reads nothing but metadata", async () => {
    const { outcome, network, paths } = ask({
      status: 200,
      body: { permission: "write", role_name: "maintain", user },
    });
    expect(await outcome).toEqual({ ok: true, value: "write" });
    expect(paths()).toEqual(["/repositories/5/collaborators/rita/permission"]);
    expect(network.calls[0]?.body).toEqual({ repository_ids: [5], permissions: { metadata: "read" } });
  });

  it.each([
    ["admin", "admin"],
    ["maintain", "write"],
    ["write", "write"],
    ["triage", "read"],
    ["read", "read"],
    ["none", "none"],
    ["owner", "none"],
    ["Admin", "none"],
    ["__proto__", "none"],
  ])("is, where GitHub says %s, %s", async (permission, expected) => {
    // A custom role may be called anything.
    const { outcome } = ask({ status: 200, body: { permission, role_name: "admin", user } });
    expect(await outcome).toEqual({ ok: true, value: expected });
  });

  it.each([{ id: 12, login: "rita" }, null, undefined])(
    "is nothing where the login is not theirs (any more): %j",
    async (other) => {
      const { outcome } = ask({ status: 200, body: { permission: "admin", role_name: "admin", user: other } });
      expect(await outcome).toEqual({ ok: true, value: "none" });
    },
  );

  it("is nothing where nobody has the login", async () => {
    expect(await ask({ status: 404, body: { message: "Not Found" } }).outcome).toEqual({ ok: true, value: "none" });
  });

  it.each([".", ".."])("is not asked for of %j, which is a part of paths", async (login) => {
    const { outcome, network } = ask({ status: 200, body: { permission: "admin", user } }, { ...rita, login });
    expect(await outcome).toEqual({ ok: true, value: "none" });
    expect(network.calls).toEqual([]);
  });

  it("is asked for by one name, whatever it looks like", async () => {
    const { paths, outcome } = ask({ status: 404, body: {} }, { ...rita, login: "../../x?y#z[bot]" });
    expect(await outcome).toEqual({ ok: true, value: "none" });
    expect(paths()).toEqual(["/repositories/5/collaborators/..%2F..%2Fx%3Fy%23z%5Bbot%5D/permission"]);
  });

  it.each(FAILURES)("is a failure, not nothing, after %j", async (answer, retryable) => {
    expect(await ask(answer).outcome).toMatchObject({ ok: false, retryable });
  });
});
