import type { Receipt } from "../core/receipt.ts";

/** A receipt as API and command line give it. */
export function receiptJson(receipt: Receipt): object {
  const { id, installation, account, removedAt, closedAt, keptUntil, restoredAt, purgedAt, items } = receipt;
  return {
    id,
    installation: { provider: installation.provider, host: installation.host, id: installation.id },
    account: { id: account.id, login: account.login, kind: account.kind },
    removedAt,
    closedAt,
    keptUntil,
    restoredAt,
    purgedAt,
    items: items.map(({ what, state, count, detail }) => ({ what, state, count, detail })),
  };
}

/** How it stands: a sentence for people. */
export function receiptStanding(receipt: Receipt): string {
  if (receipt.closedAt === null)
    return "Builds are being stopped and staging repositories emptied; the receipt follows.";
  if (receipt.purgedAt !== null) return `What was kept was purged on ${day(receipt.purgedAt)}.`;
  if (receipt.restoredAt !== null) return "The account has installed the app again; what was kept is its own again.";
  return receipt.items.some(({ state }) => state === "left")
    ? "Not everything could be removed: see below what is left, and what to do."
    : "Nothing is left that opens anything of the account's.";
}

function day(iso: string): string {
  return iso.slice(0, 10);
}
