import { afterAll } from "@jest/globals";
import { openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { type OpenedStore, storeContract } from "../contract/store.contract.ts";
import { testClock } from "../contract/store.samples.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const vault = createVault([Buffer.alloc(32, 1)]);

let database: Promise<TestDatabase> | null = null;

afterAll(async () => {
  await (await database)?.drop();
});

storeContract("PostgreSQL", async (): Promise<OpenedStore> => {
  database ??= createTestDatabase({ migrated: true });
  const { url, empty } = await database;
  await empty();
  const clock = testClock();
  const store = await openStore({ url, clock, vault });
  return {
    store,
    clock,
    reopen: () => openStore({ url, clock, vault }),
    close: () => store.close(),
  };
});
