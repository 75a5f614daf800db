import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { QueryTypes, Sequelize } from "sequelize";
import type { Database as Connection, Statement } from "sqlite3";
import type { Row, Value } from "./rows.ts";

/** Runs one statement at a time. `$1`, `$2` … in the text stand for the bound values, in order. */
export interface Sql {
  query(statement: string, bind?: readonly Value[]): Promise<readonly Row[]>;
  /**
   * The same for the few statements of the hot path: kept compiled, values bound by position. Sequelize rewrites each
   * statement and the driver then finds each value by its name, which costs more than the database itself.
   */
  prepared(statement: string, bind: readonly Value[]): Promise<readonly Row[]>;
}

/**
 * One database. Everything goes through one queue and one connection: Sequelize gives each `transaction()` on SQLite a
 * connection of its own, and several of them wait for each other while occupying the very threads they wait for. For the
 * same reason a reader may not slip between the statements of a transaction: it would see what is not committed.
 */
export interface Database {
  /** One statement, durable when it resolves. */
  query(statement: string, bind?: readonly Value[]): Promise<readonly Row[]>;
  prepared(statement: string, bind: readonly Value[]): Promise<readonly Row[]>;
  /** All or nothing; durable when it resolves. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Several reads that see the same state. */
  reading<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * The database said no. Carries its message and code and nothing else: Sequelize's own errors bring the statement with
 * all bound values along, and whole webhook bodies would end up in logs.
 */
export class DatabaseError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = "DatabaseError";
    this.code = code;
  }
}

/** Path of `sqlite:PATH`, `:memory:` for `sqlite::memory:`. Throws a sentence for people on any other address. */
export function sqlitePath(url: string): string {
  if (/^postgres(?:ql)?:/.test(url)) {
    throw new Error("PostgreSQL is not supported yet: set DATABASE_URL to sqlite:PATH.");
  }
  const path = /^sqlite:(.+)$/.exec(url)?.[1];
  if (path === undefined) throw new Error("DATABASE_URL must be sqlite:PATH.");
  return path;
}

export async function openDatabase(url: string): Promise<Database> {
  const path = sqlitePath(url);
  // SQLite gives its -wal and -shm files the mode of the main file, so nobody else can read any of the three.
  if (path !== ":memory:") {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, "a", 0o600));
  }
  const sequelize = new Sequelize({
    dialect: "sqlite",
    storage: path,
    logging: false,
    // Sequelize would wait for a locked database five times over, longer than any sender waits for an answer.
    retry: { max: 1 },
  });
  const statements = createStatements(
    (await sequelize.connectionManager.getConnection({ type: "write" })) as Connection,
  );
  const sql: Sql = {
    query: (statement, bind = []) => run(sequelize, statement, bind),
    prepared: statements.all,
  };
  // FULL: an acknowledged delivery survives a power cut. A larger wal_autocheckpoint buys no throughput and makes the
  // slowest hundredth of commits ten times slower.
  await sql.query("PRAGMA busy_timeout = 2000");
  await switchToWal(sql);
  for (const pragma of ["synchronous = FULL", "wal_autocheckpoint = 1000", "foreign_keys = ON"]) {
    await sql.query(`PRAGMA ${pragma}`);
  }
  const inTurn = createQueue();
  return {
    query: (statement, bind) => inTurn(() => sql.query(statement, bind)),
    prepared: (statement, bind) => inTurn(() => sql.prepared(statement, bind)),
    transaction: (work) => inTurn(() => between(sql, "BEGIN IMMEDIATE", work)),
    reading: (work) => inTurn(() => between(sql, "BEGIN", work)),
    close: () =>
      inTurn(async () => {
        await statements.close();
        await sequelize.close();
      }),
  };
}

/** SQLite waits for others by busy_timeout, but not here: of several processes that meet a new file, all but one fail. */
async function switchToWal(sql: Sql): Promise<void> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    try {
      await sql.query("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== "SQLITE_BUSY" || Date.now() > deadline) throw error;
    }
    await sleep(20);
  }
}

async function run(sequelize: Sequelize, statement: string, bind: readonly Value[]): Promise<readonly Row[]> {
  try {
    // SELECT makes Sequelize answer rows whatever the statement is, those of RETURNING included; the comment in front
    // keeps it from recognising an INSERT by its first words and throwing its rows away.
    return await sequelize.query<Row>(`/**/ ${statement}`, { bind: [...bind], type: QueryTypes.SELECT, raw: true });
  } catch (error) {
    throw plainError(error);
  }
}

/** Compiled statements of the one connection, by their text. SQLite does not close while there are any. */
function createStatements(connection: Connection) {
  const known = new Map<string, Statement>();

  function prepare(text: string): Promise<Statement> {
    return new Promise((resolve, reject) => {
      const statement = connection.prepare(text, (error: Error | null) => {
        if (error === null) resolve(statement);
        else reject(plainError(error));
      });
    });
  }

  return {
    async all(text: string, bind: readonly Value[]): Promise<readonly Row[]> {
      const statement = known.get(text) ?? (await prepare(text));
      known.set(text, statement);
      return new Promise((resolve, reject) => {
        statement.all<Row>(bind, (error, rows) => {
          if (error === null) resolve(rows);
          else reject(plainError(error));
        });
      });
    },
    async close(): Promise<void> {
      for (const statement of known.values()) await new Promise<void>((resolve) => statement.finalize(() => resolve()));
      known.clear();
    },
  };
}

function plainError(error: unknown): unknown {
  const original: unknown = isObject(error) && "original" in error ? error.original : error;
  if (!isObject(original) || !("code" in original) || !("message" in original)) return error;
  const { code, message } = original;
  return typeof code === "string" && typeof message === "string" ? new DatabaseError(message, code) : error;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

async function between<T>(sql: Sql, begin: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  await sql.query(begin);
  try {
    const result = await work(sql);
    await sql.query("COMMIT");
    return result;
  } catch (error) {
    await rollBack(sql, error);
    throw error;
  }
}

/** SQLite ends a transaction by itself when the disk is full or an I/O error came; there is nothing left to roll back then. */
async function rollBack(sql: Sql, reason: unknown): Promise<void> {
  try {
    await sql.query("ROLLBACK");
  } catch (error) {
    if (error instanceof DatabaseError && error.message.includes("no transaction is active")) return;
    throw new AggregateError([reason, error], "a transaction failed and could not be rolled back");
  }
}

/** Calls start in the order they were made, each after the one before it ended, however it ended. */
function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}
