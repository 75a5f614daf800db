import { Umzug } from "umzug";
import type { Database, Sql } from "./database.ts";
import { first } from "./migrations/0001-first.ts";
import { publishing } from "./migrations/0002-publishing.ts";
import { bitbucket } from "./migrations/0003-bitbucket.ts";
import { pullRequests } from "./migrations/0004-pull-requests.ts";
import { configCheck } from "./migrations/0005-config-check.ts";
import { audit } from "./migrations/0006-audit.ts";
import { claims } from "./migrations/0007-claims.ts";
import { lifecycle } from "./migrations/0008-lifecycle.ts";
import { pauses } from "./migrations/0009-pauses.ts";
import { registries } from "./migrations/0010-registries.ts";
import { accessTokens } from "./migrations/0011-access-tokens.ts";
import { variables } from "./migrations/0012-variables.ts";
import { furtherRepositories } from "./migrations/0013-further-repositories.ts";
import { turns } from "./migrations/0014-turns.ts";
import { receipts } from "./migrations/0015-receipts.ts";
import { sessions } from "./migrations/0016-sessions.ts";
import { operations } from "./migrations/0017-operations.ts";
import { settings } from "./migrations/0018-settings.ts";
import { apiTokens } from "./migrations/0019-api-tokens.ts";
import { badges } from "./migrations/0020-badges.ts";
import { buildLists } from "./migrations/0021-build-lists.ts";
import { notices } from "./migrations/0022-notices.ts";
import { failureLists } from "./migrations/0023-failure-lists.ts";
import { missedDeliveries } from "./migrations/0024-missed-deliveries.ts";
import { comparisons } from "./migrations/0025-comparisons.ts";
import { text } from "./rows.ts";

/** One step of the schema, as statements for each database. A step that was released is never changed. */
export interface Migration {
  readonly name: string;
  readonly sqlite: readonly string[];
  readonly postgres: readonly string[];
}

const MIGRATIONS: readonly Migration[] = [
  first,
  publishing,
  bitbucket,
  pullRequests,
  configCheck,
  audit,
  claims,
  lifecycle,
  pauses,
  registries,
  accessTokens,
  variables,
  furtherRepositories,
  turns,
  receipts,
  sessions,
  operations,
  settings,
  apiTokens,
  badges,
  buildLists,
  notices,
  failureLists,
  missedDeliveries,
  comparisons,
];

/** Brings the schema up to date; answers the names of the steps that ran. All of them run, or none. */
export function migrate(database: Database): Promise<readonly string[]> {
  return database.transaction(
    async (sql) => {
      // Of processes that start together one migrates; the others wait, and find it done.
      await sql.lock("migrations");
      await sql.query(
        "CREATE TABLE IF NOT EXISTS migrations (name TEXT NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL)",
      );
      const applied = await umzug(sql, database.dialect).up();
      return applied.map((step) => step.name);
    },
    { patient: true },
  );
}

/**
 * Null when the schema is the one this program was written for, else a sentence that says what to do. Also refuses a
 * schema that is newer: an older program would write rows that the newer one does not expect.
 */
export function schemaProblem(database: Database): Promise<string | null> {
  return database.reading(async (sql) => {
    const table = await sql.query(MIGRATIONS_TABLE[database.dialect]);
    if (table.length === 0) return "The database is empty: run `wharfinger migrate` first.";
    const known = MIGRATIONS.map((migration) => migration.name);
    const unknown = (await executed(sql)).filter((name) => !known.includes(name));
    if (unknown.length > 0) {
      return `The database was written by a newer version (${unknown.join(", ")}): run that version, or restore a backup.`;
    }
    const pending = await umzug(sql, database.dialect).pending();
    if (pending.length === 0) return null;
    return `The database schema is not current (${pending.map((step) => step.name).join(", ")}): run \`wharfinger migrate\`.`;
  });
}

/** Finds the table `migrations`, where there is one. */
const MIGRATIONS_TABLE = {
  sqlite: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'",
  postgres:
    "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'migrations'",
};

async function executed(sql: Sql): Promise<string[]> {
  return (await sql.query("SELECT name FROM migrations ORDER BY name")).map((row) => text(row, "name"));
}

function umzug(sql: Sql, dialect: Database["dialect"]): Umzug<Sql> {
  return new Umzug<Sql>({
    migrations: MIGRATIONS.map((migration) => ({
      name: migration.name,
      up: async () => {
        for (const statement of migration[dialect]) await sql.query(statement);
      },
    })),
    context: sql,
    // Not umzug's own storage for Sequelize: that one writes outside our transaction, so that a crash between a step
    // and its mark would run the step twice.
    storage: {
      executed: () => executed(sql),
      logMigration: async ({ name }) => {
        await sql.query("INSERT INTO migrations (name, applied_at) VALUES ($1, $2)", [name, new Date().toISOString()]);
      },
      unlogMigration: async ({ name }) => {
        await sql.query("DELETE FROM migrations WHERE name = $1", [name]);
      },
    },
    logger: undefined,
  });
}
