/** What an uninstall takes away, and the receipt of it. */
import { shownTokenId } from "../core/access-tokens.ts";
import { shownApiTokenId } from "../core/api-tokens.ts";
import type { AuditAction } from "../core/audit.ts";
import { type Account, type HostId, hostKey, parseHostKey } from "../core/model.ts";
import type { Receipt } from "../core/receipt.ts";
import type { Vault } from "../engine/ports.ts";
import type { ReceiptStore } from "../engine/receipts-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { createPurge } from "./purge.ts";
import { readHoldings } from "./receipt-holdings.ts";
import { integer, json, key, milliseconds, type Row, text, textOrNull, time, timeOrNull } from "./rows.ts";
import { createSecrets, SECRETS_LOCK } from "./secrets.ts";

/** Removed, and its account has no other installation: what was set for the account serves nobody. */
const IS_GONE = `i.state = 'removed' AND i.removed_at IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM installations o
  WHERE o.provider = i.provider AND o.host = i.host AND o.account_id = i.account_id AND o.state <> 'removed')`;

const RECEIPTS = `SELECT r.*, i.account_id, i.account_kind FROM receipts r JOIN installations i ON i.key = r.installation`;

export function createReceipts(parts: StoreParts, vault: Vault | undefined): ReceiptStore {
  const { database, clock } = parts;
  const secrets = createSecrets(vault);

  return {
    async uninstalled(limit) {
      const rows = await database.query(
        `SELECT i.* FROM installations i WHERE ${IS_GONE} AND NOT EXISTS (
           SELECT 1 FROM receipts r
           WHERE r.installation = i.key AND r.removed_at = i.removed_at AND r.closed_at IS NOT NULL)
         ORDER BY i.removed_at, i.seq LIMIT $1`,
        [limit],
      );
      return rows.map((row) => ({
        installation: idOf(text(row, "key")),
        account: toAccount(idOf(text(row, "key")), row),
        removedAt: time(row, "removed_at"),
      }));
    },

    eraseHoldings: (installation, by) =>
      database.transaction(async (sql) => {
        await sql.lock(SECRETS_LOCK);
        const owner = await lockGone(sql, installation);
        if (owner === null) return false;
        const { removedAt, account } = owner;
        await sql.query(
          `INSERT INTO receipts (installation, account_login, removed_at) VALUES ($1, $2, $3)
           ON CONFLICT (installation, removed_at) DO NOTHING`,
          [hostKey(installation), account.login, removedAt],
        );
        const tell = (action: AuditAction, subject: string, facts: Readonly<Record<string, string>>) =>
          writeAudit(sql, clock, { by, action, installation, subject, facts });
        await revokeTokens(sql, account, clock.now(), tell);
        await revokeApiTokens(sql, { installation, login: account.login, now: clock.now() }, tell);
        await eraseCredentials(sql, account, tell);
        await disallow(sql, installation, tell);
        return true;
      }),

    holdings: (installation) => database.reading((sql) => readHoldings(sql, installation)),

    async closeReceipt(installation, items, keptUntil) {
      const closed = await database.query(
        `UPDATE receipts SET items = $2, kept_until = $3, closed_at = $4
         WHERE installation = $1 AND closed_at IS NULL RETURNING id`,
        [hostKey(installation), JSON.stringify(items), milliseconds(keptUntil), clock.now()],
      );
      return closed.length > 0;
    },

    receipt: (installation) =>
      database.reading(async (sql) => {
        const rows = await sql.query(`${RECEIPTS} WHERE r.installation = $1 ORDER BY r.id DESC LIMIT 1`, [
          hostKey(installation),
        ]);
        return rows[0] === undefined ? null : toReceipt(rows[0]);
      }),

    async listReceipts(query) {
      const rows = await database.query(`${RECEIPTS} WHERE r.id < $1 ORDER BY r.id DESC LIMIT $2`, [
        afterKey("receipts", query.cursor),
        rowsWanted(query),
      ]);
      const listed = page("receipts", query, rows, (row) => integer(row, "id"));
      return { items: listed.items.map(toReceipt), next: listed.next };
    },

    ...createPurge(parts, IS_GONE),
  };

  /** Null: it is not removed (any more), or its account has another one. */
  async function lockGone(sql: Sql, installation: HostId) {
    const [seen] = await sql.query("SELECT account_id FROM installations WHERE key = $1", [hostKey(installation)]);
    if (seen === undefined) return null;
    // The same as whoever records an install takes: it comes before or after, never in between.
    const { provider, host } = installation;
    await sql.lock(`account ${hostKey({ provider, host, id: text(seen, "account_id") })}`);
    const [row] = await sql.query(`SELECT i.* FROM installations i WHERE i.key = $1 AND ${IS_GONE}`, [
      hostKey(installation),
    ]);
    return row === undefined ? null : { account: toAccount(installation, row), removedAt: integer(row, "removed_at") };
  }

  async function eraseCredentials(sql: Sql, { provider, host, id }: Account, tell: Tell): Promise<void> {
    const rows = await sql.query(
      `DELETE FROM registry_credentials WHERE namespace IN (
         SELECT g.namespace FROM namespace_grants g WHERE g.provider = $1 AND g.host = $2 AND g.account_id = $3
       ) AND NOT EXISTS (
         SELECT 1 FROM namespace_grants o
         JOIN installations i ON i.provider = o.provider AND i.host = o.host AND i.account_id = o.account_id
         WHERE o.namespace = registry_credentials.namespace AND i.state <> 'removed'
       ) RETURNING registry, namespace, username, password`,
      [provider, host, id],
    );
    await secrets.erase(
      sql,
      rows.map((row) => text(row, "password")),
    );
    for (const row of rows) {
      const registry = text(row, "registry");
      const facts = { registry, username: text(row, "username") };
      await tell("credential.removed", text(row, "namespace"), facts);
    }
    // Nobody who is left could have handed it on.
    await sql.query(
      `DELETE FROM namespace_codes WHERE namespace IN (
         SELECT namespace FROM namespace_grants WHERE provider = $1 AND host = $2 AND account_id = $3)`,
      [provider, host, id],
    );
  }
}

type Tell = (action: AuditAction, subject: string, facts: Readonly<Record<string, string>>) => Promise<void>;

async function revokeTokens(sql: Sql, { provider, host, id }: Account, now: number, tell: Tell): Promise<void> {
  const rows = await sql.query(
    `UPDATE access_tokens SET revoked_at = $4
     WHERE provider = $1 AND host = $2 AND account_id = $3 AND revoked_at IS NULL AND expires_at > $4
     RETURNING id, namespace, name, access`,
    [provider, host, id, now],
  );
  for (const row of rows) {
    const facts = { token: shownTokenId(text(row, "id")), name: text(row, "name"), access: text(row, "access") };
    await tell("token.revoked", text(row, "namespace"), facts);
  }
}

async function revokeApiTokens(
  sql: Sql,
  { installation, login, now }: { readonly installation: HostId; readonly login: string; readonly now: number },
  tell: Tell,
): Promise<void> {
  const rows = await sql.query(
    `UPDATE api_tokens SET revoked_at = $2 WHERE installation = $1 AND revoked_at IS NULL AND expires_at > $2
     RETURNING id, name, role`,
    [hostKey(installation), now],
  );
  for (const row of rows) {
    const facts = { token: shownApiTokenId(text(row, "id")), name: text(row, "name"), role: text(row, "role") };
    await tell("token.revoked", login, facts);
  }
}

async function disallow(sql: Sql, installation: HostId, tell: Tell): Promise<void> {
  const rows = await sql.query("DELETE FROM further_repositories WHERE installation = $1 RETURNING repository, reads", [
    hostKey(installation),
  ]);
  for (const row of rows) await tell("access.disallowed", text(row, "repository"), { reads: text(row, "reads") });
}

function idOf(stored: string): HostId {
  const id = parseHostKey(stored);
  if (id === null) throw new Error(`installation ${stored} is called by no key`);
  return id;
}

function toAccount({ provider, host }: HostId, row: Row): Account {
  return {
    provider,
    host,
    id: text(row, "account_id"),
    login: text(row, "account_login"),
    // Written from an Account only.
    kind: text(row, "account_kind") as Account["kind"],
  };
}

function toReceipt(row: Row): Receipt {
  const installation = idOf(text(row, "installation"));
  return {
    id: key(row, "id"),
    installation,
    account: toAccount(installation, row),
    removedAt: time(row, "removed_at"),
    closedAt: timeOrNull(row, "closed_at"),
    keptUntil: timeOrNull(row, "kept_until"),
    restoredAt: timeOrNull(row, "restored_at"),
    purgedAt: timeOrNull(row, "purged_at"),
    items: textOrNull(row, "items") === null ? [] : json(row, "items"),
  };
}
