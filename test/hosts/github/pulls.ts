/**
 * Pull requests: `refs/pull/<number>/head` follows the branch they come from, also one of a fork; `refs/pull/<number>/merge`
 * is a test merge, made after the app was told, missing after a conflict, and out of date once the base moved on.
 */

import { git, mergeCommits, readRef, writeRef } from "../git/git.ts";
import type { EventDelivery, GithubHost, HostPull, HostRepository } from "./contract.ts";
import { email, type RefMove } from "./payloads.ts";
import { type PullAction, pullPayload } from "./pull-shapes.ts";
import { personOf, removeRepository, stateOf } from "./repositories.ts";
import { installationOf, type PullState, type RepositoryState, type State, timestamp } from "./state.ts";
import { notSent, type Sender } from "./webhooks.ts";

export interface Pulls
  extends Pick<
    GithubHost,
    "openPull" | "closePull" | "reopenPull" | "setDraft" | "editPull" | "mergePull" | "deleteFork"
  > {
  /** A ref has moved: pull requests from that branch follow it. */
  follow(move: RefMove): Promise<void>;
  /** Its base has moved from `base` to `sha`, which merges it; tells that it is closed. */
  merged(pull: PullState, base: string, sha: string): Promise<EventDelivery>;
}

/** `move`: moves a ref and tells of the push. */
export function createPulls(state: State, sender: Sender, move: (move: RefMove) => Promise<EventDelivery>): Pulls {
  async function tell(pull: PullState, action: PullAction, more: object = {}): Promise<EventDelivery> {
    pull.updatedAt = timestamp(state.now());
    const installation = installationOf(state, pull.repository);
    const listens = installation !== null && !installation.suspended && "pull_requests" in installation.permissions;
    if (!listens) return notSent();
    const person = personOf(state, pull.headOwner);
    return sender.send("pull_request", { ...(await pullPayload(state, pull, action, person)), ...more });
  }

  async function close(pull: PullState): Promise<EventDelivery> {
    pull.open = false;
    pull.closedAt = timestamp(state.now());
    await writeRef(pull.repository.gitDir, mergeRef(pull), null);
    return tell(pull, "closed");
  }

  async function merged(pull: PullState, base: string, sha: string): Promise<EventDelivery> {
    pull.merged = true;
    pull.merge = { base, head: pull.headSha, sha };
    pull.mergedInto = base;
    return close(pull);
  }

  async function moveHead(pull: PullState, source: RepositoryState): Promise<void> {
    const ref = `+refs/heads/${pull.head}:refs/pull/${pull.number}/head`;
    await git(pull.repository.gitDir, ["fetch", "--quiet", source.gitDir, ref]);
    pull.headSha = (await readRef(pull.repository.gitDir, `refs/pull/${pull.number}/head`)) ?? pull.headSha;
  }

  return {
    merged,

    async openPull(of, { head, base, from, title, draft = false }) {
      const repository = stateOf(state, of);
      const source = stateOf(state, from ?? of);
      const headSha = await tip(source, head);
      const id = state.nextId();
      const now = timestamp(state.now());
      const pull: PullState = {
        id,
        number: state.pulls.filter((item) => item.repository === repository).length + 1,
        repository,
        source,
        headOwner: source.owner,
        base: base ?? repository.defaultBranch,
        head,
        headSha,
        title: title ?? `Merge ${head}`,
        draft,
        open: true,
        merged: false,
        mergedInto: null,
        merge: null,
        createdAt: now,
        updatedAt: now,
        closedAt: null,
      };
      await tip(repository, pull.base);
      await moveHead(pull, source);
      state.pulls.push(pull);
      const delivery = await tell(pull, "opened");
      await testMerge(state, pull);
      return { pull, delivery };
    },

    async closePull(of) {
      return close(pullOf(state, of, { open: true }));
    },

    async reopenPull(of) {
      const pull = pullOf(state, of, { open: false });
      if (pull.merged || pull.source === null) throw new Error("the pull request can not be opened again");
      await tip(pull.source, pull.head);
      await moveHead(pull, pull.source);
      pull.open = true;
      pull.closedAt = null;
      const delivery = await tell(pull, "reopened");
      await testMerge(state, pull);
      return delivery;
    },

    async setDraft(of, draft) {
      const pull = pullOf(state, of, { open: true });
      if (pull.draft === draft) throw new Error(`the pull request is ${draft ? "a draft" : "ready"} already`);
      pull.draft = draft;
      return tell(pull, draft ? "converted_to_draft" : "ready_for_review");
    },

    async editPull(of, change) {
      const pull = pullOf(state, of, { open: true });
      if ("title" in change) {
        const from = pull.title;
        pull.title = change.title;
        return tell(pull, "edited", { changes: { title: { from } } });
      }
      const was = { ref: { from: pull.base }, sha: { from: await tip(pull.repository, pull.base) } };
      await tip(pull.repository, change.base);
      pull.base = change.base;
      const delivery = await tell(pull, "edited", { changes: { base: was } });
      await testMerge(state, pull);
      return delivery;
    },

    async mergePull(of) {
      const pull = pullOf(state, of, { open: true });
      const { repository } = pull;
      await testMerge(state, pull);
      const sha = pull.merge?.sha;
      if (!sha) throw new Error("the pull request conflicts");
      const before = await tip(repository, pull.base);
      const push = await move({ repository, ref: `refs/heads/${pull.base}`, before, after: sha });
      return { sha, push, closed: await merged(pull, before, sha) };
    },

    async deleteFork(of) {
      const fork = stateOf(state, of);
      if (fork.parent === null || installationOf(state, fork) !== null) {
        throw new Error(`${fork.fullName} is no fork, or the app is installed there`);
      }
      removeRepository(state, fork);
    },

    async follow({ repository, ref, before, after }) {
      const from = state.pulls.filter(
        (pull) => pull.open && pull.source?.id === repository.id && ref === `refs/heads/${pull.head}`,
      );
      for (const pull of from) {
        if (after === null) {
          await close(pull);
          continue;
        }
        await moveHead(pull, repository);
        await tell(pull, "synchronize", { before, after });
        await testMerge(state, pull);
      }
    },
  };
}

export function pullOf(state: State, { id }: HostPull, { open }: { readonly open: boolean }): PullState {
  const pull = state.pulls.find((item) => item.id === id && item.open === open);
  if (pull === undefined) throw new Error(`the pull request is not ${open ? "open" : "closed"}`);
  return pull;
}

async function tip(repository: HostRepository, branch: string): Promise<string> {
  const sha = await repository.ref(`refs/heads/${branch}`);
  if (sha === null) throw new Error(`there is no branch ${branch} in ${repository.fullName}`);
  return sha;
}

function mergeRef(pull: PullState): string {
  return `refs/pull/${pull.number}/merge`;
}

/** Makes the test merge of a pull request as it and its base are now. */
export async function testMerge(state: State, pull: PullState): Promise<void> {
  if (!pull.open) return;
  const { repository, headSha } = pull;
  const base = await tip(repository, pull.base);
  const author = personOf(state, pull.headOwner);
  const sha = await mergeCommits(repository.gitDir, {
    base,
    head: headSha,
    author: { name: author.login, email: email(author) },
    at: Math.floor(state.now() / 1000),
  });
  const known = await readRef(repository.gitDir, mergeRef(pull));
  if (sha !== null || known !== null) await writeRef(repository.gitDir, mergeRef(pull), sha);
  pull.merge = { base, head: headSha, sha };
}
