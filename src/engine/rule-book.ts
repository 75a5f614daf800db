/** The file at the tip of a repository's default branch, read now, for people who look at its rules. Nothing is recorded. */
import { failed, type HostId, type Outcome, type Repository } from "../core/model.ts";
import type { ConfigFact } from "../core/repo-config/config.ts";
import { fileAt } from "./gather.ts";
import type { Pauses } from "./pauses.ts";
import type { Host } from "./ports.ts";

/** Fails without asking where the default branch is not known, or the host asked us to wait. */
export type RuleBook = (installation: HostId, repository: Repository) => Promise<Outcome<ConfigFact>>;

type Asked = Pick<Host, "provider" | "host" | "file" | "changedPaths" | "tags" | "head">;

export function createRuleBook(hosts: readonly Asked[], pauses: Pauses): RuleBook {
  return async (installation, repository) => {
    const { defaultBranch } = repository;
    if (defaultBranch === null) return failed("it has no commits", { retryable: false });
    const left = pauses.left(installation);
    if (left > 0) return failed(`the host asked us to wait for ${Math.ceil(left / 1_000)} s`, { retryable: true });
    const host = hosts.find((one) => one.provider === installation.provider && one.host === installation.host);
    if (host === undefined) return failed("this server is not set up for its host", { retryable: false });
    const read = await fileAt(host, { installation, repository }, { branch: defaultBranch });
    if (!read.ok && read.retryAfter !== null) pauses.begin(installation, read.retryAfter);
    return read;
  };
}
