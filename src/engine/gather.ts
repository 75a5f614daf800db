/** What the planner needs to know of a change, asked of its host. */
import type { PushEvent } from "../core/events.ts";
import { type Installation, type LinkState, type Outcome, ok, type RefChange } from "../core/model.ts";
import { type ChangeFacts, type ConfigFact, neededFacts, needsConfig } from "../core/plan.ts";
import { CONFIG_FILE } from "../core/repo-config/config.ts";
import { parseRepoConfig } from "../core/repo-config/parse.ts";
import type { Host } from "./ports.ts";

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

/** Everything the planner needs to know of one change, and nothing it does not: each is a call to the host. */
export async function gather(
  host: Pick<Host, "file" | "changedPaths" | "tags">,
  event: PushEvent,
  change: RefChange,
  standing: Standing,
): Promise<Outcome<ChangeFacts>> {
  const unknown = { change, changedPaths: null, tags: null };
  if (change.commit === null || !needsConfig(standing, change)) {
    return ok({ ...unknown, config: { kind: "not-asked" } });
  }
  const file = await host.file(event.installation, event.repository, change.commit, CONFIG_FILE);
  if (!file.ok) return file;
  if (file.value.kind !== "file") return ok({ ...unknown, config: file.value });
  const repositoryName = event.repository.fullName.split("/").at(-1) ?? event.repository.fullName;
  const config: ConfigFact = { kind: "read", parsed: parseRepoConfig(file.value.text, { repositoryName }) };
  if (config.parsed.config === null) return ok({ ...unknown, config });
  const needed = neededFacts(change, config.parsed.config);
  const paths = needed.changedPaths ? await pathsOf(host, event, change, standing.attempts) : ok(null);
  if (!paths.ok) return paths;
  const tags = needed.tags ? await host.tags(event.installation, event.repository) : ok(null);
  if (!tags.ok) return tags;
  return ok({ change, config, changedPaths: paths.value, tags: tags.value });
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
