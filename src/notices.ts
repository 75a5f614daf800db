/** Who is told of builds, as `notify` looks after it, on the configured database. */
import type { OpenNotices } from "./cli/notify.ts";
import type { Config } from "./config.ts";
import { createNoticeDesk } from "./engine/notices.ts";
import type { Clock } from "./engine/ports.ts";
import { createNotifiers } from "./notifiers.ts";
import { openConfiguredStore, systemClock } from "./parts.ts";

/** Rejects when the database does not open. */
export async function openNotices(config: Config, clock: Clock = systemClock): Promise<OpenNotices> {
  const store = await openConfiguredStore(config, clock);
  const desk = createNoticeDesk({ store, notifiers: createNotifiers(config.notices), clock });
  const listInstallations: OpenNotices["listInstallations"] = (query) => store.listInstallations(query);
  return { ...desk, listInstallations, close: () => store.close() };
}
