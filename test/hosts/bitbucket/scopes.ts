/** Bitbucket's own scopes, which of them stand for others, and which events need which. */
import type { Scope } from "./contract.ts";

/** Each with those it stands for. `repository:admin` is neither reading nor writing. */
const IMPLIED: Readonly<Record<Scope, readonly Scope[]>> = {
  account: [],
  "account:write": ["account"],
  email: [],
  issue: [],
  "issue:write": ["issue"],
  pipeline: [],
  "pipeline:variable": ["pipeline"],
  "pipeline:write": ["pipeline"],
  project: ["repository"],
  "project:admin": [],
  "project:write": ["project", "repository", "repository:write"],
  pullrequest: ["repository"],
  "pullrequest:write": ["pullrequest", "repository", "repository:write"],
  repository: [],
  "repository:admin": [],
  "repository:delete": [],
  "repository:write": ["repository"],
  runner: [],
  "runner:write": ["runner"],
  snippet: [],
  "snippet:write": ["snippet"],
  team: [],
  "team:write": ["team"],
  webhook: [],
  wiki: [],
};

export const ALL_SCOPES: readonly Scope[] = Object.keys(IMPLIED);

export function isScope(scope: string): boolean {
  return Object.hasOwn(IMPLIED, scope);
}

export function allowsScope(granted: readonly Scope[], wanted: Scope): boolean {
  return granted.some((scope) => scope === wanted || (IMPLIED[scope] ?? []).includes(wanted));
}

/** Events a descriptor may name. Ordinary webhooks know some more and some fewer. */
export const CONNECT_EVENTS: ReadonlySet<string> = new Set([
  "issue:comment_created",
  "issue:created",
  "issue:updated",
  "project:updated",
  "pullrequest:approved",
  "pullrequest:changes_request_created",
  "pullrequest:changes_request_removed",
  "pullrequest:comment_created",
  "pullrequest:comment_deleted",
  "pullrequest:created",
  "pullrequest:fulfilled",
  "pullrequest:rejected",
  "pullrequest:superseded",
  "pullrequest:unapproved",
  "pullrequest:updated",
  "repo:branch_created",
  "repo:branch_deleted",
  "repo:commit_comment_created",
  "repo:commit_status_created",
  "repo:commit_status_updated",
  "repo:created",
  "repo:deleted",
  "repo:fork",
  "repo:imported",
  "repo:push",
  "repo:transfer",
  "repo:updated",
  "user:account_property_changed",
]);

const SCOPE_OF_SUBJECT: Readonly<Record<string, Scope>> = {
  issue: "issue",
  project: "project",
  pullrequest: "pullrequest",
  repo: "repository",
  user: "account",
};

/** What an app must have been granted to hear of an event. */
export function scopeOfEvent(event: string): Scope {
  const scope = SCOPE_OF_SUBJECT[event.split(":")[0] ?? ""];
  if (scope === undefined) throw new Error(`there is no event ${event}`);
  return scope;
}
