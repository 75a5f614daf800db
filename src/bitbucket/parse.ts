import type { z } from "zod";
import type {
  HostEvent,
  IgnoredEvent,
  InstallationEvent,
  ParseResult,
  PullRequestEvent,
  RepositoryEvent,
  RepositoryName,
  UnusableChange,
} from "../core/events.ts";
import {
  type Actor,
  type Checkout,
  type HostId,
  parseSha,
  type RefChange,
  type Repository,
  type Sha,
} from "../core/model.ts";
import {
  aboutRepositorySchema,
  actorSchema,
  lifecycleSchema,
  pullRequestSchema,
  pushSchema,
  refKindSchema,
  repositoryChangesSchema,
  repositoryEventSchema,
  type repositoryNameSchema,
  type repositorySchema,
} from "./payloads.ts";
import { parseUuid } from "./uuid.ts";

export interface ParseContext {
  readonly host: string;
  /** `https://bitbucket.org`: repositories are found and cloned below it. Addresses in payloads are never followed. */
  readonly webUrl: string;
  /** The workspace that the delivery was verified to come from; null: not known, the payload says. */
  readonly installationId: string | null;
}

/** As `X-Event-Key` spells them; GitHub's names hold no colon. */
const EVENT_NAME = /^(?=.{1,64}$)[a-z0-9_]+(?::[a-z0-9_]+)+$/;

/** Our own deliveries, made when an installation begins or ends. No webhook can send them: they hold no colon. */
const LIFECYCLE: ReadonlyMap<string, InstallationEvent["action"]> = new Map([
  ["installed", "created"],
  ["connected", "created"],
  ["uninstalled", "removed"],
  ["disconnected", "removed"],
]);

const PULL_REQUEST_ACTIONS: ReadonlyMap<string, PullRequestEvent["action"]> = new Map([
  ["pullrequest:created", "opened"],
  ["pullrequest:updated", "updated"],
  ["pullrequest:fulfilled", "merged"],
  ["pullrequest:rejected", "declined"],
]);

/** What a pull request may be by now, whatever the event: closed ones are edited, too, and events come in any order. */
const CLOSED_STATES: ReadonlyMap<string, PullRequestEvent["action"]> = new Map([
  ["MERGED", "merged"],
  ["DECLINED", "declined"],
  ["SUPERSEDED", "declined"],
]);

const REPOSITORY_ACTIONS: ReadonlyMap<string, RepositoryEvent["action"]> = new Map([
  ["repo:created", "created"],
  ["repo:imported", "created"],
  ["repo:updated", "updated"],
  ["repo:transfer", "moved"],
  ["repo:deleted", "deleted"],
]);

/**
 * Translates one payload of a verified delivery. Pure, total: anything may be handed to it. Payloads of webhooks are
 * plain; those of the Connect add-on stand in an envelope, `{"event":"repo:push","data":{…}}`.
 */
export function parseBitbucket(event: string, payload: unknown, context: ParseContext): ParseResult {
  if (!EVENT_NAME.test(event) && !LIFECYCLE.has(event)) {
    return { ok: false, message: "Not the name of a Bitbucket event." };
  }
  const opened = openEnvelope(event, payload);
  if (!opened.ok) return unusable(event, opened.message);
  const result = parseEvent(event, opened.content, context);
  return result.ok && result.event.type === "ignored"
    ? parsed({ ...result.event, ...repositoryOf(opened.content, context) })
    : result;
}

type Opened = { readonly ok: true; readonly content: object } | { readonly ok: false; readonly message: string };

function openEnvelope(event: string, payload: unknown): Opened {
  if (!isObject(payload)) return { ok: false, message: "not a JSON object" };
  if (!("event" in payload && "data" in payload)) return { ok: true, content: payload };
  const { event: named, data } = payload;
  if (named !== event) {
    const other = typeof named === "string" && EVENT_NAME.test(named) ? named : "another event";
    return { ok: false, message: `its envelope is of ${other}` };
  }
  return isObject(data) ? { ok: true, content: data } : { ok: false, message: "its envelope holds no JSON object" };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseEvent(event: string, content: object, context: ParseContext): ParseResult {
  if (event === "repo:push") return parsePush(content, context);
  const action = PULL_REQUEST_ACTIONS.get(event);
  if (action !== undefined) return parsePullRequest(event, action, content, context);
  const change = REPOSITORY_ACTIONS.get(event);
  if (change !== undefined) return parseRepositoryEvent(event, change, content, context);
  const life = LIFECYCLE.get(event);
  if (life !== undefined) return parseLifecycle(event, life, content, context);
  return ignored(`Nothing is built for \`${event}\` events.`);
}

function parsePush(content: object, context: ParseContext): ParseResult {
  const result = pushSchema.safeParse(content);
  if (!result.success) return rejected("repo:push", result.error);
  const { push, repository } = result.data;
  const installation = installationOf(repository, context);
  if (installation === null) return homeless("repo:push");
  const read = push.changes.flatMap(oneRefEach).map(readChange);
  const broken = read.flatMap((one) => one?.broken ?? []);
  return parsed({
    type: "push",
    repository: toRepository(repository, context),
    installation,
    actor: actorOf(content),
    changes: read.flatMap((one) => one?.change ?? []),
    ...(broken.length > 0 && { unusable: broken }),
  });
}

type WireChange = z.infer<typeof pushSchema>["push"]["changes"][number];
type WireRef = NonNullable<WireChange["old"]>;

/** A change is one ref's. Should its sides be two refs, then one was deleted and the other created. */
function oneRefEach(change: WireChange): readonly WireChange[] {
  const { old, new: now } = change;
  if (!old || !now || (old.type === now.type && old.name === now.name)) return [change];
  return [
    { ...change, new: null },
    { ...change, old: null },
  ];
}

type ReadChange = { readonly change?: RefChange; readonly broken?: UnusableChange };

/** Null for what is neither branch nor tag, and for a change from nothing to nothing. */
function readChange({ old, new: now, forced }: WireChange): ReadChange | null {
  const ref = now ?? old;
  const kind = refKindSchema.safeParse(ref?.type);
  // Branches and tags without a name did not pass the schema; here the compiler learns of it.
  if (!kind.success || !ref?.name) return null;
  const { name } = ref;
  const named = {
    kind: kind.data,
    ref: `refs/${kind.data === "branch" ? "heads" : "tags"}/${name}`,
    name,
    forced: forced ?? false,
  };
  const before = shaOf(old);
  const after = shaOf(now);
  if (before === undefined || after === undefined) {
    return { broken: { ...named, before: hexOf(old), after: hexOf(now) } };
  }
  // Payloads name the commit an annotated tag points to, never the tag object.
  const message = now?.target?.message ?? "";
  return { change: { ...named, before, after, commit: after, message, ...(after !== null && madeAt(now)) } };
}

/** For tag entries with `{{commit_date}}`; a payload that says it oddly says nothing. */
function madeAt(side: WireRef | null | undefined): Pick<RefChange, "committedAt"> {
  const made = new Date(side?.target?.date ?? "");
  return Number.isNaN(made.getTime()) ? {} : { committedAt: made.toISOString() };
}

/** Null: this side does not exist. Undefined: it does, without the full hash of a commit. */
function shaOf(side: WireRef | null | undefined): Sha | null | undefined {
  return side ? (parseSha(side.target?.hash) ?? undefined) : null;
}

/** Whatever there is of a hash. */
function hexOf(side: WireRef | null | undefined): string | null {
  const hash = side?.target?.hash ?? "";
  return /^[0-9a-f]{1,64}$/.test(hash) ? hash : null;
}

function parsePullRequest(
  event: string,
  action: PullRequestEvent["action"],
  content: object,
  context: ParseContext,
): ParseResult {
  const result = pullRequestSchema.safeParse(content);
  if (!result.success) return rejected(event, result.error);
  const { pullrequest, repository } = result.data;
  const { source, destination } = pullrequest;
  if (destination.repository && destination.repository.uuid !== repository.uuid) {
    return unusable(event, "pullrequest.destination.repository: not the repository it is about");
  }
  const installation = installationOf(repository, context);
  if (installation === null) return homeless(event);
  return parsed({
    type: "pull_request",
    action: CLOSED_STATES.get(pullrequest.state ?? "") ?? action,
    repository: toRepository(repository, context),
    installation,
    number: pullrequest.id,
    source: {
      repository: source.repository ? toRepositoryName(source.repository, context) : null,
      branch: source.branch.name,
      commit: source.commit?.hash ?? null,
      before: null,
    },
    checkout: checkoutOf(source, repository.uuid, context),
    target: { branch: destination.branch.name, commit: destination.commit?.hash ?? null },
    fork: source.repository?.uuid !== repository.uuid,
    draft: pullrequest.draft ?? false,
    // Bitbucket's own queue merges without asking: nothing is sent for it.
    queued: false,
    actor: actorOf(content),
  });
}

/** Of a fork without the installation's credential: that is for the workspace's own repositories. */
function checkoutOf(
  { repository, branch }: z.infer<typeof pullRequestSchema>["pullrequest"]["source"],
  target: string,
  context: ParseContext,
): Checkout | null {
  if (!repository) return null;
  const cloneUrl = `${webUrlOf(repository, context)}.git`;
  return { cloneUrl, ref: `refs/heads/${branch.name}`, anonymous: repository.uuid !== target };
}

function parseRepositoryEvent(
  event: string,
  action: RepositoryEvent["action"],
  content: object,
  context: ParseContext,
): ParseResult {
  const result = repositoryEventSchema.safeParse(content);
  if (!result.success) return rejected(event, result.error);
  const { repository } = result.data;
  const installation = installationOf(repository, context);
  if (installation === null) return homeless(event);
  return parsed({
    type: "repository",
    action: action === "updated" && isRenamed(content) ? "renamed" : action,
    repository: toRepositoryName(repository, context),
    installation,
    actor: actorOf(content),
  });
}

/** Descriptions change under the same event, and so may what is not documented to be told: whether it is private. */
function isRenamed(content: object): boolean {
  const result = repositoryChangesSchema.safeParse(content);
  return result.success && Boolean(result.data.changes.full_name ?? result.data.changes.name);
}

function parseLifecycle(
  event: string,
  action: InstallationEvent["action"],
  content: object,
  context: ParseContext,
): ParseResult {
  const result = lifecycleSchema.safeParse(content);
  if (!result.success) return rejected(event, result.error);
  const { uuid, slug, kind } = result.data.workspace;
  if (context.installationId !== null && parseUuid(context.installationId) !== uuid) {
    return unusable(event, "workspace.uuid: not the workspace it was recorded for");
  }
  const identity = hostId(uuid, context);
  return parsed({
    type: "installation",
    action,
    installation: identity,
    account: { ...identity, login: slug, kind },
    permissions: {},
    repositories: null,
    actor: null,
  });
}

function hostId(id: string, context: ParseContext): HostId {
  return { provider: "bitbucket", host: context.host, id };
}

/** Null: neither the door nor the payload names the workspace. The door's word counts; who signs a payload writes it. */
function installationOf(repository: z.infer<typeof repositorySchema>, context: ParseContext): HostId | null {
  const { workspace, owner } = repository;
  const id = parseUuid(context.installationId ?? workspace?.uuid ?? owner?.uuid);
  return id === null ? null : hostId(id, context);
}

function toRepository(repository: z.infer<typeof repositorySchema>, context: ParseContext): Repository {
  const webUrl = webUrlOf(repository, context);
  // Payloads do not say which branch is the default one: the host is asked.
  return { ...toRepositoryName(repository, context), defaultBranch: null, cloneUrl: `${webUrl}.git`, webUrl };
}

/** Made of its name: addresses in payloads lead anywhere. */
function webUrlOf(repository: z.infer<typeof repositoryNameSchema>, { webUrl }: ParseContext): string {
  return `${webUrl}/${repository.full_name}`;
}

/** Nested repositories do not say whether they are private: then they are taken to be. */
function toRepositoryName(repository: z.infer<typeof repositoryNameSchema>, context: ParseContext): RepositoryName {
  return {
    ...hostId(repository.uuid, context),
    fullName: repository.full_name,
    private: repository.is_private ?? true,
  };
}

function repositoryOf(content: object, context: ParseContext): Pick<IgnoredEvent, "repository"> {
  const about = aboutRepositorySchema.safeParse(content);
  return about.success ? { repository: toRepositoryName(about.data.repository, context) } : {};
}

/** The signed `actor`, never a commit's author: that anyone can write. A broken one is nobody. */
function actorOf(content: object): Actor | null {
  const result = actorSchema.safeParse(content);
  if (!result.success) return null;
  const { uuid, nickname, display_name } = result.data.actor;
  const login = nickname || display_name;
  return login ? { id: uuid, login } : null;
}

function parsed(event: HostEvent): ParseResult {
  return { ok: true, event };
}

function ignored(detail: string): ParseResult {
  return parsed({ type: "ignored", reason: "unsupported-event", detail });
}

function homeless(event: string): ParseResult {
  return unusable(event, "repository.workspace: names no workspace");
}

function unusable(event: string, why: string): ParseResult {
  return { ok: false, message: `Not a usable ${event} payload: ${why}.` };
}

/** Names the first field that is wrong, never its value. */
function rejected(event: string, error: z.ZodError): ParseResult {
  const issue = error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "the payload" : issue.path.map(String).join(".");
  return unusable(event, `${where}: ${issue?.message ?? "invalid"}`);
}
