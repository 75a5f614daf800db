/** What the planner needs to know of a change, asked of its host. */
import type { PushEvent } from "../core/events.ts";
import { type Installation, type LinkState, type Outcome, ok, type RefChange } from "../core/model.ts";
import { neededFacts, needsConfig, needsGrants, needsTags, publishedImages } from "../core/needed-facts.ts";
import type { ChangeFacts, PlanFacts } from "../core/plan.ts";
import { CONFIG_FILE, type ConfigFact } from "../core/repo-config/config.ts";
import { parseRepoConfig } from "../core/repo-config/parse.ts";
import type { ImageOwners } from "../core/trust.ts";
import type { FetchedFile, Host } from "./ports.ts";

/**
 * A comparison that failed this often is one the host can not make: some are too large for it, each time. From then on
 * the paths count as not known, and what is not known is built, rather than holding up the repository for a day.
 */
const COMPARE_ATTEMPTS = 6;

/** How the repository stands, and how often its delivery was tried. */
export interface Standing {
  readonly installation: Installation | null;
  readonly link: LinkState;
  readonly attempts: number;
}

type Reading = Pick<Host, "file" | "changedPaths" | "tags">;

/**
 * Everything the planner needs to know of a push, and nothing it does not: each fact is a call to the host. `owners`
 * says of image names, without namespace, how they stand towards the pushed repository; it is asked at most once.
 */
export async function gather(
  host: Reading,
  event: PushEvent,
  standing: Standing,
  owners: (images: readonly string[]) => Promise<ImageOwners>,
): Promise<Outcome<Pick<PlanFacts, "changes" | "imageOwners">>> {
  const changes: ChangeFacts[] = [];
  /** The default branch's file: the same for all changes, so that one push is judged by one file. */
  let granting: Outcome<ConfigFact> | null = null;
  for (const change of event.changes) {
    const own = await ownFacts(host, event, change, standing);
    if (!own.ok) return own;
    const { defaultBranch } = event.repository;
    if (defaultBranch === null || !needsGrants(own.value, event.repository)) {
      changes.push(own.value);
      continue;
    }
    granting ??= await fileAt(host, event, { branch: defaultBranch });
    if (!granting.ok) return granting;
    const tags = await tagsFor(host, event, own.value, granting.value);
    if (!tags.ok) return tags;
    changes.push({ ...own.value, defaultBranchConfig: granting.value, tags: tags.value });
  }
  const images = [...new Set(changes.flatMap(publishedImages))];
  return ok({ changes, imageOwners: images.length === 0 ? new Map() : await owners(images) });
}

/** What the pushed commit's own file asks for. */
async function ownFacts(
  host: Reading,
  event: PushEvent,
  change: RefChange,
  standing: Standing,
): Promise<Outcome<ChangeFacts>> {
  const notAsked: ConfigFact = { kind: "not-asked" };
  const unknown = { change, config: notAsked, defaultBranchConfig: notAsked, changedPaths: null, tags: null };
  if (change.commit === null || !needsConfig(standing, change)) return ok(unknown);
  const config = await fileAt(host, event, change.commit);
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

async function fileAt(host: Reading, event: PushEvent, at: Parameters<Host["file"]>[2]): Promise<Outcome<ConfigFact>> {
  const file = await host.file(event.installation, event.repository, at, CONFIG_FILE);
  return file.ok ? ok(factOf(file.value, event)) : file;
}

function factOf(file: FetchedFile, { repository }: PushEvent): ConfigFact {
  if (file.kind !== "file") return file;
  const repositoryName = repository.fullName.split("/").at(-1) ?? repository.fullName;
  return { kind: "read", parsed: parseRepoConfig(file.text, { repositoryName }) };
}

/** The file that grants may have versions where the pushed one has none. */
async function tagsFor(
  host: Reading,
  event: PushEvent,
  { change, config, tags }: ChangeFacts,
  granting: ConfigFact,
): Promise<Outcome<readonly string[] | null>> {
  const [own, other] = [config, granting].map((fact) => (fact.kind === "read" ? fact.parsed.config : null));
  const wanted = !!other && needsTags(change, other) && !(own && needsTags(change, own));
  return wanted ? host.tags(event.installation, event.repository) : ok(tags);
}

async function pathsOf(
  host: Pick<Host, "changedPaths">,
  event: PushEvent,
  change: RefChange,
  attempts: number,
): Promise<Outcome<readonly string[] | null>> {
  const paths = await host.changedPaths(event.installation, event.repository, change);
  // Where the host says how long to wait it means us, not the question.
  const mayCome = !paths.ok && paths.retryable && (paths.retryAfter !== null || attempts < COMPARE_ATTEMPTS);
  return paths.ok || mayCome ? paths : ok(null);
}
