/** After an uninstall: takes away what was held, writes the receipt, and forgets the rest when its time is over. */
import type { By } from "../core/audit.ts";
import { type HostId, hostKey } from "../core/model.ts";
import { isSettled, receiptItems } from "../core/receipt.ts";
import { isoTime } from "./loop.ts";
import type { NoticeStore } from "./notices-port.ts";
import type { Clock, Logger, LogStore } from "./ports.ts";
import type { ReceiptStore, Uninstalled } from "./receipts-port.ts";
import type { VariableStore } from "./variables-port.ts";

export interface UninstallOptions {
  readonly store: Pick<
    ReceiptStore,
    "uninstalled" | "eraseHoldings" | "holdings" | "closeReceipt" | "purgeable" | "recordedBuilds" | "purgeInstallation"
  > &
    Pick<VariableStore, "eraseVariables"> &
    Pick<NoticeStore, "eraseTargets">;
  readonly logs: Pick<LogStore, "remove">;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long what is kept waits for the account to come back. */
  readonly keepDays: number;
}

const BY: By = { kind: "service" };
const AT_ONCE = 8;
/** Builds forgotten in one transaction, with their logs before. */
const BUILDS = 100;
const DAY_MS = 24 * 60 * 60 * 1_000;
/** A build that was asked to stop, and a registry that is away, are not waited for longer than this. */
const PATIENCE_MS = 60 * 60 * 1_000;

/**
 * `step` answers whether there may be more to do at once. Every part may be repeated: a process killed anywhere goes on
 * from what the database says.
 */
export function createUninstall(options: UninstallOptions): { step(): Promise<boolean> } {
  const { store, logs, clock, log } = options;

  async function clear({ installation, account, removedAt }: Uninstalled): Promise<void> {
    // First what opens something.
    if (!(await store.eraseHoldings(installation, BY))) return;
    await store.eraseVariables(installation, BY);
    await store.eraseTargets(installation, BY);
    const held = await store.holdings(installation);
    const waited = clock.now() - Date.parse(removedAt);
    if (!isSettled(held) && waited < PATIENCE_MS) return;
    const keptUntil = isoTime(Date.parse(removedAt) + options.keepDays * DAY_MS);
    const items = receiptItems(held, { keptUntil });
    if (!(await store.closeReceipt(installation, items, keptUntil))) return;
    const left = items.filter(({ state }) => state === "left").map(({ what }) => what);
    const fields = { installation: hostKey(installation), account: account.login, keptUntil };
    if (left.length === 0) log.info(fields, "uninstalled: nothing is left that opens anything");
    else log.warn({ ...fields, left }, "uninstalled, but not everything could be removed; the receipt says what");
  }

  async function purge(installation: HostId): Promise<void> {
    for (;;) {
      const builds = await store.recordedBuilds(installation, BUILDS);
      for (const id of builds) await logs.remove(id);
      if (await store.purgeInstallation(installation, builds)) break;
    }
    log.info({ installation: hostKey(installation) }, "purged what was kept of an uninstalled account");
  }

  return {
    async step() {
      for (const one of await store.uninstalled(AT_ONCE)) await clear(one);
      const due = await store.purgeable(isoTime(clock.now()), 1);
      for (const installation of due) await purge(installation);
      return due.length > 0;
    },
  };
}
