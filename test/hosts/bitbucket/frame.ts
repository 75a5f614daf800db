/** Pages of the host that show a module of an app in a frame, with the context and the JWT that come with it. */
import { isObject, type JsonObject } from "../json.ts";
import { signedAddress } from "./clients.ts";
import type { FrameContext, Scope } from "./contract.ts";
import { type FramedPage, within } from "./descriptor.ts";
import { escapeHtml, htmlPage } from "./html.ts";
import type { ApiAnswer } from "./operation.ts";
import { ownerShape, repositoryShape, userShape, workspaceShape } from "./payload-shapes.ts";
import { allowsScope } from "./scopes.ts";
import {
  effectivePermission,
  findRepository,
  findWorkspace,
  type InstallState,
  type RepositoryState,
  type State,
  type UserState,
} from "./state.ts";

/** `/<workspace>/workspace/settings/addon/…` is the whole workspace's, `/<workspace>/<repository>/addon/…` a repository's. */
const PAGE = /^\/([^/]+)\/(workspace\/settings|[^/]+)\/addon\/([^/]+)\/([^/]+)$/;

/** What an app must have been granted to be told of each object; of those not named here it is never told. */
const SCOPE_OF_OBJECT: Readonly<Record<string, Scope>> = {
  principal: "account",
  repository: "repository",
  target_user: "account",
  user: "account",
  workspace: "account",
};

/** Pages in a frame load it by name; Bitbucket's own sizes the frame, this one only makes the object apps look for. */
const SCRIPT_PATH = "/atlassian-connect/all.js";

/** Null: the address is another. */
export function frameScript({ method, url }: { readonly method: string; readonly url: URL }): ApiAnswer | null {
  if (url.pathname !== SCRIPT_PATH || method !== "GET") return null;
  const headers = { "content-type": "text/javascript; charset=utf-8" };
  return { status: 200, body: Buffer.from("globalThis.AP = {};\n"), headers };
}

/** There are no sessions here: `as` says who looks at the page. */
export function frameAddress(state: State, install: InstallState, module: string, context: FrameContext): string {
  const page = pageOf(install, module);
  if (page === null) throw new Error(`the app has no page ${module}`);
  if (page.kind === "repoPages" && context.repository === undefined) throw new Error("a repository's page needs one");
  const place =
    page.kind === "repoPages" ? context.repository?.fullName : `${install.workspace.slug}/workspace/settings`;
  return `${state.url}/${place}/addon/${install.appKey}/${module}?as=${encodeURIComponent(context.user.uuid)}`;
}

function pageOf({ descriptor }: InstallState, module: string): FramedPage | null {
  return descriptor.pages.find((page) => page.key === module) ?? null;
}

/** Null: the address is no such page. Without install, module, or a user who may see it, it is a 404. */
export function framePage(
  state: State,
  { method, url }: { readonly method: string; readonly url: URL },
): ApiAnswer | null {
  const found = PAGE.exec(url.pathname);
  if (found === null || method !== "GET") return null;
  const [, slug = "", rest = "", appKey = "", module = ""] = found;
  const workspace = findWorkspace(state, slug);
  const user = state.users.find((item) => item.uuid === url.searchParams.get("as"));
  const install = state.installs.find((item) => item.active && item.workspace === workspace && item.appKey === appKey);
  const page = install === undefined ? null : pageOf(install, module);
  const repository = rest === "workspace/settings" ? null : findRepository(state, slug, rest);
  const misplaced = (page?.kind === "repoPages") !== (repository !== null);
  if (install === undefined || page === null || user === undefined || misplaced || !sees(user, install, repository)) {
    return htmlPage(404, "Repository not found", "<p>There is no such page.</p>");
  }
  const address = frameSource(state, install, page, { user, repository });
  const frame = `<iframe src="${escapeHtml(address)}" title="${escapeHtml(page.title)}" width="100%" height="600"></iframe>`;
  return htmlPage(200, page.title, frame);
}

/** A workspace's pages are for all its members: who of them may do what is the app's to find out. */
function sees(user: UserState, { workspace }: InstallState, repository: RepositoryState | null): boolean {
  if (repository === null) return workspace.members.has(user);
  return !repository.private || effectivePermission(repository, user) !== null;
}

/** The address in the frame: what the module says, with the context filled in, signed. */
function frameSource(
  state: State,
  install: InstallState,
  page: FramedPage,
  { user, repository }: { readonly user: UserState; readonly repository: RepositoryState | null },
): string {
  const { workspace, scopes, descriptor } = install;
  const context: JsonObject = {
    principal: ownerShape(state, workspace),
    target_user: ownerShape(state, workspace),
    user: userShape(state, user),
    workspace: workspaceShape(state, workspace),
    ...(repository === null ? {} : { repository: { ...repositoryShape(state, repository), slug: repository.slug } }),
  };
  const address = page.url.replace(/\{([a-z_]+(?:\.[a-z_]+)+)\}/g, (placeholder, name: string) => {
    const path = name.split(".");
    const scope = SCOPE_OF_OBJECT[path[0] ?? ""];
    const value = scope !== undefined && allowsScope(scopes, scope) ? at(context, path) : undefined;
    // What the app may not know, or what there is not, stays as it was written.
    return typeof value === "string" ? encodeURIComponent(value) : placeholder;
  });
  return signedAddress(install, within(descriptor.baseUrl, address));
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce((inner, name) => (isObject(inner) ? inner[name] : undefined), value);
}
