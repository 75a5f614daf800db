import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { type OpenedStore, storeContract } from "../contract/store.contract.ts";
import { testClock } from "../contract/store.samples.ts";
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

storeContract("SQLite in memory", async (): Promise<OpenedStore> => {
  const clock = testClock();
  const store = await openStore({ url: "sqlite::memory:", clock, vault });
  return { store, clock, reopen: null, close: () => store.close() };
});
