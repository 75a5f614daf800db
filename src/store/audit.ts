import type { AuditEntry, AuditRecord, By } from "../core/audit.ts";
import { hostKey, parseHostKey } from "../core/model.ts";
import type { AuditFilter, AuditStore } from "../engine/audit-port.ts";
import type { Clock } from "../engine/ports.ts";
import type { Database, Sql } from "./database.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { integer, json, key, keyNumber, milliseconds, type Row, text, textOrNull, time, type Value } from "./rows.ts";

export function createAudit({ database, clock }: { readonly database: Database; readonly clock: Clock }): AuditStore {
  return {
    appendAudit: (entry) => database.transaction((sql) => writeAudit(sql, clock, entry)),

    async listAudit(query) {
      const bind: Value[] = [afterKey("audit", query.cursor), rowsWanted(query)];
      const rows = await database.query(
        `SELECT * FROM audit WHERE id < $1 ${filters(query, bind)} ORDER BY id DESC LIMIT $2`,
        bind,
      );
      const listed = page("audit", query, rows, (row) => integer(row, "id"));
      return { items: listed.items.map(toRecord), next: listed.next };
    },

    async auditAfter(after, { limit, since, ...filter }) {
      const bind: Value[] = [after === null ? 0 : numberOf(after), Math.min(1_000, Math.max(1, limit))];
      const where = filters(filter, bind);
      const recent = since === undefined ? "" : `AND at >= $${bind.push(milliseconds(since))}`;
      const rows = await database.query(
        `SELECT * FROM audit WHERE id > $1 ${where} ${recent} ORDER BY id LIMIT $2`,
        bind,
      );
      return rows.map(toRecord);
    },
  };
}

function filters({ installation, action }: AuditFilter, bind: Value[]): string {
  const whose = installation === undefined ? "" : `AND installation = $${bind.push(hostKey(installation))}`;
  if (action === undefined) return whose;
  const [exact, noun] = [bind.push(action), bind.push(`${action}.`)];
  return `${whose} AND (action = $${exact} OR substr(action, 1, ${action.length + 1}) = $${noun})`;
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
