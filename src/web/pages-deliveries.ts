import type { Build } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { ApiStore } from "./api.ts";
import { WebError } from "./errors.ts";
import { paging } from "./paging.ts";
import { decisionView, deliveryView } from "./present.ts";
import { pageQuery } from "./requests.ts";
import { traceView } from "./verdicts.ts";
import type { PageKit } from "./visit.ts";

export interface DeliveryPages {
  readonly store: ApiStore;
  readonly clock: Clock;
}

/** `/deliveries`: what arrived, and what was decided about it. */
export function addDeliveryPages({ page, send }: PageKit, { store, clock }: DeliveryPages): void {
  page("/deliveries", async (req, res, visit) => {
    const found = await store.listDeliveries(pageQuery(req));
    const deliveries = found.items.map((delivery) => deliveryView(delivery, clock.now()));
    const data = { title: "Deliveries", section: "deliveries", deliveries } as const;
    send(res, visit, "deliveries", { ...data, ...paging("/deliveries", req, found) });
  });

  page("/deliveries/:id", async (req, res, visit) => {
    const delivery = await store.findDelivery(req.params["id"] ?? "");
    if (delivery === null) {
      throw new WebError(404, "not-found", "There is no such delivery. It may be past its retention.");
    }
    const found = await store.listBuilds({ limit: 100, cursor: null, deliveryId: delivery.id });
    const builds = new Map(found.items.map((build): [string, Build] => [build.id, build]));
    send(res, visit, "delivery", {
      title: `${delivery.event} of ${delivery.repositoryName ?? delivery.provider}`,
      section: "deliveries",
      delivery: deliveryView(delivery, clock.now()),
      hostId: delivery.deliveryId,
      provider: delivery.provider,
      host: delivery.host,
      attempts: delivery.attempts,
      note: delivery.note,
      decisions: delivery.decisions.map((decision) => decisionView(decision, builds)),
      built: delivery.builds.length > 0,
      trace: traceView(delivery.trace),
    });
  });
}
