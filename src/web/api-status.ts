import { z } from "zod";
import type { Installation } from "../core/model.ts";
import type { Status } from "../engine/status.ts";
import { installationStatusJson, instanceStatusJson } from "../engine/status-shapes.ts";
import type { Page, Store } from "../engine/store-port.ts";
import type { ApiKit, RouteSpec } from "./api-kit.ts";
import { ACCOUNT, HOST_ID, PROVIDER, TIME, TIME_OR_NULL } from "./api-shapes.ts";
import { NO_BODY, PAGE_QUERY } from "./requests.ts";
import { pageJson } from "./wire.ts";

const WAITING = z
  .object({
    count: z.int(),
    oldest: TIME_OR_NULL.meta({ description: "Since when the oldest waits; null: none does." }),
  })
  .meta({ id: "Waiting" });

const INSTANCE = z
  .object({
    since: TIME.meta({ description: "When this process began: `refusals` are no older." }),
    deliveries: WAITING,
    builds: z.object({ queued: WAITING, running: z.int(), held: z.int() }),
    checks: z.object({ count: z.int() }).meta({ description: "Checks that their hosts do not show yet." }),
    refusals: z
      .array(z.object({ path: z.string(), status: z.int(), count: z.int(), last: TIME }))
      .meta({ description: "Webhooks that were not taken, by path and answer, the last first." }),
    missed: z
      .array(
        z.object({
          provider: PROVIDER,
          host: z.string(),
          lookedAt: TIME_OR_NULL.meta({ description: "When all of the host's list was last looked through." }),
          problem: z.string().nullable().meta({ description: "Why the last look, or a part of it, failed." }),
          fetched: z.int(),
          lost: z.int().meta({ description: "Given up: they could not be fetched." }),
        }),
      )
      .meta({
        description: "Looking for what hosts could not deliver: of each that keeps it, what the last 24 hours brought.",
      }),
    comparisons: z
      .object({
        repositories: z.int().meta({ description: "Those that are compared." }),
        compared: z.int().meta({ description: "Of these, those that were at least once." }),
        late: z.int().meta({ description: "Of these, those that should have been looked at more than an hour ago." }),
        failing: z.int().meta({ description: "Of these, those whose last look failed." }),
        problem: z.string().nullable().meta({ description: "What the latest of them failed for." }),
        lastAt: TIME_OR_NULL.meta({ description: "When one was compared last; null: none ever was." }),
        found: z.int().meta({ description: "Changes that were found within the last 24 hours." }),
      })
      .meta({ description: "Comparing branches and tags with what hosts told of them." }),
  })
  .meta({ id: "InstanceStatus" });

const INSTALLATION = z
  .object({
    installation: HOST_ID,
    account: ACCOUNT,
    state: z.enum(["active", "suspended", "removed", "paused"]),
    lastEvent: TIME_OR_NULL.meta({ description: "When its host last sent something; null: nothing is recorded." }),
    deliveries: WAITING,
    builds: z.object({ queued: WAITING, running: z.int() }),
    checks: WAITING.extend({
      note: z.string().nullable().meta({ description: "Why the oldest was put off; null: it was not." }),
    }),
    budgets: z
      .array(z.object({ of: z.string(), limit: z.int(), left: z.int(), resetsAt: TIME_OR_NULL, at: TIME }))
      .meta({
        description: "Calls its host lets us make, as this process knows. Empty: it has not asked anything yet.",
      }),
    askedToWait: TIME_OR_NULL.meta({ description: "Until then its host asked not to be asked." }),
    missingPermissions: z
      .array(z.object({ title: z.string(), level: z.enum(["read", "write"]), without: z.string() }))
      .nullable()
      .meta({ description: "Null: its host does not tell." }),
    accept: z.string().nullable().meta({ description: "Where an owner accepts what is missing." }),
  })
  .meta({ id: "InstallationStatus", description: "How far work of an installation has got." });

const STATUS = {
  id: "getStatus",
  method: "get",
  path: "/status",
  tag: "service",
  summary: "How far everything is behind, as far as it is known.",
  access: { action: "account.see", at: "own" },
  query: PAGE_QUERY,
  body: NO_BODY,
  answer: {
    status: 200,
    schema: z.object({
      instance: INSTANCE.nullable().meta({ description: "Null for API tokens, which are of one installation." }),
      items: z.array(INSTALLATION),
      next: z.string().nullable().meta({ description: "`cursor` of the page after this one; null: there is none." }),
    }),
  },
  errors: {},
} as const satisfies RouteSpec;

export const STATUS_ROUTES: readonly RouteSpec[] = [STATUS];

export function addStatus(
  api: ApiKit,
  parts: { readonly store: Pick<Store, "listInstallations" | "getInstallation">; readonly status: Status },
): void {
  const { store, status } = parts;
  api.serve(STATUS, async ({ query, within }) => {
    const listed =
      within === null ? await store.listInstallations(query) : pageOfOne(await store.getInstallation(within));
    const told = await status.installations(listed.items);
    const instance = within === null ? instanceStatusJson(await status.instance()) : null;
    return { instance, ...pageJson({ items: told, next: listed.next }, installationStatusJson) };
  });
}

function pageOfOne(installation: Installation | null): Page<Installation> {
  return { items: installation === null ? [] : [installation], next: null };
}
