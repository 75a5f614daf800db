import { afterEach, describe, expect, it } from "@jest/globals";
import { type Answer, appJwt, call, mint } from "./client.ts";
import type { GithubHost, GithubHostOptions, HostInstallation, HostRepository } from "./index.ts";
import { createGithubHost, GITHUB_LIMITS, HOST_KINDS, secondaryLimit } from "./index.ts";

const HOUR = 60 * 60 * 1000;

interface Place {
  readonly host: GithubHost;
  readonly installation: HostInstallation;
  readonly api: HostRepository;
  readonly sha: string;
  readonly token: string;
}

const hosts: GithubHost[] = [];

/** A host with one private repository `acme/api` and a token for it. */
async function place(options: GithubHostOptions): Promise<Place> {
  const host = await createGithubHost(options);
  hosts.push(host);
  const acme = host.organization("acme");
  const api = await host.repository(acme, "api", { private: true });
  const { sha } = await api.commit({ files: { a: "1\n" } });
  const installation = await host.install(acme);
  return { host, installation, api, sha, token: await mint(host, installation) };
}

afterEach(async () => {
  for (const host of hosts.splice(0)) {
    expect(host.violations).toEqual([]);
    await host.close();
  }
});

function remaining(answer: Answer): number | null {
  const text = answer.headers.get("x-ratelimit-remaining");
  return text === null ? null : Number(text);
}

const REFS = "GET /repos/acme/api/git/matching-refs/heads";

describe.each(HOST_KINDS)("a conditional request, on $kind", (kind) => {
  const withTag = (tag: string) => ({ headers: { "if-none-match": tag } });

  it("is a 304 without body while nothing changed, however the tag is spelt", async () => {
    const { host, token, api } = await place(kind);
    const first = await call(host, token, REFS);
    const tag = first.headers.get("etag") ?? "";
    expect(tag).toMatch(/^W\/"[^"]+"$/);
    for (const spelling of [tag, tag.slice(2), `"other", ${tag}`, "*"]) {
      const again = await call(host, token, REFS, withTag(spelling));
      expect([again.status, again.list, again.headers.get("etag")]).toEqual([304, [], tag]);
      expect(host.calls.at(-1)?.status).toBe(304);
    }
    expect((await call(host, token, REFS, withTag('"other"'))).status).toBe(200);
    await api.commit({ files: { a: "2\n" } });
    const changed = await call(host, token, REFS, withTag(tag));
    expect([changed.status, changed.list.length]).toEqual([200, 1]);
    expect(changed.headers.get("etag")).not.toBe(tag);
  });

  it("is answered in full to another token or media type, which may see something else", async () => {
    const { host, token, installation } = await place(kind);
    const tag = (await call(host, token, REFS)).headers.get("etag") ?? "";
    expect((await call(host, await mint(host, installation), REFS, withTag(tag))).status).toBe(200);
    const asText = { headers: { "if-none-match": tag, accept: "application/vnd.github.text+json" } };
    expect((await call(host, token, REFS, asText)).status).toBe(200);
  });

  it("does not make a write conditional", async () => {
    const { host, token, sha } = await place(kind);
    const made = await call(host, token, "POST /repos/acme/api/check-runs", { body: { name: "w", head_sha: sha } });
    const path = `/repos/acme/api/check-runs/${String(made.body["id"])}`;
    expect((await call(host, token, `GET ${path}`)).headers.get("etag")).not.toBeNull();
    const written = await call(host, token, `PATCH ${path}`, { ...withTag("*"), body: { status: "in_progress" } });
    expect([written.status, written.headers.get("etag")]).toEqual([200, null]);
  });
});

describe("the hourly allowance", () => {
  it("is that of the installation, whichever token asks, and a 304 takes nothing from it", async () => {
    const { host, token, installation } = await place({});
    const first = await call(host, token, REFS);
    expect([first.headers.get("x-ratelimit-limit"), remaining(first)]).toEqual(["5000", 4999]);
    const other = await mint(host, installation);
    expect(remaining(await call(host, other, REFS))).toBe(4998);
    const tag = first.headers.get("etag") ?? "";
    for (let count = 0; count < 3; count += 1) {
      expect(remaining(await call(host, token, REFS, { headers: { "if-none-match": tag } }))).toBe(4998);
    }
    expect((await call(host, token, "GET /rate_limit")).body).toMatchObject({ rate: { used: 2, remaining: 4998 } });
    expect(remaining(await call(host, token, "GET /repos/acme/none"))).toBe(4997);
  });

  it("when used up refuses everything but asking for it, and says until when", async () => {
    const { host, token, installation } = await place({});
    host.exhaust(installation);
    const refused = await call(host, token, REFS);
    expect(refused.status).toBe(403);
    expect(refused.body["message"]).toBe(`API rate limit exceeded for installation ID ${installation.id}.`);
    expect([remaining(refused), refused.headers.get("retry-after")]).toEqual([0, null]);
    const reset = Number(refused.headers.get("x-ratelimit-reset")) * 1000;
    expect(reset - Date.now()).toBeGreaterThan(HOUR - 60_000);
    expect(reset - Date.now()).toBeLessThanOrEqual(HOUR + 1000);
    expect((await call(host, token, "GET /rate_limit")).body).toMatchObject({ rate: { remaining: 0, used: 5000 } });
    // The app has an allowance of its own.
    expect((await call(host, appJwt(host), "GET /app")).status).toBe(200);
    host.advance(HOUR);
    expect((await call(host, await mint(host, installation), REFS)).status).toBe(200);
  });

  it("may be another, and is kept by no enterprise server of itself", async () => {
    const small = await place({ hourlyLimit: 1 });
    const statuses = [await call(small.host, small.token, REFS), await call(small.host, small.token, REFS)];
    expect(statuses.map((answer) => [answer.status, remaining(answer)])).toEqual([
      [200, 0],
      [403, 0],
    ]);
    const free = await place({ basePath: "/api/v3" });
    const answer = await call(free.host, free.token, REFS);
    expect([answer.status, remaining(answer)]).toEqual([200, null]);
    expect((await call(free.host, free.token, "GET /rate_limit")).body["message"]).toBe(
      "Rate limiting is not enabled.",
    );
    const strict = await place({ basePath: "/api/v3", hourlyLimit: 1 });
    expect(remaining(await call(strict.host, strict.token, REFS))).toBe(0);
  });
});

describe("a secondary limit", () => {
  const secondary = /secondary rate limit/;
  const run = (sha: string) => ({ body: { name: "w", head_sha: sha } });
  const CREATE = "POST /repos/acme/api/check-runs";

  it("ends what is created too fast, for the rest of the minute and for one installation only", async () => {
    const { host, token, sha, installation } = await place({
      secondaryLimits: { ...GITHUB_LIMITS, creationsPerMinute: 2 },
    });
    expect((await call(host, token, CREATE, run(sha))).status).toBe(201);
    host.advance(20_000);
    expect((await call(host, token, CREATE, run(sha))).status).toBe(201);
    const refused = await call(host, token, CREATE, run(sha));
    expect([refused.status, refused.body["message"]]).toEqual([403, expect.stringMatching(secondary)]);
    expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(40);
    expect(remaining(refused)).toBe(4998);
    expect((await call(host, token, REFS)).status).toBe(200);
    const eve = host.user("eve");
    const theirs = await host.repository(eve, "hers");
    const hash = (await theirs.commit({ files: { a: "1" } })).sha;
    const hers = await mint(host, await host.install(eve));
    expect((await call(host, hers, "POST /repos/eve/hers/check-runs", run(hash))).status).toBe(201);
    host.advance(41_000);
    expect((await call(host, await mint(host, installation), CREATE, run(sha))).status).toBe(201);
  });

  it("counts a write as five reads", async () => {
    const { host, token, sha } = await place({ secondaryLimits: { ...GITHUB_LIMITS, pointsPerMinute: 7 } });
    const asked = [CREATE, REFS, REFS, REFS];
    const statuses: number[] = [];
    for (const operation of asked) {
      statuses.push((await call(host, token, operation, operation === CREATE ? run(sha) : {})).status);
    }
    expect(statuses).toEqual([201, 200, 200, 403]);
  });

  it("ends what comes all at once", async () => {
    const { host, token } = await place({ secondaryLimits: { ...GITHUB_LIMITS, concurrent: 1 } });
    const all = await Promise.all(Array.from({ length: 8 }, () => call(host, token, REFS)));
    expect(new Set(all.map((answer) => answer.status))).toEqual(new Set([200, 403]));
    expect((await call(host, token, REFS)).status).toBe(200);
  });

  it.each([
    [403, 7],
    [403, null],
    [429, 7],
    [429, null],
  ] as const)("can be had at will, as %i with Retry-After %p", async (status, retryAfter) => {
    const { host, token } = await place({});
    host.inject({ match: ({ route }) => route !== null, effect: secondaryLimit({ status, retryAfter }) });
    const refused = await call(host, token, REFS);
    expect(refused.status).toBe(status);
    expect(refused.headers.get("retry-after")).toBe(retryAfter === null ? null : String(retryAfter));
    expect(refused.body["message"]).toMatch(secondary);
    expect((await call(host, token, REFS)).status).toBe(200);
  });
});
