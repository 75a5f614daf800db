import type { Request } from "express";
import type { Installation } from "../core/model.ts";
import type { ApiStore } from "./api.ts";
import { noReceipt } from "./api-receipts.ts";
import { installationData, installationsData, type LandingParts, pageNumber } from "./installations.ts";
import { ownInstallations } from "./own-installations.ts";
import { paging } from "./paging.ts";
import { receiptView } from "./receipts.ts";
import { hostIdIn, pageQuery } from "./requests.ts";
import { nothingHere, type PageKit, type Visit } from "./visit.ts";

export interface InstallationPages extends LandingParts {
  readonly store: ApiStore & LandingParts["store"];
}

const AGAIN_SECONDS = 2;

/** `/installations`: what each covers, and what became of those that left. */
export function addInstallationPages({ page, send }: PageKit, parts: InstallationPages): void {
  const { store, clock } = parts;

  page("/installations", async (req, res, visit) => {
    const all = visit.viewer.kind === "operator" ? await store.listInstallations(pageQuery(req)) : null;
    const { items, silent } = all === null ? await ownInstallations(store, visit) : { items: all.items, silent: [] };
    const data = await installationsData(store, items);
    const more = all === null ? { newest: null, older: null } : paging("/installations", req, all);
    send(res, visit, "installations", { ...data, silent, title: "Installations", section: "installations", ...more });
  });

  page("/installations/:provider/:host/:id", async (req, res, visit) => {
    const installation = await seenInstallation(store, req, visit);
    const data = await installationData(parts, visit, installation, pageNumber(req));
    // What the host has not answered yet is waited for, and ends as an answer or a failure: nobody has to reload.
    if (data.list.some(({ survey }) => survey?.kind === "pending")) res.set("Refresh", String(AGAIN_SECONDS));
    send(res, visit, "installation", { ...data, title: data.login, section: "installations" });
  });

  page("/installations/:provider/:host/:id/receipt", async (req, res, visit) => {
    const id = hostIdIn(req);
    const receipt = id === null ? null : await store.receipt(id);
    if (receipt === null) throw visit.viewer.kind === "operator" ? noReceipt() : nothingHere(visit);
    await visit.see("account.see", { installation: receipt.installation, repository: null });
    const data = receiptView(receipt, clock.now());
    send(res, visit, "receipt", { ...data, title: `Receipt of ${data.login}`, section: "installations" });
  });
}

/** The installation an address is about, for somebody who may see it; else as if there were nothing. */
export async function seenInstallation(
  store: Pick<ApiStore, "getInstallation">,
  req: Request,
  visit: Visit,
): Promise<Installation> {
  const id = hostIdIn(req);
  const installation = id === null ? null : await store.getInstallation(id);
  if (installation === null) throw nothingHere(visit);
  await visit.see("account.see", { installation, repository: null });
  return installation;
}
