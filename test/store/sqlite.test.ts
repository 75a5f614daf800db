import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { type OpenedStore, storeContract } from "../contract/store.contract.ts";
import { delivery, testClock } from "../contract/store.samples.ts";
import { createMigratedFile } from "../support/sqlite-template.ts";

const vault = createVault([Buffer.alloc(32, 1)]);

storeContract("an SQLite file", async (): Promise<OpenedStore> => {
  const dir = await mkdtemp(join(tmpdir(), "wharfinger-store-"));
  const file = join(dir, "test.db");
  const url = `sqlite:${file}`;
  const clock = testClock();
  await createMigratedFile(file);
  const store = await openStore({ url, clock, vault });
  return {
    store,
    clock,
    reopen: () => openStore({ url, clock, vault }),
    close: async () => {
      await store.close();
      await rm(dir, { recursive: true });
    },
  };
});

describe("an SQLite database in memory", () => {
  it("has the whole schema, keeps what it is told, and forgets it when it is closed", async () => {
    const clock = testClock();
    const open = () => openStore({ url: "sqlite::memory:", clock, vault });
    const store = await open();
    expect(await store.append([delivery("guid-1")])).toEqual([true]);
    expect(await store.append([delivery("guid-1")])).toEqual([false]);
    await store.close();
    const next = await open();
    expect(await next.append([delivery("guid-1")])).toEqual([true]);
    await next.close();
  });
});
