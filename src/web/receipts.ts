/** What the page of a receipt shows. */
import type { Receipt, ReceiptItem } from "../core/receipt.ts";
import { receiptStanding } from "../engine/receipt-shapes.ts";
import { installationAddress } from "./addresses.ts";
import { type TimeView, timeView } from "./present.ts";

export interface ReceiptView {
  readonly login: string;
  /** Address of the installation's own page. */
  readonly installation: string;
  readonly standing: string;
  readonly removed: TimeView;
  readonly closed: TimeView | null;
  readonly kept: TimeView | null;
  readonly restored: TimeView | null;
  readonly purged: TimeView | null;
  readonly groups: readonly {
    readonly state: ReceiptItem["state"];
    readonly title: string;
    readonly items: readonly (Pick<ReceiptItem, "count" | "detail"> & { readonly title: string })[];
  }[];
}

const GROUPS: readonly (readonly [ReceiptItem["state"], string])[] = [
  ["left", "Left: this should be gone"],
  ["removed", "Removed"],
  ["kept", "Kept, and why"],
];

const TITLES: Readonly<Record<ReceiptItem["what"], string>> = {
  access: "Access to the account",
  builds: "Builds",
  staging: "Staging repositories",
  secrets: "Secrets",
  variables: "Variables",
  notifications: "Notifications",
  "access-tokens": "Access tokens",
  "registry-credentials": "Registry credentials",
  "further-repositories": "Further repositories",
  claims: "Claims",
  webhooks: "Webhooks",
  "connect-secret": "Secret of the add-on",
  namespace: "Namespace",
  images: "Images",
  pause: "Pause",
  records: "Records",
};

export function receiptView(receipt: Receipt, now: number): ReceiptView {
  const { account, installation, removedAt, closedAt, keptUntil, restoredAt, purgedAt, items } = receipt;
  const at = (iso: string | null) => (iso === null ? null : timeView(iso, now));
  return {
    login: account.login,
    installation: installationAddress(installation),
    standing: receiptStanding(receipt),
    removed: timeView(removedAt, now),
    closed: at(closedAt),
    kept: at(keptUntil),
    restored: at(restoredAt),
    purged: at(purgedAt),
    groups: GROUPS.map(([state, title]) => ({
      state,
      title,
      items: items
        .filter((item) => item.state === state)
        .map(({ what, count, detail }) => ({ title: TITLES[what], count, detail })),
    })).filter((group) => group.items.length > 0),
  };
}
