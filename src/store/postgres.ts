import { setTimeout as sleep } from "node:timers/promises";
import type { Client, QueryConfig } from "pg";
import { Sequelize } from "sequelize";
import { createAttendance, lockKey } from "./attendance.ts";
import type { Database, Sql } from "./database.ts";
import { codeAndMessage, DatabaseError } from "./database-error.ts";
import { parsePostgresUrl } from "./postgres-url.ts";
import type { Row, Value } from "./rows.ts";

/** Of one process; one of them only listens. */
const CONNECTIONS = 12;

/** `server_version_num` of PostgreSQL 14, the oldest that is tested for. */
const OLDEST_SERVER = 140_000;

/** Milliseconds. A sender hangs up after ten seconds, so whoever waits longer for the database waits for nothing. */
const TIMEOUTS = {
  connectionTimeoutMillis: 5_000,
  lock_timeout: 5_000,
  statement_timeout: 8_000,
  // Of this side, for a server that does not even answer that.
  query_timeout: 12_000,
  // A process that froze in the middle must not hold its locks for ever.
  idle_in_transaction_session_timeout: 30_000,
};

/** A timer of Node takes no more. */
const AS_LONG_AS_IT_TAKES = 2 ** 31 - 1;

/**
 * A pool of connections; transactions run beside each other, each statement seeing what was committed before it
 * (READ COMMITTED), and lock what they depend on (see {@link Sql}). Not SERIALIZABLE: what it allows is some order of the
 * transactions, not the one in which their callers saw them end, so it would let a plan that began before a suspension
 * queue builds after the suspension had canceled everything. With the locks taken in one order a deadlock is rare; one
 * that comes is resolved by the server, and the transaction that lost runs again.
 */
export async function openPostgres(url: string): Promise<Database> {
  const { user, password, ssl, ...place } = parsePostgresUrl(url);
  const options = {
    dialect: "postgres" as const,
    // Sequelize would open a connection of its own to ask; requireVersion() looks.
    databaseVersion: "14.0.0",
    ...place,
    username: user,
    ...(password === null ? {} : { password }),
    dialectOptions: { application_name: "wharfinger", keepAlive: true, ssl, ...TIMEOUTS, clientMinMessages: "ignore" },
    pool: { max: CONNECTIONS, min: 0, acquire: 8_000, idle: 30_000 },
    logging: false,
  };
  const sequelize = new Sequelize(options);
  const connections = sequelize.connectionManager;

  async function take(): Promise<Client> {
    try {
      return (await connections.getConnection({ type: "write" })) as Client;
    } catch (error) {
      throw connectionError(error);
    }
  }

  /** Works on a connection that is nobody else's meanwhile. */
  async function withSession<T>(patient: boolean, work: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await take();
    let usable = true;
    async function query(statement: string, bind: readonly Value[] = []): Promise<readonly Row[]> {
      try {
        return await run(client, statement, bind, patient);
      } catch (error) {
        usable &&= error instanceof DatabaseError && wasAnswered(error.code);
        throw error;
      }
    }
    const lock = async (name: string) => {
      await query("SELECT pg_advisory_xact_lock($1)", [lockKey(name)]);
    };
    try {
      return await work({ query, prepared: query, lock });
    } finally {
      // What the server did not end with an answer may still get one, and the next one to use it would read that.
      if (usable) connections.releaseConnection(client);
      // Whatever becomes of it, it is not used again.
      else await connections.destroyConnection(client).catch(() => undefined);
    }
  }

  function between<T>(begin: string, work: (sql: Sql) => Promise<T>, patient = false): Promise<T> {
    return withSession(patient, async (sql) => {
      await sql.query(begin);
      try {
        if (patient) await sql.query("SET LOCAL statement_timeout = 0");
        if (patient) await sql.query("SET LOCAL lock_timeout = 0");
        const result = await work(sql);
        await sql.query("COMMIT");
        return result;
      } catch (error) {
        // Fails only with the connection, which ends the transaction as well; `error` says why then.
        await sql.query("ROLLBACK").catch(() => undefined);
        throw error;
      }
    });
  }

  const attendance = createAttendance({ take, release: (client) => connections.destroyConnection(client) });

  await withSession(false, requireVersion).catch(async (error: unknown) => {
    await connections.close();
    throw error;
  });
  return {
    dialect: "postgres",
    query: (statement, bind) => withSession(false, (sql) => sql.query(statement, bind)),
    prepared: (statement, bind) => withSession(false, (sql) => sql.prepared(statement, bind)),
    transaction: (work, options) =>
      again(() => between("BEGIN ISOLATION LEVEL READ COMMITTED", work, options?.patient)),
    reading: (work) => between("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work),
    attend: (onChange) => attendance.begin(onChange),
    alone: () => withSession(false, attendance.alone),
    async close() {
      await attendance.end();
      await connections.close();
    },
  };
}

async function requireVersion(sql: Sql): Promise<void> {
  const [row] = await sql.query("SELECT current_setting('server_version_num')::int AS number, version() AS name");
  if (Number(row?.["number"]) < OLDEST_SERVER)
    throw new Error(`PostgreSQL 14 or newer is needed; this is ${row?.["name"]}.`);
}

async function run(client: Client, text: string, bind: readonly Value[], patient: boolean): Promise<readonly Row[]> {
  try {
    const query: QueryConfig & { query_timeout?: number } = { text, values: bind.map(storable), types: READERS };
    if (patient) query.query_timeout = AS_LONG_AS_IT_TAKES;
    return (await client.query<Row>(query)).rows;
  } catch (error) {
    throw plainError(error);
  }
}

/**
 * PostgreSQL keeps neither NUL nor half a surrogate pair in a text, and others may put them where they like: they become
 * the replacement character.
 */
export function storable<T>(value: T): T | string {
  return typeof value === "string" ? value.replace(/[\0\p{Surrogate}]/gu, "\ufffd") : value;
}

/** By the number of a type in the server's catalogue. All others stay as the text that the server sends. */
const READERS = {
  getTypeParser: (type: number): ((value: string) => unknown) => {
    switch (type) {
      case 16:
        return (value) => value === "t";
      case 17:
        return (value) => Buffer.from(value.slice(2), "hex");
      case 20:
      case 21:
      case 23:
        return Number;
      default:
        return (value) => value;
    }
  },
};

const SERIALIZATION_FAILURE = "40001";
const DEADLOCK = "40P01";

/** Whoever lost a deadlock was undone by the server and may begin anew. */
async function again<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const lost = error instanceof DatabaseError && [SERIALIZATION_FAILURE, DEADLOCK].includes(error.code);
      if (!lost || tries === 5) throw error;
      await sleep(Math.random() * 20 * tries);
    }
  }
}

/** Whether the server said no to a statement and waits for the next: an SQLSTATE, but none of "I am going away". */
function wasAnswered(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && !/^(?:57P|08|E)/.test(code);
}

function plainError(error: unknown): DatabaseError {
  const known = codeAndMessage(error);
  if (known === null) return connectionError(error);
  // "Data exceptions" quote the value they are about.
  if (/^22...$/.test(known.code)) return new DatabaseError("a bound value is not of its column's type", known.code);
  return new DatabaseError(known.message, known.code);
}

function connectionError(error: unknown): DatabaseError {
  const message = error instanceof Error ? error.message : "no connection";
  return new DatabaseError(`database: ${message}`, codeAndMessage(error)?.code ?? "CONNECTION");
}
