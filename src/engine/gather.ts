/** What the planner needs to know of a change, asked of its host. */
import type { PullRequestEvent, PushEvent } from "../core/events.ts";
import {
  type Change,
  DEFAULT_POLICY,
  type Installation,
  type LinkState,
  laneOf,
  type Outcome,
  ok,
  type PullRequestChange,
  parseSha,
} from "../core/model.ts";
import { neededFacts, needsConfig, needsGrants, needsTags, publishedImages } from "../core/needed-facts.ts";
import type { ChangeFacts, PlanFacts } from "../core/plan.ts";
import { pullRequestChange } from "../core/pulls.ts";
import { CONFIG_FILE, type ConfigFact } from "../core/repo-config/config.ts";
import { parseRepoConfig } from "../core/repo-config/parse.ts";
import type { ImageOwners } from "../core/trust.ts";
import type { FetchedFile, Host } from "./ports.ts";

/**
 * A comparison that failed this often is one the host can not make: some are too large for it, each time. From then on
 * the paths count as not known, and what is not known is built, rather than holding up the repository for a day.
 */
export const COMPARE_ATTEMPTS = 6;

/** How the repository stands, and how often its delivery was tried. */
export interface Standing {
  readonly installation: Installation | null;
  readonly link: LinkState;
  readonly attempts: number;
}

type Reading = Pick<Host, "file" | "changedPaths" | "tags" | "head">;

/** What the facts are of. */
type About = Pick<PushEvent, "installation" | "repository">;

type Gathered = Outcome<Pick<PlanFacts, "changes" | "imageOwners">>;

/**
 * Everything the planner needs to know of a push, and nothing it does not: each fact is a call to the host. `owners`
 * says of image names, without namespace, how they stand towards the pushed repository; it is asked at most once.
 */
export async function gather(
  host: Reading,
  event: PushEvent | PullRequestEvent,
  standing: Standing,
  owners: (images: readonly string[]) => Promise<ImageOwners>,
): Promise<Gathered> {
  if (event.type === "push") return gatherAll(host, event, event.changes, standing, owners);
  const change = await pullChange(host, event, standing);
  return change.ok ? gatherAll(host, event, [change.value], standing, owners) : change;
}

/** Asked of the host only where it can matter: its head may be abbreviated, and its message is not in the event. */
async function pullChange(
  host: Reading,
  event: PullRequestEvent,
  standing: Standing,
): Promise<Outcome<PullRequestChange>> {
  const { source, target } = event;
  const told = {
    head: parseSha(source.commit),
    before: parseSha(source.before),
    target: parseSha(target.commit),
  };
  const asTold = pullRequestChange(event, told);
  const over = event.action === "merged" || event.action === "declined" || event.checkout === null;
  if (over || !needsConfig(standing)) return ok(asTold);
  const head = await host.head(event);
  if (!head.ok) return head;
  if (head.value === null) return ok({ ...asTold, pull: { ...asTold.pull, checkout: null } });
  const { commit, message, committedAt } = head.value;
  const change = pullRequestChange(event, { ...told, head: commit, target: head.value.target ?? told.target }, message);
  return ok(committedAt === null ? change : { ...change, committedAt });
}

async function gatherAll(
  host: Reading,
  event: About,
  moved: readonly Change[],
  standing: Standing,
  owners: (images: readonly string[]) => Promise<ImageOwners>,
): Promise<Gathered> {
  const changes: ChangeFacts[] = [];
  const policy = standing.installation?.policy ?? DEFAULT_POLICY;
  /** The default branch's file: the same for all changes, so that one push is judged by one file. */
  let granting: Outcome<ConfigFact> | null = null;
  for (const change of moved) {
    const own = await ownFacts(host, event, change, standing);
    if (!own.ok) return own;
    const { defaultBranch } = event.repository;
    if (defaultBranch === null || !needsGrants(own.value, event.repository, policy)) {
      changes.push(own.value);
      continue;
    }
    granting ??= await fileAt(host, event, { branch: defaultBranch });
    if (!granting.ok) return granting;
    const tags = await tagsFor(host, event, own.value, granting.value);
    if (!tags.ok) return tags;
    changes.push({ ...own.value, defaultBranchConfig: granting.value, tags: tags.value });
  }
  const images = [...new Set(changes.flatMap((change) => publishedImages(change, policy)))];
  return ok({ changes, imageOwners: images.length === 0 ? new Map() : await owners(images) });
}

/** What the file asks for that says how to build: the pushed commit's own, or that of a pull request's target. */
async function ownFacts(
  host: Reading,
  event: About,
  change: Change,
  standing: Standing,
): Promise<Outcome<ChangeFacts>> {
  const notAsked: ConfigFact = { kind: "not-asked" };
  const unknown = { change, config: notAsked, defaultBranchConfig: notAsked, changedPaths: null, tags: null };
  if (change.commit === null || change.after === null || !needsConfig(standing)) return ok(unknown);
  const pull = change.kind === "pull_request" ? change.pull : null;
  if (pull !== null && pull.checkout === null) return ok(unknown);
  const config = await fileAt(host, event, pull === null ? change.commit : { branch: pull.target });
  if (!config.ok) return config;
  const parsed = config.value.kind === "read" ? config.value.parsed.config : null;
  if (parsed === null) return ok({ ...unknown, config: config.value });
  const needed = neededFacts(change, parsed);
  const paths = needed.changedPaths ? await pathsOf(host, event, change, standing.attempts) : ok(null);
  if (!paths.ok) return paths;
  const tags = needed.tags ? await host.tags(event.installation, event.repository) : ok(null);
  if (!tags.ok) return tags;
  return ok({ ...unknown, config: config.value, changedPaths: paths.value, tags: tags.value });
}

/** Lane to the digest of the file its change was planned from. */
export function digestsOf(changes: readonly ChangeFacts[]): ReadonlyMap<string, string> {
  const digests = new Map<string, string>();
  for (const { change, config } of changes)
    if (config.kind === "read") digests.set(laneOf(change), config.parsed.digest);
  return digests;
}

export async function fileAt(
  host: Reading,
  event: About,
  at: Parameters<Host["file"]>[2],
): Promise<Outcome<ConfigFact>> {
  const file = await host.file(event.installation, event.repository, at, CONFIG_FILE);
  return file.ok ? ok(factOf(file.value, event)) : file;
}

function factOf(file: FetchedFile, { repository }: About): ConfigFact {
  if (file.kind !== "file") return file;
  const repositoryName = repository.fullName.split("/").at(-1) ?? repository.fullName;
  return { kind: "read", parsed: parseRepoConfig(file.text, { repositoryName }) };
}

/** The file that grants may have versions where the pushed one has none. */
async function tagsFor(
  host: Reading,
  event: About,
  { change, config, tags }: ChangeFacts,
  granting: ConfigFact,
): Promise<Outcome<readonly string[] | null>> {
  const [own, other] = [config, granting].map((fact) => (fact.kind === "read" ? fact.parsed.config : null));
  const wanted = !!other && needsTags(change, other) && !(own && needsTags(change, own));
  return wanted ? host.tags(event.installation, event.repository) : ok(tags);
}

export async function pathsOf(
  host: Pick<Host, "changedPaths">,
  event: About,
  change: Change,
  attempts: number,
): Promise<Outcome<readonly string[] | null>> {
  const paths = await host.changedPaths(event.installation, event.repository, change);
  // Where the host says how long to wait it means us, not the question.
  const mayCome = !paths.ok && paths.retryable && (paths.retryAfter !== null || attempts < COMPARE_ATTEMPTS);
  return paths.ok || mayCome ? paths : ok(null);
}
