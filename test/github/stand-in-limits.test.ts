import { afterEach, describe, expect, it } from "@jest/globals";
import type { Host } from "../../src/engine/ports.ts";
import {
  createGithubHost,
  GITHUB_LIMITS,
  type GithubHost,
  type GithubHostOptions,
  HOST_KINDS,
  type HostInstallation,
  secondaryLimit,
} from "../hosts/github/index.ts";
import { idOf, portTo, repositoryOf, shaOf } from "./on-stand-in.ts";

const MINT = "/app/installations/{installation_id}/access_tokens";
const CONTENTS = "/repos/{owner}/{repo}/contents/{path}";

describe.each(HOST_KINDS)("a host that limits its callers, as $kind", (kind) => {
  let github: GithubHost;
  let installation: HostInstallation;
  let read: () => ReturnType<Host["file"]>;

  async function start(options: GithubHostOptions = {}): Promise<void> {
    github = await createGithubHost({ ...kind, ...options });
    const acme = github.organization("acme");
    const api = await github.repository(acme, "api", { private: true });
    const { sha } = await api.commit({ files: { a: "a" } });
    installation = await github.install(acme);
    const port = portTo(github);
    read = () => port.file(idOf(installation), repositoryOf(api), shaOf(sha), "a");
  }

  afterEach(async () => {
    expect(github.violations).toEqual([]);
    await github.close();
  });

  it("is left alone until its hour is over, and then asked again", async () => {
    await start({ hourlyLimit: 5000 });
    expect(await read()).toMatchObject({ ok: true });
    github.exhaust(installation);
    const calls = github.calls.length;
    const refused = await read();
    expect(refused).toMatchObject({ ok: false, retryable: true, retryAfter: expect.any(Number) });
    if (refused.ok) throw new Error("not refused");
    expect(refused.retryAfter).toBeGreaterThan(3_500);
    expect(refused.retryAfter).toBeLessThanOrEqual(3_601);
    expect(github.calls).toHaveLength(calls + 1);
    // The token of before has ended with the hour.
    github.advance(60 * 60_000);
    expect(await read()).toMatchObject({ ok: true });
  });

  it.each([
    [CONTENTS, 403, 7],
    [CONTENTS, 403, null],
    [CONTENTS, 429, 7],
    [CONTENTS, 429, null],
    [MINT, 403, 7],
    [MINT, 403, null],
    [MINT, 429, null],
  ] as const)(
    "is asked once at %s, and not again before it said (%i, Retry-After %p)",
    async (route, status, after) => {
      await start();
      github.inject({ match: (call) => call.route === route, effect: secondaryLimit({ status, retryAfter: after }) });
      expect(await read()).toMatchObject({ ok: false, retryable: true, retryAfter: after ?? 60 });
      expect(github.calls.filter((call) => call.route === route)).toHaveLength(1);
      expect(await read()).toMatchObject({ ok: true });
    },
  );

  it("is understood when it limits bursts", async () => {
    await start({ secondaryLimits: { ...GITHUB_LIMITS, pointsPerMinute: 5 } });
    for (let count = 0; count < 5; count += 1) expect(await read()).toMatchObject({ ok: true });
    expect(await read()).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringContaining("secondary rate limit"),
    });
  });
});
