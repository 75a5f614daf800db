/**
 * Installing the app: as a test does it at once, and as somebody does it on the app's page, from where they are led to the
 * app's setup URL, as documented under "About the setup URL".
 */
import { escapeHtml, htmlPage } from "../bitbucket/html.ts";
import type { EventDelivery, HostAccount, HostRepository, Permissions } from "./contract.ts";
import type { SiteAnswer } from "./oauth.ts";
import type { World } from "./operation.ts";
import { installationPayload } from "./payloads.ts";
import { personOf, stateOf } from "./repositories.ts";
import { coveredRepositories, type InstallationState, membershipOf, type State, timestamp } from "./state.ts";

export interface Installed {
  readonly installation: InstallationState;
  /** The app is told while whoever installed it goes on. */
  readonly delivery: Promise<EventDelivery>;
}

export function installOn(
  { state, sender }: World,
  account: HostAccount,
  given: { readonly repositories: readonly HostRepository[] | "all"; readonly permissions: Permissions },
): Installed {
  if (state.installations.some((item) => item.account.id === account.id && !item.removed)) {
    throw new Error(`the app is installed on ${account.login} already`);
  }
  const installation: InstallationState = {
    id: state.nextId(),
    account,
    permissions: { metadata: "read", ...given.permissions },
    repositories: given.repositories === "all" ? "all" : given.repositories.map((item) => stateOf(state, item)),
    suspended: false,
    removed: false,
    createdAt: timestamp(state.now()),
    updatedAt: timestamp(state.now()),
  };
  state.installations.push(installation);
  const repositories = coveredRepositories(state, installation);
  const payload = installationPayload(state, installation, "created", repositories, personOf(state, account));
  return { installation, delivery: sender.send("installation", payload) };
}

interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly body: Buffer;
}

/** Null: the address is another. */
export function answerInstall(world: World, { method, url, body }: Asked): SiteAnswer | null {
  const { state } = world;
  if (url.pathname !== `/apps/${state.slug}/installations/new`) return null;
  if (method !== "POST") return choicePage(state);
  const form = new URLSearchParams(body.toString("utf8"));
  const named = (name: string) => state.accounts.find(({ login }) => login === form.get(name));
  const [person, account] = [named("login"), named("account")];
  if (person?.type !== "User" || account === undefined) return htmlPage(404, "Not Found", "");
  const role = account.id === person.id ? "admin" : membershipOf(state, account, person)?.role;
  if (role === undefined) return htmlPage(404, "Not Found", "");
  // A member asks; the app hears nothing of it.
  if (role !== "admin") return landed(state, { setup_action: "request" });
  const there = state.installations.find((one) => one.account.id === account.id && !one.removed);
  if (there !== undefined) return landed(state, { installation_id: String(there.id), setup_action: "update" });
  const { permissions } = state.registered;
  const { installation } = installOn(world, account, { repositories: "all", permissions });
  return landed(state, { installation_id: String(installation.id), setup_action: "install" });
}

/** Whoever looks may be any of the host's users: it is their browser. */
function choicePage(state: State): SiteAnswer {
  const options = (accounts: readonly HostAccount[]) =>
    accounts.map(({ login }) => `<option>${escapeHtml(login)}</option>`).join("");
  const asked = Object.entries(state.registered.permissions).map(([name, level]) => `<li>${name}: ${level}</li>`);
  const form = `<form method="post">
      <label>You are <select name="login">${options(state.accounts.filter(({ type }) => type === "User"))}</select></label>
      <label>Install on <select name="account">${options(state.accounts)}</select></label>
      <p>All repositories, with these permissions:</p><ul>${asked.join("")}</ul>
      <button>Install</button>
    </form>`;
  return htmlPage(200, `Install ${state.registered.name}`, form);
}

function landed({ setupUrl }: State, query: Readonly<Record<string, string>>): SiteAnswer {
  if (setupUrl === null) return htmlPage(200, "Installed", "");
  const url = new URL(setupUrl);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return { status: 302, headers: { location: url.href } };
}
