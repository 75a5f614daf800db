import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { type Outcome, ok } from "../../src/core/model.ts";
import { createGithubAccess, type GithubAccess } from "../../src/github/access.ts";
import type { ApiAnswer, ApiRequest } from "../../src/github/api.ts";
import { examineApp } from "../../src/github/examine.ts";
import { missingPermissions, WANTED_EVENTS, WANTED_PERMISSIONS } from "../../src/github/permissions.ts";
import { packageRoot } from "../../src/version.ts";
import { createGithubHost, type GithubHost } from "../hosts/github/index.ts";

const ALL = Object.fromEntries(WANTED_PERMISSIONS.map(({ name, level }) => [name, level]));

describe("what the App asks for", () => {
  const manifest = parse(readFileSync(join(packageRoot, "app.yml"), "utf8"));

  it("is what app.yml asks for", () => {
    expect(manifest.default_permissions).toEqual(ALL);
    expect(manifest.default_events.toSorted()).toEqual(WANTED_EVENTS.map(({ name }) => name).toSorted());
  });

  it("is missing where it is not given, or given at a lower level", () => {
    expect(missingPermissions(ALL)).toEqual([]);
    expect(missingPermissions({ ...ALL, contents: "write", checks: "admin" })).toEqual([]);
    expect(missingPermissions({ ...ALL, checks: "read" }).map(({ name }) => name)).toEqual(["checks"]);
    expect(missingPermissions({ ...ALL, checks: "WRITE" }).map(({ name }) => name)).toEqual(["checks"]);
    expect(missingPermissions({})).toHaveLength(WANTED_PERMISSIONS.length);
  });
});

describe("examining the App", () => {
  let host: GithubHost;
  beforeEach(async () => {
    host = await createGithubHost({ webhook: { url: "http://127.0.0.1:9/webhooks/github", secret: "s".repeat(32) } });
  });
  afterEach(() => host.close());

  const access = () => createGithubAccess({ host: "default", ...host, clock: { now: () => Date.now() } });

  it("finds all in order at its host", async () => {
    const acme = host.organization("acme");
    await host.repository(acme, "api");
    await host.install(acme);
    const examined = await examineApp(access());
    expect(examined).toMatchObject({
      ok: true,
      value: { missing: [], missingEvents: [], webhook: "http://127.0.0.1:9/webhooks/github", more: false },
    });
    expect(examined.ok && examined.value.installations).toMatchObject([
      {
        login: "acme",
        suspended: false,
        missing: [],
        settings: expect.stringContaining("/organizations/acme/settings/"),
      },
    ]);
    expect(host.violations).toEqual([]);
  });

  it("refuses a key of another App", async () => {
    const examined = await examineApp({ ...access(), appId: host.appId + 1 });
    expect(examined).toMatchObject({ ok: false, retryable: false });
  });

  /** Answers as GitHub would, of an App and installations made up here. */
  function answering(answers: Readonly<Record<string, unknown>>): Pick<GithubAccess, "asApp" | "appId"> {
    return {
      appId: 7,
      async asApp(request: ApiRequest): Promise<Outcome<ApiAnswer>> {
        const body = answers[request.path];
        const status = body === undefined ? 404 : 200;
        return ok({ status, headers: new Headers(), body: body ?? { message: "Not Found" }, tooLarge: false, request });
      },
    };
  }
  const APP = {
    id: 7,
    name: "Ours",
    html_url: "https://github.example/apps/ours",
    permissions: ALL,
    events: WANTED_EVENTS.map(({ name }) => name),
  };
  const installation = (id: number, permissions: object, more: object = {}) => ({
    id,
    account: { login: `account-${id}` },
    html_url: `https://github.example/settings/installations/${id}`,
    permissions,
    suspended_at: null,
    ...more,
  });

  it("tells what the App itself lacks from what an account has not accepted", async () => {
    const { merge_queues: _, ...noQueues } = ALL;
    const examined = await examineApp(
      answering({
        "/app": {
          ...APP,
          permissions: noQueues,
          events: ["push", "repository", "installation_target", "pull_request", "organization"],
        },
        "/app/hook/config": {},
        "/app/installations?per_page=100&page=1": [
          installation(1, noQueues),
          installation(2, { metadata: "read", contents: "read" }, { suspended_at: "2026-11-20T10:00:00Z" }),
          installation(3, noQueues, { account: { slug: "an-enterprise" } }),
        ],
      }),
    );
    expect(examined.ok && examined.value).toMatchObject({
      missing: [{ name: "merge_queues" }],
      missingEvents: ["merge_group"],
      webhook: null,
      installations: [
        { id: "1", login: "account-1", missing: [] },
        { id: "2", suspended: true, missing: [{ name: "checks" }, { name: "pull_requests" }, { name: "members" }] },
        { id: "3", login: "an-enterprise", missing: [] },
      ],
    });
  });

  it("looks at a thousand installations, and says that there are more", async () => {
    const page = (from: number) => Array.from({ length: 100 }, (_, index) => installation(from + index, ALL));
    const pages = Object.fromEntries(
      Array.from({ length: 11 }, (_, index) => [
        `/app/installations?per_page=100&page=${index + 1}`,
        page(1 + index * 100),
      ]),
    );
    const examined = await examineApp(answering({ "/app": APP, "/app/hook/config": {}, ...pages }));
    expect(examined.ok && examined.value.installations.length).toBe(1_000);
    expect(examined).toMatchObject({ value: { more: true } });
  });

  it.each([
    ["/app", { "/app": { id: "7" } }],
    ["/app/hook/config", { "/app": APP }],
    ["/app/installations", { "/app": APP, "/app/hook/config": {}, "/app/installations?per_page=100&page=1": {} }],
  ])("says which answer makes no sense: %s", async (path, answers) => {
    const examined = await examineApp(answering(answers));
    expect(examined).toMatchObject({ ok: false, message: expect.stringContaining(path) });
  });
});
