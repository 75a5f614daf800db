import type { AuditEntry } from "../core/audit.ts";
import { type HostId, hostKey, type PlannedBuild, parseHostKey } from "../core/model.ts";
import type { Publication } from "../core/supersede.ts";
import type { ImageOwner } from "../core/trust.ts";
import type { ClaimedPromotion, PublishedImage, Store } from "../engine/store-port.ts";
import { writeAudit } from "./audit.ts";
import { findBuild } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import { touchChecks } from "./check-rows.ts";
import type { Sql } from "./database.ts";
import { IS_KEPT_BACK } from "./pause-rows.ts";
import { flag, integer, json, marks, milliseconds, type Row, text, textOrNull } from "./rows.ts";
import { stageTwins, unstageTwin } from "./twins.ts";

type Publications = Pick<
  Store,
  | "claimPromotion"
  | "tagMoved"
  | "publishedDigest"
  | "releasePromotion"
  | "rebuildTwin"
  | "imageOwners"
  | "publicImages"
  | "shareImage"
  | "unshareImage"
  | "setImagePublic"
  | "publishedImage"
  | "repositoriesNamed"
  | "stagingLeftovers"
  | "stagingGone"
>;

/**
 * Of whoever takes an image's name for somebody: nobody else may between looking whether it is free and taking it. Held
 * while a few short statements run.
 */
export const PROMOTION_LOCK = "claim promotion";

export function createPublications({ database, clock, newId }: StoreParts): Publications {
  /** `known`: the image's row of {@link OWNER}. */
  async function tell(
    sql: Sql,
    known: Row | undefined,
    change: Pick<AuditEntry, "by" | "action"> & { readonly image: string; readonly withRepository?: HostId },
  ): Promise<void> {
    const { by, action, image, withRepository } = change;
    const installation = known === undefined ? null : textOrNull(known, "installation");
    const facts = {
      ...(known === undefined ? {} : { repository: text(known, "repository") }),
      ...(withRepository === undefined ? {} : { with: hostKey(withRepository) }),
    };
    const whose = installation === null ? null : parseHostKey(installation);
    await writeAudit(sql, clock, { by, action, installation: whose, subject: image, facts });
  }

  return {
    claimPromotion({ worker, leaseMs }) {
      const now = clock.now();
      return database.transaction(async (sql) => {
        // Who claims beside us may be about to take another build of the same image.
        await sql.lock(PROMOTION_LOCK);
        const staged = await stageTwins(sql, now);
        const rows = await sql.query(CLAIM_PROMOTION, [now, now + leaseMs, worker]);
        await touchChecks(sql, staged, now, newId);
        const row = rows[0];
        if (row === undefined) return null;
        const image = text(row, "full_image");
        const repository = text(row, "repository");
        // What people push to is nobody's to take.
        await sql.query(
          `INSERT INTO images (name, repository, created_at)
           SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS BIGINT)
           WHERE NOT EXISTS (SELECT 1 FROM pushed_images p WHERE p.name = $1)
           ON CONFLICT (name) DO NOTHING`,
          [image, repository, now],
        );
        const build = await findBuild(sql, text(row, "id"));
        if (build === null) throw new Error("a claimed build is there");
        const standing = await standingOf(sql, image, repository);
        return {
          build,
          attempt: integer(row, "attempt"),
          digest: text(row, "staged_digest"),
          tries: integer(row, "promotions"),
          canceled: flag(row, "cancel_requested"),
          tags: await tagsOf(sql, row, build.planned),
          twin: flag(row, "is_twin"),
          othersImage: standing === "pushed" ? "access tokens" : typeof standing === "object" ? standing.other : null,
        };
      });
    },

    tagMoved(id, attempt, tag, by) {
      return database.transaction(async (sql) => {
        const rows = await sql.query(
          `SELECT full_image, staged_digest FROM builds
           WHERE id = $1 AND attempt = $2 AND state = 'running' AND phase = 'promote' FOR UPDATE`,
          [id, attempt],
        );
        const row = rows[0];
        if (row === undefined) return false;
        await sql.query(
          `INSERT INTO tags (image, tag, digest, build, publication, published_at) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (image, tag) DO UPDATE SET digest = excluded.digest, build = excluded.build,
             publication = excluded.publication, published_at = excluded.published_at`,
          [text(row, "full_image"), tag, text(row, "staged_digest"), id, JSON.stringify(by), clock.now()],
        );
        return true;
      });
    },

    async publishedDigest(image, tag) {
      const rows = await database.query("SELECT digest FROM tags WHERE image = $1 AND tag = $2", [image, tag]);
      return rows[0] === undefined ? null : text(rows[0], "digest");
    },

    async releasePromotion(id, attempt, notBefore) {
      const rows = await database.query(
        `UPDATE builds SET lease_until = 0, worker = NULL, not_before = $3
         WHERE id = $1 AND attempt = $2 AND state = 'running' AND phase = 'promote' RETURNING id`,
        [id, attempt, milliseconds(notBefore)],
      );
      return rows.length > 0;
    },

    rebuildTwin(id, attempt) {
      return database.transaction(async (sql) => {
        const commits = await unstageTwin(sql, id, attempt);
        await touchChecks(sql, commits, clock.now(), newId);
        return commits.length > 0;
      });
    },

    imageOwners(namespace, repository, images) {
      return database.reading(async (sql) => {
        const standings = new Map<string, ImageOwner>();
        for (const image of images) {
          standings.set(image, await standingOf(sql, `${namespace}/${image}`, hostKey(repository)));
        }
        return standings;
      });
    },

    async publicImages(images) {
      if (images.length === 0) return new Set();
      const rows = await database.query(
        `SELECT name FROM images WHERE public AND name IN (${marks(1, images.length)})`,
        images,
      );
      return new Set(rows.map((row) => text(row, "name")));
    },

    shareImage(image, withRepository, by) {
      return database.transaction(async (sql) => {
        const added = await sql.query(
          `INSERT INTO image_shares (image, repository, created_at)
           SELECT name, CAST($2 AS TEXT), CAST($3 AS BIGINT) FROM images WHERE name = $1
           ON CONFLICT (image, repository) DO NOTHING RETURNING image`,
          [image, hostKey(withRepository), clock.now()],
        );
        const [known] = await sql.query(OWNER, [image]);
        if (added.length > 0) await tell(sql, known, { by, action: "image.shared", image, withRepository });
        return known !== undefined;
      });
    },

    async unshareImage(image, withRepository, by) {
      await database.transaction(async (sql) => {
        const gone = await sql.query("DELETE FROM image_shares WHERE image = $1 AND repository = $2 RETURNING image", [
          image,
          hostKey(withRepository),
        ]);
        const [known] = await sql.query(OWNER, [image]);
        if (gone.length > 0) await tell(sql, known, { by, action: "image.unshared", image, withRepository });
      });
    },

    async setImagePublic(image, open, by) {
      await database.transaction(async (sql) => {
        const changed = await sql.query(
          "UPDATE images SET public = $2 WHERE name = $1 AND public <> $2 RETURNING name",
          [image, open],
        );
        const [known] = await sql.query(OWNER, [image]);
        const action = open ? "image.opened" : "image.closed";
        if (changed.length > 0) await tell(sql, known, { by, action, image });
      });
    },

    publishedImage(image) {
      return database.reading(async (sql) => {
        const [row] = await sql.query(
          `SELECT i.public, ${NAMED} FROM images i JOIN repositories r ON r.key = i.repository WHERE i.name = $1`,
          [image],
        );
        if (row === undefined) return null;
        const shares = await sql.query(
          `SELECT ${NAMED} FROM image_shares s JOIN repositories r ON r.key = s.repository
           WHERE s.image = $1 ORDER BY r.full_name`,
          [image],
        );
        const tags = await sql.query("SELECT tag, digest, build FROM tags WHERE image = $1 ORDER BY tag", [image]);
        return {
          name: image,
          owner: named(row),
          shares: shares.map(named),
          public: flag(row, "public"),
          tags: tags.map((one) => ({ tag: text(one, "tag"), digest: text(one, "digest"), build: text(one, "build") })),
        };
      });
    },

    async repositoriesNamed(fullName) {
      const rows = await database.query(`SELECT ${NAMED} FROM repositories r WHERE r.full_name = $1 ORDER BY r.key`, [
        fullName,
      ]);
      return rows.map(named);
    },

    async stagingLeftovers(limit) {
      const rows = await database.query(
        `SELECT id, registry, full_image, staged_digest FROM builds
         WHERE staging = 'used' AND state IN ('succeeded', 'failed', 'canceled', 'superseded', 'timed_out')
         ORDER BY seq LIMIT $1`,
        [limit],
      );
      return rows.map((row) => ({
        buildId: text(row, "id"),
        registry: text(row, "registry"),
        image: text(row, "full_image"),
        digest: textOrNull(row, "staged_digest"),
      }));
    },

    async stagingGone(buildId) {
      await database.query("UPDATE builds SET staging = 'gone' WHERE id = $1", [buildId]);
    },
  };
}

/**
 * One at a time of an image, so that nothing comes between reading who published a tag last and moving it. What was
 * interrupted goes first: it may have moved tags that nobody has recorded.
 */
const CLAIM_PROMOTION = `
  UPDATE builds SET attempt = attempt + 1, promotions = promotions + 1, lease_until = $2, worker = $3
  WHERE seq = (
    SELECT b.seq FROM builds b
    WHERE b.state = 'running' AND b.phase = 'promote' AND b.lease_until <= $1 AND b.not_before <= $1
      AND NOT ${IS_KEPT_BACK}
      AND NOT EXISTS (
        SELECT 1 FROM builds other
        WHERE other.full_image = b.full_image AND other.state = 'running' AND other.phase = 'promote'
          AND other.lease_until > $1
      )
    ORDER BY CASE WHEN b.promotions > 0 THEN 0 ELSE 1 END, b.seq LIMIT 1
  ) AND state = 'running' AND phase = 'promote' AND lease_until <= $1
  RETURNING id, seq, repository, lane, full_image, generation, journal_order, tag_lines, attempt, staged_digest, promotions,
    cancel_requested, twin IS NOT NULL AS is_twin`;

/** Whose an image is. */
const OWNER = `SELECT i.repository, r.installation FROM images i JOIN repositories r ON r.key = i.repository WHERE i.name = $1`;

const NAMED = "r.provider, r.host, r.id, r.full_name";

function named(row: Row): PublishedImage["owner"] {
  return {
    // Written from Repository only.
    provider: text(row, "provider") as PublishedImage["owner"]["provider"],
    host: text(row, "host"),
    id: text(row, "id"),
    fullName: text(row, "full_name"),
  };
}

/** Of a row of builds: its tags in order, each with the publication it would be and the one that moved the tag last. */
export async function tagsOf(sql: Sql, row: Row, planned: PlannedBuild): Promise<ClaimedPromotion["tags"]> {
  const image = text(row, "full_image");
  const known = await sql.query("SELECT tag, publication FROM tags WHERE image = $1", [image]);
  const last = new Map(known.map((one) => [text(one, "tag"), json<Publication>(one, "publication")]));
  // Tags may be called `constructor`.
  const lines = new Map(Object.entries(json<Readonly<Record<string, number>>>(row, "tag_lines")));
  const versions = new Map(Object.entries(planned.versions ?? {}));
  return planned.tags.map((tag) => ({
    tag,
    wanted: {
      repository: text(row, "repository"),
      ref: text(row, "lane"),
      generation: integer(row, "generation"),
      order: integer(row, "journal_order"),
      build: integer(row, "seq"),
      version: versions.get(tag) ?? null,
      since: lines.get(tag) ?? 0,
    },
    last: last.get(tag) ?? null,
  }));
}

async function standingOf(sql: Sql, image: string, repository: string): Promise<ImageOwner> {
  const rows = await sql.query(
    `SELECT i.repository, r.full_name FROM images i JOIN repositories r ON r.key = i.repository WHERE i.name = $1`,
    [image],
  );
  if (rows[0] === undefined) {
    const pushed = await sql.query("SELECT name FROM pushed_images WHERE name = $1", [image]);
    return pushed.length > 0 ? "pushed" : "free";
  }
  if (text(rows[0], "repository") === repository) return "own";
  const shares = await sql.query("SELECT 1 AS yes FROM image_shares WHERE image = $1 AND repository = $2", [
    image,
    repository,
  ]);
  return shares.length > 0 ? "shared" : { other: text(rows[0], "full_name") };
}
