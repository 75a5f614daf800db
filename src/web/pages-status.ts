import type { Installation } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { Status } from "../engine/status.ts";
import type { Store } from "../engine/store-port.ts";
import { paging } from "./paging.ts";
import { pageQuery } from "./requests.ts";
import { installationStatusView, instanceStatusView } from "./status-view.ts";
import type { PageKit, Visit } from "./visit.ts";

export interface StatusPages {
  readonly store: Pick<Store, "listInstallations" | "getInstallation">;
  readonly status: Status;
  readonly clock: Clock;
}

/** Of a person's installations; each is asked of its host. */
const MOST = 30;

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

/** Those their host says they may see now. `silent`: why a host did not say, each once. */
async function ownInstallations(
  store: StatusPages["store"],
  visit: Visit,
): Promise<{ readonly items: readonly Installation[]; readonly silent: readonly string[] }> {
  const silent = new Set<string>();
  const asked = await Promise.all(
    visit.session.reach.slice(0, MOST).map(async (id) => {
      const installation = await store.getInstallation(id);
      if (installation === null) return null;
      const answer = await visit.may("account.see", { installation, repository: null });
      if (answer.kind === "unknown") silent.add(answer.why);
      return answer.kind === "allowed" ? installation : null;
    }),
  );
  return { items: asked.filter((one) => one !== null), silent: [...silent] };
}
