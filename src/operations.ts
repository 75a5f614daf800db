/** What operators look at, put together from what runs in this process. */
import type { Pauses } from "./engine/pauses.ts";
import type { PermissionBook } from "./engine/permissions-port.ts";
import { createStatus, type HostWatch, type Refusals } from "./engine/status.ts";
import type { HttpBuilders } from "./http-builders.ts";
import type { Parts } from "./server-parts.ts";
import type { Builders, Operations } from "./web/operations.ts";
import { WORKER_NAME } from "./worker.ts";

export function createOperations(
  { store, hosts, builder, clock, connections }: Pick<Parts, "store" | "hosts" | "builder" | "clock" | "connections">,
  running: {
    readonly pauses: Pick<Pauses, "left">;
    readonly refusals: Pick<Refusals, "list">;
    readonly httpBuilders: Pick<HttpBuilders, "asked"> | null;
    readonly concurrency: number;
    permissions(...given: Parameters<PermissionBook>): ReturnType<PermissionBook> | null;
  },
): Operations {
  const { pauses, refusals, httpBuilders, concurrency, permissions } = running;
  const watches = hosts.map(({ host: { provider, host }, budgets }): HostWatch => {
    return { provider, host, budgets: budgets ?? (async () => []) };
  });
  return {
    status: createStatus({ store, watches, pauses, permissions, refusals, clock }),
    store,
    builders: (): Builders => ({
      here: builder === null ? null : { builder: builder.name, worker: WORKER_NAME, concurrency },
      asked: httpBuilders?.asked() ?? null,
    }),
    connections: async () =>
      ((await connections?.()) ?? []).map(({ id, workspace, login, repository, hook, secrets, createdAt }) => {
        const shown = { id, workspace, login, repository, createdAt };
        return { ...shown, ownHook: hook !== null, rotating: secrets.length > 1 };
      }),
  };
}
