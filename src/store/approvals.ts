/** Builds that wait for somebody who may let them run. */
import { type AuditEntry, actorOf, type Decider } from "../core/audit.ts";
import { type Approval, type Build, hostKey, type Sha } from "../core/model.ts";
import { closedGate } from "../core/refusals.ts";
import type { Store } from "../engine/store-port.ts";
import { writeAudit } from "./audit.ts";
import { findBuild, RETURNING_COMMIT, SELECT_BUILDS, toBuild, toCommits } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import { touchChecks } from "./check-rows.ts";
import { readInstallation, readLink } from "./installations.ts";
import { integer, text } from "./rows.ts";

export function createApprovals({ database, clock, newId }: StoreParts): Pick<Store, "heldBuilds" | "approveBuild"> {
  return {
    heldBuilds: (repository, sha: Sha) =>
      database.reading(async (sql) => {
        const rows = await sql.query(
          `${SELECT_BUILDS} WHERE b.repository = $1 AND b.sha = $2 AND b.state = 'held' ORDER BY b.seq`,
          [hostKey(repository), sha],
        );
        return rows.map(toBuild);
      }),

    approveBuild: (id, by) =>
      database.transaction(async (sql) => {
        const build = await findBuild(sql, id);
        if (build === null) return [];
        // As in recordPlan: whoever closes either of them waits until what is queued here can be seen, and cancels it.
        const { installation, repository } = build;
        await sql.query("SELECT key FROM installations WHERE key = $1 FOR SHARE", [hostKey(installation)]);
        await sql.query("SELECT key FROM repositories WHERE key = $1 FOR NO KEY UPDATE", [hostKey(repository)]);
        const standing = await readInstallation(sql, installation);
        const link = await readLink(sql, installation, repository);
        if (closedGate({ installation: standing, link }) !== null) return [];
        // Held while forks were still allowed.
        if (build.planned.pull?.fork === true && standing?.policy.forks === "never") return [];
        const approval: Approval = { actor: actorOf(by), at: new Date(clock.now()).toISOString() };
        const released = await sql.query(
          `UPDATE builds SET state = 'queued', approval = $2
           WHERE state = 'held' AND seq IN (
             SELECT other.seq FROM builds one
             JOIN builds other ON other.delivery = one.delivery AND other.hold_reason = one.hold_reason
             WHERE one.id = $1 AND one.state = 'held' AND other.state = 'held'
           ) ${RETURNING_COMMIT}, id, seq`,
          [id, JSON.stringify(approval)],
        );
        if (released.length > 0) await writeAudit(sql, clock, entryOf(build, by, released.length));
        await touchChecks(sql, toCommits(released), clock.now(), newId);
        // Databases promise no order for RETURNING.
        return released.toSorted((a, b) => integer(a, "seq") - integer(b, "seq")).map((row) => text(row, "id"));
      }),
  };
}

/** Its delivery and the reason it was held for name the others that were released with it. */
function entryOf(build: Build, by: Decider, released: number): AuditEntry {
  const { id, installation, repository, planned, hold, requestDigest } = build;
  return {
    by,
    action: "build.approved",
    installation,
    subject: build.image,
    facts: {
      build: id,
      builds: String(released),
      delivery: build.deliveryId,
      hold: hold?.reason ?? "none",
      repository: hostKey(repository),
      ref: planned.ref,
      commit: planned.sha,
      ...(planned.pull === undefined ? {} : { pull: String(planned.pull.number) }),
      ...(requestDigest === null ? {} : { request: requestDigest }),
    },
  };
}
