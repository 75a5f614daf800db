/** What waited until something could be built again is journalled once more, and planned by what is true then. */
import { randomBytes } from "node:crypto";
import { type HostId, hostKey, type Installation, type LinkState, parseHostKey, type Sha } from "../core/model.ts";
import { type Pause, type Scope, unpaused } from "../core/pause.ts";
import { closedGate } from "../core/refusals.ts";
import type { Replayed, WaitingLane } from "../engine/pause-port.ts";
import type { PastDelivery } from "../engine/store-port.ts";
import { REPOSITORY_COLUMNS, toRepository } from "./build-rows.ts";
import type { Sql } from "./database.ts";
import { readInstallation, readLink } from "./installations.ts";
import { deliveryKey } from "./journal.ts";
import { readPauses } from "./pause-rows.ts";
import { flag, integer, key, keyNumber, marks, type Row, text, textOrNull, type Value } from "./rows.ts";

/** Ids of copies begin with it; the rest can not be guessed, so that nobody else has used it. */
export const COPY_PREFIX = "replay-";

/** Written out, and not bound, so that it is seen to be what the index `decisions_closed` holds. */
const WAS_CLOSED = "reason IN ('paused', 'suspended', 'no-namespace')";

/** Reasons that say nothing of a change but that nothing could be built. */
export const CLOSED_REASONS: readonly string[] = ["paused", "suspended", "no-namespace"];

/** A re-run says nothing of where its lane is. */
export const SAYS_WHERE =
  "(d.build IS NULL OR EXISTS (SELECT 1 FROM builds b WHERE b.id = d.build AND b.cause = 'event'))";

function waitingStatement(where: string): string {
  return `
    WITH closed AS (
      SELECT c.repository, c.lane, MAX(c.delivery) AS delivery FROM decisions c
      WHERE c.${WAS_CLOSED} AND c.lane IS NOT NULL AND c.repository <> '' AND ${where}
      GROUP BY c.repository, c.lane
    ), newest AS (
      SELECT d.repository, d.lane, MAX(d.delivery) AS delivery FROM decisions d
      WHERE d.repository IN (SELECT repository FROM closed) AND d.lane IS NOT NULL AND ${SAYS_WHERE}
      GROUP BY d.repository, d.lane
    )
    SELECT closed.repository, closed.lane, closed.delivery, e.delivery_id, e.event, e.installation_id AS sender,
      e.body IS NOT NULL AS readable, r.installation, ${REPOSITORY_COLUMNS},
      (SELECT MAX(d.sha) FROM decisions d WHERE d.delivery = closed.delivery AND d.lane = closed.lane) AS sha
    FROM closed
    JOIN newest ON newest.repository = closed.repository AND newest.lane = closed.lane AND newest.delivery = closed.delivery
    JOIN deliveries e ON e.id = closed.delivery
    JOIN repositories r ON r.key = closed.repository
    WHERE NOT EXISTS (SELECT 1 FROM replays p WHERE p.original = closed.delivery)
      AND NOT EXISTS (
        SELECT 1 FROM decisions d WHERE d.delivery = closed.delivery AND d.lane = closed.lane AND d.build IS NOT NULL
      )
    ORDER BY closed.delivery, closed.lane`;
}

/** Condition on a row `c` of decisions. */
function within(scope: Scope): readonly [where: string, bind: readonly Value[]] {
  if (scope.kind === "instance") return ["TRUE", []];
  const where = {
    installation: "c.repository IN (SELECT key FROM repositories WHERE installation = $1)",
    repository: "c.repository = $1",
  };
  return [where[scope.kind], [hostKey(scope.id)]];
}

/** Those that could be built now; `lifted`: if its pause were over. */
export async function waitingLanes(sql: Sql, scope: Scope, lifted: Scope | null): Promise<readonly WaitingLane[]> {
  const [where, bind] = within(scope);
  const open = new Map<string, Installation | null>();
  const lanes: WaitingLane[] = [];
  for (const row of await sql.query(waitingStatement(where), bind)) {
    const repository = text(row, "repository");
    const known = open.get(repository);
    const installation = known === undefined ? await openInstallation(sql, row, lifted) : known;
    open.set(repository, installation);
    if (installation !== null) lanes.push(toWaiting(row, installation));
  }
  return lanes;
}

/** The installation that covers the repository, as it is without pauses, if something can be built of it; else null. */
async function openInstallation(sql: Sql, row: Row, lifted: Scope | null): Promise<Installation | null> {
  const covering = textOrNull(row, "installation");
  const id = covering === null ? null : parseHostKey(covering);
  if (id === null) return null;
  const repository = toRepository(row);
  const stands = await gateOf(sql, id, repository, lifted);
  return stands.open ? stands.installation : null;
}

type Gate =
  | { readonly open: true; readonly installation: Installation; readonly link: LinkState }
  | { readonly open: false };

async function gateOf(sql: Sql, id: HostId, repository: HostId, lifted: Scope | null): Promise<Gate> {
  const read = await readInstallation(sql, id);
  if (read === null) return { open: false };
  const pauses = await readPauses(sql, { installation: id, repository });
  if (pauses.some(({ kind }) => !isLifted(kind, lifted))) return { open: false };
  const stands = unpaused(read, await readLink(sql, id, repository));
  return closedGate(stands) === null ? { open: true, ...stands } : { open: false };
}

/** A scope is looked through for its own lanes, so that its kind alone tells its pause from others. */
function isLifted(kind: Pause["kind"], lifted: Scope | null): boolean {
  return lifted !== null && lifted.kind === kind;
}

function toWaiting(row: Row, installation: Installation): WaitingLane {
  const sha = textOrNull(row, "sha") as Sha | null;
  const delivery: PastDelivery = {
    id: key(row, "delivery"),
    deliveryId: text(row, "delivery_id"),
    event: text(row, "event"),
    installationId: textOrNull(row, "sender"),
    commits: sha === null ? [] : [sha],
  };
  return {
    repository: toRepository(row),
    installation,
    lane: text(row, "lane"),
    sha,
    delivery,
    readable: flag(row, "readable"),
  };
}

/** In the order in which they came, each in its stream: tags end as they would have. */
export async function replayWaiting(sql: Sql, scope: Scope, now: number): Promise<Replayed> {
  const waiting = await waitingLanes(sql, scope, null);
  const lanes = waiting.filter(({ readable }) => readable);
  const originals = [...new Set(lanes.map(({ delivery }) => delivery.id))];
  // Ids are visible in the order in which they grow (journal.ts).
  if (originals.length > 0) await sql.lock("journal");
  const deliveries: string[] = [];
  for (const original of originals) deliveries.push(await copyDelivery(sql, original, now, deliveries.length));
  return { deliveries, lanes, lost: waiting.filter(({ readable }) => !readable) };
}

/**
 * A delivery that says of its lanes that nothing could be built, recorded when something could be again: whoever opened it
 * has not seen it.
 */
export async function replayUnlessClosed(
  sql: Sql,
  delivery: number,
  { installation, repository }: { readonly installation: HostId; readonly repository: HostId },
  now: number,
): Promise<void> {
  // Whoever ends one of these pauses has done so, or does it after us and sees the delivery.
  await sql.query("SELECT key FROM installations WHERE key = $1 FOR SHARE", [hostKey(installation)]);
  await sql.query(
    `SELECT kind FROM pauses WHERE kind = 'instance' OR (kind = 'installation' AND key = $1)
       OR (kind = 'repository' AND key = $2) FOR SHARE`,
    [hostKey(installation), hostKey(repository)],
  );
  if (!(await gateOf(sql, installation, repository, null)).open) return;
  await sql.lock("journal");
  await copyDelivery(sql, String(delivery), now, 0);
}

/** Copies of one moment stand behind each other, half a second apart, so that many of them do not hold up everybody else. */
const SPACING_MS = 500;
const FURTHEST_MS = 60 * 60_000;

async function copyDelivery(sql: Sql, original: string, now: number, place: number): Promise<string> {
  const id = `${COPY_PREFIX}${original}-${randomBytes(8).toString("hex")}`;
  const turn = now + Math.min(place * SPACING_MS, FURTHEST_MS);
  const rows = await sql.query(
    `INSERT INTO deliveries (body, packed, delivery_key, provider, host, delivery_id, event, action, stream,
       repository_id, repository_name, installation_id, received_at, turn)
     SELECT body, packed, $2, provider, host, $3, event, action, stream, repository_id, repository_name,
       installation_id, $4, $5 FROM deliveries WHERE id = $1 RETURNING id`,
    [keyNumber(original), deliveryKey(id), id, now, turn],
  );
  if (rows[0] === undefined) throw new Error(`no delivery ${original}`);
  await sql.query("INSERT INTO replays (copy, original) VALUES ($1, $2)", [
    integer(rows[0], "id"),
    keyNumber(original),
  ]);
  return key(rows[0], "id");
}

/** By copy; of deliveries that are none, nothing. */
export async function originalsOf(sql: Sql, copies: readonly number[]): Promise<ReadonlyMap<string, string>> {
  if (copies.length === 0) return new Map();
  const rows = await sql.query(`SELECT copy, original FROM replays WHERE copy IN (${marks(1, copies.length)})`, copies);
  return new Map(rows.map((row) => [key(row, "copy"), key(row, "original")]));
}

export async function lanesMovedSince(
  sql: Sql,
  delivery: string,
  repository: HostId,
  lanes: readonly string[],
): Promise<ReadonlySet<string>> {
  if (lanes.length === 0) return new Set();
  const rows = await sql.query(
    `SELECT DISTINCT d.lane FROM decisions d
     WHERE d.repository = $1 AND d.delivery > $2 AND d.lane IN (${marks(3, lanes.length)}) AND ${SAYS_WHERE}`,
    [hostKey(repository), keyNumber(delivery), ...lanes],
  );
  return new Set(rows.map((row) => text(row, "lane")));
}
