/** How the App stands at its host: what it may, what it hears of, and which accounts have not agreed to all of it. */
import { z } from "zod";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { GithubAccess } from "./access.ts";
import { misshapen, refusal } from "./api.ts";
import { missingPermissions, WANTED_EVENTS, type WantedPermission } from "./permissions.ts";

export interface Examined {
  readonly name: string;
  /** The App's public page, from which it is installed. */
  readonly page: string;
  /** What the App itself does not ask for. */
  readonly missing: readonly WantedPermission[];
  readonly missingEvents: readonly string[];
  /** Where the host sends deliveries; null: nowhere. */
  readonly webhook: string | null;
  readonly installations: readonly ExaminedInstallation[];
  /** There are more installations than were looked at. */
  readonly more: boolean;
}

export interface ExaminedInstallation {
  readonly id: string;
  readonly login: string;
  /** Where an owner of the account accepts permissions. */
  readonly settings: string;
  readonly suspended: boolean;
  /** What the App asks for, and the account has not accepted. */
  readonly missing: readonly WantedPermission[];
}

const permissions = z.record(z.string(), z.string());
const App = z.object({
  id: z.number(),
  name: z.string(),
  html_url: z.string(),
  permissions,
  events: z.array(z.string()),
});
const Config = z.object({ url: z.string().optional() });
const Installations = z.array(
  z.object({
    id: z.number(),
    account: z.object({ login: z.string().optional(), slug: z.string().optional() }).nullable(),
    html_url: z.string(),
    permissions,
    suspended_at: z.string().nullable(),
  }),
);

const PAGE = 100;
const MAX_PAGES = 10;

/** Some calls as the App; none of them is one of an installation's. */
export async function examineApp(access: Pick<GithubAccess, "asApp" | "appId">): Promise<Outcome<Examined>> {
  const app = await get(access, "/app", App);
  if (!app.ok) return app;
  if (app.value.id !== access.appId) {
    return failed(`The key is of App ${app.value.id}, not of ${access.appId}.`, { retryable: false });
  }
  const config = await get(access, "/app/hook/config", Config);
  if (!config.ok) return config;
  const installations: ExaminedInstallation[] = [];
  let full = true;
  for (let page = 1; full && page <= MAX_PAGES; page += 1) {
    const listed = await get(access, `/app/installations?per_page=${PAGE}&page=${page}`, Installations);
    if (!listed.ok) return listed;
    full = listed.value.length === PAGE;
    for (const one of listed.value) {
      const lacking = missingPermissions(one.permissions);
      installations.push({
        id: String(one.id),
        login: one.account?.login ?? one.account?.slug ?? `account of installation ${one.id}`,
        settings: one.html_url,
        suspended: one.suspended_at !== null,
        missing: lacking.filter(
          ({ name }) => !missingPermissions(app.value.permissions).some((of) => of.name === name),
        ),
      });
    }
  }
  return ok({
    name: app.value.name,
    page: app.value.html_url,
    missing: missingPermissions(app.value.permissions),
    missingEvents: WANTED_EVENTS.filter(({ name }) => !app.value.events.includes(name)).map(({ name }) => name),
    webhook: config.value.url || null,
    installations,
    more: full,
  });
}

async function get<T>(access: Pick<GithubAccess, "asApp">, path: string, shape: z.ZodType<T>): Promise<Outcome<T>> {
  const answer = await access.asApp({ method: "GET", path });
  if (!answer.ok) return answer;
  if (answer.value.status !== 200) return refusal(answer.value);
  const parsed = shape.safeParse(answer.value.body);
  return parsed.success ? ok(parsed.data) : misshapen(answer.value);
}
