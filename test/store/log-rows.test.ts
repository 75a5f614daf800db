import { afterAll, describe, expect, it } from "@jest/globals";
import { openDatabase } from "../../src/store/database.ts";
import { createLogRows } from "../../src/store/log-rows.ts";
import { migrate } from "../../src/store/migrate.ts";
import { logsContract } from "../contract/logs.contract.ts";
import { recordingLog } from "../engine/fakes.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let postgres: Promise<TestDatabase> | null = null;

afterAll(async () => {
  await (await postgres)?.drop();
});

logsContract("PostgreSQL", async () => {
  postgres ??= createTestDatabase({ migrated: true });
  const { url, empty } = await postgres;
  await empty();
  const database = await openDatabase(url);
  return { logs: createLogRows(database), close: () => database.close() };
});

logsContract("SQLite's rows", async () => {
  const database = await openDatabase("sqlite::memory:");
  await migrate(database);
  return { logs: createLogRows(database), close: () => database.close() };
});

describe("a log whose database is away", () => {
  it("is incomplete, which is said once, and the build is not held up", async () => {
    const { log, lines } = recordingLog();
    const database = await openDatabase("sqlite::memory:");
    const writer = createLogRows(database, log).open("b1");
    writer.write("there is no table for this\n");
    await writer.close();
    expect(lines.map((line) => line.message)).toEqual(["the build's log is incomplete"]);
    await database.close();
  });
});
