import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { openDatabase } from "../../src/store/database.ts";
import { migrateStore } from "../../src/store/store.ts";
import { packageRoot } from "../../src/version.ts";

const run = promisify(execFile);
const SCRIPT = join(packageRoot, "test/support/postgres-cluster");

/** One cluster for everybody who runs tests of this checkout; it ends with the last process that used it. */
const FOLDER = join(
  tmpdir(),
  `wharfinger-postgres-${userInfo().uid}-${createHash("sha256").update(SCRIPT).digest("hex").slice(0, 8)}`,
);

export interface TestDatabase {
  readonly url: string;
  /** As it was when it was made. Takes a tenth of the time of making another one; nobody else may use it meanwhile. */
  empty(): Promise<void>;
  drop(): Promise<void>;
}

let started: Promise<void> | null = null;
let template: Promise<string> | null = null;

function urlOf(name: string): string {
  return `postgres://postgres@localhost/${name}?host=${encodeURIComponent(FOLDER)}`;
}

/** Sends a statement to a database of the cluster, as somebody at a terminal would. */
export async function administer(statement: string, url = urlOf("postgres")): Promise<void> {
  started ??= run(SCRIPT, [FOLDER, String(process.pid)]).then(() => undefined);
  await started;
  const database = await openDatabase(url);
  try {
    await database.query(statement);
  } finally {
    await database.close();
  }
}

/** A new database: empty, or with the schema as it is now. */
export async function createTestDatabase({ migrated }: { readonly migrated: boolean }): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  if (migrated) {
    template ??= createTemplate();
    await administer(`CREATE DATABASE ${name} TEMPLATE ${await template}`);
  } else {
    await administer(`CREATE DATABASE ${name}`);
  }
  return {
    url: urlOf(name),
    empty: () => administer(EMPTY, urlOf(name)),
    drop: () => administer(`DROP DATABASE ${name} WITH (FORCE)`),
  };
}

/** All rows but those that migrations write; also those that a trigger lets nobody delete. */
const EMPTY = `
  DO $$ BEGIN PERFORM set_config('session_replication_role', 'replica', true); EXECUTE (
    SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') || ' RESTART IDENTITY'
    FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('migrations', 'pulse')
  ); END $$`;

/** Copying a database takes a tenth of the time of migrating one. */
async function createTemplate(): Promise<string> {
  const name = `template_${randomBytes(8).toString("hex")}`;
  await administer(`CREATE DATABASE ${name}`);
  await migrateStore(urlOf(name));
  return name;
}
