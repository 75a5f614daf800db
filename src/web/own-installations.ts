/** The installations of whoever is signed in. */
import type { Installation } from "../core/model.ts";
import type { Store } from "../engine/store-port.ts";
import type { Visit } from "./visit.ts";

/** Each is asked of its host. */
const MOST = 30;

/**
 * Those their host says they may see now, of the ones it named when they signed in. `silent`: why a host did not say, each
 * once.
 */
export async function ownInstallations(
  store: Pick<Store, "getInstallation">,
  visit: Pick<Visit, "session" | "may">,
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
