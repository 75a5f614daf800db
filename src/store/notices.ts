import type { By } from "../core/audit.ts";
import { type BuildState, type HostId, hostKey, parseHostKey } from "../core/model.ts";
import { NOTICE_EVENTS, type NoticeEvent, type NoticeKind, noticeOf } from "../core/notices.ts";
import { type ClaimedNotice, MAX_TARGETS, type NoticeStore, type NoticeTarget } from "../engine/notices-port.ts";
import type { Vault } from "../engine/ports.ts";
import { writeAudit } from "./audit.ts";
import { BUILD_COLUMNS, toBuild } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { integer, json, marks, milliseconds, type Row, text, textOrNull, time, timeOrNull } from "./rows.ts";
import { createSecrets, SECRETS_LOCK } from "./secrets.ts";

/** Every address rests sealed: those of webhooks open something, and of the others nobody has to know either. */
const keptAs = (id: string) => `notice:${id}`;

export function createNoticeRows({ database, clock, newId }: StoreParts, vault: Vault | undefined): NoticeStore {
  const secrets = createSecrets(vault);

  function changing<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return database.transaction(async (sql) => {
      await sql.lock(SECRETS_LOCK);
      return work(sql);
    });
  }

  async function erase(sql: Sql, rows: readonly Row[], by: By): Promise<number> {
    for (const row of rows) {
      const id = text(row, "id");
      await sql.query("DELETE FROM notices WHERE target = $1", [id]);
      await sql.query("DELETE FROM notice_targets WHERE id = $1", [id]);
      await secrets.erase(sql, [keptAs(id)]);
      const { installation, kind, shown } = toTarget(row);
      await writeAudit(sql, clock, {
        by,
        action: "notification.removed",
        installation,
        subject: shown,
        facts: { kind },
      });
    }
    return rows.length;
  }

  return {
    saveTarget({ installation, kind, shown, events, address }, by) {
      return changing(async (sql) => {
        const key = hostKey(installation);
        const there = await sql.query("SELECT key FROM installations WHERE key = $1 AND state <> 'removed' FOR SHARE", [
          key,
        ]);
        if (there.length === 0) return "unknown";
        const known = await sql.query(
          `SELECT t.secret, s.sealed FROM notice_targets t LEFT JOIN secrets s ON s.name = t.secret
           WHERE t.installation = $1`,
          [key],
        );
        if (known.some((row) => secrets.open(row, "secret", "sealed") === address)) return "known";
        if (known.length >= MAX_TARGETS) return "full";
        const id = newId();
        const [row] = await sql.query(
          `INSERT INTO notice_targets (id, installation, kind, shown, secret, events, made_by, made_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *`,
          [
            id,
            key,
            kind,
            shown,
            await secrets.keep(sql, keptAs(id), address),
            JSON.stringify(events),
            JSON.stringify(by),
            clock.now(),
          ],
        );
        if (row === undefined) throw new Error(`notice target ${id} was not saved`);
        const facts = { kind, events: events.join(" ") };
        await writeAudit(sql, clock, { by, action: "notification.added", installation, subject: shown, facts });
        return toTarget(row);
      });
    },

    removeTarget(installation, id, by) {
      return changing(async (sql) => {
        const rows = await sql.query("SELECT * FROM notice_targets WHERE installation = $1 AND id = $2", [
          hostKey(installation),
          id,
        ]);
        return (await erase(sql, rows, by)) > 0;
      });
    },

    async listTargets(installation) {
      const rows = await database.query("SELECT * FROM notice_targets WHERE installation = $1 ORDER BY made_at, id", [
        hostKey(installation),
      ]);
      return rows.map(toTarget);
    },

    async targetAddress(installation, id) {
      const [row] = await database.query(
        `SELECT t.*, s.sealed FROM notice_targets t LEFT JOIN secrets s ON s.name = t.secret
         WHERE t.installation = $1 AND t.id = $2`,
        [hostKey(installation), id],
      );
      if (row === undefined) return null;
      return { target: toTarget(row), address: secrets.open(row, "secret", "sealed") ?? "" };
    },

    eraseTargets(installation, by) {
      return changing(async (sql) => {
        const rows = await sql.query("SELECT * FROM notice_targets WHERE installation = $1 ORDER BY id", [
          hostKey(installation),
        ]);
        return erase(sql, rows, by);
      });
    },

    claimNotices({ limit, leaseMs }) {
      const now = clock.now();
      return database.transaction(async (sql) => {
        const claimed = await sql.query(
          `UPDATE notices SET lease_until = $2, attempts = attempts + 1 WHERE id IN (
             SELECT id FROM notices WHERE not_before <= $1 AND lease_until <= $1 ORDER BY id LIMIT $3
             FOR UPDATE SKIP LOCKED) RETURNING id`,
          [now, now + leaseMs, limit],
        );
        if (claimed.length === 0) return [];
        const ids = claimed.map((row) => integer(row, "id"));
        const rows = await sql.query(
          `SELECT n.id AS notice, n.event, n.attempts AS tries, t.id AS target, t.kind AS target_kind, t.shown,
             t.installation AS target_installation, t.secret, s.sealed, ${BUILD_COLUMNS}
           FROM notices n JOIN notice_targets t ON t.id = n.target LEFT JOIN secrets s ON s.name = t.secret
             JOIN builds b ON b.id = n.build JOIN repositories r ON r.key = b.repository
           WHERE n.id IN (${marks(1, ids.length)}) ORDER BY n.id`,
          ids,
        );
        return rows.map((row): ClaimedNotice => {
          return {
            id: String(integer(row, "notice")),
            target: {
              id: text(row, "target"),
              kind: text(row, "target_kind") as NoticeKind,
              shown: text(row, "shown"),
              installation: parsed(text(row, "target_installation")),
            },
            address: secrets.open(row, "secret", "sealed") ?? "",
            event: text(row, "event") as NoticeEvent,
            build: toBuild(row),
            attempts: integer(row, "tries"),
          };
        });
      });
    },

    endNotice: (id, problem) =>
      database.transaction(async (sql) => {
        const [row] = await sql.query("DELETE FROM notices WHERE id = $1 RETURNING target", [Number(id)]);
        if (row === undefined) return;
        const target = text(row, "target");
        const now = clock.now();
        if (problem === null) {
          await sql.query("UPDATE notice_targets SET told_at = $2, problem = NULL, problem_at = NULL WHERE id = $1", [
            target,
            now,
          ]);
        } else {
          await sql.query("UPDATE notice_targets SET problem = $2, problem_at = $3 WHERE id = $1", [
            target,
            problem,
            now,
          ]);
        }
      }),

    async postponeNotice(id, notBefore) {
      await database.query("UPDATE notices SET not_before = $2, lease_until = 0 WHERE id = $1", [
        Number(id),
        milliseconds(notBefore),
      ]);
    },
  };
}

/** What the end of a build makes to be told. In the transaction that ends it. */
export async function noteEnd(sql: Sql, build: string, now: number): Promise<void> {
  const [row] = await sql.query(
    `SELECT b.seq, b.repository, b.installation, b.lane, b.image, b.state, b.planned FROM builds b
     WHERE b.id = $1 AND EXISTS (SELECT 1 FROM notice_targets t WHERE t.installation = b.installation)`,
    [build],
  );
  if (row === undefined) return;
  const [last] = await sql.query(
    `SELECT state FROM builds WHERE repository = $1 AND lane = $2 AND image = $3 AND id <> $4
       AND state IN ('succeeded', 'failed', 'timed_out') ORDER BY finished_at DESC, seq DESC LIMIT 1`,
    [text(row, "repository"), text(row, "lane"), text(row, "image"), build],
  );
  const before = last === undefined ? null : (text(last, "state") as BuildState);
  const { kind } = json<{ readonly kind: "branch" | "tag" | "pull_request" }>(row, "planned");
  const event = noticeOf({ kind, state: text(row, "state") as BuildState }, before);
  if (event === null) return;
  const targets = await sql.query("SELECT id, events FROM notice_targets WHERE installation = $1 ORDER BY id", [
    text(row, "installation"),
  ]);
  for (const target of targets) {
    if (!eventsOf(target).includes(event)) continue;
    await sql.query(
      `INSERT INTO notices (target, build, event, made_at) VALUES ($1, $2, $3, $4) ON CONFLICT (target, build) DO NOTHING`,
      [text(target, "id"), build, event, now],
    );
  }
}

function eventsOf(row: Row): readonly NoticeEvent[] {
  const kept = json<readonly string[]>(row, "events");
  return NOTICE_EVENTS.filter((event) => kept.includes(event));
}

function toTarget(row: Row): NoticeTarget {
  const why = textOrNull(row, "problem");
  return {
    id: text(row, "id"),
    installation: parsed(text(row, "installation")),
    kind: text(row, "kind") as NoticeKind,
    shown: text(row, "shown"),
    events: eventsOf(row),
    by: json<By>(row, "made_by"),
    madeAt: time(row, "made_at"),
    toldAt: timeOrNull(row, "told_at"),
    problem: why === null ? null : { at: time(row, "problem_at"), why },
  };
}

function parsed(key: string): HostId {
  const id = parseHostKey(key);
  if (id === null) throw new TypeError("a notice target holds an installation that is none");
  return id;
}
