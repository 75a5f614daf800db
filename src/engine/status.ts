/** How far everything is behind, as honestly as it is known: what nobody knows is null, never zero. */
import type { HostId, Installation } from "../core/model.ts";
import { hostKey } from "../core/model.ts";
import { isoTime } from "./loop.ts";
import type { OperationsStore, Standing } from "./operations-port.ts";
import type { Pauses } from "./pauses.ts";
import type { PermissionReport } from "./permissions-port.ts";
import type { Clock } from "./ports.ts";
import type { Store, StoreStats } from "./store-port.ts";

/** Calls that a host lets us make, as this process knows. Others of the same App or token are seen in the host's word only. */
export interface RateBudget {
  /** Whose calls are counted, for people: `the App`, `connection 7f3a`. */
  readonly of: string;
  readonly limit: number;
  readonly left: number;
  /** When there are as many as `limit` again; null: they come back one by one. ISO 8601, UTC. */
  readonly resetsAt: string | null;
  /** When that was learned. */
  readonly at: string;
}

/** How a host's API stands towards an installation, as seen from this process. */
export interface HostWatch {
  readonly provider: HostId["provider"];
  readonly host: string;
  /** Empty: nothing was asked since this process began, so that nothing is known. */
  budgets(installation: HostId): Promise<readonly RateBudget[]>;
}

export interface InstallationStatus extends Omit<Standing, "heard"> {
  readonly installation: Installation;
  /** When its host last sent something; null: nothing has come, as far as is recorded. */
  readonly lastEvent: string | null;
  readonly budgets: readonly RateBudget[];
  /** Until then its host asked this process not to ask; null: it did not. */
  readonly askedToWait: string | null;
  /** Null: its host does not tell, or the app was removed. */
  readonly permissions: PermissionReport | null;
}

/** Webhooks that were answered with anything but "stored" since this process began, by path and status. */
export interface Refusal {
  readonly path: string;
  readonly status: number;
  readonly count: number;
  readonly last: string;
}

export interface InstanceStatus extends StoreStats {
  /** When this process began: what it has seen is no older. */
  readonly since: string;
  readonly refusals: readonly Refusal[];
}

export interface Status {
  instance(): Promise<InstanceStatus>;
  /** In their order. */
  installations(listed: readonly Installation[]): Promise<readonly InstallationStatus[]>;
}

export interface Refusals {
  /** A webhook was answered so. */
  note(path: string, status: number): void;
  list(): readonly Refusal[];
}

export interface StatusOptions {
  readonly store: Pick<OperationsStore, "standings"> & Pick<Store, "stats">;
  readonly watches: readonly HostWatch[];
  readonly pauses: Pick<Pauses, "left">;
  /** Null: its host does not tell. */
  permissions(installation: Installation): PermissionReport | null;
  readonly refusals: Pick<Refusals, "list">;
  readonly clock: Clock;
}

const NOTHING: Standing = {
  heard: null,
  deliveries: { count: 0, oldest: null },
  queued: { count: 0, oldest: null },
  running: 0,
  checks: { count: 0, oldest: null, note: null },
};

export function createStatus(options: StatusOptions): Status {
  const { store, watches, pauses, clock } = options;
  const since = isoTime(clock.now());
  return {
    async instance() {
      return { ...(await store.stats()), since, refusals: options.refusals.list() };
    },
    async installations(listed) {
      const standings = await store.standings(listed);
      return await Promise.all(
        listed.map(async (installation): Promise<InstallationStatus> => {
          const { heard, ...standing } = standings.get(hostKey(installation)) ?? NOTHING;
          const { provider, host } = installation;
          const watch = watches.find((one) => one.provider === provider && one.host === host);
          const wait = pauses.left(installation);
          return {
            ...standing,
            installation,
            lastEvent: heard,
            budgets: (await watch?.budgets(installation)) ?? [],
            askedToWait: wait === 0 ? null : isoTime(clock.now() + wait),
            // Who has left gives nothing, and misses nothing.
            permissions: installation.state === "removed" ? null : options.permissions(installation),
          };
        }),
      );
    },
  };
}

/** Anybody may post to any path: the ones heard of last are kept. */
const MAX_PATHS = 50;

/** Answers that say that nothing was kept because of us or of the sender. Storing and knowing are 2xx. */
export function createRefusals(clock: Clock): Refusals {
  const seen = new Map<string, Refusal>();
  return {
    note(path, status) {
      if (status < 400) return;
      const key = `${status} ${path}`;
      const count = (seen.get(key)?.count ?? 0) + 1;
      seen.delete(key);
      seen.set(key, { path: path.slice(0, 200), status, count, last: isoTime(clock.now()) });
      const [oldest] = seen.keys();
      if (seen.size > MAX_PATHS && oldest !== undefined) seen.delete(oldest);
    },
    list: () => [...seen.values()].reverse(),
  };
}
