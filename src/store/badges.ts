import { randomBytes } from "node:crypto";
import { BADGE_STATES } from "../core/badge.ts";
import type { BuildState } from "../core/model.ts";
import type { BadgeStore } from "../engine/badges-port.ts";
import type { Vault } from "../engine/ports.ts";
import type { StoreParts } from "./builds.ts";
import { flag, marks, text, textOrNull, type Value } from "./rows.ts";
import { createSecrets, SECRETS_LOCK } from "./secrets.ts";

const KEY = "badge-key";
/** More than any repository builds of one branch. */
const MAX_IMAGES = 100;

export function createBadgeRows({ database }: StoreParts, vault: Vault | undefined): BadgeStore {
  const secrets = createSecrets(vault);

  return {
    async badgeFacts({ provider, host, fullName, branch, image }) {
      const [found] = await database.query(
        `SELECT key, id, full_name, private, default_branch FROM repositories
         WHERE provider = $1 AND host = $2 AND LOWER(full_name) = $3 AND linked ORDER BY key LIMIT 1`,
        [provider, host, fullName.toLowerCase()],
      );
      if (found === undefined) return null;
      const named = branch ?? textOrNull(found, "default_branch");
      return {
        repository: { provider, host, id: text(found, "id"), fullName: text(found, "full_name") },
        private: flag(found, "private"),
        states: named === null ? [] : await states(text(found, "key"), named, image),
      };
    },

    badgeKey() {
      return database.transaction(async (sql) => {
        await sql.lock(SECRETS_LOCK);
        const [row] = await sql.query("SELECT name, sealed FROM secrets WHERE name = $1", [KEY]);
        const kept = row === undefined ? null : secrets.open(row, "name", "sealed");
        if (kept !== null) return kept;
        const made = randomBytes(32).toString("base64url");
        await secrets.keep(sql, KEY, made);
        return made;
      });
    },
  };

  /** Of each image the newest finished one, or else the newest; what is finished is the branch's state until the next end. */
  async function states(repository: string, branch: string, image: string | null): Promise<readonly BuildState[]> {
    const bind: Value[] = [repository, `refs/heads/${branch}`, ...BADGE_STATES];
    const ofImage = image === null ? "" : `AND image = $${bind.push(image)}`;
    const rows = await database.query(
      `SELECT state FROM (
         SELECT image, state, ROW_NUMBER() OVER (
           PARTITION BY image ORDER BY CASE WHEN finished_at IS NULL THEN 1 ELSE 0 END, seq DESC
         ) AS place
         FROM builds WHERE repository = $1 AND lane = $2 AND state IN (${marks(3, BADGE_STATES.length)}) ${ofImage}
       ) newest WHERE place = 1 ORDER BY image LIMIT ${MAX_IMAGES}`,
      bind,
    );
    return rows.map((row) => text(row, "state") as BuildState);
  }
}
