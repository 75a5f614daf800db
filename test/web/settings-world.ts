/** Settings over a real database, for people with roles. */
import { randomBytes } from "node:crypto";
import type { Request } from "express";
import { type Actor, failed, type HostId, hostKey, type Outcome, ok } from "../../src/core/model.ts";
import { ACTIONS, mayDo, type Role } from "../../src/core/roles.ts";
import { createAccessTokens } from "../../src/engine/access-tokens.ts";
import { createApiTokens } from "../../src/engine/api-tokens.ts";
import type { Authorizer, Place } from "../../src/engine/authorize.ts";
import { createBadges } from "../../src/engine/badges.ts";
import { createNamespaceDesk } from "../../src/engine/namespace-desk.ts";
import { createNoticeDesk } from "../../src/engine/notices.ts";
import type { Notifier } from "../../src/engine/notices-port.ts";
import type { Survey } from "../../src/engine/ports.ts";
import type { Surveyed } from "../../src/engine/surveys.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { createGate } from "../../src/web/auth.ts";
import { account, give, installationId, repository, type TestClock, testClock } from "../contract/store.samples.ts";
import { recordingLog } from "../engine/fakes.ts";
import { REGISTRY } from "./known-registry.ts";
import { browser, openSite, type Site, TOKEN, type World } from "./world.ts";

export const ACME = account("17", "acme");
export const OTHER = account("18", "other");
export const SEVEN = installationId("7");
export const EIGHT = installationId("8");
export const SETTINGS = "/installations/github/default/7/settings";
export const API = repository("1");
export const LIB = repository("2");
export const REPOSITORY = `/installations/github/default/7/repositories/${API.id}`;

/** Takes what is sent but to `broken`. */
function notifier(kind: Notifier["kind"]): Notifier {
  return {
    kind,
    check: async () => ok(true),
    send: async (address) => (address.includes("broken") ? failed("It answered 404.", { retryable: false }) : ok(true)),
  };
}

export interface SettingsWorld {
  readonly store: OpenedStore;
  readonly site: Site;
  readonly clock: TestClock;
  /** Who was asked about what, in order. */
  readonly asked: { readonly actor: Actor; readonly action: string; readonly place: Place }[];
  /** What hosts say; by login. Nobody has any role but these. */
  readonly roles: Map<string, Role | "unknown">;
  /** Ids of repositories that people without a larger role than `read` do not see. */
  readonly hidden: Set<string>;
  /** The page as somebody signed in with a role sees it. */
  get(path: string, who?: string | null): Promise<{ status: number; html: string }>;
  /** Sends a form of the page at `path`, with the hidden fields that stand on it. `who` null: the operator. */
  send(
    path: string,
    fields: Readonly<Record<string, string>>,
    who?: string | null,
  ): Promise<{ status: number; html: string; location: string | null }>;
  close(): Promise<void>;
}

export async function openSettings(
  changes: Partial<World> & { survey?: (id: HostId) => Outcome<Surveyed> | null } = {},
): Promise<SettingsWorld> {
  const clock = testClock();
  const store = await openStore({ url: "sqlite::memory:", clock, vault: createVault([randomBytes(32)]) });
  for (const [id, whose] of [
    [SEVEN, ACME],
    [EIGHT, OTHER],
  ] as const) {
    await store.saveInstallation({ id, account: whose, state: "active", permissions: { checks: "write" } });
  }
  await store.linkRepositories(SEVEN, [API, LIB], { complete: true });
  await give(store, ACME, "acme");
  const asked: SettingsWorld["asked"] = [];
  const roles: SettingsWorld["roles"] = new Map();
  const hidden: SettingsWorld["hidden"] = new Set();
  const authorizer: Authorizer = {
    async may(actor, action, place) {
      asked.push({ actor, action, place });
      const role = roles.get(actor.login) ?? "none";
      if (role === "unknown") return { kind: "unknown", why: "The host is away.", retryable: true, retryAfter: 7 };
      const concealed = role === "read" && place.repository !== null && hidden.has(place.repository.id);
      const own = hostKey(place.installation) === hostKey(SEVEN);
      if (own && !concealed && mayDo(role, action)) return { kind: "allowed" };
      return { kind: "refused", why: `${actor.login} may not ${ACTIONS[action].what}` };
    },
  };
  const { log } = recordingLog();
  const registries = { ofNamespace: async (name: string) => (name === "acme" ? REGISTRY : null) };
  const { survey, ...world } = changes;
  const site = await openSite({
    store,
    sessions: store,
    clock,
    authorizer,
    namespaceDesk: createNamespaceDesk({
      store,
      registries: { forAccount: async () => ({ registry: "default" }) },
      policy: { kind: "approve" },
      clock,
      log,
    }),
    accessTokens: createAccessTokens({ store, registries, clock }),
    surveys: { within: async (_ms, _installation, of) => of.map((one) => survey?.(one) ?? null) },
    ...world,
    settings: {
      registryOf: registries.ofNamespace,
      apiTokens: createApiTokens({ store, clock, log }),
      noticeDesk: createNoticeDesk({ store, notifiers: [notifier("email"), notifier("webhook")], clock }),
      badges: createBadges({ store, publicUrl: "https://wharfinger.example" }),
      ...changes.settings,
    },
  });
  const gate = createGate({
    adminToken: TOKEN,
    operators: new Set(),
    hosts: true,
    secure: false,
    sessions: store,
    clock,
  });
  const cookies = new Map<string | null, string>();

  async function cookieOf(who: string | null): Promise<string> {
    const known = cookies.get(who);
    if (known !== undefined) return known;
    const person = { provider: "github", host: "default", actor: { id: `id-of-${who}`, login: who ?? "" } } as const;
    const request = { headers: {} } as unknown as Request;
    const set = await gate.open(request, { person: who === null ? null : person, reach: [SEVEN, EIGHT] });
    const cookie = set.split(";")[0] ?? "";
    cookies.set(who, cookie);
    return cookie;
  }

  async function get(path: string, who: string | null = null) {
    const headers = { ...browser, Cookie: await cookieOf(who) };
    const answer = await fetch(site.url + path, { redirect: "manual", headers });
    return { status: answer.status, html: await answer.text() };
  }

  return {
    ...{ store, site, clock, asked, roles, hidden, get },
    async send(path, fields, who = null) {
      // Any page of theirs has the token of their session.
      const { html: page } = await get("/installations", who);
      const token = /name="form_token" value="([^"]+)"/.exec(page)?.[1] ?? "";
      const headers = { ...browser, Cookie: await cookieOf(who) };
      const body = new URLSearchParams({ form_token: token, ...fields });
      const answer = await fetch(site.url + path, { method: "POST", redirect: "manual", headers, body });
      return { status: answer.status, html: await answer.text(), location: answer.headers.get("location") };
    },
    async close() {
      await site.close();
      await store.close();
    },
  };
}

export function surveyed(survey: Survey | null): Outcome<Surveyed> {
  return ok({ repository: API, survey, at: 0 });
}
