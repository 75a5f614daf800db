import { hostKey, parseHostKey } from "../core/model.ts";
import type { LifecycleStore } from "../engine/lifecycle-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import { PROMOTION_LOCK } from "./publications.ts";
import { flag, text, textOrNull } from "./rows.ts";

export function createImageGifts({ database, clock }: StoreParts): Pick<LifecycleStore, "giveImage"> {
  return {
    giveImage: (image, to, by) =>
      database.transaction(async (sql) => {
        // What is claimed for promotion meanwhile is judged by whose the image is then.
        await sql.lock(PROMOTION_LOCK);
        const [owned] = await sql.query("SELECT repository, public FROM images WHERE name = $1", [image]);
        const pushed = await sql.query("DELETE FROM pushed_images WHERE name = $1 RETURNING token", [image]);
        if (owned === undefined && pushed.length === 0) return false;
        const [receiver] = await sql.query(
          "SELECT installation, full_name, private FROM repositories WHERE key = $1 FOR NO KEY UPDATE",
          [hostKey(to)],
        );
        if (receiver === undefined) throw new Error(`the repository ${hostKey(to)} is not recorded`);
        const from = owned === undefined ? "access tokens" : text(owned, "repository");
        if (from === hostKey(to)) return true;
        // Nobody has said that what this repository builds is for everybody.
        const closes = owned !== undefined && flag(owned, "public") && flag(receiver, "private");
        await sql.query(
          `INSERT INTO images (name, repository, created_at) VALUES ($1, $2, $3)
           ON CONFLICT (name) DO UPDATE SET repository = excluded.repository,
             public = images.public AND NOT CAST($4 AS BOOLEAN)`,
          [image, hostKey(to), clock.now(), closes],
        );
        await sql.query("DELETE FROM image_shares WHERE image = $1 AND repository = $2", [image, hostKey(to)]);
        const key = textOrNull(receiver, "installation");
        const installation = key === null ? null : parseHostKey(key);
        const about = { by, installation, subject: image };
        await writeAudit(sql, clock, { ...about, action: "image.given", facts: { from, to: hostKey(to) } });
        if (closes) {
          const facts = { because: `${text(receiver, "full_name")} is private` };
          await writeAudit(sql, clock, { ...about, action: "image.closed", facts });
        }
        return true;
      }),
  };
}
