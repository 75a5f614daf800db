/**
 * The merge queue: each pull request in it gets a commit of its own on a branch `gh-readonly-queue/<base>/pr-<number>-<sha>`,
 * standing on its base or on the one before it.
 */
import { mergeCommits } from "../git/git.ts";
import type { EventDelivery, GithubHost, HostMergeGroup } from "./contract.ts";
import { email, type RefMove } from "./payloads.ts";
import { mergeGroupPayload } from "./pull-shapes.ts";
import { type Pulls, pullOf } from "./pulls.ts";
import { personOf, stateOf } from "./repositories.ts";
import { installationOf, type State } from "./state.ts";
import { notSent, type Sender } from "./webhooks.ts";

/** `move`: moves a ref and tells of the push. */
export function createQueue(
  state: State,
  sender: Sender,
  { move, merged }: Pick<Pulls, "merged"> & { move(move: RefMove): Promise<EventDelivery> },
): Pick<GithubHost, "enqueue" | "dequeue"> {
  async function tell(group: HostMergeGroup, reason: string | null): Promise<EventDelivery> {
    const installation = installationOf(state, group.pull.repository);
    const listens = installation !== null && !installation.suspended && "merge_queues" in installation.permissions;
    if (!listens) return notSent();
    return sender.send("merge_group", await mergeGroupPayload(state, group, reason));
  }

  return {
    async enqueue(of, after) {
      const pull = pullOf(state, of, { open: true });
      const { repository } = pull;
      const baseRef = `refs/heads/${pull.base}`;
      const baseSha = after?.headSha ?? (await repository.ref(baseRef));
      if (baseSha === null) throw new Error(`there is no branch ${pull.base}`);
      const person = personOf(state, repository.owner);
      const headSha = await mergeCommits(repository.gitDir, {
        base: baseSha,
        head: pull.headSha,
        author: { name: person.login, email: email(person) },
        at: Math.floor(state.now() / 1000),
      });
      if (headSha === null) throw new Error("the pull request conflicts");
      const headRef = `refs/heads/gh-readonly-queue/${pull.base}/pr-${pull.number}-${baseSha}`;
      const group: HostMergeGroup = { pull, headRef, baseRef, headSha, baseSha };
      const push = await move({ repository, ref: headRef, before: null, after: headSha });
      return { group, push, delivery: await tell(group, null) };
    },

    async dequeue(group, reason) {
      const { headRef, headSha, baseRef } = group;
      const repository = stateOf(state, group.pull.repository);
      if ((await repository.ref(headRef)) !== headSha) throw new Error("the group is not in the queue");
      if (reason === "merged") {
        const pull = pullOf(state, group.pull, { open: true });
        const before = await repository.ref(baseRef);
        await move({ repository, ref: baseRef, before, after: headSha });
        await merged(pull, before ?? group.baseSha, headSha);
      }
      const delivery = await tell(group, reason);
      await move({ repository, ref: headRef, before: headSha, after: null });
      return delivery;
    },
  };
}
