/** Pull requests: opened, followed by pushes to their branches, merged, declined. */
import { git, mergeCommits, readRef, resolveCommit, writeRef } from "../git/git.ts";
import type { BitbucketHost, EventDelivery, HostPull, HostRepository, RefMove } from "./contract.ts";
import type { Sender } from "./operation.ts";
import { pullPayload } from "./payloads.ts";
import { authorOf } from "./repositories.ts";
import { ownerOf, type PullState, type RepositoryState, type State, stateOf, timestamp } from "./state.ts";

export type Pulls = Pick<BitbucketHost, "openPull" | "retitlePull" | "changePull" | "mergePull" | "declinePull"> & {
  /** Pull requests from branches that moved have new commits. */
  follow(repository: RepositoryState, moves: readonly RefMove[]): Promise<readonly EventDelivery[]>;
};

export function createPulls(
  state: State,
  sender: Sender,
  tell: (repository: RepositoryState, moves: readonly RefMove[]) => Promise<readonly EventDelivery[]>,
): Pulls {
  async function send(event: string, pull: PullState): Promise<readonly EventDelivery[]> {
    const { repository } = pull;
    const payload = pullPayload(state, pull, pull.author);
    return sender.send(`pullrequest:${event}`, payload, { workspace: repository.workspace, repository });
  }

  function find(pull: HostPull): PullState {
    const found = stateOf(state, pull.repository).pulls.find((item) => item.id === pull.id);
    if (found === undefined) throw new Error(`there is no pull request ${pull.id}`);
    return found;
  }

  function close(pull: PullState, how: "MERGED" | "DECLINED"): void {
    if (pull.state !== "OPEN") throw new Error(`pull request ${pull.id} is closed`);
    pull.state = how;
    pull.closedBy = ownerOf(pull.repository.workspace);
    pull.updatedOn = timestamp(state.now());
  }

  return {
    async openPull(of, input) {
      const repository = stateOf(state, of);
      const source = input.from === undefined ? repository : stateOf(state, input.from);
      const base = input.base ?? repository.mainBranch;
      const now = timestamp(state.now());
      const pull: PullState = {
        id: repository.pulls.length + 1,
        repository,
        source,
        title: input.title ?? `Merge ${input.head}`,
        base,
        head: input.head,
        headSha: await tip(source, input.head),
        baseSha: await tip(repository, base),
        state: "OPEN",
        draft: input.draft ?? false,
        mergeSha: null,
        author: ownerOf(source.workspace),
        createdOn: now,
        updatedOn: now,
        closedBy: null,
      };
      repository.pulls.push(pull);
      await fetchHead(state, pull);
      return { pull, deliveries: await send("created", pull) };
    },
    async retitlePull(of, title) {
      const pull = find(of);
      pull.title = title;
      pull.updatedOn = timestamp(state.now());
      return send("updated", pull);
    },
    async changePull(of, { draft, base }) {
      const pull = find(of);
      pull.draft = draft ?? pull.draft;
      pull.base = base ?? pull.base;
      pull.baseSha = await tip(pull.repository, pull.base);
      pull.updatedOn = timestamp(state.now());
      return send("updated", pull);
    },
    async mergePull(of) {
      const pull = find(of);
      const { repository, base, headSha } = pull;
      const before = await tip(repository, base);
      const author = authorOf(ownerOf(repository.workspace));
      const at = Math.floor(state.now() / 1000);
      const merge = await mergeCommits(repository.gitDir, { base: before, head: headSha, author, at });
      if (merge === null) throw new Error(`pull request ${pull.id} has conflicts`);
      close(pull, "MERGED");
      repository.borrowed.delete(headSha);
      pull.mergeSha = merge;
      await writeRef(repository.gitDir, `refs/heads/${base}`, merge);
      const pushed = await tell(repository, [{ kind: "branch", name: base, before, after: merge, forced: false }]);
      return [...pushed, ...(await send("fulfilled", pull))];
    },
    async declinePull(of) {
      const pull = find(of);
      close(pull, "DECLINED");
      return send("rejected", pull);
    },
    async follow(repository, moves) {
      const branches = new Map(moves.flatMap((move) => (move.kind === "branch" ? [[move.name, move.after]] : [])));
      const sent: EventDelivery[] = [];
      for (const pull of state.repositories.flatMap((item) => item.pulls)) {
        if (pull.state !== "OPEN" || pull.repository.deleted) continue;
        if (pull.repository === repository) pull.baseSha = branches.get(pull.base) ?? pull.baseSha;
        // A branch that is deleted leaves its pull requests as they are.
        const after = pull.source === repository ? (branches.get(pull.head) ?? null) : null;
        if (after === null) continue;
        pull.headSha = after;
        pull.updatedOn = timestamp(state.now());
        await fetchHead(state, pull);
        sent.push(...(await send("updated", pull)));
      }
      return sent;
    },
  };
}

async function tip(repository: HostRepository, branch: string): Promise<string> {
  const sha = await readRef(repository.gitDir, `refs/heads/${branch}`);
  if (sha === null) throw new Error(`there is no branch ${branch} in ${repository.fullName}`);
  return sha;
}

/** The commits of a fork can be compared in the repository they are to go to. No ref there shows them. */
async function fetchHead({ forkCommits }: State, { repository, source, headSha }: PullState): Promise<void> {
  if (source === null || source === repository) return;
  const isNew = (await resolveCommit(repository.gitDir, headSha)) === null;
  await git(repository.gitDir, ["fetch", "--quiet", source.gitDir, headSha]);
  if (isNew && forkCommits === "elsewhere") repository.borrowed.add(headSha);
}
