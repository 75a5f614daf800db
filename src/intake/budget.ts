/** Memory for bodies, shared by all requests. */
export interface Budget {
  /** One request's share; empty at first. */
  open(): Share;
}

export interface Share {
  /** Whether `bytes` more could be taken now. */
  fits(bytes: number): boolean;
  /** Takes `bytes` more; false, and nothing taken, when there is no room. */
  take(bytes: number): boolean;
  /** Gives everything back. */
  release(): void;
}

/** Nearly every webhook is smaller than this. */
const ORDINARY_BYTES = 256 * 1024;

/**
 * Counts what has arrived, not what was announced: announcing costs a stranger nothing. Bodies beyond the ordinary size
 * share three quarters of the budget, so that a few huge ones can not shut the door for everybody else.
 */
export function createBudget(total: number): Budget {
  const totalLarge = Math.floor((total * 3) / 4);
  let used = 0;
  let usedLarge = 0;

  return {
    open() {
      let held = 0;

      const largePart = (bytes: number) => (bytes > ORDINARY_BYTES ? bytes : 0);
      const fits = (bytes: number) =>
        used + bytes <= total && usedLarge + largePart(held + bytes) - largePart(held) <= totalLarge;
      return {
        fits,
        take(bytes) {
          if (!fits(bytes)) return false;
          used += bytes;
          usedLarge += largePart(held + bytes) - largePart(held);
          held += bytes;
          return true;
        },
        release() {
          used -= held;
          usedLarge -= largePart(held);
          held = 0;
        },
      };
    },
  };
}
