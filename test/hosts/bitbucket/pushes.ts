/** Pushes: refs of the real repository move, then those who listen are told, all of them in one `repo:push`. */
import { createTagObject, readRef, writeRef } from "../git/git.ts";
import { isAncestor } from "../git/git-read.ts";
import type { EventDelivery, HostRepository, PushChange, PushResult, RefMove } from "./contract.ts";
import type { Sender } from "./operation.ts";
import { pushPayload } from "./payloads.ts";
import { authorOf } from "./repositories.ts";
import { ownerOf, type RepositoryState, type State, stateOf, timestamp } from "./state.ts";

export interface Pushes {
  push(repository: HostRepository, changes: readonly PushChange[]): Promise<PushResult>;
  /** Tells of refs that have moved. */
  tell(repository: RepositoryState, moves: readonly RefMove[]): Promise<readonly EventDelivery[]>;
}

/** `follow`: what else a push sets off. */
export function createPushes(
  state: State,
  sender: Sender,
  follow: (repository: RepositoryState, moves: readonly RefMove[]) => Promise<readonly EventDelivery[]>,
): Pushes {
  async function tell(repository: RepositoryState, moves: readonly RefMove[]) {
    const { workspace } = repository;
    const payload = await pushPayload(state, repository, moves, ownerOf(workspace));
    const deliveries = await sender.send("repo:push", payload, { workspace, repository });
    return [...deliveries, ...(await follow(repository, moves))];
  }

  return {
    tell,
    async push(of, changes) {
      const repository = stateOf(state, of);
      const moves: RefMove[] = [];
      for (const change of changes) moves.push(await move(state, repository, change));
      const [first] = changes;
      const named = first !== undefined && "to" in first ? first.to : moves[0]?.after;
      return { moves, sha: named ?? "", deliveries: await tell(repository, moves) };
    },
  };
}

async function move(state: State, repository: RepositoryState, change: PushChange): Promise<RefMove> {
  const { gitDir } = repository;
  const [kind, name] = "tag" in change ? (["tag", change.tag] as const) : (["branch", change.branch] as const);
  const ref = `refs/${kind === "tag" ? "tags" : "heads"}/${name}`;
  const before = await readRef(gitDir, ref);
  if ("to" in change) await pointTo(state, repository, ref, change, before);
  else await repository.commit(change);
  repository.updatedOn = timestamp(state.now());
  const after = await readRef(gitDir, ref);
  const moved = kind === "branch" && before !== null && after !== null;
  return { kind, name, before, after, forced: moved && !(await isAncestor(gitDir, before, after)) };
}

async function pointTo(
  state: State,
  { gitDir, workspace }: RepositoryState,
  ref: string,
  change: Extract<PushChange, { readonly to: string | null }>,
  before: string | null,
): Promise<void> {
  const { to } = change;
  if (to === null && before === null) throw new Error(`there is no ${ref} to delete`);
  if (to === null || !("tag" in change) || change.annotated !== true) return writeRef(gitDir, ref, to);
  const tag = {
    name: change.tag,
    sha: to,
    message: change.message ?? change.tag,
    author: authorOf(ownerOf(workspace)),
    at: Math.floor(state.now() / 1000),
  };
  return writeRef(gitDir, ref, await createTagObject(gitDir, tag));
}
