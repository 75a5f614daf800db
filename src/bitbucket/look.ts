import type { RepositoryName } from "../core/events.ts";
import { failed, type HostId, type Outcome, ok, parseSha, type Repository, type Sha } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { BitbucketAccess } from "./access.ts";
import { repositorySchema } from "./answers.ts";
import { type ApiAnswer, apiPath, misshapen, refusal, repositorySegments, requiredScopes } from "./api.ts";

/** What is true of a repository now. */
export interface Looked {
  readonly repository: Repository;
  /** Of the default branch; null: Bitbucket did not say, or there is none. */
  readonly tip: Sha | null;
}

/** Looks at repositories; what was seen serves the questions that follow at once. */
export interface Looker {
  /** Asks. Null: it is not there, or not within reach of the installation's grants. */
  look(installation: HostId, repository: RepositoryName): Promise<Outcome<Looked | null>>;
  /** The tip of a branch, if it was seen since somebody has just looked: a look sees that of the default branch. */
  recentTip(installation: HostId, repository: HostId, branch: string): Sha | null;
  /** What was asked about another branch, for as long as the last look counts. */
  rememberTip(installation: HostId, repository: HostId, branch: string, tip: Sha): void;
  forget(installation: HostId): void;
}

/** As long as the questions of one delivery take. */
const RECENT_MS = 10_000;

/** Seconds. */
const MEND_WAIT = 60;

/** Repositories whose last look is remembered. */
const MAX_REMEMBERED = 1_000;

/**
 * The whole answer, and of the default branch what it points to. Atlassian's own clients ask for it in this way; it saves
 * a call with each push.
 */
const FIELDS = "*,mainbranch.type,mainbranch.name,mainbranch.target.hash";

export function createLooker({ access, clock }: { readonly access: BitbucketAccess; readonly clock: Clock }): Looker {
  const remembered = new Map<
    string,
    { readonly at: number; readonly installationId: string; readonly tips: Map<string, Sha> }
  >();

  function remember(installation: HostId, looked: Looked): void {
    const key = keyOf(installation, looked.repository);
    remembered.delete(key);
    const { repository, tip } = looked;
    const seen = repository.defaultBranch !== null && tip !== null ? [[repository.defaultBranch, tip] as const] : [];
    remembered.set(key, { at: clock.now(), installationId: installation.id, tips: new Map(seen) });
    for (const oldest of remembered.keys()) {
      if (remembered.size <= MAX_REMEMBERED) break;
      remembered.delete(oldest);
    }
  }

  /** By branch; null: nobody has looked for a while. */
  function recentTips(installation: HostId, repository: HostId): Map<string, Sha> | null {
    const known = remembered.get(keyOf(installation, repository));
    const age = known === undefined ? -1 : clock.now() - known.at;
    // Below 0: the clock was set back.
    return known === undefined || age < 0 || age >= RECENT_MS ? null : known.tips;
  }

  return {
    async look(installation, repository) {
      remembered.delete(keyOf(installation, repository));
      const looked = await ask(access, installation, repository);
      if (looked.ok && looked.value !== null) remember(installation, looked.value);
      return looked;
    },
    recentTip: (installation, repository, branch) => recentTips(installation, repository)?.get(branch) ?? null,
    rememberTip(installation, repository, branch, tip) {
      recentTips(installation, repository)?.set(branch, tip);
    },
    forget(installation) {
      for (const [key, { installationId }] of remembered)
        if (installationId === installation.id) remembered.delete(key);
    },
  };
}

function keyOf(installation: HostId, repository: HostId): string {
  return JSON.stringify([installation.id, repository.id]);
}

async function ask(
  access: BitbucketAccess,
  installation: HostId,
  repository: RepositoryName,
): Promise<Outcome<Looked | null>> {
  const scope = { workspace: installation.id, repository: repository.id };
  if (!(await access.opens(scope))) return ok(null);
  const path = apiPath(repositorySegments(installation, repository), { fields: FIELDS });
  const answer = await access.call(scope, { method: "GET", path });
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok(null);
  if (answer.value.status === 403) return whyRefused(access, installation, answer.value);
  if (answer.value.status !== 200) return refusal(answer.value);
  return lookedOf(access, installation, repository, answer.value);
}

/**
 * A 403 says that the repository is out of reach, and says the same of a lacking scope, of addresses that a workspace lets
 * in, of sign-in with two steps. Only if the workspace itself opens is it about this repository; anything else is for
 * people to mend, and must not unlink it.
 */
async function whyRefused(
  access: BitbucketAccess,
  installation: HostId,
  refused: ApiAnswer,
): Promise<Outcome<Looked | null>> {
  if (requiredScopes(refused).length === 0) {
    const path = apiPath(["repositories", installation.id], { pagelen: "10", fields: "values.uuid" });
    const answer = await access.call({ workspace: installation.id, repository: null }, { method: "GET", path });
    if (answer.ok && answer.value.status === 200) return ok(null);
  }
  const failure = refusal(refused);
  return failure.ok ? failure : failed(failure.message, { retryable: true, retryAfter: MEND_WAIT });
}

function lookedOf(
  access: BitbucketAccess,
  installation: HostId,
  repository: RepositoryName,
  answer: ApiAnswer,
): Outcome<Looked | null> {
  const result = repositorySchema.safeParse(answer.body);
  if (!result.success || result.data.uuid !== repository.id) return misshapen(answer);
  const { uuid, full_name: fullName, is_private, workspace, mainbranch } = result.data;
  // Moved: ids are found wherever they are now.
  if (workspace.uuid !== installation.id) return ok(null);
  const webUrl = `${access.webUrl}/${fullName}`;
  return ok({
    repository: {
      provider: "bitbucket",
      host: access.host,
      id: uuid,
      fullName,
      private: is_private,
      defaultBranch: mainbranch?.name ?? null,
      cloneUrl: `${webUrl}.git`,
      webUrl,
    },
    tip: parseSha(mainbranch?.target?.hash),
  });
}
