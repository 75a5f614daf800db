/**
 * By which way an event came, and what of it holds when its turn has come. What was found, fetched or replayed stands in the
 * journal behind what came after it, or may do so: planned late it would move tags back.
 */
import { FOUND } from "../core/found.ts";
import { type Outcome, ok } from "../core/model.ts";
import { isWhere, type ToldPlace } from "../core/reconcile.ts";
import type { LanePlace } from "./missed-port.ts";
import type { Host } from "./ports.ts";
import { type LaneMove, lanesOf, type Moving, movesOf, onlyLanes } from "./replay.ts";
import type { ClaimedDelivery, Store } from "./store-port.ts";

/** Of a delivery: how often it was tried, and by which way it came. */
export interface Origin {
  readonly attempts: number;
  /** What it is a copy of, planned once more; null: of nothing. */
  readonly replayOf: string | null;
  /** Its id, if it was fetched after its host could not deliver it. */
  readonly fetched: string | null;
  /** Nobody told of it: it was found. */
  readonly found: boolean;
}

export function originOf({ delivery, replayOf }: ClaimedDelivery): Origin {
  return {
    attempts: delivery.attempts,
    replayOf: replayOf ?? null,
    fetched: delivery.missed === undefined ? null : delivery.id,
    found: delivery.event === FOUND,
  };
}

/** Why nothing is to be done where nothing of a delivery holds any more. */
export function overText({ replayOf, fetched, found }: Origin): string {
  if (replayOf !== null) return `nothing to do: what delivery ${replayOf} moved has moved on since`;
  if (fetched !== null) return "nothing to do: what it moved has moved on while its host could not deliver it";
  if (found) return "nothing to do: what was found has been told meanwhile, or has moved on";
  return "nothing to do: what it tells was found before it came, or has moved on since";
}

/**
 * What of an event is neither known already nor overtaken; null: nothing. Where only the host can say, it is asked where the
 * ref is.
 */
export async function whatHolds(
  store: Pick<Store, "lanesMovedSince" | "lanesBeside" | "toldPlaces">,
  host: Pick<Host, "tip">,
  event: Moving,
  origin: Origin,
): Promise<Outcome<Moving | null>> {
  const standing = await judge(store, event, origin);
  const moves = movesOf(event);
  const held = new Set<string>();
  for (const move of moves) {
    const stands = standing(move);
    if (stands === "holds") held.add(move.lane);
    if (stands !== "unsure" || move.ref === null) continue;
    const tip = await host.tip(event.installation, event.repository, move.ref);
    if (!tip.ok && tip.retryable) return tip;
    // Where the host says nothing (it is suspended, say), what is known counts.
    if (tip.ok && (tip.value?.commit ?? null) === move.commit) held.add(move.lane);
  }
  // What names no ref that moved may have something to say all the same.
  return ok(moves.every(({ lane }) => held.has(lane)) ? event : onlyLanes(event, held));
}

async function judge(
  store: Parameters<typeof whatHolds>[0],
  event: Moving,
  { replayOf, fetched, found }: Origin,
): Promise<(move: LaneMove) => Standing> {
  const lanes = lanesOf(event);
  if (replayOf !== null) {
    const moved = await store.lanesMovedSince(replayOf, event.repository, lanes);
    return ({ lane }) => (moved.has(lane) ? "over" : "holds");
  }
  if (fetched !== null) {
    const places = await store.lanesBeside(fetched, event.repository, lanes);
    return (move) => fetchedLate(move, places.get(move.lane));
  }
  // Pull requests are never found.
  if (event.type !== "push") return () => "holds";
  const places = await store.toldPlaces(event.repository, lanes);
  return (move) => comparedWith(move, places.get(move.lane), found);
}

/** `unsure`: the host has to say where the ref is. */
type Standing = "holds" | "over" | "unsure";

/**
 * What follows the last known change was not overtaken; else the time at which the host sent it says whether it may have
 * been.
 */
function fetchedLate(move: LaneMove, place: LanePlace | undefined): Standing {
  if (place === undefined) return "holds";
  if (place.found && isThere(move, place)) return "over";
  if (follows(move, place) || !(place.later || precedes(move, place))) return "holds";
  return "unsure";
}

/** What was found may be told afterwards, and what is told may have been found in parts. */
function comparedWith(move: LaneMove, place: ToldPlace | undefined, found: boolean): Standing {
  if (place === undefined || !(found || place.found)) return "holds";
  if (isThere(move, place)) return "over";
  return follows(move, place) ? "holds" : "unsure";
}

type Where = Pick<ToldPlace, "before" | "after">;

function isThere({ after, commit }: LaneMove, place: Where): boolean {
  return isWhere(place, after === null ? null : { object: after, commit: commit ?? after });
}

function follows({ before }: LaneMove, { after }: Where): boolean {
  return after !== null && after === before;
}

function precedes({ after }: LaneMove, { before }: Where): boolean {
  return before !== null && before === after;
}
