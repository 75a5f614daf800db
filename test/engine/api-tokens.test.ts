import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type ApiTokens, createApiTokens, type MadeApiToken } from "../../src/engine/api-tokens.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { account, installationId, pause, type TestClock, testClock } from "../contract/store.samples.ts";
import { recordingLog } from "./fakes.ts";

const SEVEN = installationId("7");
const EIGHT = installationId("8");
const OPERATOR = { kind: "operator" } as const;
const WISH = { name: "report", role: "write", days: 30 } as const;
const DAY = 24 * 60 * 60 * 1_000;

let store: OpenedStore;
let clock: TestClock;
let tokens: ApiTokens;
let lines: unknown[];

beforeEach(async () => {
  clock = testClock();
  store = await openStore({ url: "sqlite::memory:", clock });
  const recording = recordingLog();
  lines = recording.lines;
  tokens = createApiTokens({ store, clock, log: recording.log });
  await store.saveInstallation({ id: SEVEN, account: account("17"), state: "active", permissions: {} });
  await store.saveInstallation({ id: EIGHT, account: account("18"), state: "active", permissions: {} });
});
afterEach(() => store.close());

async function made(of = SEVEN, name = "report"): Promise<MadeApiToken> {
  const token = await tokens.make(of, { ...WISH, name }, OPERATOR);
  if (token.kind !== "made") throw new Error(token.why);
  return token;
}

describe("an API token", () => {
  it("is somebody with a role in one installation, until its time is over", async () => {
    const { secret, token } = await made();
    const viewer = { kind: "token", id: `wha_${token.id}`, name: "report", installation: SEVEN, role: "write" };
    expect(await tokens.judge(secret)).toEqual(viewer);
    clock.advance(30 * DAY - 1_000);
    expect(await tokens.judge(secret)).toEqual(viewer);
    clock.advance(1_000);
    expect(await tokens.judge(secret)).toBeNull();
  });

  it("says when it was used last, written once a minute", async () => {
    const { secret } = await made();
    const used = async () => (await tokens.list(SEVEN, { limit: 1, cursor: null }))?.items[0]?.lastUsedAt;
    expect(await used()).toBeNull();
    await tokens.judge(secret);
    const first = await used();
    expect(first).toBe(new Date(clock.now()).toISOString());
    clock.advance(59_000);
    await tokens.judge(secret);
    expect(await used()).toBe(first);
    clock.advance(1_000);
    await tokens.judge(secret);
    expect(await used()).not.toBe(first);
  });

  it("works although its use can not be written", async () => {
    const { secret } = await made();
    const broken = { ...store, apiTokenUsed: () => Promise.reject(new Error("read-only")) };
    const { log, lines: warnings } = recordingLog();
    expect(await createApiTokens({ store: broken, clock, log }).judge(secret)).not.toBeNull();
    expect(JSON.stringify(warnings)).toContain("not recorded");
  });

  it.each(["suspended", "removed"] as const)("is nobody while its installation is %s", async (state) => {
    const { secret } = await made();
    await store.setInstallationState(SEVEN, state);
    expect(await tokens.judge(secret)).toBeNull();
    expect(JSON.stringify(lines)).toContain(`installation-${state}`);
    expect(await tokens.make(SEVEN, { ...WISH, name: "other" }, OPERATOR)).toMatchObject({
      code: "unknown-installation",
    });
  });

  it("works while its installation is paused: that stops builds only", async () => {
    const { secret } = await made();
    await pause(store, "installation", SEVEN);
    expect(await tokens.judge(secret)).toMatchObject({ installation: SEVEN });
  });

  it("is nobody with one letter changed, with another's id, or without its secret; no line tells of the secret", async () => {
    const one = await made();
    const other = await made(EIGHT);
    const [, id = "", secret = ""] = one.secret.split("_");
    const changed = `${one.secret.slice(0, -1)}${one.secret.endsWith("a") ? "b" : "a"}`;
    for (const text of [changed, `wha_${other.token.id}_${secret}`, `wha_${id}`, `wha_${id}_`, "", "wha_"]) {
      expect([text, await tokens.judge(text)]).toEqual([text, null]);
    }
    expect(JSON.stringify(lines)).not.toContain(secret);
  });

  it("ends for good when it is revoked, by its id or the name of one that works", async () => {
    const { secret, token } = await made();
    expect(await tokens.revoke(EIGHT, token.id, OPERATOR)).toBeNull();
    expect(await tokens.judge(secret)).not.toBeNull();
    expect(await tokens.revoke(SEVEN, "report", OPERATOR)).toMatchObject({
      id: token.id,
      revokedAt: expect.any(String),
    });
    expect(await tokens.judge(secret)).toBeNull();
    expect(JSON.stringify(lines)).toContain("revoked");
    // The name is free again, and means the new one.
    const again = await made();
    expect(await tokens.revoke(SEVEN, `wha_${token.id}`, OPERATOR)).toMatchObject({ id: token.id });
    expect(await tokens.judge(again.secret)).not.toBeNull();
    expect(await tokens.revoke(SEVEN, "nothing", OPERATOR)).toBeNull();
  });

  it("is revoked when the app is uninstalled, with an entry in the audit log", async () => {
    const { secret, token } = await made();
    const by = { kind: "service" } as const;
    const told = { account: account("17"), permissions: {}, repositories: [] };
    await store.hearInstallation({ id: SEVEN, news: "removed", told, by });
    await store.eraseHoldings(SEVEN, by);
    expect(await store.holdings(SEVEN)).toMatchObject({ left: { tokens: 0 }, revokedTokens: ["report"] });
    await store.hearInstallation({ id: SEVEN, news: "found-active", told, by });
    expect(await tokens.judge(secret)).toBeNull();
    const { items } = await store.listAudit({ limit: 10, cursor: null, installation: SEVEN });
    const entries = items.filter(({ action }) => action.startsWith("token."));
    expect(entries).toMatchObject([
      { action: "token.revoked", by, facts: { token: `wha_${token.id}`, name: "report", role: "write" } },
      { action: "token.made", by: OPERATOR, subject: "account-17", facts: { token: `wha_${token.id}`, role: "write" } },
    ]);
    expect(JSON.stringify(items)).not.toContain(secret.split("_")[2]);
  });
});
