/** The file at the tip of a repository's default branch, for people who look at its rules. Nothing is recorded. */
import { failed, type HostId, hostKey, type Outcome, ok, type Repository } from "../core/model.ts";
import type { ConfigFact } from "../core/repo-config/config.ts";
import { fileAt } from "./gather.ts";
import type { Pauses } from "./pauses.ts";
import type { Clock, Host } from "./ports.ts";

/** Fails without asking where the default branch is not known, or the host asked us to wait. */
export type RuleBook = (installation: HostId, repository: Repository) => Promise<Outcome<ConfigFact>>;

type Asked = Pick<Host, "provider" | "host" | "file" | "changedPaths" | "tags" | "head">;

/** A page that is loaded again asks nothing again; whoever has just pushed a file sees it soon. */
const REMEMBERED_MS = 20_000;
const REMEMBERED = 200;

export function createRuleBook(options: {
  readonly hosts: readonly Asked[];
  readonly pauses: Pauses;
  readonly clock: Clock;
}): RuleBook {
  const { hosts, pauses, clock } = options;
  const known = new Map<string, { readonly fact: ConfigFact; readonly until: number }>();
  return async (installation, repository) => {
    const { defaultBranch } = repository;
    if (defaultBranch === null) return failed("it has no commits", { retryable: false });
    const key = JSON.stringify([hostKey(installation), hostKey(repository), defaultBranch]);
    const remembered = known.get(key);
    if (remembered !== undefined && remembered.until > clock.now()) return ok(remembered.fact);
    const left = pauses.left(installation);
    if (left > 0) return failed(`the host asked us to wait for ${Math.ceil(left / 1_000)} s`, { retryable: true });
    const host = hosts.find((one) => one.provider === installation.provider && one.host === installation.host);
    if (host === undefined) return failed("this server is not set up for its host", { retryable: false });
    const read = await fileAt(host, { installation, repository }, { branch: defaultBranch });
    if (!read.ok) {
      if (read.retryAfter !== null) pauses.begin(installation, read.retryAfter);
      return read;
    }
    known.delete(key);
    known.set(key, { fact: read.value, until: clock.now() + REMEMBERED_MS });
    for (const oldest of known.keys()) {
      if (known.size <= REMEMBERED) break;
      known.delete(oldest);
    }
    return read;
  };
}
