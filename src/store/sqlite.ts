import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { QueryTypes, Sequelize } from "sequelize";
import type { Database as Connection, Statement } from "sqlite3";
import type { Database, Sql } from "./database.ts";
import { codeAndMessage, DatabaseError } from "./database-error.ts";
import type { Row, Value } from "./rows.ts";

/**
 * Everything goes through one queue and one connection: Sequelize gives each `transaction()` on SQLite a connection of
 * its own, and several of them wait for each other while occupying the very threads they wait for. For the same reason a
 * reader may not slip between the statements of a transaction: it would see what is not committed.
 */
export async function openSqlite(path: string): Promise<Database> {
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
    // A transaction that writes is the only one.
    lock: () => Promise.resolve(),
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
    dialect: "sqlite",
    query: (statement, bind) => inTurn(() => sql.query(statement, bind)),
    prepared: (statement, bind) => inTurn(() => sql.prepared(statement, bind)),
    transaction: (work) => inTurn(() => between(sql, "BEGIN IMMEDIATE", work)),
    reading: (work) => inTurn(() => between(sql, "BEGIN", work)),
    // One process works on a file, and knows what it did.
    attend: () => Promise.resolve(),
    alone: () => Promise.resolve(true),
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

/** Statements are written with PostgreSQL's row locks; here the whole database is locked instead. */
function withoutRowLocks(statement: string): string {
  return statement.replace(/\bFOR (?:NO KEY )?(?:UPDATE|SHARE)\b(?: OF \w+)?(?: SKIP LOCKED)?/g, "");
}

async function run(sequelize: Sequelize, statement: string, bind: readonly Value[]): Promise<readonly Row[]> {
  try {
    // SELECT makes Sequelize answer rows whatever the statement is, those of RETURNING included; the comment in front
    // keeps it from recognising an INSERT by its first words and throwing its rows away.
    return await sequelize.query<Row>(`/**/ ${withoutRowLocks(statement)}`, {
      bind: [...bind],
      type: QueryTypes.SELECT,
      raw: true,
    });
  } catch (error) {
    throw plainError(error);
  }
}

/**
 * Compiled statements of the one connection, by their text; SQLite does not close while there are any. Sequelize rewrites
 * each statement and the driver then finds each value by its name, which costs more than the database itself.
 */
function createStatements(connection: Connection) {
  const known = new Map<string, Statement>();

  function prepare(text: string): Promise<Statement> {
    return new Promise((resolve, reject) => {
      const statement = connection.prepare(withoutRowLocks(text), (error: Error | null) => {
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
  const known = codeAndMessage(error);
  return known === null ? error : new DatabaseError(known.message, known.code);
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
