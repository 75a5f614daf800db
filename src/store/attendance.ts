import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { Sql, Topic } from "./database.ts";

/** Where the triggers of the schema announce changes, in the transaction that makes them. */
export const CHANNEL = "wharfinger";

const TOPICS: readonly string[] = ["deliveries", "builds", "checks"] satisfies readonly Topic[];

const PRESENT = "present";

/** Number of an advisory lock, one for each name. Other programs in the database have numbers of their own. */
export function lockKey(name: string): string {
  return createHash("sha256").update(`wharfinger ${name}`).digest().readBigInt64BE().toString();
}

export interface Attendance {
  begin(onChange: (topic: Topic) => void): Promise<void>;
  alone(sql: Pick<Sql, "query">): Promise<boolean>;
  end(): Promise<void>;
}

/**
 * One connection of a process that listens for announcements, and holds a shared lock as long as the process lives, by
 * which others see it. When the connection is lost a new one is made; what was announced meanwhile nobody knows, so that
 * everything counts as changed then.
 */
export function createAttendance({
  take,
  release,
}: {
  readonly take: () => Promise<Client>;
  readonly release: (client: Client) => Promise<void>;
}): Attendance {
  let current: Client | null = null;
  let reconnecting: Promise<void> = Promise.resolve();
  const ended = new AbortController();

  async function connect(onChange: (topic: Topic) => void): Promise<void> {
    const client = await take();
    let lost = false;
    client.on("notification", ({ payload }) => {
      if (isTopic(payload)) onChange(payload);
    });
    client.once("end", () => {
      lost = true;
      if (current !== client) return;
      current = null;
      if (!ended.signal.aborted) reconnecting = reconnect(onChange);
    });
    try {
      await client.query(`LISTEN ${CHANNEL}`);
      await client.query("SELECT pg_advisory_lock_shared($1)", [lockKey(PRESENT)]);
      if (lost) throw new Error("the connection ended");
    } catch (error) {
      await release(client);
      throw error;
    }
    current = client;
  }

  async function reconnect(onChange: (topic: Topic) => void): Promise<void> {
    while (!ended.signal.aborted) {
      try {
        await connect(onChange);
        for (const topic of TOPICS) if (isTopic(topic)) onChange(topic);
        return;
      } catch {
        // Nothing depends on it; whoever uses the database finds out by itself, and says so.
        await sleep(1_000, undefined, { signal: ended.signal }).catch(() => undefined);
      }
    }
  }

  return {
    begin: connect,
    async alone(sql) {
      const key = BigInt.asUintN(64, BigInt(lockKey(PRESENT)));
      const rows = await sql.query(
        `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND classid::bigint = $1 AND objid::bigint = $2`,
        [Number(key >> 32n), Number(key & 0xffffffffn)],
      );
      return rows.length <= (current === null ? 0 : 1);
    },
    async end() {
      ended.abort();
      await reconnecting;
      if (current !== null) await release(current);
    },
  };
}

function isTopic(payload: string | undefined): payload is Topic {
  return payload !== undefined && TOPICS.includes(payload);
}
