/** That the databases themselves refuse to change what the audit log says, whoever asks. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { openStore } from "../../src/store/store.ts";
import { testClock } from "../contract/store.samples.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { createMigratedFile } from "../support/sqlite-template.ts";

let remove: () => Promise<unknown> = async () => undefined;
afterEach(() => remove());

async function sqlite(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "wharfinger-audit-"));
  remove = () => rm(dir, { recursive: true });
  await createMigratedFile(join(dir, "test.db"));
  return `sqlite:${join(dir, "test.db")}`;
}

async function postgres(): Promise<string> {
  const { url, drop } = await createTestDatabase({ migrated: true });
  remove = drop;
  return url;
}

const COLUMNS = "(id, at, made_by, action, installation, subject, facts)";
const VALUES = `VALUES (1, 0, '{"kind":"service"}', 'policy.changed', NULL, 'forged', '{}')`;

const ON_BOTH = [
  "UPDATE audit SET subject = 'forged'",
  "UPDATE audit SET at = 0 WHERE id = 1",
  "DELETE FROM audit",
  "DELETE FROM audit WHERE id = 1",
  `INSERT INTO audit ${COLUMNS} ${VALUES}`,
];

const ON_SQLITE = [
  `INSERT OR REPLACE INTO audit ${COLUMNS} ${VALUES}`,
  `REPLACE INTO audit ${COLUMNS} ${VALUES}`,
  `INSERT INTO audit ${COLUMNS} ${VALUES} ON CONFLICT (id) DO UPDATE SET subject = excluded.subject`,
  "UPDATE OR REPLACE audit SET id = 1 WHERE id = 2",
];

const ON_POSTGRES = [
  "TRUNCATE audit",
  "TRUNCATE audit RESTART IDENTITY CASCADE",
  `INSERT INTO audit ${COLUMNS} OVERRIDING SYSTEM VALUE ${VALUES} ON CONFLICT (id) DO UPDATE SET subject = excluded.subject`,
  // Refused as a whole: nobody gets to the second half.
  "WITH gone AS (DELETE FROM audit RETURNING *) SELECT * FROM gone",
];

describe.each([
  ["SQLite", sqlite, [...ON_BOTH, ...ON_SQLITE]],
  ["PostgreSQL", postgres, [...ON_BOTH, ...ON_POSTGRES]],
] as const)("the audit log on %s", (_name, make, statements) => {
  it("is only added to: every other statement is refused by the database, and changes nothing", async () => {
    const url = await make();
    const store = await openStore({ url, clock: testClock() });
    const by = { kind: "operator" } as const;
    for (const subject of ["first", "second"]) {
      await store.appendAudit({ by, action: "policy.changed", installation: null, subject, facts: {} });
    }
    const before = await store.auditAfter(null, { limit: 10 });
    expect(before.map(({ id, subject }) => [id, subject])).toEqual([
      ["1", "first"],
      ["2", "second"],
    ]);
    const database: Database = await openDatabase(url);
    const taken: string[] = [];
    for (const statement of statements) {
      await database.query(statement).then(
        () => taken.push(statement),
        () => undefined,
      );
    }
    await database.close();
    expect(taken).toEqual([]);
    expect(await store.auditAfter(null, { limit: 10 })).toEqual(before);
    await store.appendAudit({ by, action: "policy.changed", installation: null, subject: "third", facts: {} });
    expect((await store.auditAfter("2", { limit: 10 })).map(({ id }) => id)).toEqual(["3"]);
    await store.close();
  });
});
