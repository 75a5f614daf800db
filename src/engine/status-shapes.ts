/** The status as the API tells it: fields may be added, none renamed. Unknown is null, never left out. */
import type { Waiting } from "./operations-port.ts";
import type { Comparisons } from "./reconcile-port.ts";
import type { InstallationStatus, InstanceStatus, RateBudget } from "./status.ts";

export function instanceStatusJson(instance: InstanceStatus): object {
  const { deliveriesPending, oldestPending, builds, oldestQueued, checksDue, since, refusals, missed, comparisons } =
    instance;
  return {
    since,
    deliveries: { count: deliveriesPending, oldest: oldestPending },
    builds: { queued: { count: builds.queued, oldest: oldestQueued }, running: builds.running, held: builds.held },
    checks: { count: checksDue },
    refusals: refusals.map(({ path, status, count, last }) => ({ path, status, count, last })),
    missed: missed.map(({ provider, host, lookedAt, problem, fetched, lost }) => {
      return { provider, host, lookedAt, problem, fetched, lost };
    }),
    comparisons: comparisonsJson(comparisons),
  };
}

function comparisonsJson({ repositories, compared, late, failing, problem, lastAt, found }: Comparisons): object {
  return { repositories, compared, late, failing, problem, lastAt, found };
}

export function installationStatusJson(one: InstallationStatus): object {
  const { installation, permissions } = one;
  const { provider, host, id, account, state } = installation;
  return {
    installation: { provider, host, id },
    account: { id: account.id, login: account.login, kind: account.kind },
    state,
    lastEvent: one.lastEvent,
    deliveries: waitingJson(one.deliveries),
    builds: { queued: waitingJson(one.queued), running: one.running },
    checks: { ...waitingJson(one.checks), note: one.checks.note },
    budgets: one.budgets.map(budgetJson),
    askedToWait: one.askedToWait,
    missingPermissions:
      permissions === null || permissions.asked.every(({ given }) => given === null)
        ? null
        : permissions.asked
            .filter(({ given }) => given === false)
            .map(({ title, level, without }) => ({ title, level, without })),
    accept: permissions?.accept ?? null,
  };
}

function waitingJson({ count, oldest }: Waiting): object {
  return { count, oldest };
}

function budgetJson({ of, limit, left, resetsAt, at }: RateBudget): object {
  return { of, limit, left, resetsAt, at };
}
