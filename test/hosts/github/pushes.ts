/** Pushes: refs of the real repository move, then the app is told as GitHub tells it. */

import { createTagObject, git, readRef, writeRef } from "../git/git.ts";
import type { EventDelivery, GithubHost, HostRepository, PushedRef, PushResult, TagInput } from "./contract.ts";
import { email, pushPayload, type RefMove } from "./payloads.ts";
import { commitTo, personOf, stateOf } from "./repositories.ts";
import { installationOf, type RepositoryState, type State, timestamp } from "./state.ts";
import { notSent, type Sender } from "./webhooks.ts";

/** With more tags than this in one push GitHub sends no event for any of them. */
const MOST_TAGS = 3;

export interface Pushes
  extends Pick<GithubHost, "push" | "forcePush" | "pushTag" | "pushTags" | "pushRefs" | "deleteRef"> {
  /** Moves a ref and tells of it as a push does. */
  move(move: RefMove): Promise<EventDelivery>;
}

/** `follow`: what else happens when a ref has moved. */
export function createPushes(state: State, sender: Sender, follow: (move: RefMove) => Promise<void>): Pushes {
  async function tell(move: RefMove): Promise<EventDelivery> {
    const installation = installationOf(state, move.repository);
    const listens = installation !== null && !installation.suspended && "contents" in installation.permissions;
    if (!listens) return notSent();
    return sender.send("push", await pushPayload(state, move, personOf(state, move.repository.owner)));
  }

  async function move(moved: RefMove): Promise<EventDelivery> {
    const { repository, ref, after } = moved;
    await writeRef(repository.gitDir, ref, after);
    repository.pushedAt = timestamp(state.now());
    const delivery = await tell(moved);
    await follow(moved);
    return delivery;
  }

  async function moveRef(repository: RepositoryState, pushed: PushedRef): Promise<RefMove> {
    const ref = "tag" in pushed ? `refs/tags/${pushed.tag}` : pushed.ref;
    const before = await readRef(repository.gitDir, ref);
    const after = "tag" in pushed ? await tagged(repository, pushed) : pushed.to;
    if (before === null && after === null) throw new Error(`there is no ${ref} in ${repository.fullName}`);
    await writeRef(repository.gitDir, ref, after);
    repository.pushedAt = timestamp(state.now());
    return { repository, ref, before, after };
  }

  /** What the tag is to point to. */
  async function tagged(repository: RepositoryState, { tag, sha, annotated, message }: TagInput): Promise<string> {
    if (!annotated) return sha;
    const person = personOf(state, repository.owner);
    return createTagObject(repository.gitDir, {
      name: tag,
      sha,
      message: message ?? tag,
      author: { name: person.login, email: email(person) },
      at: Math.floor(state.now() / 1000),
    });
  }

  async function pushRefs(of: HostRepository, refs: readonly PushedRef[]) {
    const repository = stateOf(state, of);
    const moves: RefMove[] = [];
    for (const ref of refs) moves.push(await moveRef(repository, ref));
    const tags = moves.filter(isTag).length;
    const silent = (move: RefMove) => moves.length - tags > state.mostBranches || (isTag(move) && tags > MOST_TAGS);
    const results: PushResult[] = [];
    for (const move of moves) {
      const delivery = silent(move) ? notSent() : await tell(move);
      if (!isTag(move)) await follow(move);
      results.push({ sha: move.after ?? "", before: move.before, delivery });
    }
    return results;
  }

  async function push(of: HostRepository, input: Parameters<GithubHost["push"]>[1]) {
    const repository = stateOf(state, of);
    const { sha, before } = await commitTo(state, repository, input);
    const ref = `refs/heads/${input.branch ?? repository.defaultBranch}`;
    const moved = { repository, ref, before, after: sha };
    const delivery = await tell(moved);
    await follow(moved);
    return { sha, before, delivery };
  }

  return {
    move,
    push,
    async forcePush(of, input) {
      if (input.parent !== undefined) return push(of, input);
      const { gitDir, defaultBranch } = stateOf(state, of);
      const ref = `refs/heads/${input.branch ?? defaultBranch}`;
      const [, parent] = (await git(gitDir, ["rev-list", "--parents", "--max-count=1", ref]))
        .toString()
        .trim()
        .split(" ");
      return push(of, { ...input, parent: parent ?? null });
    },
    pushRefs,
    pushTags: pushRefs,
    async pushTag(of, input) {
      const [result] = await pushRefs(of, [input]);
      if (result === undefined) throw new Error("a tag was not pushed");
      return result;
    },
    async deleteRef(of, ref) {
      const repository = stateOf(state, of);
      const before = await readRef(repository.gitDir, ref);
      if (before === null) throw new Error(`there is no ${ref} in ${repository.fullName}`);
      return move({ repository, ref, before, after: null });
    },
  };
}

function isTag({ ref }: RefMove): boolean {
  return ref.startsWith("refs/tags/");
}
