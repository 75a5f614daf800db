import { randomBytes } from "node:crypto";
import type { AuditAction, By } from "../core/audit.ts";
import { type HostId, hostKey, parseHostKey } from "../core/model.ts";
import { MOST_VARIABLE_BYTES, MOST_VARIABLES, type VariableKind, type Variables } from "../core/variables.ts";
import type { Vault } from "../engine/ports.ts";
import type { ShownVariable, VariablePlace, VariableStore } from "../engine/variables-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { integer, type Row, text, textOrNull, time } from "./rows.ts";
import { createSecrets, SECRETS_LOCK, type Secrets } from "./secrets.ts";

const AT_PLACE = "installation = $1 AND COALESCE(repository, '') = $2";

export function createVariables(parts: StoreParts, vault: Vault | undefined): VariableStore {
  const { database, clock, newId } = parts;
  const secrets = createSecrets(vault);

  /** Changes take turns: what is decided from several rows stays as it was read. */
  function changing<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return database.transaction(async (sql) => {
      await sql.lock(SECRETS_LOCK);
      return work(sql);
    });
  }

  async function record(sql: Sql, action: AuditAction, place: VariablePlace, row: Row, by: By): Promise<void> {
    const { kind, name, fingerprint } = toShown(row);
    const { installation, repository } = place;
    const facts = { kind, fingerprint, ...(repository !== null && { repository: hostKey(repository) }) };
    await writeAudit(sql, clock, { by, action, installation, subject: name, facts });
  }

  async function erase(sql: Sql, rows: readonly Row[]): Promise<void> {
    for (const row of rows) await sql.query("DELETE FROM variables WHERE id = $1", [text(row, "id")]);
    await secrets.erase(
      sql,
      rows.map((row) => textOrNull(row, "secret")),
    );
  }

  return {
    saveVariable(place, { kind, name, value }, by) {
      return changing(async (sql) => {
        if (!(await isKnown(sql, place))) return { kind: "unknown" };
        const [other] = await sql.query(
          `SELECT repository FROM variables WHERE installation = $1 AND name = $2 AND ${isKind(otherKind(kind))} LIMIT 1`,
          [hostKey(place.installation), name],
        );
        if (other !== undefined) return { kind: "other-kind", repository: repositoryOf(other) };
        const bytes = Buffer.byteLength(value);
        const [sum] = await sql.query(
          `SELECT COUNT(*) AS count, COALESCE(SUM(bytes), 0) AS bytes FROM variables WHERE ${AT_PLACE} AND name <> $3`,
          [...keysOf(place), name],
        );
        const full =
          sum === undefined ||
          integer(sum, "count") >= MOST_VARIABLES ||
          integer(sum, "bytes") + bytes > MOST_VARIABLE_BYTES;
        if (full) return { kind: "full" };

        const [known] = await sql.query(`SELECT id FROM variables WHERE ${AT_PLACE} AND name = $3`, [
          ...keysOf(place),
          name,
        ]);
        const id = known === undefined ? newId() : text(known, "id");
        const kept = kind === "secret" ? await secrets.keep(sql, `variable:${id}`, value) : null;
        const [saved] = await sql.query(
          `INSERT INTO variables (id, installation, repository, name, value, secret, bytes, fingerprint, saved_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           ON CONFLICT (id) DO UPDATE SET value = excluded.value, bytes = excluded.bytes,
             fingerprint = excluded.fingerprint, saved_at = excluded.saved_at
           RETURNING *`,
          [
            id,
            hostKey(place.installation),
            place.repository === null ? null : hostKey(place.repository),
            name,
            kept === null ? value : null,
            kept,
            bytes,
            randomBytes(8).toString("hex"),
            clock.now(),
          ],
        );
        if (saved === undefined) throw new Error(`variable ${id} was not saved`);
        await record(sql, "variable.saved", place, saved, by);
        return { kind: "saved", variable: toShown(saved) };
      });
    },

    removeVariable(place, { kind, name }, by) {
      return changing(async (sql) => {
        const found = await sql.query(`SELECT * FROM variables WHERE ${AT_PLACE} AND name = $3 AND ${isKind(kind)}`, [
          ...keysOf(place),
          name,
        ]);
        await erase(sql, found);
        for (const row of found) await record(sql, "variable.removed", place, row, by);
        return found.length > 0;
      });
    },

    async listVariables(place) {
      const rows = await database.query(`SELECT * FROM variables WHERE ${AT_PLACE}`, keysOf(place));
      // Not by the database: each sorts letters in an order of its own.
      return rows.map(toShown).sort((one, other) => (one.name < other.name ? -1 : 1));
    },

    async variablesOf(installation, repository) {
      const rows = await database.query(
        `SELECT v.*, s.sealed FROM variables v LEFT JOIN secrets s ON s.name = v.secret
         WHERE v.installation = $1 AND (v.repository IS NULL OR v.repository = $2)
           AND EXISTS (SELECT 1 FROM repositories r WHERE r.key = $2 AND r.installation = $1 AND r.linked)`,
        [hostKey(installation), hostKey(repository)],
      );
      const ofOne = (row: Row) => textOrNull(row, "repository") !== null;
      return {
        installation: openAll(
          rows.filter((row) => !ofOne(row)),
          secrets,
        ),
        repository: openAll(rows.filter(ofOne), secrets),
      };
    },

    eraseVariables(installation, by) {
      return changing(async (sql) => {
        const found = await sql.query("SELECT * FROM variables WHERE installation = $1 ORDER BY id", [
          hostKey(installation),
        ]);
        await erase(sql, found);
        for (const row of found) {
          await record(sql, "variable.removed", { installation, repository: repositoryOf(row) }, row, by);
        }
        return found.length;
      });
    },
  };
}

function keysOf({ installation, repository }: VariablePlace): readonly [string, string] {
  return [hostKey(installation), repository === null ? "" : hostKey(repository)];
}

function isKind(kind: VariableKind): string {
  return kind === "secret" ? "secret IS NOT NULL" : "secret IS NULL";
}

function otherKind(kind: VariableKind): VariableKind {
  return kind === "secret" ? "variable" : "secret";
}

function repositoryOf(row: Row): HostId | null {
  const repository = textOrNull(row, "repository");
  return repository === null ? null : parseHostKey(repository);
}

/** Nothing is kept for an installation that was removed: what it had is to be gone. */
async function isKnown(sql: Sql, { installation, repository }: VariablePlace): Promise<boolean> {
  const there = await sql.query("SELECT key FROM installations WHERE key = $1 AND state <> 'removed' FOR SHARE", [
    hostKey(installation),
  ]);
  if (there.length === 0 || repository === null) return there.length > 0;
  const covered = await sql.query(
    "SELECT key FROM repositories WHERE key = $1 AND installation = $2 AND linked FOR SHARE",
    [hostKey(repository), hostKey(installation)],
  );
  return covered.length > 0;
}

function toShown(row: Row): ShownVariable {
  return {
    kind: textOrNull(row, "secret") === null ? "variable" : "secret",
    name: text(row, "name"),
    value: textOrNull(row, "value"),
    fingerprint: text(row, "fingerprint"),
    savedAt: time(row, "saved_at"),
  };
}

function openAll(rows: readonly Row[], secrets: Secrets): Variables {
  const variables: [string, string][] = [];
  const opened: [string, string][] = [];
  for (const row of rows) {
    const secret = secrets.open(row, "secret", "sealed");
    if (secret === null) variables.push([text(row, "name"), text(row, "value")]);
    else opened.push([text(row, "name"), secret]);
  }
  return { variables: Object.fromEntries(variables), secrets: Object.fromEntries(opened) };
}
