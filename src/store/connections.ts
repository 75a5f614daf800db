import { createHash } from "node:crypto";
import type { AuditEntry } from "../core/audit.ts";
import type { Connection, GrantStore } from "../engine/grants-port.ts";
import { writeAudit } from "./audit.ts";
import type { Sql } from "./database.ts";
import type { GrantParts } from "./grants.ts";
import { type Row, text, textOrNull, time, type Value } from "./rows.ts";
import { type Secrets, sameSecret } from "./secrets.ts";

type Connections = Pick<
  GrantStore,
  | "connection"
  | "connectionsOf"
  | "listConnections"
  | "addConnection"
  | "changeConnection"
  | "dropPreviousSecret"
  | "removeConnection"
>;

const SELECT = `SELECT c.*, s.sealed AS sealed_secret, p.sealed AS sealed_previous, t.sealed AS sealed_token
  FROM connections c
  LEFT JOIN secrets s ON s.name = c.secret
  LEFT JOIN secrets p ON p.name = c.previous_secret
  LEFT JOIN secrets t ON t.name = c.token`;

export function createConnections({ database, clock, secrets, changing, telling }: GrantParts): Connections {
  async function read(where: string, bind: readonly Value[]): Promise<readonly Connection[]> {
    const rows = await database.query(`${SELECT} ${where} ORDER BY c.seq DESC`, bind);
    return rows.map((row) => toConnection(row, secrets));
  }

  /** A connection is one of the only Bitbucket there is. */
  async function tell(
    sql: Sql,
    { id, workspace, login, repository }: Named,
    { by, action, facts }: Pick<AuditEntry, "by" | "action" | "facts">,
  ): Promise<void> {
    await writeAudit(sql, clock, {
      by,
      action,
      installation: { provider: "bitbucket", host: "default", id: workspace },
      subject: repository?.fullName ?? login,
      facts: { connection: id, ...facts },
    });
  }

  return {
    async connection(id) {
      return (await read("WHERE c.id = $1", [id]))[0] ?? null;
    },

    connectionsOf: (workspace) => read("WHERE c.workspace = $1", [workspace]),

    listConnections: () => read("", []),

    async addConnection(connection, delivery, by) {
      const { id, workspace, kind, login, repository, hook } = connection;
      const [current, previous, ...more] = connection.secrets;
      if (current === undefined || more.length > 0) throw new RangeError("a connection has one secret, or two");
      await telling(delivery, async (sql) => {
        await sql.query(
          `INSERT INTO connections (id, workspace, kind, login, repository_id, repository_name, hook, created_at,
             secret, previous_secret, token)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
          [
            id,
            workspace,
            kind,
            login,
            repository?.id ?? null,
            repository?.fullName ?? null,
            hook,
            clock.now(),
            await secrets.keep(sql, nameOf(id, "secret"), current),
            previous === undefined ? null : await secrets.keep(sql, nameOf(id, "previous-secret"), previous),
            await secrets.keep(sql, nameOf(id, "token"), connection.token),
          ],
        );
        const facts = { token: fingerprint(connection.token), secret: fingerprint(current) };
        await tell(sql, connection, { by, action: "connection.made", facts });
        return true;
      });
    },

    changeConnection(id, { secret, token, hook }, by) {
      return changing(async (sql) => {
        const [row] = await sql.query(`${SELECT} WHERE c.id = $1`, [id]);
        if (row === undefined) return false;
        const current = secrets.open(row, "secret", "sealed_secret");
        // Whoever repeats a change must not lose the secret before it by that.
        if (secret !== undefined && current !== null && !sameSecret(secret, current)) {
          const previous = await secrets.keep(sql, nameOf(id, "previous-secret"), current);
          await secrets.keep(sql, nameOf(id, "secret"), secret);
          await sql.query("UPDATE connections SET previous_secret = $2 WHERE id = $1", [id, previous]);
          const facts = { secret: fingerprint(secret), previous: "still accepted" };
          await tell(sql, named(row), { by, action: "key.rotated", facts });
        }
        if (token !== undefined) {
          await secrets.keep(sql, nameOf(id, "token"), token);
          await tell(sql, named(row), { by, action: "credential.saved", facts: { token: fingerprint(token) } });
        }
        if (hook !== undefined) await sql.query("UPDATE connections SET hook = $2 WHERE id = $1", [id, hook]);
        return true;
      });
    },

    async dropPreviousSecret(id, by) {
      await changing(async (sql) => {
        const [row] = await sql.query(`${SELECT} WHERE c.id = $1`, [id]);
        if (row === undefined || textOrNull(row, "previous_secret") === null) return;
        await sql.query("UPDATE connections SET previous_secret = NULL WHERE id = $1", [id]);
        await secrets.erase(sql, [textOrNull(row, "previous_secret")]);
        await tell(sql, named(row), { by, action: "key.rotated", facts: { previous: "accepted no more" } });
      });
    },

    removeConnection(id, delivery, by, webhook) {
      return telling(delivery, async (sql) => {
        const [row] = await sql.query("DELETE FROM connections WHERE id = $1 RETURNING *", [id]);
        if (row === undefined) return false;
        await secrets.erase(
          sql,
          ["secret", "previous_secret", "token"].map((column) => textOrNull(row, column)),
        );
        await tell(sql, named(row), {
          by,
          action: "connection.removed",
          facts: webhook === undefined ? {} : { webhook },
        });
        return true;
      });
    },
  };
}

/** Which connection it is, and of what. */
type Named = Pick<Connection, "id" | "workspace" | "login" | "repository">;

function named(row: Row): Named {
  const repository = textOrNull(row, "repository_id");
  return {
    id: text(row, "id"),
    workspace: text(row, "workspace"),
    login: text(row, "login"),
    repository: repository === null ? null : { id: repository, fullName: text(row, "repository_name") },
  };
}

/** To tell one from another later. Tokens and secrets are long and random: nothing is found from it. */
function fingerprint(secret: string): string {
  return createHash("sha256").update(secret).digest("hex").slice(0, 16);
}

function nameOf(id: string, what: "secret" | "previous-secret" | "token"): string {
  return `connection:${id}:${what}`;
}

function toConnection(row: Row, secrets: Secrets): Connection {
  const current = secrets.open(row, "secret", "sealed_secret");
  const previous = secrets.open(row, "previous_secret", "sealed_previous");
  const token = secrets.open(row, "token", "sealed_token");
  if (current === null || token === null) throw new Error(`connection ${text(row, "id")} has no secret or no token`);
  return {
    ...named(row),
    // Written by addConnection only.
    kind: text(row, "kind") as Connection["kind"],
    secrets: previous === null ? [current] : [current, previous],
    token,
    hook: textOrNull(row, "hook"),
    createdAt: time(row, "created_at"),
  };
}
