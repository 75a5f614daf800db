import type { By } from "../core/audit.ts";
import type { Account, HostId } from "../core/model.ts";
import type { Holdings, Receipt, ReceiptItem } from "../core/receipt.ts";
import type { Page, PageQuery } from "./store-port.ts";

/** An installation that is removed, of an account that has no other, and whose receipt is not closed yet. */
export interface Uninstalled {
  readonly installation: HostId;
  readonly account: Account;
  readonly removedAt: string;
}

export interface ReceiptStore {
  /** The longest ago first. */
  uninstalled(limit: number): Promise<readonly Uninstalled[]>;
  /**
   * Opens the receipt if there is none yet, and takes away in one transaction: access tokens that stand on the account's
   * right to its namespace, credentials of a namespace that nobody else with an installation publishes into, codes to join
   * it, and further repositories. Variables and secrets: {@link VariableStore.eraseVariables}. False, and nothing
   * changed: the account has installed the app again meanwhile. Safe to repeat.
   */
  eraseHoldings(installation: HostId, by: By): Promise<boolean>;
  /** As it is now, and what became of the rest since the installation was removed. */
  holdings(installation: HostId): Promise<Holdings>;
  /** False: it has no open receipt. */
  closeReceipt(installation: HostId, items: readonly ReceiptItem[], keptUntil: string): Promise<boolean>;
  /** The latest of an installation; null: it was never removed, or not everything has been taken away yet. */
  receipt(installation: HostId): Promise<Receipt | null>;
  /** Newest first. */
  listReceipts(query: PageQuery): Promise<Page<Receipt>>;
  /**
   * Installations whose time is over, the longest ago first. Marks on the way those whose accounts came back: they are
   * purged no more.
   */
  purgeable(now: string, limit: number): Promise<readonly HostId[]>;
  /** Ids of builds of a removed installation that are still recorded, at most `limit`. */
  recordedBuilds(installation: HostId, limit: number): Promise<readonly string[]>;
  /**
   * Forgets these builds, of an installation that may be purged. Once there are none left: its deliveries, checks, what
   * its repositories were like, and repositories that own no image; then the receipt says so. Answers whether that was
   * all.
   */
  purgeInstallation(installation: HostId, builds: readonly string[]): Promise<boolean>;
}
