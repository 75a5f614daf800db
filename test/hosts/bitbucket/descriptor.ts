/** What Bitbucket accepts of an app's descriptor, and what it makes of it. */
import { z } from "zod";
import type { Scope } from "./contract.ts";
import { ALL_SCOPES, allowsScope, CONNECT_EVENTS, isScope, scopeOfEvent } from "./scopes.ts";

/** Nothing is installed: the descriptor breaks a rule. */
export class DescriptorRefused extends Error {
  override readonly name = "DescriptorRefused";
}

export interface Descriptor {
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly baseUrl: string;
  readonly scopes: readonly Scope[];
  readonly installed: URL;
  readonly uninstalled: URL;
  /** Each event once per module that names it; `*` is written out. */
  readonly webhooks: readonly { readonly event: string; readonly url: URL }[];
  readonly pages: readonly FramedPage[];
  /** Where a browser goes after the consent; placeholders not filled in. */
  readonly postInstallRedirect: string | null;
}

/** A module that is shown in a frame. */
export interface FramedPage {
  readonly key: string;
  readonly title: string;
  readonly kind: "configurePage" | "repoPages" | "other";
  /** Placeholders not filled in. */
  readonly url: string;
}

const PATIENCE_MS = 10_000;

const KEY = z.string().regex(/^[a-zA-Z0-9-]{1,128}$/);
const ADDRESS = z.string().min(1).max(2048);
const PAGE = z.looseObject({ key: KEY, url: ADDRESS, name: z.looseObject({ value: z.string().min(1) }) });

function located(...locations: readonly string[]) {
  return PAGE.extend({ location: z.enum(locations) });
}

/** Every module there is; those this stand-in does nothing with are held to their shape all the same. */
const MODULES = z.strictObject({
  adminPages: z.array(PAGE).default([]),
  apiProxy: z.unknown().optional(),
  configurePage: PAGE.optional(),
  fileEditors: z.unknown().optional(),
  fileViews: z.array(PAGE).default([]),
  generalPages: z.array(PAGE).default([]),
  linkers: z.unknown().optional(),
  oauthConsumer: z.looseObject({ clientId: z.string().min(1) }).optional(),
  postInstallRedirect: z.looseObject({ key: KEY, url: ADDRESS }).optional(),
  profileTabs: z.array(PAGE).default([]),
  repoPages: z.array(located("org.bitbucket.repository.navigation", "org.bitbucket.repository.actions")).default([]),
  webCards: z.unknown().optional(),
  webItems: z.array(PAGE.extend({ location: z.string().startsWith("org.bitbucket.") })).default([]),
  webPanels: z
    .array(
      located(
        "org.bitbucket.repository.overview.informationPanel",
        "org.bitbucket.pullrequest.overview.informationPanel",
        "org.bitbucket.account.admin.mirror.config",
      ),
    )
    .default([]),
  webhooks: z
    .array(
      z.looseObject({
        event: z
          .string()
          .max(64)
          .refine((event) => event === "*" || CONNECT_EVENTS.has(event), "is no event"),
        url: ADDRESS,
      }),
    )
    .default([]),
});

const DESCRIPTOR = z.looseObject({
  key: z.string().regex(/^[a-zA-Z0-9._-]{1,128}$/),
  name: z.string().min(1),
  description: z.string().min(1),
  baseUrl: z
    .url({ protocol: /^https?$/ })
    .refine((address) => !address.endsWith("/"), "must not end in a slash")
    .refine((address) => /^https:/.test(address) || isLoopback(address), "must be https"),
  authentication: z.looseObject({ type: z.enum(["jwt", "none"]) }),
  lifecycle: z.looseObject({ installed: ADDRESS, uninstalled: ADDRESS }),
  scopes: z.array(z.string().refine(isScope, "is no scope")).optional(),
  contexts: z
    .array(z.enum(["account", "personal"]))
    .min(1)
    .optional(),
  modules: MODULES.optional(),
});

/** Tests run apps without TLS, but only where nothing leaves the machine. */
function isLoopback(address: string): boolean {
  return URL.canParse(address) && ["127.0.0.1", "localhost", "[::1]"].includes(new URL(address).hostname);
}

/** Throws {@link DescriptorRefused}. */
export function readDescriptor(document: unknown): Descriptor {
  const parsed = DESCRIPTOR.safeParse(document);
  if (!parsed.success) throw new DescriptorRefused(z.prettifyError(parsed.error));
  const { key, name, description, baseUrl, lifecycle, authentication } = parsed.data;
  // Nothing this stand-in does makes sense without: such an app gets no secret.
  if (authentication.type !== "jwt") throw new DescriptorRefused("authentication.type none is not supported here");
  const modules = parsed.data.modules ?? MODULES.parse({});
  const scopes = parsed.data.scopes ?? ALL_SCOPES;
  const webhooks = modules.webhooks.flatMap(({ event, url }) =>
    eventsOf(event, scopes).map((one) => ({ event: one, url: within(baseUrl, url) })),
  );
  const framed = [
    ...(modules.configurePage === undefined ? [] : [page("configurePage", modules.configurePage)]),
    ...modules.repoPages.map((module) => page("repoPages", module)),
    ...[modules.adminPages, modules.generalPages, modules.profileTabs, modules.fileViews, modules.webPanels]
      .flat()
      .map((module) => page("other", module)),
  ];
  const keys = framed.map((module) => module.key);
  if (new Set(keys).size < keys.length) throw new DescriptorRefused("two modules have the same key");
  return {
    key,
    name,
    description,
    baseUrl,
    scopes,
    installed: within(baseUrl, lifecycle.installed),
    uninstalled: within(baseUrl, lifecycle.uninstalled),
    webhooks,
    pages: framed,
    postInstallRedirect: modules.postInstallRedirect?.url ?? null,
  };
}

/** The descriptor an app publishes. Throws {@link DescriptorRefused}. */
export async function fetchDescriptor(address: string): Promise<Descriptor> {
  return readDescriptor(await fetchJson(address));
}

async function fetchJson(address: string): Promise<unknown> {
  try {
    const response = await fetch(address, { redirect: "error", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    return JSON.parse(await response.text());
  } catch (error) {
    // Not reachable, another status, no JSON: each leaves the host without a descriptor.
    throw new DescriptorRefused(`no descriptor is at ${address}: ${error instanceof Error ? error.message : error}`);
  }
}

/** `*` is whatever the scopes cover; an event that is named must be covered. */
function eventsOf(event: string, scopes: readonly Scope[]): readonly string[] {
  const covered = (one: string) => allowsScope(scopes, scopeOfEvent(one));
  if (event === "*") return [...CONNECT_EVENTS].filter(covered);
  if (covered(event)) return [event];
  throw new DescriptorRefused(`the webhook ${event} needs the scope ${scopeOfEvent(event)}`);
}

function page(kind: FramedPage["kind"], module: z.infer<typeof PAGE>): FramedPage {
  return { kind, key: module.key, title: module.name.value, url: module.url };
}

/** An address of a descriptor: absolute, or below the base. */
export function within(baseUrl: string, address: string): URL {
  return new URL(/^https?:/.test(address) ? address : `${baseUrl}/${address.replace(/^\//, "")}`);
}
