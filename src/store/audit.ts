import type { AuditEntry, AuditRecord, By } from "../core/audit.ts";
import { hostKey, parseHostKey } from "../core/model.ts";
import type { AuditStore } from "../engine/audit-port.ts";
import type { Clock } from "../engine/ports.ts";
import type { Database, Sql } from "./database.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { integer, json, key, keyNumber, milliseconds, type Row, text, textOrNull, time } from "./rows.ts";

export function createAudit({ database, clock }: { readonly database: Database; readonly clock: Clock }): AuditStore {
  return {
    appendAudit: (entry) => database.transaction((sql) => writeAudit(sql, clock, entry)),

    async listAudit({ installation, ...query }) {
      const [where, whose] = installation === undefined ? ["", []] : ["AND installation = $3", [hostKey(installation)]];
      const rows = await database.query(`SELECT * FROM audit WHERE id < $1 ${where} ORDER BY id DESC LIMIT $2`, [
        afterKey("audit", query.cursor),
        rowsWanted(query),
        ...whose,
      ]);
      const listed = page("audit", query, rows, (row) => integer(row, "id"));
      return { items: listed.items.map(toRecord), next: listed.next };
    },

    async auditAfter(after, { limit, installation, since }) {
      const where = ["id > $1", ...(since === undefined ? [] : ["at >= $3"])];
      if (installation !== undefined) where.push(`installation = $${where.length + 2}`);
      const rows = await database.query(`SELECT * FROM audit WHERE ${where.join(" AND ")} ORDER BY id LIMIT $2`, [
        after === null ? 0 : numberOf(after),
        Math.min(1_000, Math.max(1, limit)),
        ...(since === undefined ? [] : [milliseconds(since)]),
        ...(installation === undefined ? [] : [hostKey(installation)]),
      ]);
      return rows.map(toRecord);
    },
  };
}

/** To be called in the transaction of the change it tells of, once that is known to be one. */
export async function writeAudit(sql: Sql, clock: Clock, entry: AuditEntry): Promise<void> {
  const { by, action, installation, subject, facts } = entry;
  await sql.query(
    "INSERT INTO audit (at, made_by, action, installation, subject, facts) VALUES ($1, $2, $3, $4, $5, $6)",
    [
      clock.now(),
      JSON.stringify(by),
      action,
      installation === null ? null : hostKey(installation),
      subject,
      JSON.stringify(facts),
    ],
  );
}

function numberOf(id: string): number {
  const number = keyNumber(id);
  if (number === null) throw new RangeError(`not the id of an entry: ${id}`);
  return number;
}

function toRecord(row: Row): AuditRecord {
  const installation = textOrNull(row, "installation");
  return {
    id: key(row, "id"),
    at: time(row, "at"),
    by: json<By>(row, "made_by"),
    // Written by writeAudit only.
    action: text(row, "action") as AuditRecord["action"],
    installation: installation === null ? null : parseHostKey(installation),
    subject: text(row, "subject"),
    facts: json(row, "facts"),
  };
}
