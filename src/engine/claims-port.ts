/** Who owns which namespace: what the engine and its callers ask. */
import type { Account, HostId, Outcome } from "../core/model.ts";

export interface Claims {
  /**
   * To be called whenever an installation is created, restored or learned of: what its account owns, or asks for from now
   * on. Safe to repeat. Fails only where the registry has to be asked and does not answer.
   */
  settle(installation: { readonly id: HostId; readonly account: Account }): Promise<Outcome<Settled>>;
  /** An installation has ended: what its account still asks for is not asked for any more. What it owns stays its own. */
  withdraw(installation: HostId): Promise<void>;
}

export type Settled =
  | { readonly kind: "owned"; readonly namespace: string }
  /** Somebody has to decide. `why`: a clause for people. */
  | { readonly kind: "waiting"; readonly namespace: string; readonly why: string }
  | { readonly kind: "none"; readonly why: string };
