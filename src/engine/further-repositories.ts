/** Which repositories besides its own a build may read: looked up when it is planned, judged when it asks for credentials. */

import type { FurtherRepository } from "../core/further-repositories.ts";
import { judgeWanted, resolveNames } from "../core/further-repositories.ts";
import {
  type Build,
  type BuildPlan,
  failed,
  type HostId,
  hostKey,
  type Outcome,
  ok,
  type PlannedBuild,
  type Repository,
} from "../core/model.ts";
import type { AllowedAccess } from "./further-repositories-port.ts";
import type { Logger } from "./ports.ts";
import type { Store } from "./store-port.ts";

/** The plan with the ids that the names in it stand for now. What is recorded with it never looks at names again. */
export async function resolveRepositories(
  store: Pick<Store, "coveredRepositories">,
  of: { readonly installation: HostId; readonly repository: Repository },
  plan: BuildPlan,
): Promise<BuildPlan> {
  const names = namesIn([...plan.requests, ...plan.held]);
  if (names.length === 0) return plan;
  const covered = await store.coveredRepositories(of, { names });
  const resolve = <B extends PlannedBuild>(build: B): B =>
    build.repositories === undefined
      ? build
      : { ...build, repositories: resolveNames(build.repositories, covered, of.repository) };
  return { ...plan, requests: plan.requests.map(resolve), held: plan.held.map(resolve) };
}

function namesIn(builds: readonly PlannedBuild[]): readonly string[] {
  const unresolved = builds.flatMap(({ repositories = [] }) => repositories.filter(({ id }) => id === null));
  return [...new Set(unresolved.map(({ name }) => name))];
}

/** As the API and `--json` have it. */
export function accessJson({ repository, reads, covered, since, by }: AllowedAccess): object {
  return { repository: repositoryJson(repository), reads: repositoryJson(reads), covered, since, by };
}

function repositoryJson({ provider, host, id, fullName }: AllowedAccess["repository"]): object {
  return { provider, host, id, fullName };
}

/** What a build may read besides its own repository now, or why it may not read all of it. Fails for good. */
export type FurtherAccess = (build: Build) => Promise<Outcome<readonly FurtherRepository[]>>;

export function createFurtherAccess(parts: {
  readonly store: Pick<Store, "coveredRepositories">;
  readonly log: Logger;
}): FurtherAccess {
  return async function furtherAccess(build) {
    const { planned, repository, installation } = build;
    const wanted = planned.repositories ?? [];
    // Planned with none, and none is given whatever is recorded.
    if (wanted.length === 0 || planned.trust === "untrusted") return ok([]);
    const ids = wanted.flatMap(({ id }) => (id === null ? [] : [id]));
    const covered = await parts.store.coveredRepositories({ installation, repository }, { ids });
    const verdict = judgeWanted(wanted, covered, repository);
    if (verdict.ok) return ok(verdict.repositories);
    for (const { name, reason } of verdict.refusals) {
      const id = wanted.find((one) => one.name === name)?.id ?? null;
      parts.log.warn(
        {
          build: build.id,
          installation: hostKey(installation),
          repository: hostKey(repository),
          wanted: name,
          id,
          reason,
        },
        "a further repository is refused to a build",
      );
    }
    return failed(verdict.message, { retryable: false });
  };
}
