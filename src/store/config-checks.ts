import type { FileCheck } from "../core/config-check.ts";
import { hostKey, type Sha } from "../core/model.ts";
import type { PastDelivery, PlanRecord, SeenFile, Store } from "../engine/store-port.ts";
import type { Database, Sql } from "./database.ts";
import { json, key, marks, type Row, text, textOrNull } from "./rows.ts";

/** Bytes of a stored body, packed. Larger ones are pushes of thousands of commits: many, and all alike to a file. */
const MAX_BODY_BYTES = 256 * 1024;

export function createConfigChecks(database: Database): Pick<Store, "configFiles" | "pastDeliveries"> {
  return {
    async configFiles(repository, refs) {
      if (refs.length === 0) return new Map();
      const rows = await database.query(
        `SELECT ref, sha, digest FROM config_files WHERE repository = $1 AND ref IN (${marks(2, refs.length)})`,
        [hostKey(repository), ...refs],
      );
      return new Map(rows.map((row) => [text(row, "ref"), toSeenFile(row)]));
    },

    pastDeliveries({ repository, limit }) {
      return database.reading(async (sql) => {
        const rows = await sql.query(PAST_DELIVERIES, [repository.id, hostKey(repository), limit]);
        const past: PastDelivery[] = [];
        for (const row of rows) past.push(await toPastDelivery(sql, row));
        return past;
      });
    },
  };
}

/**
 * The id leads to them by the index, and may be that of a repository of another host, or one that a payload only claimed
 * to be about: whose a delivery is, its decisions say.
 */
export const PAST_DELIVERIES = `
  SELECT d.id, d.delivery_id, d.event, d.installation_id FROM deliveries d
  WHERE d.repository_id = $1 AND d.outcome = 'planned' AND length(d.body) <= ${MAX_BODY_BYTES}
    AND EXISTS (SELECT 1 FROM decisions c WHERE c.delivery = d.id AND c.repository = $2)
  ORDER BY d.id DESC LIMIT $3`;

function toSeenFile(row: Row): SeenFile {
  return { sha: text(row, "sha") as Sha, digest: textOrNull(row, "digest") };
}

async function toPastDelivery(sql: Sql, row: Row): Promise<PastDelivery> {
  const id = key(row, "id");
  const commits = await sql.query("SELECT DISTINCT sha FROM decisions WHERE delivery = $1 AND sha IS NOT NULL", [id]);
  return {
    id,
    deliveryId: text(row, "delivery_id"),
    event: text(row, "event"),
    installationId: textOrNull(row, "installation_id"),
    commits: commits.map((one) => text(one, "sha") as Sha),
  };
}

/** Belongs into the transaction that records the plan, after the repository and before the checks. */
export async function recordFiles(sql: Sql, { repository, configFiles = [], fileChecks = [] }: PlanRecord) {
  for (const { ref, sha, digest } of configFiles) {
    await sql.query(
      `INSERT INTO config_files (repository, ref, sha, digest) VALUES ($1, $2, $3, $4)
       ON CONFLICT (repository, ref) DO UPDATE SET sha = excluded.sha, digest = excluded.digest`,
      [hostKey(repository), ref, sha, digest],
    );
  }
  for (const { sha, check } of fileChecks) {
    await sql.query(
      `INSERT INTO config_checks (repository, sha, kind, body) VALUES ($1, $2, $3, $4)
       ON CONFLICT (repository, sha, kind) DO UPDATE SET body = excluded.body`,
      [hostKey(repository), sha, check.kind, JSON.stringify(check)],
    );
  }
}

/** What is to be said of the file at a commit. Where it is to be merged says more than what it was before. */
export async function fileCheckOf(sql: Sql, repository: string, sha: Sha): Promise<FileCheck | null> {
  const [row] = await sql.query(
    "SELECT body FROM config_checks WHERE repository = $1 AND sha = $2 ORDER BY kind LIMIT 1",
    [repository, sha],
  );
  return row === undefined ? null : json<FileCheck>(row, "body");
}
