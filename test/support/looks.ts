/** Follows what a program compares, look by look. */
import { type HostId, hostKey } from "../../src/core/model.ts";
import type { ComparisonEnd } from "../../src/engine/reconcile-port.ts";
import type { Parts } from "../../src/server-parts.ts";
import { eventually } from "./world.ts";

/** Of one repository. */
export interface Look {
  /** By `hostKey`. */
  readonly repository: string;
  readonly attempt: number;
  /** Null: it has not ended, or not before somebody else began one. */
  end: ComparisonEnd | null;
}

export interface Looks {
  /** Those that were begun, by all programs whose parts were wrapped. */
  readonly begun: readonly Look[];
  /** For the option `parts` of a world. */
  wrap(parts: Parts): Parts;
  /** How the first look at a repository ended that was begun after `act` was. */
  after(repository: HostId, act: () => unknown): Promise<ComparisonEnd>;
}

export function createLooks(): Looks {
  const begun: Look[] = [];
  return {
    begun,
    wrap(parts) {
      const { store } = parts;
      return {
        ...parts,
        store: {
          ...store,
          async claimComparisons(options) {
            const claimed = await store.claimComparisons(options);
            begun.push(
              ...claimed.map((one) => ({ repository: hostKey(one.repository), attempt: one.attempt, end: null })),
            );
            return claimed;
          },
          async endComparison(of, attempt, end) {
            const held = await store.endComparison(of, attempt, end);
            const look = begun.find((one) => one.repository === hostKey(of) && one.attempt === attempt);
            if (held && look !== undefined) look.end = end;
            return held;
          },
        },
      };
    },
    async after(repository, act) {
      const from = begun.length;
      await act();
      return eventually("a look has ended", () => {
        return begun.slice(from).find((one) => one.repository === hostKey(repository) && one.end !== null)?.end ?? null;
      });
    },
  };
}
