import { z } from "zod";
import { receiptJson } from "../engine/receipt-shapes.ts";
import type { ReceiptStore } from "../engine/receipts-port.ts";
import type { ApiKit, RouteSpec } from "./api-kit.ts";
import { ACCOUNT, HOST_ID, pageOf, TIME, TIME_OR_NULL } from "./api-shapes.ts";
import { WebError } from "./errors.ts";
import { hostIdIn, NO_BODY, NO_QUERY, PAGE_QUERY } from "./requests.ts";
import { pageJson } from "./wire.ts";

export type ReceiptsStore = Pick<ReceiptStore, "receipt" | "listReceipts">;

const RECEIPT = z
  .object({
    id: z.string(),
    installation: HOST_ID,
    account: ACCOUNT,
    removedAt: TIME,
    closedAt: TIME_OR_NULL.meta({ description: "Null: not everything has ended yet." }),
    keptUntil: TIME_OR_NULL,
    restoredAt: TIME_OR_NULL,
    purgedAt: TIME_OR_NULL,
    items: z.array(
      z.object({
        what: z.string(),
        state: z.enum(["removed", "kept", "left"]),
        count: z.int(),
        detail: z.string(),
      }),
    ),
  })
  .meta({ id: "Receipt", description: "What became of everything an uninstalled account had here." });

const LIST = {
  id: "listReceipts",
  method: "get",
  path: "/receipts",
  tag: "installations",
  summary: "The receipts of all uninstalls, newest first.",
  access: { action: "instance.audit", at: "instance" },
  query: PAGE_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: pageOf(RECEIPT) },
  errors: {},
} as const satisfies RouteSpec;

const ONE = {
  id: "getReceipt",
  method: "get",
  path: "/installations/{provider}/{host}/{id}/receipt",
  tag: "installations",
  summary: "The receipt of an installation's last uninstall.",
  access: { action: "account.see", at: "installation" },
  query: NO_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: RECEIPT },
  errors: { 404: "There is no receipt." },
} as const satisfies RouteSpec;

export const RECEIPT_ROUTES: readonly RouteSpec[] = [LIST, ONE];

/** What became of what uninstalled accounts had here. */
export function addReceipts(api: ApiKit, store: ReceiptsStore): void {
  api.serve(LIST, async ({ query }) => pageJson(await store.listReceipts(query), receiptJson));
  api.serve(ONE, async ({ req }) => {
    const id = hostIdIn(req);
    const receipt = id === null ? null : await store.receipt(id);
    if (receipt === null) throw noReceipt();
    return receiptJson(receipt);
  });
}

export function noReceipt(): WebError {
  return new WebError(404, "not-found", "There is no receipt: the app was not uninstalled there, or is not known.");
}
