/** What GitHub says of its rate limits, which it counts for each installation by itself. */
import type { Clock } from "../engine/ports.ts";
import type { RateBudget } from "../engine/status.ts";
import type { ApiAnswer } from "./api.ts";

export interface Rates {
  /** An answer to a call on behalf of the installation. */
  note(installationId: string, answer: Pick<ApiAnswer, "headers">): void;
  /** As GitHub said last; null: it was not asked, or said nothing. */
  of(installationId: string): RateBudget | null;
}

/** Installations that are remembered, those asked about last. */
const MAX_REMEMBERED = 1_000;

export function createRates(clock: Clock): Rates {
  const known = new Map<string, RateBudget>();
  return {
    note(installationId, { headers }) {
      // Searches and the like are counted apart, and we make none.
      if ((headers.get("x-ratelimit-resource") ?? "core") !== "core") return;
      const [limit, left, reset] = ["limit", "remaining", "reset"].map((name) => wholeNumber(headers, name));
      // A server of one's own may have no limits, and then says nothing.
      if (typeof limit !== "number" || typeof left !== "number") return;
      known.delete(installationId);
      known.set(installationId, {
        of: "the App",
        limit,
        left,
        resetsAt: typeof reset === "number" ? new Date(reset * 1_000).toISOString() : null,
        at: new Date(clock.now()).toISOString(),
      });
      const [oldest] = known.keys();
      if (known.size > MAX_REMEMBERED && oldest !== undefined) known.delete(oldest);
    },
    of: (installationId) => known.get(installationId) ?? null,
  };
}

function wholeNumber(headers: Headers, name: string): number | null {
  const text = headers.get(`x-ratelimit-${name}`) ?? "";
  return /^\d{1,10}$/.test(text) ? Number(text) : null;
}
