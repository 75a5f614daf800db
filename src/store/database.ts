import { openPostgres } from "./postgres.ts";
import type { Row, Value } from "./rows.ts";
import { openSqlite } from "./sqlite.ts";

export { DatabaseError } from "./database-error.ts";

/**
 * Runs one statement at a time. `$1`, `$2` … in the text stand for the bound values, in order.
 *
 * Both databases are spoken to in the same words, with three habits: a bound value that stands alone in a `CASE` says its
 * type (`CAST($1 AS BIGINT)`); rows that others must not change meanwhile are read with PostgreSQL's `FOR UPDATE`,
 * `FOR NO KEY UPDATE` or `FOR SHARE`, which SQLite, having one writer, never sees; and whoever locks several rows takes
 * them in this order: delivery, installation, repository, builds, checks, each kind by its key.
 */
export interface Sql {
  query(statement: string, bind?: readonly Value[]): Promise<readonly Row[]>;
  /** The same for the few statements of the hot path, by the shortest way the driver has. */
  prepared(statement: string, bind: readonly Value[]): Promise<readonly Row[]>;
  /** Until the transaction ends nobody else gets past a lock of this name. */
  lock(name: string): Promise<void>;
}

export type Topic = "deliveries" | "builds" | "checks";

export interface Database {
  readonly dialect: "sqlite" | "postgres";
  /** One statement, durable when it resolves. */
  query(statement: string, bind?: readonly Value[]): Promise<readonly Row[]>;
  prepared(statement: string, bind: readonly Value[]): Promise<readonly Row[]>;
  /**
   * All or nothing; durable when it resolves. Each statement sees what was committed before it began, also by others:
   * what must stay as it was read has to be locked. `work` may be called again when transactions got into each other's
   * way, so it does nothing but run statements. `patient`: for as long as it takes.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>, options?: { readonly patient: boolean }): Promise<T>;
  /** Several reads that see the same state. */
  reading<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /**
   * Tells other processes that this one works here, and calls back when something changed, by this process or another.
   * Changes may be told late, twice, or not at all.
   */
  attend(onChange: (topic: Topic) => void): Promise<void>;
  /** False while another process attends. */
  alone(): Promise<boolean>;
  close(): Promise<void>;
}

/** `sqlite:PATH`, `sqlite::memory:` or `postgres://…`. Throws a sentence for people on any other address. */
export async function openDatabase(url: string): Promise<Database> {
  return isPostgres(url) ? openPostgres(url) : openSqlite(sqlitePath(url));
}

export function isPostgres(url: string): boolean {
  return /^postgres(?:ql)?:/.test(url);
}

/** Path of `sqlite:PATH`, `:memory:` for `sqlite::memory:`. */
export function sqlitePath(url: string): string {
  const path = /^sqlite:(.+)$/.exec(url)?.[1];
  if (path === undefined) throw new Error("DATABASE_URL must be sqlite:PATH or postgres://USER@HOST/DATABASE.");
  return path;
}
