import { describe, expect, it } from "@jest/globals";
import { createApi } from "../../src/bitbucket/api.ts";
import { createTokens, type TokenClient } from "../../src/bitbucket/tokens.ts";
import {
  ACME,
  type Answer,
  API_URL,
  mintAnswer,
  NOW,
  OTHER,
  OTHER_REPO,
  REPO,
  recordFetch,
  WEB_URL,
} from "./recorded-fetch.ts";

const client: TokenClient = { clientKey: "connection:1", workspace: ACME, secret: "s" };

function setUp(answer: (count: number) => Answer | Promise<Answer> = () => mintAnswer()) {
  const network = recordFetch((_, count) => answer(count));
  const clock = { time: NOW, now: () => clock.time };
  const api = createApi({
    apiUrl: API_URL,
    webUrl: WEB_URL,
    userAgent: "test",
    fetch: network.fetch,
    timeoutMs: 1_000,
  });
  return { tokens: createTokens({ api, appKey: "wharfinger", clock }), network, clock };
}

type Got = Awaited<ReturnType<ReturnType<typeof createTokens>["get"]>>;

function tokenOf(outcome: Got): string {
  if (!outcome.ok) throw new Error(outcome.message);
  return outcome.value;
}

function gate() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

describe("tokens", () => {
  it("serve again until ten minutes before their end", async () => {
    const { tokens, network, clock } = setUp(() => mintAnswer(3_600));
    const first = tokenOf(await tokens.get(client, null));
    clock.time += 50 * 60_000;
    expect(tokenOf(await tokens.get(client, null))).toBe(first);
    clock.time += 1;
    expect(tokenOf(await tokens.get(client, null))).not.toBe(first);
    expect(network.calls).toHaveLength(2);
  });

  it("live as long as Bitbucket says, counted from when they were asked for", async () => {
    const { tokens, network, clock } = setUp(async () => {
      clock.time += 60_000;
      return mintAnswer(11 * 60);
    });
    await tokens.get(client, null);
    expect(network.calls).toHaveLength(1);
    clock.time += 1;
    await tokens.get(client, null);
    expect(network.calls).toHaveLength(2);
  });

  it("are fetched once for all who ask at the same time", async () => {
    const { tokens, network } = setUp();
    const all = await Promise.all(Array.from({ length: 20 }, () => tokens.get({ ...client }, REPO)));
    expect(new Set(all.map(tokenOf)).size).toBe(1);
    expect(network.calls).toHaveLength(1);
  });

  it("of another repository, client or workspace are other tokens", async () => {
    const { tokens, network } = setUp();
    const asked: [TokenClient, string | null][] = [
      [client, null],
      [client, REPO],
      [client, OTHER_REPO],
      [{ ...client, clientKey: "connection:2" }, REPO],
      [{ ...client, workspace: OTHER }, REPO],
    ];
    const values = [];
    for (const [who, what] of [...asked, ...asked]) values.push(tokenOf(await tokens.get(who, what)));
    expect(new Set(values).size).toBe(asked.length);
    expect(network.calls).toHaveLength(asked.length);
  });

  it("are forgotten with their workspace, and no other's", async () => {
    const { tokens, network } = setUp();
    const other = { ...client, workspace: OTHER };
    const [first, second] = [tokenOf(await tokens.get(client, REPO)), tokenOf(await tokens.get(other, REPO))];
    tokens.forget(ACME);
    expect(tokenOf(await tokens.get(client, REPO))).not.toBe(first);
    expect(tokenOf(await tokens.get(other, REPO))).toBe(second);
    expect(network.calls).toHaveLength(3);
  });

  it("that were on their way when they were forgotten are not kept", async () => {
    const slow = gate();
    const { tokens, network } = setUp(async (count) => {
      if (count === 1) await slow.opened;
      return mintAnswer();
    });
    const waiting = tokens.get(client, null);
    tokens.forget(ACME);
    const next = tokenOf(await tokens.get(client, null));
    slow.open();
    expect(tokenOf(await waiting)).not.toBe(next);
    expect(tokenOf(await tokens.get(client, null))).toBe(next);
    expect(network.calls).toHaveLength(2);
  });

  it("are dropped when Bitbucket refuses them, but not a newer one", async () => {
    const { tokens } = setUp();
    const first = tokenOf(await tokens.get(client, null));
    tokens.refused(client, first);
    const second = tokenOf(await tokens.get(client, null));
    expect(second).not.toBe(first);
    tokens.refused(client, first);
    expect(tokenOf(await tokens.get(client, null))).toBe(second);
  });

  it("are asked for once more after a passing fault, and only once; a failure is not remembered", async () => {
    const once = setUp((count) => (count === 1 ? { status: 502 } : mintAnswer()));
    expect(await once.tokens.get(client, null)).toMatchObject({ ok: true });
    expect(once.network.calls).toHaveLength(2);
    const always = setUp(() => ({ status: 502 }));
    expect(await always.tokens.get(client, null)).toMatchObject({ ok: false, retryable: true });
    expect(always.network.calls).toHaveLength(2);
    await always.tokens.get(client, null);
    expect(always.network.calls).toHaveLength(4);
  });

  it("wait as long as Bitbucket asks", async () => {
    const { tokens, network } = setUp(() => ({ status: 429, headers: { "retry-after": "17" } }));
    expect(await tokens.get(client, null)).toMatchObject({ ok: false, retryable: true, retryAfter: 17 });
    expect(network.calls).toHaveLength(1);
  });

  it.each<Answer>([
    { status: 200, body: { access_token: "", expires_in: 60 } },
    { status: 200, body: { access_token: "x" } },
    { status: 200, body: { access_token: "x", expires_in: "60" } },
    { status: 200, body: { access_token: "x", expires_in: -1 } },
    { status: 200, body: { access_token: "x", expires_in: 60, token_type: "mac" } },
    { status: 200, body: "<html>" },
  ])("are not made up from %j", async (answer) => {
    const { tokens } = setUp(() => answer);
    expect(await tokens.get(client, null)).toMatchObject({ ok: false, retryable: false });
  });
});
