import type { Sha } from "../core/model.ts";
import type { ClaimedCheck, Store } from "../engine/store-port.ts";
import { REPOSITORY_COLUMNS, toRepository } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import { checkFacts } from "./check-rows.ts";
import type { Sql } from "./database.ts";
import { INSTANCE_IS_PAUSED } from "./pause-rows.ts";
import { flag, integer, key, keyNumber, marks, milliseconds, type Row, text, textOrNull } from "./rows.ts";

type Checks = Pick<
  Store,
  "claimChecks" | "checkUncertain" | "checkShown" | "postponeCheck" | "dropCheck" | "reviveChecks"
>;

export function createChecks({ database, clock }: StoreParts): Checks {
  return {
    claimChecks({ limit, leaseMs }) {
      const now = clock.now();
      return database.transaction(async (sql) => {
        // Who claims beside us may be about to take another check of the same repository.
        await sql.lock("claim checks");
        const claimed = await sql.query(CLAIM, [now, now + leaseMs, limit]);
        if (claimed.length === 0) return [];
        const rows = await sql.query(
          `SELECT c.id, c.repository, c.installation_id, c.sha, c.name, c.revision, c.attempts, c.host_id, c.external_id,
             c.uncertain, c.concluded, ${REPOSITORY_COLUMNS}
           FROM checks c JOIN repositories r ON r.key = c.repository
           WHERE c.id IN (${marks(1, claimed.length)}) ORDER BY c.changed_at, c.id`,
          claimed.map((row) => integer(row, "id")),
        );
        const checks: ClaimedCheck[] = [];
        for (const row of rows) checks.push(await toClaimedCheck(sql, row));
        return checks;
      });
    },

    async checkUncertain(id, externalId) {
      // With another external id it is another check of the host, of which nothing is known yet.
      const rows = await database.query(
        `UPDATE checks SET uncertain = TRUE, external_id = $2,
           host_id = CASE WHEN external_id = $2 THEN host_id END,
           concluded = CASE WHEN external_id = $2 THEN concluded ELSE FALSE END
         WHERE id = $1 AND NOT renewed RETURNING id`,
        [keyNumber(id), externalId],
      );
      return rows.length > 0;
    },

    async checkShown(id, revision, shown) {
      await database.transaction(async (sql) => {
        await sql.query("UPDATE checks SET lease_until = 0, attempts = 0, not_before = 0, note = NULL WHERE id = $1", [
          keyNumber(id),
        ]);
        await sql.query(
          `UPDATE checks SET shown_revision = $2, host_id = $3, external_id = $4, uncertain = $5, concluded = $6
           WHERE id = $1 AND NOT renewed AND shown_revision <= $2`,
          [keyNumber(id), revision, shown.hostId, shown.externalId, shown.uncertain, shown.concluded],
        );
      });
    },

    async postponeCheck(id, notBefore, note) {
      await database.query("UPDATE checks SET lease_until = 0, not_before = $2, note = $3 WHERE id = $1", [
        keyNumber(id),
        milliseconds(notBefore),
        note,
      ]);
    },

    async dropCheck(id, revision, note) {
      await database.query(
        `UPDATE checks SET lease_until = 0, attempts = 0, not_before = 0, note = $3,
           shown_revision = CASE WHEN shown_revision > $2 THEN shown_revision ELSE $2 END
         WHERE id = $1`,
        [keyNumber(id), revision, note],
      );
    },

    async reviveChecks(installation) {
      const rows = await database.query(
        `UPDATE checks SET revision = revision + 1, changed_at = $4, attempts = 0, not_before = 0
         WHERE installation_id = $3 AND host_id IS NOT NULL AND NOT concluded AND revision = shown_revision
           AND repository IN (SELECT key FROM repositories WHERE provider = $1 AND host = $2)
           AND note IS NOT NULL
         RETURNING id`,
        [installation.provider, installation.host, installation.id, clock.now()],
      );
      return rows.length;
    },
  };
}

/** Of each repository the check that waits longest, unless another one of it is being shown. None while the instance is paused. */
const CLAIM = `
  UPDATE checks SET lease_until = $2, attempts = attempts + 1, renewed = FALSE
  WHERE id IN (
    SELECT due.id FROM (
      SELECT c.id, c.changed_at, ROW_NUMBER() OVER (PARTITION BY c.repository ORDER BY c.changed_at, c.id) AS place
      FROM checks c
      WHERE c.revision > c.shown_revision AND c.not_before <= $1 AND c.lease_until <= $1
        AND NOT ${INSTANCE_IS_PAUSED}
        AND NOT EXISTS (
          SELECT 1 FROM checks busy
          WHERE busy.repository = c.repository AND busy.revision > busy.shown_revision AND busy.lease_until > $1
        )
    ) due
    WHERE due.place = 1 ORDER BY due.changed_at, due.id LIMIT $3
  )
  RETURNING id`;

async function toClaimedCheck(sql: Sql, row: Row): Promise<ClaimedCheck> {
  const repository = toRepository(row);
  const sha = text(row, "sha") as Sha;
  return {
    id: key(row, "id"),
    repository,
    installation: { provider: repository.provider, host: repository.host, id: text(row, "installation_id") },
    sha,
    name: text(row, "name"),
    revision: integer(row, "revision"),
    attempts: integer(row, "attempts"),
    shown: {
      hostId: textOrNull(row, "host_id"),
      externalId: text(row, "external_id"),
      uncertain: flag(row, "uncertain"),
      concluded: flag(row, "concluded"),
    },
    facts: await checkFacts(sql, text(row, "repository"), sha),
  };
}
