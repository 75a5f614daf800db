import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { CheckContent } from "../../src/core/check.ts";
import type { Host, Reporter } from "../../src/engine/ports.ts";
import { apiPath } from "../../src/github/api.ts";
import { createGithubReporter } from "../../src/github/reporter.ts";
import {
  createGithubHost,
  type GithubHost,
  HOST_KINDS,
  type HostInstallation,
  type HostRepository,
} from "../hosts/github/index.ts";
import { accessTo, branchChange, idOf, portTo, repositoryOf, shaOf } from "./on-stand-in.ts";

const running: CheckContent = {
  status: "in_progress",
  conclusion: null,
  title: "Building",
  summary: "One image is built.",
  text: null,
  annotations: [],
  results: [],
  branch: null,
  detailsUrl: "https://wharfinger.test/builds/1",
  actions: [],
  startedAt: "2026-11-20T10:00:00.000Z",
  completedAt: null,
};

const done: CheckContent = {
  ...running,
  status: "completed",
  conclusion: "success",
  annotations: [{ path: "a", line: 1, level: "warning", message: "odd" }],
  completedAt: "2026-11-20T10:01:00.000Z",
};

describe.each(HOST_KINDS)("a repository known by an old name, on $kind", (kind) => {
  let github: GithubHost;
  let api: HostRepository;
  let installation: HostInstallation;
  let port: Host;
  let reporter: Reporter;
  let first: string;
  let second: string;
  /** As it was when its event came. */
  let known: ReturnType<typeof repositoryOf>;

  beforeEach(async () => {
    github = await createGithubHost(kind);
    const acme = github.organization("acme");
    api = await github.repository(acme, "api", { private: true });
    first = (await api.commit({ files: { a: "1" } })).sha;
    second = (await api.commit({ files: { a: "2", b: "2" } })).sha;
    await github.pushTag(api, { tag: "v1", sha: first });
    installation = await github.install(acme);
    const access = accessTo(github);
    port = portTo(github, access);
    reporter = createGithubReporter({ access });
    known = repositoryOf(api);
  });

  afterEach(async () => {
    expect(github.violations).toEqual([]);
    await github.close();
  });

  async function expectAllToWork(by: HostInstallation): Promise<void> {
    const id = idOf(by);
    expect(await port.file(id, known, shaOf(first), "a")).toEqual({ ok: true, value: { kind: "file", text: "1" } });
    expect(await port.file(id, known, shaOf(first), "b")).toMatchObject({ value: { kind: "missing" } });
    expect(await port.changedPaths(id, known, branchChange("main", first, second))).toMatchObject({
      value: ["a", "b"],
    });
    expect(await port.tags(id, known)).toEqual({ ok: true, value: ["v1"] });
    const check = {
      installation: id,
      repository: known,
      sha: shaOf(second),
      name: "wharfinger",
      shown: { hostId: null, externalId: "check-1", uncertain: false, concluded: false },
    };
    const made = await reporter.show(check, running);
    if (!made.ok) throw new Error(made.message);
    const shown = { ...check.shown, hostId: made.value.hostId };
    expect(await reporter.show({ ...check, shown }, done)).toEqual(made);
    const uncertain = { ...check.shown, uncertain: true };
    expect(await reporter.show({ ...check, shown: uncertain }, done)).toEqual(made);
    expect(api.checkRuns(second)).toMatchObject([{ conclusion: "success", output: { annotations: [{}] } }]);
  }

  it("is read and reported on after it was renamed", async () => {
    await github.rename(api, "service");
    await expectAllToWork(installation);
  });

  it("is read and reported on after its account was renamed", async () => {
    await github.renameAccount(api.owner, "acme-corp");
    await expectAllToWork(installation);
  });

  it("is read and reported on by its new owner's installation, and no more by the old one", async () => {
    const bob = github.user("bob");
    const theirs = await github.install(bob);
    expect(await port.tags(idOf(installation), known)).toEqual({ ok: true, value: ["v1"] });
    await github.transfer(api, bob);
    expect(await port.tags(idOf(installation), known)).toEqual({ ok: true, value: null });
    expect(await port.file(idOf(installation), known, shaOf(first), "a")).toEqual({
      ok: true,
      value: { kind: "gone" },
    });
    port.forget(idOf(installation));
    const refused = await port.file(idOf(installation), known, shaOf(first), "a");
    expect(refused).toMatchObject({ ok: false, retryable: false });
    await expectAllToWork(theirs);
  });

  it("is reached by calls for its old name too, with method and body", async () => {
    await github.rename(api, "service");
    const scope = {
      installationId: String(installation.id),
      repositoryIds: [String(api.id)],
      permissions: { contents: "read", checks: "write" },
    } as const;
    const access = accessTo(github);
    const path = apiPath(["repos", "acme", "api", "contents", "a"], { ref: second });
    expect(await access.asInstallation(scope, { method: "GET", path })).toMatchObject({ value: { status: 200 } });
    const body = { name: "wharfinger", head_sha: second };
    const created = { method: "POST", path: apiPath(["repos", "acme", "api", "check-runs"]), body } as const;
    expect(await access.asInstallation(scope, created)).toMatchObject({ value: { status: 201 } });
    expect(github.calls.slice(-2).map((call) => [call.method, call.status])).toEqual([
      ["POST", 307],
      ["POST", 201],
    ]);
    expect(api.checkRuns(second)).toHaveLength(1);
  });

  it.each([{ private: true }, { private: false }])(
    "is not mistaken for another that took its name (private: $private)",
    async (of) => {
      const { owner } = api;
      await github.renameAccount(owner, "acme-corp");
      const usurper = await github.repository(github.organization("acme"), "api", of);
      const { sha } = await usurper.commit({ files: { a: "not ours", "granted.yml": "everything" } });
      await github.pushTag(usurper, { tag: "v9", sha });
      const id = idOf(installation);
      expect(await port.file(id, known, { branch: "main" }, "a")).toEqual({
        ok: true,
        value: { kind: "file", text: "2" },
      });
      expect(await port.file(id, known, { branch: "main" }, "granted.yml")).toMatchObject({
        value: { kind: "missing" },
      });
      expect(await port.file(id, known, shaOf(sha), "a")).toEqual({ ok: true, value: { kind: "gone" } });
      await expectAllToWork(installation);
    },
  );
});
