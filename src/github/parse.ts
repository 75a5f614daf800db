import type { z } from "zod";
import type { HostEvent, IgnoredEvent, InstallationEvent, ParseResult, RepositoryName } from "../core/events.ts";
import { type Account, type Actor, type HostId, parseSha, type RefChange, type Repository } from "../core/model.ts";
import {
  aboutRepositorySchema,
  type accountSchema,
  actionSchema,
  checkRunOwnerSchema,
  checkRunRerequestedSchema,
  checkSuiteOwnerSchema,
  checkSuiteRerequestedSchema,
  installationEventSchema,
  installationRepositoriesSchema,
  pushSchema,
  type repositoryNameSchema,
  type repositorySchema,
  senderSchema,
} from "./payloads.ts";

export interface ParseContext {
  readonly host: string;
  /** Our App's id, to know our own checks; null: not known, then no check is ours. */
  readonly appId: number | null;
}

/** Id of "no installation": GitHub counts from 1. Payloads of a repository's own webhook name none. */
const NO_INSTALLATION = "0";

/** Translates one payload of a verified delivery. Pure, total: anything may be handed to it. */
export function parseGithub(event: string, payload: unknown, context: ParseContext): ParseResult {
  if (!EVENT_NAME.test(event)) return { ok: false, message: "Not the name of a GitHub event." };
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    return { ok: false, message: `Not a usable ${event} payload: not a JSON object.` };
  }
  const result = parseEvent(event, payload, context);
  return result.ok && result.event.type === "ignored"
    ? parsed({ ...result.event, ...repositoryOf(payload, context) })
    : result;
}

/** As `X-GitHub-Event` and the actions of payloads are spelled. Bitbucket's hold a colon: `repo:push`. */
const EVENT_NAME = /^[a-z][a-z0-9_]{0,99}$/;

function repositoryOf(payload: object, context: ParseContext): Pick<IgnoredEvent, "repository"> {
  const about = aboutRepositorySchema.safeParse(payload);
  return about.success ? { repository: toRepositoryName(about.data.repository, context) } : {};
}

function parseEvent(event: string, payload: object, context: ParseContext): ParseResult {
  switch (event) {
    case "push":
      return parsePush(payload, context);
    case "installation":
      return parseInstallation(payload, context);
    case "installation_repositories":
      return parseInstallationRepositories(payload, context);
    case "check_run":
      return parseCheckRun(payload, context);
    case "check_suite":
      return parseCheckSuite(payload, context);
    case "ping":
      return ignored("ping", "GitHub checked that the webhook is reachable.");
    default:
      return unsupported(event, null);
  }
}

function parsePush(payload: unknown, context: ParseContext): ParseResult {
  const result = pushSchema.safeParse(payload);
  if (!result.success) return rejected("push", result.error);
  const push = result.data;
  const change = refChange(push);
  return parsed({
    type: "push",
    repository: toRepository(push.repository, context),
    installation: hostId(push.installation?.id ?? NO_INSTALLATION, context),
    actor: actorOf(payload),
    changes: change === null ? [] : [change],
  });
}

/** Null for refs that are neither branch nor tag (`refs/notes/…`, `refs/pull/…`), and for one that neither was nor is. */
function refChange(push: z.infer<typeof pushSchema>): RefChange | null {
  const kind = push.ref.startsWith("refs/heads/") ? "branch" : push.ref.startsWith("refs/tags/") ? "tag" : null;
  if (kind === null) return null;
  const name = push.ref.slice(kind === "branch" ? "refs/heads/".length : "refs/tags/".length);
  if (name === "") return null;
  const before = parseSha(push.before);
  const after = parseSha(push.after);
  if (before === null && after === null) return null;
  // `after` of an annotated tag is the tag object; `head_commit` is the commit it points to.
  const peeled = kind === "tag" ? (parseSha(push.head_commit?.id) ?? after) : after;
  return {
    kind,
    ref: push.ref,
    name,
    before,
    after,
    commit: after === null ? null : peeled,
    forced: push.forced ?? false,
    message: after === null ? "" : (push.head_commit?.message ?? ""),
    ...(after !== null && forExpressions(kind, push)),
  };
}

/** What only tag entries with `{{commit_date}}` and `{{base_ref}}` look at; a payload that says it oddly says nothing. */
function forExpressions(
  kind: RefChange["kind"],
  { head_commit, base_ref }: z.infer<typeof pushSchema>,
): Pick<RefChange, "committedAt" | "baseBranch"> {
  const made = new Date(head_commit?.timestamp ?? "");
  const base = kind === "tag" && base_ref?.startsWith("refs/heads/") ? base_ref.slice("refs/heads/".length) : "";
  return {
    ...(!Number.isNaN(made.getTime()) && { committedAt: made.toISOString() }),
    ...(base !== "" && { baseBranch: base }),
  };
}

const INSTALLATION_ACTIONS: ReadonlyMap<string, InstallationEvent["action"]> = new Map([
  ["created", "created"],
  ["deleted", "removed"],
  ["suspend", "suspended"],
  ["unsuspend", "unsuspended"],
  ["new_permissions_accepted", "permissions"],
]);

function parseInstallation(payload: unknown, context: ParseContext): ParseResult {
  const action = INSTALLATION_ACTIONS.get(actionOf(payload) ?? "");
  if (action === undefined) return unsupported("installation", actionOf(payload));
  const result = installationEventSchema.safeParse(payload);
  if (!result.success) return rejected("installation", result.error);
  const { installation, repositories } = result.data;
  return parsed({
    type: "installation",
    action,
    installation: hostId(installation.id, context),
    account: toAccount(installation.account, context),
    permissions: installation.permissions ?? {},
    repositories: repositories?.length ? repositories.map((item) => toRepositoryName(item, context)) : null,
    actor: actorOf(payload),
  });
}

function parseInstallationRepositories(payload: unknown, context: ParseContext): ParseResult {
  const action = actionOf(payload);
  if (action !== "added" && action !== "removed") return unsupported("installation_repositories", action);
  const result = installationRepositoriesSchema.safeParse(payload);
  if (!result.success) return rejected("installation_repositories", result.error);
  const { installation, repositories_added, repositories_removed } = result.data;
  return parsed({
    type: "repositories",
    installation: hostId(installation.id, context),
    account: toAccount(installation.account, context),
    added: repositories_added.map((item) => toRepositoryName(item, context)),
    removed: repositories_removed.map((item) => toRepositoryName(item, context)),
    actor: actorOf(payload),
  });
}

function parseCheckRun(payload: unknown, context: ParseContext): ParseResult {
  const action = actionOf(payload);
  const owner = checkRunOwnerSchema.safeParse(payload);
  const ours = context.appId !== null && owner.success && owner.data.check_run.app?.id === context.appId;
  if (ours && (action === "created" || action === "completed")) {
    return ignored("echo", "GitHub reported back a check this App wrote itself.");
  }
  if (!ours || action !== "rerequested") return unsupported("check_run", action);
  const result = checkRunRerequestedSchema.safeParse(payload);
  if (!result.success) return rejected("check_run", result.error);
  const { check_run, repository, installation } = result.data;
  return parseRerun(payload, { sha: check_run.head_sha, check: check_run.name, repository, installation }, context);
}

function parseCheckSuite(payload: unknown, context: ParseContext): ParseResult {
  const action = actionOf(payload);
  const owner = checkSuiteOwnerSchema.safeParse(payload);
  const ours = context.appId !== null && owner.success && owner.data.check_suite.app?.id === context.appId;
  if (!ours || action !== "rerequested") return unsupported("check_suite", action);
  const result = checkSuiteRerequestedSchema.safeParse(payload);
  if (!result.success) return rejected("check_suite", result.error);
  const { check_suite, repository, installation } = result.data;
  return parseRerun(payload, { sha: check_suite.head_sha, check: null, repository, installation }, context);
}

function parseRerun(
  payload: unknown,
  rerun: {
    readonly sha: string;
    readonly check: string | null;
    readonly repository: z.infer<typeof repositorySchema>;
    readonly installation: { readonly id: string };
  },
  context: ParseContext,
): ParseResult {
  const sha = parseSha(rerun.sha);
  if (sha === null) return { ok: false, message: "Not a usable re-run: head_sha names no commit." };
  return parsed({
    type: "rerun",
    repository: toRepository(rerun.repository, context),
    installation: hostId(rerun.installation.id, context),
    sha,
    check: rerun.check,
    actor: actorOf(payload),
  });
}

function hostId(id: string, context: ParseContext): HostId {
  return { provider: "github", host: context.host, id };
}

function toRepository(repository: z.infer<typeof repositorySchema>, context: ParseContext): Repository {
  return {
    ...hostId(repository.id, context),
    fullName: repository.full_name,
    private: repository.private,
    defaultBranch: repository.default_branch || null,
    cloneUrl: repository.clone_url,
    webUrl: repository.html_url,
  };
}

export function toRepositoryName(
  repository: z.infer<typeof repositoryNameSchema>,
  context: Pick<ParseContext, "host">,
): RepositoryName {
  return {
    provider: "github",
    host: context.host,
    id: repository.id,
    fullName: repository.full_name,
    private: repository.private,
  };
}

export function toAccount(account: z.infer<typeof accountSchema>, context: Pick<ParseContext, "host">): Account {
  const identity = { provider: "github", host: context.host, id: account.id } as const;
  if (!("login" in account)) return { ...identity, login: account.slug, kind: "enterprise" };
  return { ...identity, login: account.login, kind: account.type === "Organization" ? "organization" : "user" };
}

/** The signed `sender`, never the pusher's or author's name: those anyone can write. A broken one is nobody. */
function actorOf(payload: unknown): Actor | null {
  const result = senderSchema.safeParse(payload);
  return result.success ? (result.data.sender ?? null) : null;
}

function actionOf(payload: unknown): string | null {
  const result = actionSchema.safeParse(payload);
  return result.success ? (result.data.action ?? null) : null;
}

function parsed(event: HostEvent): ParseResult {
  return { ok: true, event };
}

function ignored(reason: IgnoredEvent["reason"], detail: string): ParseResult {
  return parsed({ type: "ignored", reason, detail });
}

function unsupported(event: string, action: string | null): ParseResult {
  // Shown where people look: of an action that is no name, nothing.
  const name = action === null || !EVENT_NAME.test(action) ? event : `${event}.${action}`;
  return ignored("unsupported-event", `Nothing is built for \`${name.slice(0, 100)}\` events.`);
}

/** Names the first field that is wrong, never its value. */
function rejected(event: string, error: z.ZodError): ParseResult {
  const issue = error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "the payload" : issue.path.map(String).join(".");
  return { ok: false, message: `Not a usable ${event} payload: ${where}: ${issue?.message ?? "invalid"}.` };
}
