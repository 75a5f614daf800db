import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import type { Holdings, ReceiptItem } from "../../src/core/receipt.ts";
import type { UninstallOptions } from "../../src/engine/uninstall.ts";
import { createUninstall } from "../../src/engine/uninstall.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import {
  account,
  change,
  delivery,
  give,
  installationId,
  record,
  repository,
  request,
  type TestClock,
  testClock,
} from "../contract/store.samples.ts";

const SEVEN = installationId("7");
const ACME = account("17", "acme");
const HOST: By = { kind: "host", provider: "github", host: "default", actor: null };
const DAY = 24 * 60 * 60 * 1_000;

let store: OpenedStore;
let clock: TestClock;
let said: { level: "info" | "warn" | "error"; fields: object; message: string }[];
let removedLogs: string[];

beforeEach(async () => {
  clock = testClock();
  store = await openStore({ url: "sqlite::memory:", clock, vault: createVault([Buffer.alloc(32, 7)]) });
  said = [];
  removedLogs = [];
  await heard("found-active");
  await give(store, ACME, "acme");
});
afterEach(() => store.close());

async function heard(news: "found-active" | "removed"): Promise<void> {
  const told = { account: ACME, permissions: {}, repositories: [repository("1")] };
  await store.hearInstallation({ id: SEVEN, news, told, by: HOST });
}

function uninstall(more: Partial<UninstallOptions> = {}) {
  const note = (level: "info" | "warn" | "error") => (fields: object, message: string) => {
    said.push({ level, fields, message });
  };
  return createUninstall({
    store,
    clock,
    log: { info: note("info"), warn: note("warn"), error: note("error") },
    logs: {
      async remove(id) {
        removedLogs.push(id);
      },
    },
    keepDays: 30,
    ...more,
  });
}

async function items(): Promise<readonly ReceiptItem[]> {
  return (await store.receipt(SEVEN))?.items ?? [];
}

async function queueOne(name: string): Promise<string> {
  await store.append([delivery(name)]);
  await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
  const found = await store.findDelivery(name);
  const moved = change(null, name);
  const [build] = await store.recordPlan(found?.id ?? "", record([moved], [request(moved)]));
  if (build === undefined) throw new Error("nothing was queued");
  return build.id;
}

describe("an uninstall", () => {
  it("is nothing to do while the app is installed", async () => {
    expect(await uninstall().step()).toBe(false);
    expect(await store.receipt(SEVEN)).toBeNull();
  });

  it("erases what opens something, and writes a receipt of it", async () => {
    const place = { installation: SEVEN, repository: null };
    await store.saveVariable(place, { kind: "secret", name: "NPM", value: "npm-secret-value" }, { kind: "operator" });
    await queueOne("one");
    await heard("removed");
    await uninstall().step();
    expect((await items()).map(({ state, what }) => `${state} ${what}`)).toEqual([
      "removed access",
      "removed builds",
      "removed secrets",
      "kept namespace",
      "kept records",
    ]);
    expect(await store.listVariables(place)).toEqual([]);
    expect(said).toMatchObject([{ level: "info", fields: { installation: "github:default:7", account: "acme" } }]);
  });

  it("takes what opens something at once, and waits with the receipt for a build that still runs", async () => {
    const place = { installation: SEVEN, repository: null };
    await store.saveVariable(place, { kind: "secret", name: "NPM", value: "npm-secret-value" }, { kind: "operator" });
    const id = await queueOne("one");
    const claimed = await store.claimBuild({ worker: "w", leaseMs: 60_000 });
    await heard("removed");
    await uninstall().step();
    expect(await store.listVariables(place)).toEqual([]);
    expect(await store.receipt(SEVEN)).toMatchObject({ closedAt: null });
    const result = { state: "canceled", digest: null, failure: null, steps: [] } as const;
    expect(await store.finishBuild(id, claimed?.attempt ?? 0, result)).toBe(true);
    await store.stagingGone(id);
    await uninstall().step();
    expect(await store.receipt(SEVEN)).toMatchObject({ closedAt: expect.any(String) });
  });

  it("owns up, after an hour, to a staging repository that can not be emptied", async () => {
    await queueOne("one");
    await store.claimBuild({ worker: "w", leaseMs: 1_000 });
    await heard("removed");
    await uninstall().step();
    clock.advance(60 * 60 * 1_000);
    await uninstall().step();
    expect((await items())[0]).toMatchObject({ state: "left", what: "staging", count: 1 });
    expect(said.at(-1)).toMatchObject({ level: "warn", fields: { left: ["staging"] } });
  });

  it("is finished by the next step wherever one was interrupted", async () => {
    const place = { installation: SEVEN, repository: null };
    const parts = [
      "uninstalled",
      "eraseHoldings",
      "eraseVariables",
      "eraseTargets",
      "holdings",
      "closeReceipt",
    ] as const;
    for (const part of parts) {
      await store.saveVariable(place, { kind: "variable", name: "LEVEL", value: "debug" }, { kind: "operator" });
      await heard("removed");
      const broken = { ...store, [part]: () => Promise.reject(new Error(`${part} broke`)) };
      await expect(uninstall({ store: broken }).step()).rejects.toThrow(`${part} broke`);
      await uninstall().step();
      expect((await items()).map(({ what }) => what)).toContain("variables");
      clock.advance(1_000);
      await heard("found-active");
    }
    expect((await store.listReceipts({ limit: 10, cursor: null })).items).toHaveLength(parts.length);
  });

  it("writes no receipt when the account came back in between", async () => {
    await heard("removed");
    const late = {
      ...store,
      async eraseHoldings(...args: Parameters<typeof store.eraseHoldings>) {
        await heard("found-active");
        return store.eraseHoldings(...args);
      },
    };
    await uninstall({ store: late }).step();
    expect(await store.receipt(SEVEN)).toBeNull();
  });

  it("never says that all is gone where something could not be erased", async () => {
    await heard("removed");
    const stubborn = {
      ...store,
      holdings: async (...args: Parameters<typeof store.holdings>): Promise<Holdings> => {
        const held = await store.holdings(...args);
        return { ...held, left: { ...held.left, tokens: 1 } };
      },
    };
    await uninstall({ store: stubborn }).step();
    expect((await items())[0]).toMatchObject({ state: "left", what: "access-tokens" });
  });

  it("is purged with logs and builds when its time is over", async () => {
    const ids = [await queueOne("one"), await queueOne("two")];
    await heard("removed");
    await uninstall().step();
    expect(await uninstall().step()).toBe(false);
    clock.advance(30 * DAY);
    expect(await uninstall().step()).toBe(true);
    expect(removedLogs.toSorted()).toEqual(ids.toSorted());
    expect(await store.recordedBuilds(SEVEN, 10)).toEqual([]);
    expect(await store.receipt(SEVEN)).toMatchObject({ purgedAt: expect.any(String) });
    expect(await uninstall().step()).toBe(false);
  });

  it("is not purged where the account came back", async () => {
    await queueOne("one");
    await heard("removed");
    await uninstall().step();
    clock.advance(30 * DAY);
    await heard("found-active");
    expect(await uninstall().step()).toBe(false);
    expect(await store.recordedBuilds(SEVEN, 10)).toHaveLength(1);
    expect(removedLogs).toEqual([]);
  });
});
