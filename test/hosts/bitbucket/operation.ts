/** What an operation of the API gets and gives, and what the parts of the stand-in ask of each other. */
import type { IncomingHttpHeaders } from "node:http";
import { resolveCommit } from "../git/git.ts";
import type { JsonObject } from "../json.ts";
import { LONGEST_PAGE } from "./conformance.ts";
import type {
  ConsentInput,
  EventDelivery,
  FrameContext,
  HostInstall,
  HostWorkspace,
  InstallInput,
} from "./contract.ts";
import { filter, sorted } from "./query.ts";
import { Refusal } from "./refusal.ts";
import {
  findRepository,
  findWorkspace,
  type InstallState,
  type RepositoryState,
  type State,
  type TokenState,
  type UserState,
  type WorkspaceState,
} from "./state.ts";
import { reaches } from "./tokens.ts";

/** Tells those who listen. `createSender(state): Sender` in webhooks.ts makes it. */
export interface Sender {
  /**
   * To every Connect app of the workspace and every active webhook of workspace and repository that listens to `event`.
   * Resolves when each has answered, or was given up. A string goes out byte for byte (enveloped for Connect unless it
   * is one), anything else as JSON.
   */
  send(
    event: string,
    payload: unknown,
    about: { readonly workspace: WorkspaceState; readonly repository: RepositoryState | null },
  ): Promise<readonly EventDelivery[]>;
  redeliver(requestUuid: string): Promise<EventDelivery>;
  settled(): Promise<void>;
  /** Gives up what is on its way. */
  close(): Promise<void>;
}

/** The Connect side. `createConnect(state): Connect` in connect.ts makes it. */
export interface Connect {
  install(
    workspace: HostWorkspace,
    input: InstallInput,
  ): Promise<{ readonly install: HostInstall; readonly status: number | null }>;
  uninstall(install: HostInstall): Promise<{ readonly status: number | null }>;
  /** `POST /site/oauth2/access_token`; {@link Refusal}s become its error answers. Uses `mintToken` of tokens.ts. */
  token(request: { readonly headers: IncomingHttpHeaders; readonly path: string; readonly body: Buffer }): ApiAnswer;
  /** The install whose JWT this `Authorization` holds, for `/2.0` calls that take one; a refusal (401) otherwise. */
  clientOf(authorization: string, method: string, path: string): InstallState;
  appSecret(appKey: string): string;
  register(descriptor: string): Promise<string>;
  landing(install: HostInstall, redirectUri?: string): string;
  jwt(install: HostInstall, method: string, url: string): string;
  framePage(install: HostInstall, module: string, context: FrameContext): string;
  consentPage(input: ConsentInput): string;
  /** The pages of {@link framePage} and {@link consentPage}, or null when the path is neither. */
  page(request: { readonly method: string; readonly url: URL; readonly body: Buffer }): Promise<ApiAnswer | null>;
}

export interface World {
  readonly state: State;
  readonly sender: Sender;
  readonly connect: Connect;
}

export interface ApiRequest {
  readonly method: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Undefined: none. Checked against the API description already. */
  readonly body: unknown;
  /** Path and query as sent. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Null: nobody said who they are. */
  readonly token: TokenState | null;
  /** Whose own token it came with. */
  readonly user: UserState | null;
}

export interface ApiAnswer {
  readonly status: number;
  /** Undefined: none. Bytes go out as they are, anything else as JSON. */
  readonly body?: unknown;
  /** Like `body`, with what is only given when `fields` asks for it. */
  readonly full?: JsonObject;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface OperationHandler {
  /** Calls that answer nobody in particular; others are refused without a token. */
  readonly anonymous?: true;
  /** Takes a JWT of a Connect app instead of a token. */
  readonly jwt?: true;
  /** Takes the token of a person, too. */
  readonly person?: true;
  handle(world: World, request: ApiRequest): Promise<ApiAnswer>;
}

/** The workspace a path names, for calls about the workspace itself. */
export function workspaceFor({ state }: World, { params, token }: ApiRequest): WorkspaceState {
  const workspace = findWorkspace(state, params["workspace"] ?? "");
  if (workspace === null) throw new Refusal(404, `No workspace with identifier '${params["workspace"] ?? ""}'.`);
  if (token === null) throw unauthorized();
  // A token of one repository or project has nothing of the workspace around it.
  if (token.workspace !== workspace || token.repository !== null || token.project !== null) {
    throw new Refusal(403, "You do not have access to this workspace.");
  }
  return workspace;
}

/**
 * The repository a path names. A private one outside the token does not exist for it, a public one may be read by
 * anybody.
 */
export function repositoryFor(
  { state }: World,
  { params, token, method }: ApiRequest,
  access: "read" | "inside" = "read",
): RepositoryState {
  const { workspace = "", repo_slug: slug = "" } = params;
  const repository = findRepository(state, workspace, slug);
  const inside = repository !== null && token !== null && reaches(token, repository);
  if (repository === null || (repository.private && !inside)) {
    throw new Refusal(
      404,
      "You may not have access to this repository or it no longer exists in this workspace. If you think this repository exists and you have access, make sure you are authenticated.",
    );
  }
  if (inside || (access === "read" && method === "GET")) return repository;
  if (token === null) throw unauthorized();
  throw new Refusal(403, "Your credentials do not reach this repository.");
}

export function unauthorized(): Refusal {
  return new Refusal(401, "Token is invalid, expired, or not supported for this endpoint.");
}

/** A full or abbreviated hash of a commit that is there; with `names` also a branch or tag. */
export async function commitFor(repository: RepositoryState, name: string, names = false): Promise<string> {
  const sha = names || /^[0-9a-f]{7,40}$/.test(name) ? await resolveCommit(repository.gitDir, name) : null;
  const isElsewhere = sha !== null && repository.borrowed.has(sha);
  // A branch may look like a hash.
  if (sha === null || isElsewhere || (!names && !sha.startsWith(name)))
    throw new Refusal(404, `Commit not found: ${name}`);
  return sha;
}

/**
 * One page of a list, filtered and sorted as the query says. With `opaque` only the address of the page before leads to a
 * page: it has a word in place of its number.
 */
export function paginate(
  { state }: World,
  request: ApiRequest,
  items: readonly JsonObject[],
  { pagelen = 10, longest = LONGEST_PAGE, sized = true, opaque = false } = {},
): JsonObject {
  const { query } = request;
  const number = (name: string, otherwise: number, least: number, most: number) => {
    const given = query.get(name);
    if (given === null) return otherwise;
    if (!/^\d+$/.test(given) || Number(given) > most || Number(given) < 1) throw new Refusal(400, `Invalid ${name}`);
    return Math.max(Number(given), least);
  };
  const size = number("pagelen", pagelen, 10, longest);
  const page = opaque ? numberOf(query.get("page")) : number("page", 1, 1, Number.MAX_SAFE_INTEGER);
  const found = sorted(filter(items, query.get("q")), query.get("sort"));
  const link = (to: number) => {
    const url = new URL(state.apiUrl + request.path);
    url.searchParams.set("page", opaque ? wordFor(to) : String(to));
    return url.href;
  };
  return {
    values: found.slice((page - 1) * size, page * size),
    pagelen: size,
    page,
    ...(sized ? { size: found.length } : {}),
    ...(page * size < found.length ? { next: link(page + 1) } : {}),
    ...(page > 1 && !opaque ? { previous: link(page - 1) } : {}),
  };
}

function wordFor(page: number): string {
  return Buffer.from(`page ${page}`).toString("base64url");
}

function numberOf(word: string | null): number {
  if (word === null) return 1;
  const page = Number(Buffer.from(word, "base64url").toString("utf8").slice("page ".length));
  if (!Number.isSafeInteger(page) || word !== wordFor(page)) throw new Refusal(400, "Invalid page");
  return page;
}
