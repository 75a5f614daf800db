import { expect, it } from "@jest/globals";
import { openDatabase } from "../../src/store/database.ts";
import { migrate } from "../../src/store/migrate.ts";
import { HEARD, PENDING } from "../../src/store/operations.ts";

it("reads what waits, and what came last, by an index, however many deliveries there are", async () => {
  const database = await openDatabase("sqlite::memory:");
  await migrate(database);
  const planOf = async (statement: string) =>
    (await database.query(`EXPLAIN QUERY PLAN ${statement}`)).map((row) => row["detail"]).join("\n");
  expect(await planOf(PENDING)).toContain("SCAN deliveries USING INDEX deliveries_waiting");
  expect(await planOf(HEARD)).toContain("SEARCH d USING INDEX deliveries_installation");
  await database.close();
});
