/** What an operation of the API gets and gives. */
import type { IncomingHttpHeaders } from "node:http";
import type { HostRepository } from "./contract.ts";
import type { Caller } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import {
  type AccountState,
  findRepository,
  type InstallationToken,
  type RepositoryState,
  type State,
} from "./state.ts";
import { authorize, reaches } from "./tokens.ts";
import type { Sender } from "./webhooks.ts";

export interface World {
  readonly state: State;
  readonly sender: Sender;
}

export interface ApiRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Undefined: none. Checked against the API description already. */
  readonly body: unknown;
  /** Path and query as sent, without the base path. */
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** Null: nobody said who they are. */
  readonly caller: Caller | null;
  /** Set for operations of an installation. */
  readonly token: InstallationToken | null;
  /** Whose own token it came with. */
  readonly user: AccountState | null;
}

export interface ApiAnswer {
  readonly status: number;
  /** Undefined: none. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface OperationHandler {
  /** Whose credential it takes: the app's JWT, an installation's token, any and none, a person's token, its client secret. */
  readonly identity: "app" | "installation" | "any" | "user" | "client";
  handle(world: World, request: ApiRequest): Promise<ApiAnswer>;
}

export function installationToken(request: ApiRequest): InstallationToken {
  if (request.token === null) throw new Refusal(401, "Requires authentication");
  return request.token;
}

/** The repository a path names, once the token is found to allow what is asked. A former name redirects. */
export function repositoryFor(
  { state }: World,
  request: ApiRequest,
  permission: string,
  level: "read" | "write",
): RepositoryState {
  const token = installationToken(request);
  const { owner = "", repo = "" } = request.params;
  const found = findRepository(state, owner, repo);
  if (found === null) throw new Refusal(404);
  const { repository } = found;
  if (found.moved) {
    if (repository.private && !reaches(token, repository)) throw new Refusal(404);
    const rest = request.path.replace(/^\/repos\/[^/?]+\/[^/?]+/, "");
    const location = `${state.apiUrl}/repositories/${repository.id}${rest}`;
    // Only a 307 keeps method and body; GitHub's words for both are the same.
    const status = request.method === "GET" ? 301 : 307;
    throw new Refusal(status, "Moved Permanently", { headers: { location }, url: location });
  }
  authorize(token, repository, permission, level);
  return repository;
}

/** One page of a list and the `Link` header to the others. */
export function paginate<T>(
  state: State,
  request: ApiRequest,
  items: readonly T[],
): { readonly page: readonly T[]; readonly headers: Readonly<Record<string, string>> } {
  const size = Math.max(1, Math.min(100, Number(request.query.get("per_page") ?? 30)));
  const number = Math.max(1, Number(request.query.get("page") ?? 1));
  const last = Math.max(1, Math.ceil(items.length / size));
  const link = (page: number, rel: string) => {
    const url = new URL(state.apiUrl + pathById(state, request));
    url.searchParams.set("page", String(page));
    return `<${url.href}>; rel="${rel}"`;
  };
  const links = [
    ...(number > 1 ? [link(number - 1, "prev"), link(1, "first")] : []),
    ...(number < last ? [link(number + 1, "next"), link(last, "last")] : []),
  ];
  return {
    page: items.slice((number - 1) * size, number * size),
    headers: links.length === 0 ? {} : { link: links.join(", ") },
  };
}

/** Links name repositories by id, however they were asked for. */
function pathById(state: State, request: ApiRequest): string {
  const { owner = "", repo = "" } = request.params;
  const found = findRepository(state, owner, repo)?.repository;
  return found === undefined
    ? request.path
    : request.path.replace(/^\/repos\/[^/?]+\/[^/?]+/, `/repositories/${found.id}`);
}

export function apiPath(repository: HostRepository): string {
  return `/repos/${repository.fullName}`;
}
