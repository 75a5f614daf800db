import { describe, expect, it } from "@jest/globals";
import { createGithubAccess, type GithubAccessOptions } from "../../src/github/access.ts";
import type { TokenScope } from "../../src/github/tokens.ts";
import { type Answer, API_URL, mintAnswer, NOW, PRIVATE_KEY, recordFetch } from "./recorded-fetch.ts";

const read: TokenScope = { installationId: "7", repositoryIds: ["5"], permissions: { contents: "read" } };

function setUp(
  answer: (count: number) => Answer | Promise<Answer> = () => mintAnswer(),
  options: Partial<GithubAccessOptions> = {},
) {
  const clock = { time: NOW, now: () => clock.time };
  const network = recordFetch((_, count) => answer(count));
  const access = createGithubAccess({
    host: "default",
    appId: 42,
    privateKey: PRIVATE_KEY,
    apiUrl: API_URL,
    clock,
    fetch: network.fetch,
    ...options,
  });
  return { tokens: access.tokens, network, clock };
}

/** A promise and the function that resolves it. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

function tokenOf(outcome: Awaited<ReturnType<ReturnType<typeof setUp>["tokens"]["get"]>>): string {
  if (!outcome.ok) throw new Error(outcome.message);
  return outcome.value;
}

describe("installation tokens", () => {
  it("are asked for with exactly the repositories and permissions of their scope, by the App's JWT", async () => {
    const { tokens, network } = setUp();
    await tokens.get(read);
    const [call] = network.calls;
    expect(call).toMatchObject({
      method: "POST",
      path: "/app/installations/7/access_tokens",
      body: { repository_ids: [5], permissions: { contents: "read" } },
    });
    expect(call?.headers.get("x-github-api-version")).toBe("2022-11-28");
    const claims = call?.headers.get("authorization")?.replace("Bearer ", "").split(".")[1] ?? "";
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({ iss: 42 });
  });

  it("serve again until ten minutes before their end", async () => {
    const { tokens, network, clock } = setUp(() => mintAnswer(60 * 60_000, clock.time));
    const first = tokenOf(await tokens.get(read));
    clock.time += 50 * 60_000;
    expect(tokenOf(await tokens.get(read))).toBe(first);
    clock.time += 1;
    expect(tokenOf(await tokens.get(read))).not.toBe(first);
    expect(network.calls).toHaveLength(2);
  });

  it("live as long as GitHub says, not as long as they usually do", async () => {
    const { tokens, network } = setUp(() => mintAnswer(5 * 60_000));
    await tokens.get(read);
    await tokens.get(read);
    expect(network.calls).toHaveLength(2);
  });

  it("are fetched once for all who ask for one scope at the same time", async () => {
    const { tokens, network } = setUp();
    const all = await Promise.all(Array.from({ length: 20 }, () => tokens.get({ ...read })));
    expect(new Set(all.map(tokenOf)).size).toBe(1);
    expect(network.calls).toHaveLength(1);
  });

  it("of two hosts and two Apps with one installation id never mix, also when asked for at once", async () => {
    const options: Partial<GithubAccessOptions>[] = [
      {},
      { host: "ghes1", apiUrl: "https://ghes.test/api/v3" },
      { appId: 43 },
    ];
    const sides = options.map((option) => setUp(() => mintAnswer(), option));
    const values = (await Promise.all(sides.map(({ tokens }) => tokens.get(read)))).map(tokenOf);
    expect(new Set(values).size).toBe(3);
    expect(sides.map(({ network }) => network.calls.map((call) => call.url))).toEqual([
      [`${API_URL}/app/installations/7/access_tokens`],
      ["https://ghes.test/api/v3/app/installations/7/access_tokens"],
      [`${API_URL}/app/installations/7/access_tokens`],
    ]);
  });

  it("of scopes that only look alike are different tokens", async () => {
    const { tokens, network } = setUp();
    const scopes: TokenScope[] = [
      read,
      { ...read, repositoryIds: "all" },
      { ...read, repositoryIds: [] },
      { ...read, repositoryIds: ["all"] },
      { ...read, repositoryIds: ["5", "6"] },
      { ...read, repositoryIds: ["5,6"] },
      { ...read, repositoryIds: ["contents"] },
      { ...read, permissions: {} },
      { ...read, permissions: { contents: "write" } },
      { ...read, permissions: { contents: "read", checks: "write" } },
      { ...read, permissions: { checks: "write" } },
      { ...read, installationId: "75", repositoryIds: [] },
    ];
    const values = [];
    for (const scope of [...scopes, ...scopes]) values.push(tokenOf(await tokens.get(scope)));
    expect(new Set(values).size).toBe(scopes.length);
    expect(network.calls).toHaveLength(scopes.length);
  });

  it("of one scope are one token, in whatever order it is written", async () => {
    const { tokens, network } = setUp();
    const permissions = { contents: "read", checks: "write" } as const;
    await tokens.get({ installationId: "7", repositoryIds: ["5", "6"], permissions });
    await tokens.get({
      installationId: "7",
      repositoryIds: ["6", "5"],
      permissions: { checks: "write", contents: "read" },
    });
    expect(network.calls).toHaveLength(1);
  });

  it("may have any form and length", async () => {
    const token = `ghs_42_${"eyJ".padEnd(300, "a")}.${"b-_".repeat(60)}.${"c".repeat(200)}`;
    const { tokens } = setUp(() => ({ status: 201, body: { token, expires_at: "2026-11-20T11:00:00Z" } }));
    expect(tokenOf(await tokens.get(read))).toBe(token);
  });

  it("are forgotten with their installation, and no other's", async () => {
    const { tokens, network } = setUp();
    const other = { ...read, installationId: "8" };
    const [first, second] = [tokenOf(await tokens.get(read)), tokenOf(await tokens.get(other))];
    tokens.forget("7");
    expect(tokenOf(await tokens.get(read))).not.toBe(first);
    expect(tokenOf(await tokens.get(other))).toBe(second);
    expect(network.calls).toHaveLength(3);
  });

  it("that were on their way when they were forgotten are not kept", async () => {
    const arrived = gate();
    const slow = gate();
    const { tokens, network } = setUp(async (count) => {
      if (count === 1) {
        arrived.open();
        await slow.opened;
      }
      return mintAnswer();
    });
    const waiting = tokens.get(read);
    // Signing the JWT takes its own time: without this the second request could arrive first.
    await arrived.opened;
    tokens.forget("7");
    const next = tokenOf(await tokens.get(read));
    slow.open();
    expect(tokenOf(await waiting)).not.toBe(next);
    expect(tokenOf(await tokens.get(read))).toBe(next);
    expect(network.calls).toHaveLength(2);
  });

  it("are dropped when GitHub refuses them, but not a newer one", async () => {
    const { tokens } = setUp();
    const first = tokenOf(await tokens.get(read));
    tokens.refused(read, first);
    const second = tokenOf(await tokens.get(read));
    expect(second).not.toBe(first);
    tokens.refused(read, first);
    expect(tokenOf(await tokens.get(read))).toBe(second);
  });

  it("are asked for once more after a passing fault, and only once", async () => {
    const once = setUp((count) => (count === 1 ? { status: 502 } : mintAnswer()));
    expect(await once.tokens.get(read)).toMatchObject({ ok: true });
    expect(once.network.calls).toHaveLength(2);
    const always = setUp(() => ({ status: 502 }));
    expect(await always.tokens.get(read)).toMatchObject({ ok: false, retryable: true });
    expect(always.network.calls).toHaveLength(2);
    // And a failure is not remembered.
    await always.tokens.get(read);
    expect(always.network.calls).toHaveLength(4);
  });

  it.each([
    [{ status: 404, body: { message: "Not Found" } }, false, "Not Found"],
    [{ status: 403, body: { message: "This installation has been suspended" } }, false, "suspended"],
    [
      { status: 422, body: { message: "The permissions requested are not granted to this installation." } },
      false,
      "contents: read",
    ],
    [{ status: 401, body: { message: "A JSON web token could not be decoded" } }, true, "PRIVATE_KEY"],
    [{ status: 201, body: { token: "ghs_x" } }, false, "documented shape"],
    [{ status: 201, body: "<html>" }, false, "documented shape"],
  ])("answer %j as a failure that says what to do", async (answer, retryable, text) => {
    const { tokens, network } = setUp(() => answer);
    expect(await tokens.get(read)).toMatchObject({ ok: false, retryable, message: expect.stringContaining(text) });
    expect(network.calls).toHaveLength(1);
  });

  it("wait as long as GitHub asks", async () => {
    const { tokens, network } = setUp(() => ({ status: 429, headers: { "retry-after": "17" } }));
    expect(await tokens.get(read)).toMatchObject({ ok: false, retryable: true, retryAfter: 17 });
    expect(network.calls).toHaveLength(1);
  });
});

describe("the App's private key", () => {
  it("is looked at before anything depends on it, and not quoted", () => {
    const broken = PRIVATE_KEY.replace(/[A-Za-z0-9]{20}/, "*****");
    expect(() => setUp(undefined, { privateKey: broken })).toThrow("private key can not be read");
    expect(() => setUp(undefined, { privateKey: "ghs_not-a-key" })).toThrow(/can not be read: Error/);
  });
});
