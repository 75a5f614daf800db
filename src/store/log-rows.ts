import { setTimeout as sleep } from "node:timers/promises";
import type { Logger, LogStore, LogWriter } from "../engine/ports.ts";
import type { Database } from "./database.ts";
import { bytesOrNull, integer, integerOrNull, type Row } from "./rows.ts";

/** Text waits this long for more, so that a chatty build costs the database a few statements a second. */
const GATHER_MS = 200;
/** Bytes of one row; more waiting text than this is written at once. */
const PART_BYTES = 64 * 1024;
/** Bytes that wait at most while the database is away; what comes then is lost, and said so. */
const MAX_WAITING = 16 * 1024 * 1024;
/** A tail is for people; lines longer than this together are cut at the front. */
const MAX_TAIL_BYTES = 1024 * 1024;

/**
 * Logs in the database, for processes on several machines. A log begun anew gets a higher number (epoch); a writer that
 * lost its lease goes on writing under the old one, unseen. A database that is away costs the log, never the build.
 */
export function createLogRows(database: Database, log?: Logger): LogStore {
  return {
    open: (buildId) => createWriter(database, buildId, log),

    read(buildId, offset, limit) {
      return database.reading(async (sql) => {
        const epoch = await epochOf(sql, buildId);
        if (epoch === null) return null;
        const [last] = await sql.query(
          "SELECT MAX(position + LENGTH(bytes)) AS size FROM log_parts WHERE build = $1 AND epoch = $2",
          [buildId, epoch],
        );
        const size = last === undefined ? 0 : (integerOrNull(last, "size") ?? 0);
        const from = Math.max(0, offset);
        const until = Math.min(size, from + Math.max(0, limit));
        if (from >= until) return { bytes: Buffer.alloc(0), size };
        const parts = await sql.query(
          `SELECT position, bytes FROM log_parts
           WHERE build = $1 AND epoch = $2 AND position < $4 AND position + LENGTH(bytes) > $3 ORDER BY position`,
          [buildId, epoch, from, until],
        );
        return { bytes: Buffer.concat(parts.map((part) => cut(part, from, until))), size };
      });
    },

    async tail(buildId, lines) {
      const whole = await this.read(buildId, 0, 0);
      if (whole === null || whole.size === 0 || lines < 1) return [];
      const from = Math.max(0, whole.size - MAX_TAIL_BYTES);
      const end = await this.read(buildId, from, MAX_TAIL_BYTES);
      const text = (end?.bytes ?? Buffer.alloc(0)).toString("utf8");
      return text.replace(/\n$/, "").split("\n").slice(-lines);
    },

    async remove(buildId) {
      await database.transaction(async (sql) => {
        await sql.query("DELETE FROM log_parts WHERE build = $1", [buildId]);
        await sql.query("DELETE FROM logs WHERE build = $1", [buildId]);
      });
    },
  };
}

type Query = Pick<Database, "query">;

async function epochOf(sql: Query, buildId: string): Promise<number | null> {
  const [row] = await sql.query("SELECT epoch FROM logs WHERE build = $1", [buildId]);
  return row === undefined ? null : integer(row, "epoch");
}

function cut(part: Row, from: number, until: number): Buffer {
  const bytes = bytesOrNull(part, "bytes") ?? Buffer.alloc(0);
  const position = integer(part, "position");
  return bytes.subarray(Math.max(0, from - position), Math.max(0, until - position));
}

function createWriter(database: Database, buildId: string, log?: Logger): LogWriter {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let position = 0;
  let epoch: number | null = null;
  let told = false;
  let closing = false;
  const hurry = new AbortController();

  function tell(error: unknown): void {
    if (!told) log?.warn({ build: buildId, err: error }, "the build's log is incomplete");
    told = true;
  }

  async function begin(): Promise<number> {
    return database.transaction(async (sql) => {
      const [row] = await sql.query(
        `INSERT INTO logs (build, epoch) VALUES ($1, 1)
         ON CONFLICT (build) DO UPDATE SET epoch = logs.epoch + 1 RETURNING epoch`,
        [buildId],
      );
      if (row === undefined) throw new Error("an insert answers its row");
      await sql.query("DELETE FROM log_parts WHERE build = $1 AND epoch < $2", [buildId, integer(row, "epoch")]);
      return integer(row, "epoch");
    });
  }

  async function writeWaiting(): Promise<void> {
    epoch ??= await begin();
    while (waitingBytes > 0) {
      const bytes = Buffer.concat(waiting).subarray(0, PART_BYTES);
      await database.query("INSERT INTO log_parts (build, epoch, position, bytes) VALUES ($1, $2, $3, $4)", [
        buildId,
        epoch,
        position,
        bytes,
      ]);
      const rest = Buffer.concat(waiting).subarray(bytes.length);
      waiting = rest.length === 0 ? [] : [rest];
      waitingBytes = rest.length;
      position += bytes.length;
    }
  }

  async function writeAll(): Promise<void> {
    for (;;) {
      const last = closing;
      try {
        await writeWaiting();
      } catch (error) {
        tell(error);
        if (last) return;
      }
      if (last) return;
      await sleep(GATHER_MS, undefined, { signal: hurry.signal }).catch(() => undefined);
    }
  }

  const done = writeAll();
  return {
    write(text) {
      if (closing) return;
      const bytes = Buffer.from(text, "utf8");
      if (waitingBytes + bytes.length > MAX_WAITING) {
        tell(new Error("too much of it waits for the database"));
        return;
      }
      waiting.push(bytes);
      waitingBytes += bytes.length;
    },
    close() {
      closing = true;
      hurry.abort();
      return done;
    },
  };
}
