/** What is forgotten of an installation whose account did not come back. */
import { type HostId, hostKey, parseHostKey } from "../core/model.ts";
import type { ReceiptStore } from "../engine/receipts-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { integer, marks, milliseconds, text } from "./rows.ts";

/** Rows changed in one transaction: deleting years at once would hold up every delivery. */
const CHUNK = 500;

/** `isGone`: a condition on an installation `i`. */
export function createPurge(
  { database, clock }: StoreParts,
  isGone: string,
): Pick<ReceiptStore, "purgeable" | "recordedBuilds" | "purgeInstallation"> {
  return {
    purgeable: (now, limit) =>
      database.transaction(async (sql) => {
        await sql.query(
          `UPDATE receipts SET restored_at = $1 WHERE restored_at IS NULL AND purged_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM installations i WHERE i.key = receipts.installation AND ${isGone})`,
          [clock.now()],
        );
        const rows = await sql.query(
          `SELECT installation FROM receipts WHERE kept_until <= $1 AND restored_at IS NULL AND purged_at IS NULL
           ORDER BY kept_until LIMIT $2`,
          [milliseconds(now), limit],
        );
        return rows.flatMap((row) => parseHostKey(text(row, "installation")) ?? []);
      }),

    async recordedBuilds(installation, limit) {
      const rows = await database.query("SELECT id FROM builds WHERE installation = $1 ORDER BY seq LIMIT $2", [
        hostKey(installation),
        limit,
      ]);
      return rows.map((row) => text(row, "id"));
    },

    purgeInstallation: (installation, builds) =>
      database.transaction(async (sql) => {
        const key = hostKey(installation);
        const [due] = await sql.query(
          `SELECT r.id FROM receipts r JOIN installations i ON i.key = r.installation
           WHERE r.installation = $1 AND r.kept_until <= $2 AND r.purged_at IS NULL AND ${isGone}
           ORDER BY r.id DESC LIMIT 1 FOR NO KEY UPDATE OF r`,
          [key, clock.now()],
        );
        if (due === undefined) return true;
        if (builds.length > 0) {
          await sql.query(
            `DELETE FROM builds WHERE installation = $1 AND id IN (${marks(2, builds.length)})
               AND state NOT IN ('queued', 'held', 'running')`,
            [key, ...builds],
          );
          return false;
        }
        if (await purgeDeliveries(sql, installation)) return false;
        for (const statement of REPOSITORIES) await sql.query(statement, [key]);
        await sql.query("UPDATE installations SET permissions = '{}', policy = '{}' WHERE key = $1", [key]);
        await sql.query("UPDATE receipts SET purged_at = $2 WHERE id = $1", [integer(due, "id"), clock.now()]);
        const [row] = await sql.query("SELECT account_login FROM installations WHERE key = $1", [key]);
        const subject = row === undefined ? key : text(row, "account_login");
        const by = { kind: "service" } as const;
        await writeAudit(sql, clock, { by, action: "installation.purged", installation, subject, facts: {} });
        return true;
      }),
  };
}

/** True: there may be more. */
async function purgeDeliveries(sql: Sql, { provider, host, id }: HostId): Promise<boolean> {
  const gone = await sql.query(
    `DELETE FROM deliveries WHERE id IN (
       SELECT id FROM deliveries WHERE provider = $1 AND host = $2 AND installation_id = $3 AND outcome <> 'pending'
       LIMIT ${CHUNK}) RETURNING id`,
    [provider, host, id],
  );
  return gone.length === CHUNK;
}

const OWN = "(SELECT key FROM repositories WHERE installation = $1)";

/**
 * A repository that owns an image, or may publish one, stays: whose an image is, is asked for as long as it can be pulled.
 * One that went to another account is that one's, and is not touched.
 */
const REPOSITORIES: readonly string[] = [
  `DELETE FROM decisions WHERE repository IN ${OWN}`,
  `DELETE FROM checks WHERE repository IN ${OWN}`,
  `DELETE FROM config_checks WHERE repository IN ${OWN}`,
  `DELETE FROM config_files WHERE repository IN ${OWN}`,
  `DELETE FROM refs WHERE repository IN ${OWN}`,
  `DELETE FROM comparisons WHERE repository IN ${OWN}`,
  `DELETE FROM further_repositories WHERE repository IN ${OWN} OR reads IN ${OWN}`,
  `DELETE FROM variables WHERE repository IN ${OWN} AND secret IS NULL`,
  `DELETE FROM pauses WHERE kind = 'repository' AND key IN ${OWN}`,
  `DELETE FROM repositories WHERE installation = $1
     AND key NOT IN (SELECT repository FROM images) AND key NOT IN (SELECT repository FROM image_shares)
     AND NOT EXISTS (SELECT 1 FROM builds b WHERE b.repository = repositories.key)
     AND NOT EXISTS (SELECT 1 FROM variables v WHERE v.repository = repositories.key)`,
  "UPDATE repositories SET default_branch = NULL, clone_url = '', web_url = '' WHERE installation = $1",
];
