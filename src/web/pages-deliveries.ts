import { z } from "zod";
import { BUILD_ORDER } from "../core/build-order.ts";
import { FOUND } from "../core/found.ts";
import { type Build, hostKey } from "../core/model.ts";
import type { Place } from "../engine/authorize.ts";
import type { Clock } from "../engine/ports.ts";
import type { Delivery, Store } from "../engine/store-port.ts";
import { buildAddress } from "./addresses.ts";
import type { ApiStore } from "./api.ts";
import { NO_DELIVERY } from "./errors.ts";
import { hostName } from "./host-names.ts";
import { paging } from "./paging.ts";
import { decisionView, deliveryView } from "./present.ts";
import { HOST_KEY, pageQuery, readQuery } from "./requests.ts";
import { onlySeen, withinReach } from "./seen.ts";
import { traceView } from "./verdicts.ts";
import { nothingHere, type PageKit, type Visit } from "./visit.ts";

export interface DeliveryPages {
  readonly store: ApiStore & Pick<Store, "repositoryOf">;
  readonly clock: Clock;
}

const QUERY = z.object({ installation: HOST_KEY.optional() });

/** `/deliveries`: what arrived, and what was decided about it. */
export function addDeliveryPages({ page, send }: PageKit, { store, clock }: DeliveryPages): void {
  page("/deliveries", async (req, res, visit) => {
    const { installation } = readQuery(QUERY, req);
    const found = await store.listDeliveries({ ...pageQuery(req), ...withinReach(visit, installation) });
    const seen = await onlySeen(visit, found.items, await places(visit, found.items));
    send(res, visit, "deliveries", {
      title: "Deliveries",
      section: "deliveries",
      deliveries: seen.map((delivery) => deliveryView(delivery, clock.now())),
      hidden: seen.length < found.items.length,
      reach: visit.viewer.kind === "operator" || visit.session.reach.length > 0,
      ...paging("/deliveries", req, found),
    });
  });

  page("/deliveries/:id", async (req, res, visit) => {
    const delivery = await store.findDelivery(req.params["id"] ?? "");
    if (delivery === null) {
      throw nothingHere(visit, NO_DELIVERY);
    }
    const [visible] = await onlySeen(visit, [delivery], await places(visit, [delivery]));
    if (visible === undefined) throw nothingHere(visit);
    // Whoever ordered a build comes here, and is led on to it; where it becomes several, this is the page that has them.
    if (req.query["follow"] === "yes") {
      const [only, ...others] = delivery.builds;
      if (delivery.outcome === "pending") res.set("Refresh", "1");
      else if (only !== undefined && others.length === 0) {
        res.redirect(303, buildAddress(only));
        return;
      }
    }
    const found = await store.listBuilds({ limit: 100, cursor: null, deliveryId: delivery.id });
    const builds = new Map(found.items.map((build): [string, Build] => [build.id, build]));
    const view = deliveryView(delivery, clock.now());
    const told = delivery.event !== BUILD_ORDER && delivery.event !== FOUND;
    send(res, visit, "delivery", {
      title: `${view.event} of ${delivery.repositoryName ?? hostName(delivery)}`,
      section: "deliveries",
      delivery: view,
      hostId: told ? delivery.deliveryId : null,
      from: told ? hostName(delivery) : null,
      on: delivery.event === FOUND ? hostName(delivery) : null,
      attempts: delivery.attempts,
      note: delivery.note,
      decisions: delivery.decisions.map((decision) => decisionView(decision, builds)),
      built: delivery.builds.length > 0,
      trace: traceView(delivery.trace),
    });
  });

  /**
   * The repository of each delivery, as it is known now: whoever may see that may see what arrived of it. What is about an
   * account as a whole, or about a repository nobody knows any more, is for operators.
   */
  async function places(visit: Visit, deliveries: readonly Delivery[]): Promise<(delivery: Delivery) => Place | null> {
    const known = new Map<string, Place | null>();
    if (visit.viewer.kind !== "operator") {
      for (const delivery of deliveries) {
        const key = keyOf(delivery);
        if (key === null || known.has(key)) continue;
        known.set(key, await store.repositoryOf({ ...delivery, id: delivery.repositoryId ?? "" }));
      }
    }
    return (delivery) => known.get(keyOf(delivery) ?? "") ?? null;
  }
}

function keyOf({ provider, host, repositoryId: id }: Delivery): string | null {
  return id === null ? null : hostKey({ provider, host, id });
}
