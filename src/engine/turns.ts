import { hostKey } from "../core/model.ts";
import type { IncomingDelivery } from "./ports.ts";

/** What an installation may send at once without having to stand behind others: this long's worth of its share. */
const BURST_MS = 30_000;
/** Its share, as the time between two deliveries. Who sends more often stands behind others, and loses nothing by it. */
const SPACING_MS = 500;
/** However much somebody sends, nothing of it stands further back. */
const FURTHEST_MS = 60 * 60_000;
/** Installations remembered; one that has been quiet is none of them. */
const MAX_REMEMBERED = 10_000;

/**
 * When a delivery's turn is, in milliseconds since 1970: when it arrived, or later if its installation sends more than its
 * share. Deliveries are processed in the order of their turns, as soon as there is room: so a flood from one account waits
 * for itself, and not everybody else for it. (The virtual scheduling of ITU-T I.371, the "generic cell rate algorithm".)
 * What is remembered is lost on restart; the worst of that is a flood that begins anew.
 */
export function createTurns(): (delivery: IncomingDelivery) => number {
  /** When the next delivery of an installation would be due if it sent evenly. */
  const due = new Map<string, number>();

  function forgetQuiet(now: number): void {
    for (const [key, at] of due) if (at <= now) due.delete(key);
    // All of them busy: whoever is forgotten gets a new burst.
    const oldest = due.keys().next();
    if (due.size >= MAX_REMEMBERED && !oldest.done) due.delete(oldest.value);
  }

  return (delivery) => {
    const { provider, host, installationId, stream, receivedAt: now } = delivery;
    const key = hostKey({ provider, host, id: installationId ?? stream });
    if (!due.has(key) && due.size >= MAX_REMEMBERED) forgetQuiet(now);
    const at = Math.min(Math.max(due.get(key) ?? 0, now), now + FURTHEST_MS);
    due.set(key, at + SPACING_MS);
    return Math.max(now, at - BURST_MS);
  };
}
