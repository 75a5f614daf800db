import type { AuditAction, By } from "../core/audit.ts";
import { type HostId, hostKey, parseHostKey } from "../core/model.ts";
import type { Access, AllowedAccess, FurtherRepositoryStore } from "../engine/further-repositories-port.ts";
import type { Clock } from "../engine/ports.ts";
import { writeAudit } from "./audit.ts";
import type { Database, Sql } from "./database.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { flag, integer, json, marks, type Row, text, time, type Value } from "./rows.ts";

export function createFurtherRepositories(parts: {
  readonly database: Database;
  readonly clock: Clock;
}): FurtherRepositoryStore {
  const { database, clock } = parts;

  async function record(sql: Sql, action: AuditAction, access: Access, by: By): Promise<void> {
    const names = await sql.query("SELECT key, full_name FROM repositories WHERE key IN ($1, $2)", [
      hostKey(access.repository),
      hostKey(access.reads),
    ]);
    const named = (id: HostId) => names.find((row) => text(row, "key") === hostKey(id));
    const nameOf = (id: HostId) => {
      const row = named(id);
      return row === undefined ? hostKey(id) : text(row, "full_name");
    };
    await writeAudit(sql, clock, {
      by,
      action,
      installation: access.installation,
      subject: nameOf(access.repository),
      facts: {
        repository: hostKey(access.repository),
        reads: hostKey(access.reads),
        "reads name": nameOf(access.reads),
      },
    });
  }

  return {
    allowAccess(access, by) {
      return database.transaction(async (sql) => {
        const keys = [hostKey(access.repository), hostKey(access.reads)];
        const covered = await sql.query(
          "SELECT key FROM repositories WHERE installation = $1 AND linked AND key IN ($2, $3) ORDER BY key FOR SHARE",
          [hostKey(access.installation), ...keys],
        );
        // Also less than two where both are the same.
        if (covered.length < 2) return "not-covered";
        const made = await sql.query(
          `INSERT INTO further_repositories (installation, repository, reads, since, made_by) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (installation, repository, reads) DO NOTHING RETURNING id`,
          [hostKey(access.installation), ...keys, clock.now(), JSON.stringify(by)],
        );
        if (made.length === 0) return "known";
        await record(sql, "access.allowed", access, by);
        return "allowed";
      });
    },

    disallowAccess(access, by) {
      return database.transaction(async (sql) => {
        const gone = await sql.query(
          "DELETE FROM further_repositories WHERE installation = $1 AND repository = $2 AND reads = $3 RETURNING id",
          [hostKey(access.installation), hostKey(access.repository), hostKey(access.reads)],
        );
        if (gone.length > 0) await record(sql, "access.disallowed", access, by);
        return gone.length > 0;
      });
    },

    async findRepositories(nameOrKey) {
      const rows = await database.query(
        `SELECT provider, host, id, full_name, installation FROM repositories
         WHERE (key = $1 OR LOWER(full_name) = $2) AND installation IS NOT NULL ORDER BY key`,
        [nameOrKey, nameOrKey.toLowerCase()],
      );
      return rows.flatMap((row) => {
        const installation = parseHostKey(text(row, "installation"));
        return installation === null ? [] : [{ ...toNamed(row), installation }];
      });
    },

    async listAccess({ installation, repository, ...query }) {
      const bind: Value[] = [afterKey("access", query.cursor), rowsWanted(query), hostKey(installation)];
      const ofOne = repository === undefined ? "" : `AND f.repository = $${bind.push(hostKey(repository))}`;
      const rows = await database.query(
        `SELECT f.id AS seq, f.since, f.made_by, ${columns("r", "from")}, ${columns("o", "reads")},
           COALESCE(r.linked AND o.linked AND r.installation = f.installation AND o.installation = f.installation, FALSE)
             AS covered
         FROM further_repositories f JOIN repositories r ON r.key = f.repository JOIN repositories o ON o.key = f.reads
         WHERE f.id < $1 AND f.installation = $3 ${ofOne} ORDER BY f.id DESC LIMIT $2`,
        bind,
      );
      const listed = page("access", query, rows, (row) => integer(row, "seq"));
      return { items: listed.items.map(toAllowed), next: listed.next };
    },

    async coveredRepositories({ installation, repository }, asked) {
      const wanted = "names" in asked ? asked.names.map((name) => name.toLowerCase()) : asked.ids;
      if (wanted.length === 0) return [];
      // An id says which repository only together with its host, which is the installation's.
      const matches = "names" in asked ? "LOWER(o.full_name)" : "o.id";
      const rows = await database.query(
        `SELECT o.id, o.full_name, EXISTS (
           SELECT 1 FROM further_repositories f
           WHERE f.installation = $1 AND f.repository = $2 AND f.reads = o.key
         ) AS allowed
         FROM repositories o
         WHERE o.installation = $1 AND o.linked AND ${matches} IN (${marks(3, wanted.length)})
           AND EXISTS (SELECT 1 FROM repositories r WHERE r.key = $2 AND r.installation = $1 AND r.linked)
         ORDER BY o.key`,
        [hostKey(installation), hostKey(repository), ...wanted],
      );
      return rows.map((row) => ({
        id: text(row, "id"),
        fullName: text(row, "full_name"),
        allowed: flag(row, "allowed"),
      }));
    },
  };
}

function columns(table: string, prefix: string): string {
  return ["provider", "host", "id", "full_name"].map((name) => `${table}.${name} AS ${prefix}_${name}`).join(", ");
}

function toAllowed(row: Row): AllowedAccess {
  return {
    repository: toNamed(row, "from_"),
    reads: toNamed(row, "reads_"),
    covered: flag(row, "covered"),
    since: time(row, "since"),
    by: json(row, "made_by"),
  };
}

function toNamed(row: Row, prefix = ""): AllowedAccess["repository"] {
  return {
    // Written by the adapters of hosts only.
    provider: text(row, `${prefix}provider`) as HostId["provider"],
    host: text(row, `${prefix}host`),
    id: text(row, `${prefix}id`),
    fullName: text(row, `${prefix}full_name`),
  };
}
