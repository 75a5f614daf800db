/**
 * What a push or pull request that changes the config file would change. Calls to the host beyond those of planning:
 * - a push that leaves the file as it was recorded of its branch (of a new branch: of the default branch): none;
 * - one that changes it: one, for the file before it, and none where the memory of the host has that or there was none.
 *   A new branch with another file than the default branch's costs one more where its paths are not known;
 * - a pull request: one, for the file at its head, unless its paths are known and are others, or its head was pushed to
 *   this repository and is recorded or remembered. Where that file differs one more, for the paths.
 */
import { checkFile, type FileCheck, MAX_COMPARED } from "../core/config-check.ts";
import type { HostEvent, PullRequestEvent, PushEvent } from "../core/events.ts";
import { type Change, hostKey, type Outcome, ok, parseSha, type Sha } from "../core/model.ts";
import type { ChangeFacts, PlanFacts } from "../core/plan.ts";
import { pullRequestChange } from "../core/pulls.ts";
import { CONFIG_FILE, type ConfigFact } from "../core/repo-config/config.ts";
import { isMergeQueue } from "../core/rules.ts";
import { isDefaultBranch } from "../core/trust.ts";
import { COMPARE_ATTEMPTS, fileAt, pathsOf } from "./gather.ts";
import type { Host, Logger } from "./ports.ts";
import type { PastDelivery, PlanRecord, SeenFile, Store } from "./store-port.ts";

/** Of one delivery: a push may move hundreds of branches. */
const MAX_CHECKED = 5;
/** A body that is larger is left out: parsing it takes longer than it is worth. */
const MAX_BODY_BYTES = 1024 ** 2;

export interface FileQuestion {
  readonly host: Pick<Host, "file" | "changedPaths" | "tags" | "head" | "receive">;
  readonly event: PushEvent | PullRequestEvent;
  /** As they were gathered for planning. */
  readonly changes: readonly ChangeFacts[];
  readonly facts: Omit<PlanFacts, "changes" | "unusable" | "imageOwners">;
  /** How often the delivery was tried. */
  readonly attempts: number;
  owners(images: readonly string[]): Promise<PlanFacts["imageOwners"]>;
  readonly store: Pick<Store, "configFiles" | "pastDeliveries" | "deliveryBody">;
  readonly log: Logger;
}

export type CheckedFiles = Required<Pick<PlanRecord, "configFiles" | "fileChecks">>;

/** The two versions of the file; null: there is nothing to compare. */
type Pair = { readonly before: ConfigFact; readonly after: ConfigFact } | null;

const MISSING: ConfigFact = { kind: "missing", hint: null };

/**
 * Fails only for a pull request whose host may answer later: its check must not end well because nobody looked. What a
 * push has built is not held up for this.
 */
export async function checkFiles(question: FileQuestion): Promise<Outcome<CheckedFiles>> {
  const { event, store, log } = question;
  const candidates = question.changes.filter(isLookedAt);
  const refs = candidates.map(({ change }) => change.ref);
  const known = await store.configFiles(event.repository, [...new Set([...refs, ...defaultRef(question)])]);
  const past = once(() => pastChanges(question));
  const configFiles: Mutable<CheckedFiles["configFiles"]> = [];
  const fileChecks: Mutable<CheckedFiles["fileChecks"]> = [];
  for (const facts of candidates) {
    const { change, config } = facts;
    const sha = change.commit;
    if (sha === null || fileChecks.length === MAX_CHECKED) continue;
    const kind = change.kind === "pull_request" ? "pull_request" : "push";
    const pair =
      kind === "push" ? await filesOfPush(question, facts, known, past) : await filesOfPull(question, facts, known);
    if (!pair.ok) {
      log.warn({ repository: event.repository.fullName, sha, reason: pair.message }, "config file not compared");
      if (kind === "pull_request" && mayComeLater(pair, question.attempts)) return pair;
      // Nor is the file recorded: what is pushed next is compared with what is known now.
      continue;
    }
    const digest = digestOf(config);
    if (kind === "push" && digest !== undefined) configFiles.push({ ref: change.ref, sha, digest });
    if (pair.value === null) continue;
    fileChecks.push({ sha, check: await compared(question, kind, pair.value, await past()) });
  }
  return ok({ configFiles, fileChecks });
}

type Mutable<T> = T extends readonly (infer Item)[] ? Item[] : never;

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => (made ??= make());
}

/** Branches that moved and pull requests that wait; of a merge queue's commits each was looked at before. */
function isLookedAt({ change, config }: ChangeFacts): boolean {
  if (digestOf(config) === undefined) return false;
  if (change.kind !== "pull_request") return change.kind === "branch" && !isMergeQueue(change);
  const { closed, queued, checkout } = change.pull;
  return !closed && !queued && checkout !== null;
}

/** Equal exactly for the same file; null: there is none. Undefined: not known. */
function digestOf(file: ConfigFact): string | null | undefined {
  if (file.kind === "read") return file.parsed.digest;
  if (file.kind === "missing") return null;
  return file.kind === "unreadable" ? `unreadable: ${file.why}` : undefined;
}

function defaultRef({ event }: Pick<FileQuestion, "event">): readonly string[] {
  const { defaultBranch } = event.repository;
  return defaultBranch === null ? [] : [`refs/heads/${defaultBranch}`];
}

function isUntouched(paths: readonly string[] | null): boolean {
  return paths !== null && !paths.includes(CONFIG_FILE);
}

function mayComeLater(failure: Outcome<never> & { readonly ok: false }, attempts: number): boolean {
  return failure.retryable && (failure.retryAfter !== null || attempts < COMPARE_ATTEMPTS);
}

async function filesOfPush(
  question: FileQuestion,
  { change, config: after, defaultBranchConfig, changedPaths }: ChangeFacts,
  known: ReadonlyMap<string, SeenFile>,
  past: () => Promise<readonly Change[]>,
): Promise<Outcome<Pair>> {
  const { host, event } = question;
  const { defaultBranch } = event.repository;
  const isDefault = isDefaultBranch(change, defaultBranch);
  const [granting] = isDefault ? [] : defaultRef(question);
  const own = known.get(change.ref);
  const recorded = own ?? (granting === undefined ? undefined : known.get(granting));
  if (isUntouched(changedPaths) || recorded?.digest === digestOf(after)) return ok(null);
  // Not taken away from a branch that nobody knows to have had it, of pages for example.
  if (own === undefined && after.kind === "missing") return ok(null);
  // Nothing of this repository was planned, so there was no file we knew, and no plan that could change.
  if (recorded === undefined && (await past()).length === 0) return ok({ before: MISSING, after });
  if (own?.digest === null || (change.before === null && isDefault)) return ok({ before: MISSING, after });
  if (change.before !== null) {
    const before = await fileAt(host, event, change.before);
    return before.ok ? ok(pairOf(before.value, after)) : before;
  }
  const asked = defaultBranchConfig.kind !== "not-asked";
  if (defaultBranch === null) return ok({ before: MISSING, after });
  const before = asked ? ok(defaultBranchConfig) : await fileAt(host, event, { branch: defaultBranch });
  return before.ok ? whereTouched(question, change, changedPaths, pairOf(before.value, after)) : before;
}

async function filesOfPull(
  question: FileQuestion,
  { change, config: before, changedPaths }: ChangeFacts,
  known: ReadonlyMap<string, SeenFile>,
): Promise<Outcome<Pair>> {
  if (change.kind !== "pull_request" || change.commit === null || isUntouched(changedPaths)) return ok(null);
  // A fork's branch of the same name is another one.
  const pushed = change.pull.fork ? undefined : known.get(change.ref);
  if (pushed?.sha === change.commit && pushed.digest === digestOf(before)) return ok(null);
  const after = await fileAt(question.host, question.event, change.commit);
  return after.ok ? whereTouched(question, change, changedPaths, pairOf(before, after.value)) : after;
}

/** Null: they are the same, or one of them can not be had any more. */
function pairOf(before: ConfigFact, after: ConfigFact): Pair {
  const [was, is] = [digestOf(before), digestOf(after)];
  return was === undefined || is === undefined || was === is ? null : { before, after };
}

/** That the file differs from that of another branch may be because that one has moved on. */
async function whereTouched(
  { host, event, attempts }: FileQuestion,
  change: Change,
  known: readonly string[] | null,
  pair: Pair,
): Promise<Outcome<Pair>> {
  if (pair === null || known !== null) return ok(pair);
  const paths = await pathsOf(host, event, change, attempts);
  if (!paths.ok) return paths;
  return ok(isUntouched(paths.value) ? null : pair);
}

async function compared(
  { facts, owners }: FileQuestion,
  kind: FileCheck["kind"],
  pair: NonNullable<Pair>,
  changes: readonly Change[],
): Promise<FileCheck> {
  const imageOwners = await owners([...new Set([...imagesOf(pair.before), ...imagesOf(pair.after)])]);
  return checkFile(kind, { ...pair, changes, facts: { ...facts, imageOwners } });
}

function imagesOf(file: ConfigFact): readonly string[] {
  const config = file.kind === "read" ? file.parsed.config : null;
  return config?.images.map(({ name }) => name) ?? [];
}

/** Of the repository's last deliveries, the newest first. */
async function pastChanges(question: FileQuestion): Promise<readonly Change[]> {
  const { store, event, log } = question;
  const changes: Change[] = [];
  for (const delivery of await store.pastDeliveries({ repository: event.repository, limit: MAX_COMPARED })) {
    const body = await store.deliveryBody(delivery.id);
    if (body === null || body.length > MAX_BODY_BYTES) continue;
    try {
      changes.push(...(await changesOf(question, delivery, body)));
    } catch (error) {
      // Planned once, by an earlier version perhaps: what can not be read any more is no reason not to go on.
      log.warn({ delivery: delivery.id, err: error }, "past delivery not read");
    }
  }
  return changes;
}

/** What a past delivery moved, if it is one of this repository and came through this installation. */
async function changesOf({ host, event }: FileQuestion, delivery: PastDelivery, body: Buffer): Promise<Change[]> {
  const { deliveryId, event: name, installationId } = delivery;
  const changes: Change[] = [];
  await host.receive({ deliveryId, event: name, installationId, body }, async (past) => {
    if (!isMove(past) || hostKey(past.repository) !== hostKey(event.repository)) return;
    if (hostKey(past.installation) !== hostKey(event.installation)) return;
    if (past.type === "push") changes.push(...past.changes);
    else changes.push(changeOf(past, delivery.commits));
  });
  return changes;
}

function isMove(event: HostEvent): event is PushEvent | PullRequestEvent {
  return event.type === "push" || event.type === "pull_request";
}

/** A payload may abbreviate its head; what was decided of it names it in full. */
function changeOf(event: PullRequestEvent, commits: readonly Sha[]): Change {
  const { commit } = event.source;
  const head = parseSha(commit) ?? commits.find((one) => commit !== null && commit !== "" && one.startsWith(commit));
  return pullRequestChange(event, { head: head ?? null, before: parseSha(event.source.before), target: null });
}
