/** What opens the API and git: tokens of Connect apps and access tokens, with scopes and reach. */
import { randomBytes } from "node:crypto";
import type { AccessTokenInput, HostAccessToken, Scope } from "./contract.ts";
import { Refusal } from "./refusal.ts";
import { allowsScope } from "./scopes.ts";
import { type InstallState, type RepositoryState, type State, stateOf, type TokenState, workspaceOf } from "./state.ts";

/** Makes a token of a Connect app, limited to `repository` when one is given. */
export function mintToken(
  state: State,
  install: InstallState,
  wanted: { readonly scopes: readonly Scope[]; readonly repository: RepositoryState | null },
): TokenState {
  const made: TokenState = {
    token: randomBytes(48).toString("base64url"),
    kind: "connect",
    install,
    workspace: install.workspace,
    repository: wanted.repository,
    project: null,
    scopes: wanted.scopes,
    // The token acts as the workspace's account: all tokens of an install share what it may call.
    identity: install.clientKey,
    hourlyLimit: null,
    expiresAt: state.now() + state.tokenSeconds * 1000,
  };
  state.tokens.set(made.token, made);
  return made;
}

/** Somebody makes an access token in the settings. */
export function makeAccessToken(state: State, input: AccessTokenInput): HostAccessToken {
  const repository = input.repository === undefined ? null : stateOf(state, input.repository);
  const workspace = repository?.workspace ?? input.workspace ?? input.project?.workspace;
  const kinds = [input.workspace, input.repository, input.project].filter((item) => item !== undefined);
  if (workspace === undefined || kinds.length !== 1) throw new Error("an access token is of exactly one thing");
  const token = `ATCTT3${randomBytes(60).toString("base64url")}`;
  state.tokens.set(token, {
    token,
    kind: "access",
    install: null,
    workspace: workspaceOf(state, workspace),
    repository,
    project: input.project?.key ?? null,
    scopes: input.scopes,
    identity: token,
    hourlyLimit: input.hourlyLimit ?? null,
    expiresAt: null,
  });
  return { token, scopes: input.scopes };
}

/** The living token, or a 401. */
export function findToken(state: State, token: string): TokenState {
  const found = state.tokens.get(token);
  const expired = found === undefined || (found.expiresAt !== null && found.expiresAt <= state.now());
  if (expired || found.install?.active === false) {
    throw new Refusal(401, "Access token expired. Use your refresh token to obtain a new access token.");
  }
  return found;
}

/** The repository is one of those the token is for. */
export function reaches(token: TokenState, repository: RepositoryState): boolean {
  // Also of its own repository, once that has gone to somebody else.
  if (token.workspace !== repository.workspace) return false;
  if (token.repository !== null) return token.repository === repository;
  return token.project === null || token.project === repository.project;
}

/** Refuses a call without the scope, as Bitbucket says it. */
export function requireScope(token: Pick<TokenState, "scopes"> | null, scope: Scope): void {
  if (token === null || allowsScope(token.scopes, scope)) return;
  throw new Refusal(403, "Your credentials lack one or more required privilege scopes.", {
    detail: { required: [scope], granted: token.scopes },
  });
}
