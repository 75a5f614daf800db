/**
 * The page an app sends people to, to be installed: `/site/addons/authorize` with `addon_key` of a registered app or
 * `descriptor_uri` of any other, and the `redirect_uri` where they come back to. `as` says who they are.
 */
import type { ConsentInput, HostUser } from "./contract.ts";
import { type Descriptor, DescriptorRefused, fetchDescriptor } from "./descriptor.ts";
import { escapeHtml, htmlPage } from "./html.ts";
import type { ApiAnswer, Connect } from "./operation.ts";
import type { State, WorkspaceState } from "./state.ts";

const PATH = "/site/addons/authorize";

export function consentAddress(state: State, input: ConsentInput): string {
  const url = new URL(PATH, state.url);
  if (input.appKey !== undefined) url.searchParams.set("addon_key", input.appKey);
  if (input.descriptor !== undefined) url.searchParams.set("descriptor_uri", input.descriptor);
  if (input.redirectUri !== undefined) url.searchParams.set("redirect_uri", input.redirectUri);
  url.searchParams.set("as", input.user.uuid);
  return url.href;
}

interface Asked {
  readonly address: string;
  readonly registered: boolean;
  readonly descriptor: Descriptor;
  readonly redirectUri: string | undefined;
  readonly user: HostUser;
  /** Where they may install it. */
  readonly workspaces: readonly WorkspaceState[];
}

/** Null: the address is another. */
export async function consentPage(
  state: State,
  connect: Pick<Connect, "install" | "landing">,
  request: { readonly method: string; readonly url: URL; readonly body: Buffer },
): Promise<ApiAnswer | null> {
  if (request.url.pathname !== PATH) return null;
  const asked = await readAsked(state, request.url.searchParams);
  if (typeof asked === "string") return htmlPage(400, "This app cannot be installed", `<p>${escapeHtml(asked)}</p>`);
  if (request.method !== "POST") return form(asked, request.url);
  const uuid = new URLSearchParams(request.body.toString("utf8")).get("workspace");
  const workspace = asked.workspaces.find((item) => item.uuid === uuid);
  if (workspace === undefined) return htmlPage(403, "Forbidden", "<p>You do not administer this workspace.</p>");
  const { address, registered, user, redirectUri, descriptor } = asked;
  const { install, status } = await connect.install(workspace, { descriptor: address, registered, by: user });
  if (!install.active) return htmlPage(502, "The app was not installed", `<p>It answered ${status ?? "nothing"}.</p>`);
  if (redirectUri === undefined && descriptor.postInstallRedirect === null) {
    return htmlPage(200, "The app was installed", "");
  }
  return { status: 302, headers: { location: connect.landing(install, redirectUri) } };
}

/** What is asked, or why it is refused. */
async function readAsked(state: State, query: URLSearchParams): Promise<Asked | string> {
  const appKey = query.get("addon_key");
  const given = query.get("descriptor_uri");
  const redirectUri = query.get("redirect_uri") ?? undefined;
  const user = state.users.find((item) => item.uuid === query.get("as"));
  if (user === undefined) return "Nobody is signed in.";
  if ((appKey === null) === (given === null)) return "Either addon_key or descriptor_uri is needed.";
  const address = given ?? state.registered.get(appKey ?? "");
  if (address === undefined) return "There is no registered app of that key.";
  const descriptor = await descriptorAt(address);
  if (typeof descriptor === "string") return descriptor;
  if (given !== null && state.registered.has(descriptor.key)) return "A registered app is installed by addon_key.";
  if (redirectUri !== undefined && !redirectUri.startsWith(descriptor.baseUrl)) {
    return "The redirect_uri does not begin with the app's baseUrl.";
  }
  const workspaces = state.workspaces.filter((workspace) => workspace.members.get(user) === "owner");
  return { address, registered: appKey !== null, descriptor, redirectUri, user, workspaces };
}

async function descriptorAt(address: string): Promise<Descriptor | string> {
  try {
    return await fetchDescriptor(address);
  } catch (error) {
    if (error instanceof DescriptorRefused) return error.message;
    throw error;
  }
}

function form({ descriptor, workspaces }: Asked, url: URL): ApiAnswer {
  const scopes = descriptor.scopes.map((scope) => `<li>${escapeHtml(scope)}</li>`).join("");
  const options = workspaces
    .map(({ uuid, name }) => `<option value="${escapeHtml(uuid)}">${escapeHtml(name)}</option>`)
    .join("");
  return htmlPage(
    200,
    `${descriptor.name} requests access`,
    `<p>${escapeHtml(descriptor.description)}</p><ul>${scopes}</ul>
    <form method="post" action="${escapeHtml(url.pathname + url.search)}">
      <label>Authorize for workspace <select name="workspace">${options}</select></label>
      <button type="submit">Grant access</button>
    </form>`,
  );
}
