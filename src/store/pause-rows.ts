/** What is paused, as the rest of the store sees it. */
import { type Account, type HostId, hostKey } from "../core/model.ts";
import type { Pause, Scope } from "../core/pause.ts";
import type { PauseStore } from "../engine/pause-port.ts";
import type { Sql } from "./database.ts";
import { flag, json, type Row, text, time } from "./rows.ts";

/**
 * Conditions on a row of builds, or of another table with such columns. Pauses are few, and their lists do not depend on the
 * row: each is looked up once in a statement, however many builds wait.
 */
function pausedBy(which: string, installation = "installation", repository = "repository"): string {
  const keys = (kind: Scope["kind"]) => `(SELECT key FROM pauses WHERE kind = '${kind}' AND ${which})`;
  return `(EXISTS ${keys("instance")} OR ${installation} IN ${keys("installation")} OR ${repository} IN ${keys("repository")})`;
}

export const INSTANCE_IS_PAUSED = "EXISTS (SELECT 1 FROM pauses WHERE kind = 'instance')";
/** It is not begun now. */
export const IS_PAUSED = pausedBy("TRUE");
/** The same of a row `r` of repositories. */
export const REPOSITORY_IS_PAUSED = pausedBy("TRUE", "r.installation", "r.key");
/** It is not to go on either. What is being published has no pause: a tag that was moved has to be recorded. */
export const IS_STOPPED = `(phase = 'build' AND ${pausedBy("stops")})`;
/** It is not published now: what was staged before a pause is, unless that stops, or is one of the whole instance. */
export const IS_KEPT_BACK = `(${INSTANCE_IS_PAUSED} OR ${pausedBy("stops")})`;

export const PAUSE_COLUMNS = "kind, since, made_by, stops";

/** What stands in the way of building these, the widest first. */
export async function readPauses(
  sql: Pick<Sql, "query">,
  { installation, repository }: Parameters<PauseStore["pausesOf"]>[0],
): Promise<readonly Pause[]> {
  const rows = await sql.query(
    `SELECT ${PAUSE_COLUMNS} FROM pauses WHERE kind = 'instance' OR (kind = 'installation' AND key = $1)
       OR (kind = 'repository' AND key = $2)
     ORDER BY kind = 'repository', kind = 'installation'`,
    [installation === undefined ? "" : hostKey(installation), repository === undefined ? "" : hostKey(repository)],
  );
  return rows.map(toPause);
}

/** Who is paused stays so, whoever installs the app anew for the same account. */
export async function inheritPause(sql: Sql, id: HostId, account: Pick<Account, "id">): Promise<void> {
  await sql.query(
    `INSERT INTO pauses (kind, key, since, made_by, stops)
     SELECT 'installation', CAST($1 AS TEXT), p.since, p.made_by, p.stops
     FROM pauses p JOIN installations i ON i.key = p.key
     WHERE p.kind = 'installation' AND i.provider = $2 AND i.host = $3 AND i.account_id = $4
     ORDER BY p.since LIMIT 1
     ON CONFLICT (kind, key) DO NOTHING`,
    [hostKey(id), id.provider, id.host, account.id],
  );
}

export function toPause(row: Row): Pause {
  return {
    // Written by `pause` only.
    kind: text(row, "kind") as Pause["kind"],
    since: time(row, "since"),
    by: json(row, "made_by"),
    stops: flag(row, "stops"),
  };
}
