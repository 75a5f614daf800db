import type { Clock } from "../engine/ports.ts";
import type { Status } from "../engine/status.ts";
import type { Store } from "../engine/store-port.ts";
import { ownInstallations } from "./own-installations.ts";
import { paging } from "./paging.ts";
import { pageQuery } from "./requests.ts";
import { installationStatusView, instanceStatusView } from "./status-view.ts";
import type { PageKit } from "./visit.ts";

export interface StatusPages {
  readonly store: Pick<Store, "listInstallations" | "getInstallation">;
  readonly status: Status;
  readonly clock: Clock;
}

/** `/status`: how far everything is behind. Operators see all of it, people their own installations. */
export function addStatusPages({ page, send }: PageKit, { store, status, clock }: StatusPages): void {
  page("/status", async (req, res, visit) => {
    const operator = visit.viewer.kind === "operator";
    const all = operator ? await store.listInstallations(pageQuery(req)) : null;
    const own = all === null ? await ownInstallations(store, visit) : { items: all.items, silent: [] };
    const [instance, listed] = await Promise.all([
      operator ? status.instance() : null,
      status.installations(own.items),
    ]);
    const now = clock.now();
    send(res, visit, "status", {
      title: "Status",
      section: "health",
      instance: instance === null ? null : instanceStatusView(instance, now),
      installations: listed.map((one) => installationStatusView(one, now)),
      silent: own.silent,
      ...(all === null ? { newest: null, older: null } : paging("/status", req, all)),
    });
  });
}
