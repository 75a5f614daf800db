import type { z } from "zod";
import type { CheckAction } from "../core/check.ts";
import type { IgnoredEvent, InstallationEvent, ParseResult, RepositoryEvent } from "../core/events.ts";
import { parseSha, type RefChange } from "../core/model.ts";
import { parseMergeGroup, parsePullRequest } from "./parse-pulls.ts";
import {
  aboutRepositorySchema,
  checkRunOwnerSchema,
  checkRunRequestSchema,
  checkSuiteOwnerSchema,
  checkSuiteRerequestedSchema,
  installationEventSchema,
  installationRepositoriesSchema,
  installationTargetSchema,
  memberRemovedSchema,
  pushSchema,
  repositoryEventSchema,
  type repositorySchema,
  requestedActionSchema,
} from "./payloads.ts";
import {
  actionOf,
  actorOf,
  EVENT_NAME,
  hostId,
  ignored,
  NO_INSTALLATION,
  type ParseContext,
  parsed,
  rejected,
  toAccount,
  toRepository,
  toRepositoryName,
  unsupported,
} from "./words.ts";

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

function repositoryOf(payload: object, context: ParseContext): Pick<IgnoredEvent, "repository"> {
  const about = aboutRepositorySchema.safeParse(payload);
  return about.success ? { repository: toRepositoryName(about.data.repository, context) } : {};
}

function parseEvent(event: string, payload: object, context: ParseContext): ParseResult {
  switch (event) {
    case "push":
      return parsePush(payload, context);
    case "pull_request":
      return parsePullRequest(payload, context);
    case "merge_group":
      return parseMergeGroup(payload, context);
    case "installation":
      return parseInstallation(payload, context);
    case "installation_repositories":
      return parseInstallationRepositories(payload, context);
    case "installation_target":
      return parseInstallationTarget(payload, context);
    case "repository":
      return parseRepositoryEvent(payload, context);
    case "check_run":
      return parseCheckRun(payload, context);
    case "check_suite":
      return parseCheckSuite(payload, context);
    case "github_app_authorization":
      return parseAuthorization(payload, context);
    case "organization":
      return parseOrganization(payload, context);
    case "ping":
      return ignored("ping", "GitHub checked that the webhook is reachable.");
    default:
      return unsupported(event, null);
  }
}

/** Sent to the App's owner of everybody who signed in, installed or not. */
function parseAuthorization(payload: object, context: ParseContext): ParseResult {
  const action = actionOf(payload);
  if (action !== "revoked") return unsupported("github_app_authorization", action);
  const actor = actorOf(payload);
  if (actor === null) return { ok: false, message: "Not a usable github_app_authorization payload: no sender." };
  return parsed({ type: "person", action: "revoked", person: hostId(actor.id, context) });
}

function parseOrganization(payload: object, context: ParseContext): ParseResult {
  const action = actionOf(payload);
  if (action !== "member_removed") return unsupported("organization", action);
  const result = memberRemovedSchema.safeParse(payload);
  if (!result.success) return rejected("organization", result.error);
  return parsed({ type: "person", action: "left", person: hostId(result.data.membership.user.id, context) });
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

/** An account got another name. */
function parseInstallationTarget(payload: unknown, context: ParseContext): ParseResult {
  const action = actionOf(payload);
  if (action !== "renamed") return unsupported("installation_target", action);
  const result = installationTargetSchema.safeParse(payload);
  if (!result.success) return rejected("installation_target", result.error);
  const { installation, account } = result.data;
  return parsed({
    type: "installation",
    action,
    installation: hostId(installation.id, context),
    account: toAccount(account, context),
    permissions: {},
    repositories: null,
    actor: actorOf(payload),
  });
}

/** Edited is for descriptions, and for the default branch, which each push names. */
const REPOSITORY_ACTIONS: ReadonlyMap<string, RepositoryEvent["action"]> = new Map([
  ["created", "created"],
  ["renamed", "renamed"],
  ["transferred", "moved"],
  ["archived", "archived"],
  ["unarchived", "unarchived"],
  ["privatized", "made-private"],
  ["publicized", "made-public"],
  ["deleted", "deleted"],
]);

function parseRepositoryEvent(payload: unknown, context: ParseContext): ParseResult {
  const action = REPOSITORY_ACTIONS.get(actionOf(payload) ?? "");
  if (action === undefined) return unsupported("repository", actionOf(payload));
  const result = repositoryEventSchema.safeParse(payload);
  if (!result.success) return rejected("repository", result.error);
  const { repository, installation } = result.data;
  return parsed({
    type: "repository",
    action,
    repository: toRepositoryName(repository, context),
    installation: hostId(installation?.id ?? NO_INSTALLATION, context),
    actor: actorOf(payload),
  });
}

const APPROVE: CheckAction["identifier"] = "approve";

function parseCheckRun(payload: unknown, context: ParseContext): ParseResult {
  const action = actionOf(payload);
  const owner = checkRunOwnerSchema.safeParse(payload);
  const ours = context.appId !== null && owner.success && owner.data.check_run.app?.id === context.appId;
  if (ours && (action === "created" || action === "completed")) {
    return ignored("echo", "GitHub reported back a check this App wrote itself.");
  }
  const approves = action === "requested_action" && isApproval(payload);
  if (!ours || (action !== "rerequested" && !approves)) return unsupported("check_run", action);
  const result = checkRunRequestSchema.safeParse(payload);
  if (!result.success) return rejected("check_run", result.error);
  const { check_run, repository, installation } = result.data;
  const check = { sha: check_run.head_sha, check: check_run.name, repository, installation };
  return approves ? parseApproval(payload, check, context) : parseRerun(payload, check, context);
}

/** The identifier of core/check.ts. It comes back as we sent it, and whoever forges it has our webhook secret. */
function isApproval(payload: unknown): boolean {
  const result = requestedActionSchema.safeParse(payload);
  return result.success && result.data.requested_action.identifier === APPROVE;
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

/** What the buttons beside a check are about. `check` null: all of the commit's. */
interface Requested<Check extends string | null> {
  readonly sha: string;
  readonly check: Check;
  readonly repository: z.infer<typeof repositorySchema>;
  readonly installation: { readonly id: string };
}

function parseApproval(payload: unknown, approval: Requested<string>, context: ParseContext): ParseResult {
  const sha = parseSha(approval.sha);
  if (sha === null) return { ok: false, message: "Not a usable approval: head_sha names no commit." };
  return parsed({
    type: "approval",
    repository: toRepository(approval.repository, context),
    installation: hostId(approval.installation.id, context),
    sha,
    check: approval.check,
    actor: actorOf(payload),
  });
}

function parseRerun(payload: unknown, rerun: Requested<string | null>, context: ParseContext): ParseResult {
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
