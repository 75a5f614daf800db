import type { Clock } from "../engine/ports.ts";
import type { Surveys } from "../engine/surveys.ts";
import type { ApiStore } from "./api.ts";
import { noReceipt } from "./api-receipts.ts";
import { type InstallationsStore, installationData, installationsData } from "./installations.ts";
import { paging } from "./paging.ts";
import { receiptView } from "./receipts.ts";
import { hostIdIn, pageQuery } from "./requests.ts";
import type { PageKit } from "./visit.ts";

export interface InstallationPages {
  readonly store: ApiStore & InstallationsStore;
  readonly surveys: Pick<Surveys, "within">;
  readonly clock: Clock;
}

/** `/installations`: what each covers, and what became of those that left. */
export function addInstallationPages({ page, send }: PageKit, { store, surveys, clock }: InstallationPages): void {
  page("/installations", async (req, res, visit) => {
    const found = await store.listInstallations(pageQuery(req));
    const data = await installationsData(store, found.items);
    const more = paging("/installations", req, found);
    send(res, visit, "installations", { ...data, title: "Installations", section: "installations", ...more });
  });

  page("/installations/:provider/:host/:id", async (req, res, visit) => {
    const data = await installationData({ store, surveys, now: clock.now }, req);
    send(res, visit, "installation", { ...data, title: data.login, section: "installations" });
  });

  page("/installations/:provider/:host/:id/receipt", async (req, res, visit) => {
    const id = hostIdIn(req);
    const receipt = id === null ? null : await store.receipt(id);
    if (receipt === null) throw noReceipt();
    const data = receiptView(receipt, clock.now());
    send(res, visit, "receipt", { ...data, title: `Receipt of ${data.login}`, section: "installations" });
  });
}
