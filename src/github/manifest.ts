/**
 * Registering an App by manifest: the operator's browser takes a form to GitHub, GitHub sends it back with a code, and the
 * code is exchanged for the App's credentials. Every step has to follow within an hour.
 * https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
 */
import { load } from "js-yaml";
import { z } from "zod";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import { apiPath, createApi, misshapen, refusal } from "./api.ts";
import { WANTED_EVENTS } from "./permissions.ts";

/** Of a GitHub App's name. */
export const MAX_APP_NAME = 34;

/** As app.yml writes the address of the instance. */
const EXAMPLE = "https://wharfinger.example.com";

export interface ManifestOrder {
  readonly publicUrl: string;
  readonly name: string;
  /** Null: of whoever registers it. */
  readonly organization: string | null;
  /** Address of GitHub that people open. */
  readonly webUrl: string;
  readonly open: boolean;
  /** Null: as app.yml has it, below the public address. */
  readonly webhookUrl: string | null;
  /** Names of permissions that are not to be asked for, nor the events that hang on them. */
  readonly without: readonly string[];
  readonly state: string;
}

/** `app` is the text of app.yml, and so what is registered is what the documentation says. */
export function createManifest(
  app: string,
  order: ManifestOrder,
): { readonly action: string; readonly manifest: string } {
  const {
    hook_attributes: hook,
    default_permissions: permissions,
    default_events: events,
    ...rest
  } = App.parse(load(app.replaceAll(EXAMPLE, order.publicUrl)));
  const silent = WANTED_EVENTS.filter(({ permission }) => order.without.includes(permission)).map(({ name }) => name);
  const manifest = {
    ...rest,
    name: order.name,
    public: order.open,
    hook_attributes: { ...hook, url: order.webhookUrl ?? hook.url },
    default_permissions: Object.fromEntries(
      Object.entries(permissions).filter(([name]) => !order.without.includes(name)),
    ),
    default_events: events.filter((name) => !silent.includes(name)),
  };
  const owner = order.organization === null ? "" : `/organizations/${encodeURIComponent(order.organization)}`;
  const action = `${order.webUrl}${owner}/settings/apps/new?${new URLSearchParams({ state: order.state })}`;
  return { action, manifest: JSON.stringify(manifest) };
}

const App = z.looseObject({
  hook_attributes: z.looseObject({ url: z.string() }),
  default_permissions: z.record(z.string(), z.string()),
  default_events: z.array(z.string()),
});

/** Where the API of a GitHub is: of github.com, of a tenant of ghe.com, else of an Enterprise Server. */
export function apiUrlOf(webUrl: string): string {
  const url = new URL(webUrl);
  if (url.hostname === "github.com") return "https://api.github.com";
  if (/^[^.]+\.ghe\.com$/.test(url.hostname)) return `${url.protocol}//api.${url.host}`;
  return `${url.origin}/api/v3`;
}

/** An App as GitHub hands it over, this one time. */
export interface MadeApp {
  readonly id: number;
  readonly name: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly webhookSecret: string;
  /** PEM. */
  readonly privateKey: string;
}

const Made = z.object({
  id: z.number().int(),
  name: z.string(),
  client_id: z.string().min(1),
  client_secret: z.string().min(1),
  webhook_secret: z.string().nullable(),
  pem: z.string().min(1),
});

/** A code works once, also where its answer was lost. */
export async function convertManifest(
  options: { readonly apiUrl: string; readonly clock: Clock; readonly fetch?: typeof fetch },
  code: string,
): Promise<Outcome<MadeApp>> {
  const api = createApi({ fetch, ...options, userAgent: "wharfinger", timeoutMs: 15_000 });
  const path = apiPath(["app-manifests", code, "conversions"]);
  const answer = await api.send({ method: "POST", path }, null);
  // The code is the key to the App's secrets as long as nobody has used it, and paths stand in messages.
  const hidden = (outcome: { readonly message: string }) =>
    failed(outcome.message.replaceAll(code, "…"), { retryable: false });
  if (!answer.ok) return hidden(answer);
  if (answer.value.status === 404) {
    return failed("GitHub does not know this registration (any more): codes work once, and for an hour. Begin again.", {
      retryable: false,
    });
  }
  const refused = answer.value.status === 201 ? null : refusal(answer.value);
  if (refused !== null && !refused.ok) return hidden(refused);
  const made = Made.safeParse(answer.value.body);
  if (!made.success) {
    const wrong = misshapen(answer.value);
    return wrong.ok ? wrong : hidden(wrong);
  }
  const { id, name, client_id: clientId, client_secret: clientSecret, webhook_secret: webhookSecret, pem } = made.data;
  if (webhookSecret === null) {
    return failed(`GitHub has made ${name} without a webhook secret. Delete it there, and begin again.`, {
      retryable: false,
    });
  }
  return ok({ id, name, clientId, clientSecret, webhookSecret, privateKey: pem });
}
