import type { Connection, GrantStore } from "../engine/grants-port.ts";
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

  return {
    async connection(id) {
      return (await read("WHERE c.id = $1", [id]))[0] ?? null;
    },

    connectionsOf: (workspace) => read("WHERE c.workspace = $1", [workspace]),

    listConnections: () => read("", []),

    async addConnection(connection, delivery) {
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
        return true;
      });
    },

    changeConnection(id, { secret, token, hook }) {
      return changing(async (sql) => {
        const [row] = await sql.query(`${SELECT} WHERE c.id = $1`, [id]);
        if (row === undefined) return false;
        const current = secrets.open(row, "secret", "sealed_secret");
        // Whoever repeats a change must not lose the secret before it by that.
        if (secret !== undefined && current !== null && !sameSecret(secret, current)) {
          const previous = await secrets.keep(sql, nameOf(id, "previous-secret"), current);
          await secrets.keep(sql, nameOf(id, "secret"), secret);
          await sql.query("UPDATE connections SET previous_secret = $2 WHERE id = $1", [id, previous]);
        }
        if (token !== undefined) await secrets.keep(sql, nameOf(id, "token"), token);
        if (hook !== undefined) await sql.query("UPDATE connections SET hook = $2 WHERE id = $1", [id, hook]);
        return true;
      });
    },

    async dropPreviousSecret(id) {
      await changing(async (sql) => {
        const [row] = await sql.query("SELECT previous_secret FROM connections WHERE id = $1", [id]);
        if (row === undefined) return;
        await sql.query("UPDATE connections SET previous_secret = NULL WHERE id = $1", [id]);
        await secrets.erase(sql, [textOrNull(row, "previous_secret")]);
      });
    },

    removeConnection(id, delivery) {
      return telling(delivery, async (sql) => {
        const [row] = await sql.query(
          "DELETE FROM connections WHERE id = $1 RETURNING secret, previous_secret, token",
          [id],
        );
        if (row === undefined) return false;
        await secrets.erase(
          sql,
          ["secret", "previous_secret", "token"].map((column) => textOrNull(row, column)),
        );
        return true;
      });
    },
  };
}

function nameOf(id: string, what: "secret" | "previous-secret" | "token"): string {
  return `connection:${id}:${what}`;
}

function toConnection(row: Row, secrets: Secrets): Connection {
  const repository = textOrNull(row, "repository_id");
  const current = secrets.open(row, "secret", "sealed_secret");
  const previous = secrets.open(row, "previous_secret", "sealed_previous");
  const token = secrets.open(row, "token", "sealed_token");
  if (current === null || token === null) throw new Error(`connection ${text(row, "id")} has no secret or no token`);
  return {
    id: text(row, "id"),
    workspace: text(row, "workspace"),
    // Written by addConnection only.
    kind: text(row, "kind") as Connection["kind"],
    login: text(row, "login"),
    repository: repository === null ? null : { id: repository, fullName: text(row, "repository_name") },
    secrets: previous === null ? [current] : [current, previous],
    token,
    hook: textOrNull(row, "hook"),
    createdAt: time(row, "created_at"),
  };
}
