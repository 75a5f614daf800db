import { type ApiTokenRole, shownApiTokenId } from "../core/api-tokens.ts";
import type { AuditAction, By } from "../core/audit.ts";
import { type HostId, hostKey, parseHostKey } from "../core/model.ts";
import { type ApiToken, type ApiTokenStore, MAX_API_TOKENS } from "../engine/api-tokens-port.ts";
import type { HostState } from "../engine/store-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { integer, json, type Row, text, time, timeOrNull } from "./rows.ts";

/** The last use is for people: a program that asks all day costs one write a minute. */
const USED_EVERY_MS = 60_000;

export function createApiTokens({ database, clock }: Omit<StoreParts, "newId">): ApiTokenStore {
  async function tell(sql: Sql, { by, action, token }: Told): Promise<void> {
    const { installation, name, role, id, expiresAt } = token;
    const [row] = await sql.query("SELECT account_login FROM installations WHERE key = $1", [hostKey(installation)]);
    const subject = row === undefined ? hostKey(installation) : text(row, "account_login");
    const until: Readonly<Record<string, string>> = action === "token.made" ? { expires: expiresAt } : {};
    const facts = { token: shownApiTokenId(id), name, role, ...until };
    await writeAudit(sql, clock, { by, action, installation, subject, facts });
  }

  return {
    saveApiToken({ id, hash, installation, name, role, expiresAt }, by) {
      const key = hostKey(installation);
      return database.transaction(async (sql) => {
        // Who removes it waits, and then revokes this one too; who counts and names tokens comes one after the other.
        const [row] = await sql.query("SELECT state FROM installations WHERE key = $1 FOR NO KEY UPDATE", [key]);
        if (row === undefined || text(row, "state") !== "active") return "no-installation";
        const now = clock.now();
        const names = await sql.query(
          "SELECT name FROM api_tokens WHERE installation = $1 AND revoked_at IS NULL AND expires_at > $2",
          [key, now],
        );
        if (names.some((one) => text(one, "name") === name)) return "name-taken";
        if (names.length >= MAX_API_TOKENS) return "too-many";
        const [saved] = await sql.query(
          `INSERT INTO api_tokens (id, hash, installation, name, role, made_by, created_at, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *`,
          [id, hash, key, name, role, JSON.stringify(by), now, expiresAt],
        );
        if (saved === undefined) throw new Error("what was inserted is answered");
        await tell(sql, { by, action: "token.made", token: toToken(saved) });
        return "saved";
      });
    },

    async apiToken(id) {
      const [row] = await database.query(
        "SELECT t.*, i.state FROM api_tokens t JOIN installations i ON i.key = t.installation WHERE t.id = $1",
        [id],
      );
      if (row === undefined) return null;
      // Written from a HostState only.
      return { token: toToken(row), hash: text(row, "hash"), standing: text(row, "state") as HostState };
    },

    async apiTokenUsed(id) {
      const now = clock.now();
      await database.query(
        "UPDATE api_tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
        [id, now, now - USED_EVERY_MS],
      );
    },

    async listApiTokens({ installation, ...query }) {
      const rows = await database.query(
        "SELECT * FROM api_tokens WHERE installation = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
        [hostKey(installation), afterKey("api-tokens", query.cursor), rowsWanted(query)],
      );
      const listed = page("api-tokens", query, rows, (row) => integer(row, "seq"));
      return { items: listed.items.map(toToken), next: listed.next };
    },

    revokeApiToken(installation, id, by) {
      return database.transaction(async (sql) => {
        const mine = [hostKey(installation), id];
        const [revoked] = await sql.query(
          "UPDATE api_tokens SET revoked_at = $3 WHERE installation = $1 AND id = $2 AND revoked_at IS NULL RETURNING *",
          [...mine, clock.now()],
        );
        if (revoked !== undefined) {
          await tell(sql, { by, action: "token.revoked", token: toToken(revoked) });
          return toToken(revoked);
        }
        const [row] = await sql.query("SELECT * FROM api_tokens WHERE installation = $1 AND id = $2", mine);
        return row === undefined ? null : toToken(row);
      });
    },
  };
}

interface Told {
  readonly by: By;
  readonly action: Extract<AuditAction, "token.made" | "token.revoked">;
  readonly token: ApiToken;
}

function toToken(row: Row): ApiToken {
  return {
    id: text(row, "id"),
    installation: idOf(text(row, "installation")),
    name: text(row, "name"),
    // The column allows no other.
    role: text(row, "role") as ApiTokenRole,
    by: json<By>(row, "made_by"),
    createdAt: time(row, "created_at"),
    expiresAt: time(row, "expires_at"),
    revokedAt: timeOrNull(row, "revoked_at"),
    lastUsedAt: timeOrNull(row, "last_used_at"),
  };
}

function idOf(stored: string): HostId {
  const id = parseHostKey(stored);
  if (id === null) throw new Error(`installation ${stored} is called by no key`);
  return id;
}
