import { type HostId, hostKey } from "../core/model.ts";
import type { Clock } from "./ports.ts";

/**
 * Installations whose host asked us to wait. One for everything that calls hosts: whoever goes on asking while it is
 * limited is limited for longer. Lost on restart; the host says it again.
 */
export interface Pauses {
  /** Milliseconds until the host may be asked again on behalf of the installation; 0: now. */
  left(installation: HostId): number;
  /** The host said so, in seconds. A pause that lasts longer already stays. */
  begin(installation: HostId, seconds: number): void;
}

export function createPauses(clock: Clock): Pauses {
  const ends = new Map<string, number>();

  function left(installation: HostId): number {
    return Math.max(0, (ends.get(hostKey(installation)) ?? 0) - clock.now());
  }

  return {
    left,
    begin(installation, seconds) {
      for (const [key, end] of ends) if (end <= clock.now()) ends.delete(key);
      ends.set(hostKey(installation), clock.now() + Math.max(left(installation), seconds * 1_000));
    },
  };
}
