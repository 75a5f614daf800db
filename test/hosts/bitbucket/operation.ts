/** What an operation of the API gets and gives, and what the parts of the stand-in ask of each other. */
import type { IncomingHttpHeaders } from "node:http";
import type {
  EventDelivery,
  FrameContext,
  HostInstall,
  HostWorkspace,
  InstallInput,
  RepositoryPermission,
} from "./contract.ts";
import type { InstallState, RepositoryState, State, TokenState, WorkspaceState } from "./state.ts";

export type { RepositoryPermission };

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
  landing(install: HostInstall, redirectUri?: string): string;
  jwt(install: HostInstall, method: string, url: string): string;
  framePage(install: HostInstall, module: string, context: FrameContext): string;
  /** The page of {@link framePage}, or null when the path is no such page. */
  frame(url: URL): ApiAnswer | null;
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
}

export interface ApiAnswer {
  readonly status: number;
  /** Undefined: none. Bytes go out as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}
