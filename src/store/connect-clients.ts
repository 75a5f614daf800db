import type { ConnectCandidate, ConnectClient, GrantStore } from "../engine/grants-port.ts";
import type { Sql } from "./database.ts";
import type { GrantParts } from "./grants.ts";
import { integer, marks, milliseconds, type Row, text, textOrNull } from "./rows.ts";
import { type Secrets, sameSecret } from "./secrets.ts";

type ConnectClients = Pick<
  GrantStore,
  | "connectClient"
  | "connectClientsOf"
  | "addConnectCandidate"
  | "claimConnectCandidates"
  | "postponeConnectCandidate"
  | "dropConnectCandidate"
  | "proveConnectCandidate"
  | "renewConnectClient"
  | "removeConnectClient"
>;

/** Candidates that may wait: of one client key, and in all. */
const OF_A_CLIENT = 20;
const IN_ALL = 1_000;

const CLIENTS = "SELECT c.*, s.sealed FROM connect_clients c LEFT JOIN secrets s ON s.name = c.secret";
const CANDIDATES = "SELECT c.*, s.sealed FROM connect_candidates c LEFT JOIN secrets s ON s.name = c.secret";
/** Changes of grants take turns (grants.ts), so no two proofs get one number. */
const NEXT_PROOF = "(SELECT COALESCE(MAX(proven), 0) + 1 FROM connect_clients)";

export function createConnectClients({
  database,
  clock,
  newId,
  secrets,
  changing,
  telling,
}: GrantParts): ConnectClients {
  /**
   * One that was tried gives way, but never one that is being tried: it may be proven any moment. So whoever floods us
   * with claims pushes none out that had not its chance.
   */
  async function makeRoom(sql: Sql, clientKey: string, ofClient: number): Promise<boolean> {
    const [all] = await sql.query("SELECT COUNT(*) AS count FROM connect_candidates");
    const crowded = ofClient >= OF_A_CLIENT;
    if (!crowded && all !== undefined && integer(all, "count") < IN_ALL) return true;
    const [tried] = await sql.query(
      `SELECT id FROM connect_candidates WHERE attempts > 0 AND lease_until <= $1 ${crowded ? "AND client_key = $2" : ""}
       ORDER BY tried_at, seq LIMIT 1`,
      crowded ? [clock.now(), clientKey] : [clock.now()],
    );
    if (tried === undefined) return false;
    await drop(sql, "id = $1", text(tried, "id"));
    return true;
  }

  async function drop(sql: Sql, where: "id = $1" | "client_key = $1", value: string): Promise<void> {
    const dropped = await sql.query(`DELETE FROM connect_candidates WHERE ${where} RETURNING secret`, [value]);
    await secrets.erase(
      sql,
      dropped.map((row) => textOrNull(row, "secret")),
    );
  }

  function keepFor(sql: Sql, clientKey: string, secret: string | null): Promise<string | null> {
    return secret === null ? Promise.resolve(null) : secrets.keep(sql, `connect-client:${clientKey}:secret`, secret);
  }

  return {
    async connectClient(clientKey) {
      const [row] = await database.query(`${CLIENTS} WHERE c.client_key = $1`, [clientKey]);
      return row === undefined ? null : toClient(row, secrets);
    },

    async connectClientsOf(workspace) {
      const rows = await database.query(
        `${CLIENTS} WHERE c.workspace = $1 AND c.state = 'active' ORDER BY c.proven DESC`,
        [workspace],
      );
      return rows.map((row) => toClient(row, secrets));
    },

    addConnectCandidate(claim) {
      return changing(async (sql) => {
        const { clientKey, workspace } = claim;
        const known = await sql.query("SELECT client_key FROM connect_clients WHERE client_key = $1", [clientKey]);
        if (known.length > 0) return false;
        const claims = await sql.query(`${CANDIDATES} WHERE c.client_key = $1`, [clientKey]);
        if (claims.some((row) => sameClaim(toCandidate(row, secrets), claim))) return true;
        if (!(await makeRoom(sql, clientKey, claims.length))) return false;

        const id = newId();
        const secret =
          claim.secret === null ? null : await secrets.keep(sql, `connect-candidate:${id}:secret`, claim.secret);
        await sql.query("INSERT INTO connect_candidates (id, client_key, workspace, secret) VALUES ($1, $2, $3, $4)", [
          id,
          clientKey,
          workspace,
          secret,
        ]);
        return true;
      });
    },

    claimConnectCandidates({ limit, leaseMs }) {
      return changing(async (sql) => {
        const now = clock.now();
        const due = await sql.query(
          `${CANDIDATES} WHERE c.not_before <= $1 AND c.lease_until <= $1 ORDER BY c.tried_at, c.seq LIMIT $2`,
          [now, limit],
        );
        if (due.length === 0) return [];
        await sql.query(
          `UPDATE connect_candidates SET attempts = attempts + 1, tried_at = $1, lease_until = $2
           WHERE id IN (${marks(3, due.length)})`,
          [now, now + leaseMs, ...due.map((row) => text(row, "id"))],
        );
        return due.map((row) => {
          const candidate = toCandidate(row, secrets);
          return { ...candidate, attempts: candidate.attempts + 1 };
        });
      });
    },

    async postponeConnectCandidate(id, notBefore) {
      await database.query("UPDATE connect_candidates SET not_before = $2, lease_until = 0 WHERE id = $1", [
        id,
        milliseconds(notBefore),
      ]);
    },

    async dropConnectCandidate(id) {
      await changing((sql) => drop(sql, "id = $1", id));
    },

    proveConnectCandidate(id, { kind, login }, delivery) {
      return telling(delivery, async (sql) => {
        const [row] = await sql.query(`${CANDIDATES} WHERE c.id = $1`, [id]);
        if (row === undefined) return false;
        const { clientKey, workspace, secret } = toCandidate(row, secrets);
        await drop(sql, "client_key = $1", clientKey);
        await sql.query(
          `INSERT INTO connect_clients (client_key, workspace, kind, login, state, secret, proven)
           VALUES ($1, $2, $3, $4, 'active', $5, ${NEXT_PROOF})`,
          [clientKey, workspace, kind, login, await keepFor(sql, clientKey, secret)],
        );
        return true;
      });
    },

    renewConnectClient(clientKey, { kind, login, secret }, delivery) {
      return telling(delivery, async (sql) => {
        const [before] = await sql.query("SELECT secret FROM connect_clients WHERE client_key = $1", [clientKey]);
        if (before === undefined) return false;
        await sql.query(
          `UPDATE connect_clients SET kind = $2, login = $3, state = 'active', secret = $4, proven = ${NEXT_PROOF}
           WHERE client_key = $1`,
          [clientKey, kind, login, await keepFor(sql, clientKey, secret)],
        );
        if (secret === null) await secrets.erase(sql, [textOrNull(before, "secret")]);
        return true;
      });
    },

    removeConnectClient(clientKey, delivery) {
      return telling(delivery, async (sql) => {
        const removed = await sql.query(
          "UPDATE connect_clients SET state = 'removed' WHERE client_key = $1 AND state = 'active' RETURNING client_key",
          [clientKey],
        );
        return removed.length > 0;
      });
    },
  };
}

function sameClaim(one: ConnectCandidate, other: Pick<ConnectCandidate, "workspace" | "secret">): boolean {
  return one.workspace === other.workspace && sameSecret(one.secret, other.secret);
}

function toClient(row: Row, secrets: Secrets): ConnectClient {
  return {
    clientKey: text(row, "client_key"),
    workspace: text(row, "workspace"),
    // Written by proveConnectCandidate and renewConnectClient only.
    kind: text(row, "kind") as ConnectClient["kind"],
    login: text(row, "login"),
    state: text(row, "state") as ConnectClient["state"],
    secret: secrets.open(row, "secret", "sealed"),
  };
}

function toCandidate(row: Row, secrets: Secrets): ConnectCandidate {
  return {
    id: text(row, "id"),
    clientKey: text(row, "client_key"),
    workspace: text(row, "workspace"),
    secret: secrets.open(row, "secret", "sealed"),
    attempts: integer(row, "attempts"),
  };
}
