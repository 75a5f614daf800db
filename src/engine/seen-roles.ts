/** What hosts said of somebody's role, for a minute: a page shows many things of one repository. */
import { type Actor, type HostId, hostKey, type Outcome, type Repository } from "../core/model.ts";
import { ACTIONS, type Action, type HostRole } from "../core/roles.ts";
import type { Clock, Host } from "./ports.ts";

export interface SeenRoles {
  /**
   * The role, as the host said it within {@link REMEMBERED_MS} where that is enough for the action, as it says now otherwise.
   * What it could not say is not remembered.
   */
  role(
    host: Pick<Host, "role">,
    question: { readonly action: Action; readonly installation: HostId; readonly repository: Repository | null },
    person: Actor,
  ): Promise<Outcome<HostRole>>;
}

/** Who loses a role goes on seeing for this long what they saw, and changes nothing any more. */
export const REMEMBERED_MS = 60_000;
/** The oldest are forgotten. */
const MAX_REMEMBERED = 10_000;

export function createSeenRoles(clock: Clock): SeenRoles {
  const known = new Map<string, { readonly at: number; readonly role: Promise<Outcome<HostRole>> }>();
  return {
    role(host, { action, installation, repository }, person) {
      const ask = () => host.role(installation, repository, person);
      if (!onlyLooks(action)) return ask();
      const key = JSON.stringify([hostKey(installation), repository?.id ?? null, person.id]);
      const now = clock.now();
      const found = known.get(key);
      // A clock that was set back makes nothing last longer.
      if (found !== undefined && now >= found.at && now - found.at < REMEMBERED_MS) return found.role;
      const entry = { at: now, role: ask() };
      known.delete(key);
      known.set(key, entry);
      for (const oldest of known.keys()) {
        if (known.size <= MAX_REMEMBERED) break;
        known.delete(oldest);
      }
      const forget = () => {
        if (known.get(key) === entry) known.delete(key);
      };
      entry.role.then((answer) => (answer.ok ? undefined : forget()), forget);
      return entry.role;
    },
  };
}

/** Those that change nothing; every other one is asked about anew each time. */
function onlyLooks(action: Action): boolean {
  return action in ACTIONS && /\.(?:see|log)$/.test(action);
}
