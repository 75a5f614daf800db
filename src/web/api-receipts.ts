import type { Router } from "express";
import { receiptJson } from "../engine/receipt-shapes.ts";
import type { ReceiptStore } from "../engine/receipts-port.ts";
import { hostIdIn, pageQuery, route, WebError } from "./errors.ts";
import { pageJson } from "./wire.ts";

export type ReceiptsStore = Pick<ReceiptStore, "receipt" | "listReceipts">;

/** `GET /receipts` and `/installations/…/receipt`: what became of what uninstalled accounts had here. */
export function addReceipts(api: Router, store: ReceiptsStore): void {
  api.get(
    "/receipts",
    route(async (req, res) => {
      res.json(pageJson(await store.listReceipts(pageQuery(req)), receiptJson));
    }),
  );
  api.get(
    "/installations/:provider/:host/:id/receipt",
    route(async (req, res) => {
      const id = hostIdIn(req);
      const receipt = id === null ? null : await store.receipt(id);
      if (receipt === null) throw noReceipt();
      res.json(receiptJson(receipt));
    }),
  );
}

export function noReceipt(): WebError {
  return new WebError(404, "not-found", "There is no receipt: the app was not uninstalled there, or is not known.");
}
