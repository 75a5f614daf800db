/**
 * Registering an app by manifest, as documented under "Registering a GitHub App from a manifest": a page where somebody
 * looks at it and gives it its name, the way back with a code, and the exchange of the code for the app's credentials. The
 * stand-in has one app, so what is registered is that one: from then on it is called, hears and may what the manifest says.
 * GitHub refuses webhooks that lead to localhost; the stand-in, which lives there, takes them.
 */
import { randomBytes } from "node:crypto";
import { escapeHtml, htmlPage } from "../bitbucket/html.ts";
import { isObject } from "../json.ts";
import type { HostAccount, Permissions } from "./contract.ts";
import type { SiteAnswer } from "./oauth.ts";
import type { OperationHandler } from "./operation.ts";
import { Refusal } from "./refusal.ts";
import { appShape } from "./shapes.ts";
import { membershipOf, type State } from "./state.ts";

const CODE_MS = 60 * 60 * 1000;
const MAX_NAME = 34;
const MAX_CALLBACKS = 10;

/** What was registered and not fetched yet. */
export interface ManifestCode {
  readonly webhookSecret: string | null;
  readonly expiresAt: number;
}

/** Keys the documentation has. */
const KEYS = new Set([
  "name",
  "url",
  "hook_attributes",
  "redirect_url",
  "callback_urls",
  "setup_url",
  "description",
  "public",
  "default_events",
  "default_permissions",
  "request_oauth_on_install",
  "setup_on_update",
]);

/** Events that come only with a permission. */
const NEEDS: Readonly<Record<string, string>> = {
  push: "contents",
  pull_request: "pull_requests",
  merge_group: "merge_queues",
  organization: "members",
};

interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly body: Buffer;
}

/** Null: the address is another. */
export function answerManifest(state: State, { method, url, body }: Asked): SiteAnswer | null {
  const found = /^(?:\/organizations\/([^/]+))?\/settings\/apps\/new$/.exec(url.pathname);
  if (found === null) return null;
  const [, organization] = found;
  const form = new URLSearchParams(body.toString("utf8"));
  const text = form.get("manifest");
  // Without one it is the form people fill in by hand.
  if (method !== "POST" || text === null) return htmlPage(404, "The stand-in registers apps by manifest only", "");
  const owner = organization === undefined ? null : state.accounts.find(({ login }) => login === organization);
  if (owner === undefined || owner?.type === "User") return htmlPage(404, "Not Found", "");
  const problems = problemsOf(text);
  if (problems.length > 0) {
    const list = problems.map((problem) => `<li>${escapeHtml(problem)}</li>`).join("");
    return htmlPage(422, "Invalid GitHub App configuration", `<ul>${list}</ul>`);
  }
  const manifest = JSON.parse(text) as Manifest;
  const person = state.accounts.find(({ type, login }) => type === "User" && login === form.get("login"));
  if (person === undefined) return registrationPage(state, manifest, text);
  if (owner !== null && membershipOf(state, owner, person)?.role !== "admin") return htmlPage(404, "Not Found", "");
  return register(state, manifest, form.get("name") ?? "", {
    owner: owner ?? person,
    given: url.searchParams.get("state"),
  });
}

interface Manifest {
  readonly name?: string;
  readonly url: string;
  readonly hook_attributes?: { readonly url: string; readonly active?: boolean };
  readonly redirect_url: string;
  readonly callback_urls?: readonly string[];
  readonly setup_url?: string;
  readonly default_permissions?: Permissions;
}

function problemsOf(text: string): readonly string[] {
  const manifest = parsed(text);
  if (manifest === null) return ["The manifest is not a JSON object."];
  const { name, url, hook_attributes: hook, redirect_url: back, callback_urls: callbacks = [] } = manifest;
  const permissions = isObject(manifest["default_permissions"]) ? manifest["default_permissions"] : {};
  const events = Array.isArray(manifest["default_events"]) ? manifest["default_events"] : [];
  const problems = Object.keys(manifest).flatMap((key) => (KEYS.has(key) ? [] : [`Unknown key ${key}`]));
  if (!isAddress(url)) problems.push("Url must be a valid URL");
  if (!isAddress(back)) problems.push("Redirect url must be a valid URL");
  if (hook !== undefined && !(isObject(hook) && isAddress(hook["url"]))) problems.push("Hook url must be a valid URL");
  if (name !== undefined && (typeof name !== "string" || name.length > MAX_NAME)) problems.push("Name is too long");
  if (!Array.isArray(callbacks) || callbacks.length > MAX_CALLBACKS || !callbacks.every(isAddress))
    problems.push("Callback urls are invalid");
  if (manifest["setup_url"] !== undefined && !isAddress(manifest["setup_url"])) problems.push("Setup url is invalid");
  for (const event of events) {
    const needed = NEEDS[String(event)];
    if (needed !== undefined && permissions[needed] === undefined)
      problems.push(`Default events are not supported by permissions: ${event}`);
  }
  return problems;
}

/** Whoever looks may be any of the host's users: it is their browser. The page's form leads to the same address again. */
function registrationPage(state: State, { name = "" }: Manifest, text: string): SiteAnswer {
  const people = state.accounts.filter(({ type }) => type === "User");
  const options = people.map(({ login }) => `<option>${escapeHtml(login)}</option>`).join("");
  const form = `<form method="post">
      <input type="hidden" name="manifest" value="${escapeHtml(text)}">
      <label>You are <select name="login">${options}</select></label>
      <label>GitHub App name <input name="name" value="${escapeHtml(name)}"></label>
      <button>Create GitHub App</button>
    </form>`;
  return htmlPage(200, "Create GitHub App", form);
}

function register(
  state: State,
  manifest: Manifest,
  name: string,
  { owner, given }: { readonly owner: HostAccount; readonly given: string | null },
): SiteAnswer {
  const taken = state.accounts.some(({ login }) => login.toLowerCase() === name.toLowerCase() && login !== owner.login);
  if (name === "" || name.length > MAX_NAME || taken) return htmlPage(422, "Name is already taken", "");
  const hook = manifest.hook_attributes;
  const secret = hook === undefined ? null : randomBytes(20).toString("hex");
  Object.assign(state.registered, { name, owner, permissions: manifest.default_permissions ?? {} });
  state.callbackUrls = manifest.callback_urls ?? [];
  state.setupUrl = manifest.setup_url ?? null;
  // Signed with a secret that its owner fetches only now.
  state.webhook = hook === undefined || secret === null ? null : { url: hook.url, secret };
  const code = randomBytes(20).toString("hex");
  state.manifestCodes.set(code, { webhookSecret: secret, expiresAt: state.now() + CODE_MS });
  const back = new URL(manifest.redirect_url);
  back.searchParams.set("code", code);
  if (given !== null) back.searchParams.set("state", given);
  return { status: 302, headers: { location: back.href } };
}

export const MANIFEST_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "POST /app-manifests/{code}/conversions": {
    identity: "any",
    async handle({ state }, request) {
      const code = request.params["code"] ?? "";
      const found = state.manifestCodes.get(code);
      state.manifestCodes.delete(code);
      if (found === undefined || found.expiresAt <= state.now()) throw new Refusal(404);
      return {
        status: 201,
        body: {
          ...appShape(state, state.registered.permissions),
          client_secret: state.clientSecret,
          webhook_secret: found.webhookSecret,
          pem: state.privateKey,
        },
      };
    },
  },
};

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function isAddress(value: unknown): boolean {
  return typeof value === "string" && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}
