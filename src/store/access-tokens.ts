import type { AccountStanding, TokenAccess } from "../core/access-tokens.ts";
import { shownTokenId } from "../core/access-tokens.ts";
import type { AuditEntry, By } from "../core/audit.ts";
import type { HostId } from "../core/model.ts";
import {
  type AccessToken,
  type AccessTokenStore,
  MAX_PUSHED_IMAGES,
  MAX_TOKENS,
  type NamespaceAccount,
  type PushClaim,
} from "../engine/access-tokens-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { PROMOTION_LOCK } from "./publications.ts";
import { integer, json, marks, type Row, text, textOrNull, time, timeOrNull } from "./rows.ts";

/** The last use is for people: a node that pulls all day costs one write a minute. */
const USED_EVERY_MS = 60_000;

/** Of account `a` at namespace `a.namespace`. Installations that are paused build nothing; what was published is pulled on. */
const STANDING = `CASE
  WHEN NOT EXISTS (SELECT 1 FROM namespace_grants g WHERE g.namespace = a.namespace AND g.provider = a.provider
    AND g.host = a.host AND g.account_id = a.account_id) THEN 'lost'
  WHEN EXISTS (SELECT 1 FROM installations i WHERE i.provider = a.provider AND i.host = a.host
    AND i.account_id = a.account_id AND i.state = 'active') THEN 'good'
  WHEN EXISTS (SELECT 1 FROM installations i WHERE i.provider = a.provider AND i.host = a.host
    AND i.account_id = a.account_id AND i.state = 'suspended') THEN 'suspended'
  ELSE 'removed' END AS standing`;

/** Everybody who may write to a namespace, as {@link STANDING} wants them. */
const ACCOUNTS = "SELECT g.namespace, g.provider, g.host, g.account_id FROM namespace_grants g WHERE g.namespace = $1";

const COLUMNS = `a.id, a.namespace, a.provider, a.host, a.account_id, a.name, a.access, a.made_by, a.created_at, a.expires_at,
  a.revoked_at, a.last_used_at`;

export function createAccessTokens({ database, clock }: Omit<StoreParts, "newId">): AccessTokenStore {
  return {
    namespaceAccounts: (namespace) => database.reading((sql) => accountsOf(sql, namespace)),

    saveAccessToken(token, by) {
      const { id, hash, namespace, account, name, access, expiresAt } = token;
      return database.transaction(async (sql) => {
        await sql.lock("access tokens");
        const accounts = await accountsOf(sql, namespace);
        const owner = accounts.find((one) => sameAccount(one.account, account));
        if (owner?.standing !== "good") return "no-standing";
        const now = clock.now();
        const names = await sql.query(
          "SELECT name FROM access_tokens WHERE namespace = $1 AND revoked_at IS NULL AND expires_at > $2",
          [namespace, now],
        );
        if (names.some((row) => text(row, "name") === name)) return "name-taken";
        if (names.length >= MAX_TOKENS) return "too-many";
        await sql.query(
          `INSERT INTO access_tokens (id, hash, namespace, provider, host, account_id, name, access, made_by, created_at,
             expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
          [
            id,
            hash,
            namespace,
            account.provider,
            account.host,
            account.id,
            name,
            access,
            JSON.stringify(by),
            now,
            expiresAt,
          ],
        );
        const expires = new Date(expiresAt).toISOString();
        const facts = { token: shownTokenId(id), name, access, expires };
        await writeAudit(sql, clock, await entry(sql, { by, action: "token.made", namespace, account, facts }));
        return "saved";
      });
    },

    async accessToken(id) {
      const [row] = await database.query(
        `SELECT ${COLUMNS}, a.hash, n.registry, ${STANDING} FROM access_tokens a
         JOIN namespaces n ON n.name = a.namespace WHERE a.id = $1`,
        [id],
      );
      if (row === undefined) return null;
      const [hash, registry] = [text(row, "hash"), text(row, "registry")];
      return { token: toToken(row), hash, registry, standing: standingOf(row) };
    },

    async accessTokenUsed(id) {
      const now = clock.now();
      await database.query(
        "UPDATE access_tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
        [id, now, now - USED_EVERY_MS],
      );
    },

    async listAccessTokens({ namespace, ...query }) {
      const rows = await database.query(
        `SELECT a.seq, ${COLUMNS} FROM access_tokens a WHERE a.namespace = $1 AND a.seq < $2
         ORDER BY a.seq DESC LIMIT $3`,
        [namespace, afterKey("access-tokens", query.cursor), rowsWanted(query)],
      );
      const listed = page("access-tokens", query, rows, (row) => integer(row, "seq"));
      return { items: listed.items.map(toToken), next: listed.next };
    },

    revokeAccessToken(namespace, id, by) {
      return database.transaction(async (sql) => {
        const changed = await sql.query(
          `UPDATE access_tokens SET revoked_at = $3 WHERE namespace = $1 AND id = $2 AND revoked_at IS NULL RETURNING id`,
          [namespace, id, clock.now()],
        );
        const [row] = await sql.query(`SELECT ${COLUMNS} FROM access_tokens a WHERE a.namespace = $1 AND a.id = $2`, [
          namespace,
          id,
        ]);
        if (row === undefined) return null;
        const token = toToken(row);
        if (changed.length > 0) {
          const { account, name, access } = token;
          const facts = { token: shownTokenId(id), name, access };
          await writeAudit(sql, clock, await entry(sql, { by, action: "token.revoked", namespace, account, facts }));
        }
        return token;
      });
    },

    async claimPushes({ id, namespace }, images) {
      if (images.length === 0) return new Map();
      // Mostly all of them are known, and then nobody has to wait for anybody.
      const known = await database.reading((sql) => takenOf(sql, images));
      if (images.every((image) => known.has(image))) return known;
      return database.transaction(async (sql) => {
        await sql.lock(PROMOTION_LOCK);
        const claims = new Map(await takenOf(sql, images));
        const [row] = await sql.query("SELECT COUNT(*) AS pushed FROM pushed_images WHERE namespace = $1", [namespace]);
        let room = MAX_PUSHED_IMAGES - (row === undefined ? MAX_PUSHED_IMAGES : integer(row, "pushed"));
        for (const image of images) {
          if (claims.has(image)) continue;
          claims.set(image, room > 0 ? "granted" : "full");
          if (room <= 0) continue;
          room -= 1;
          await sql.query("INSERT INTO pushed_images (name, namespace, token, created_at) VALUES ($1, $2, $3, $4)", [
            image,
            namespace,
            id,
            clock.now(),
          ]);
        }
        return claims;
      });
    },
  };
}

/** Of the images those that belong to a repository, or to people already. */
async function takenOf(sql: Sql, images: readonly string[]): Promise<ReadonlyMap<string, PushClaim>> {
  const among = marks(1, images.length);
  const pushed = await sql.query(`SELECT name FROM pushed_images WHERE name IN (${among})`, images);
  const owned = await sql.query(`SELECT name FROM images WHERE name IN (${among})`, images);
  return new Map<string, PushClaim>([
    ...pushed.map((row): [string, PushClaim] => [text(row, "name"), "granted"]),
    ...owned.map((row): [string, PushClaim] => [text(row, "name"), "owned"]),
  ]);
}

async function accountsOf(sql: Sql, namespace: string): Promise<readonly NamespaceAccount[]> {
  const rows = await sql.query(
    `SELECT a.*, ${STANDING}, (SELECT i.account_login FROM installations i WHERE i.provider = a.provider
       AND i.host = a.host AND i.account_id = a.account_id ORDER BY i.seq DESC LIMIT 1) AS login
     FROM (${ACCOUNTS}) a ORDER BY a.provider, a.host, a.account_id`,
    [namespace],
  );
  return rows.map((row) => ({ account: accountOf(row), login: textOrNull(row, "login"), standing: standingOf(row) }));
}

/** The entry of the audit log, with the installation of the account: the newest one, whatever became of it. */
async function entry(
  sql: Sql,
  {
    by,
    action,
    namespace,
    account,
    facts,
  }: Pick<AuditEntry, "by" | "action" | "facts"> & {
    readonly namespace: string;
    readonly account: HostId;
  },
): Promise<AuditEntry> {
  const { provider, host } = account;
  const [row] = await sql.query(
    `SELECT i.id FROM installations i WHERE i.provider = $1 AND i.host = $2 AND i.account_id = $3
     ORDER BY CASE WHEN i.state = 'removed' THEN 1 ELSE 0 END, i.seq DESC LIMIT 1`,
    [provider, host, account.id],
  );
  const installation = row === undefined ? null : { provider, host, id: text(row, "id") };
  return { by, action, installation, subject: namespace, facts };
}

function sameAccount(one: HostId, other: HostId): boolean {
  return one.provider === other.provider && one.host === other.host && one.id === other.id;
}

// The words of the next three were written by this file only.

function standingOf(row: Row): AccountStanding {
  return text(row, "standing") as AccountStanding;
}

function accountOf(row: Row): HostId {
  return {
    provider: text(row, "provider") as HostId["provider"],
    host: text(row, "host"),
    id: text(row, "account_id"),
  };
}

function toToken(row: Row): AccessToken {
  return {
    id: text(row, "id"),
    namespace: text(row, "namespace"),
    account: accountOf(row),
    name: text(row, "name"),
    access: text(row, "access") as TokenAccess,
    by: json<By>(row, "made_by"),
    createdAt: time(row, "created_at"),
    expiresAt: time(row, "expires_at"),
    revokedAt: timeOrNull(row, "revoked_at"),
    lastUsedAt: timeOrNull(row, "last_used_at"),
  };
}
