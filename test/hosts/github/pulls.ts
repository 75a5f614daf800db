/**
 * Pull requests: `refs/pull/<number>/head` follows the branch they come from, also one of a fork; `refs/pull/<number>/merge`
 * is a test merge, made after the app was told, missing after a conflict, and out of date once the base moved on.
 */

import { git, mergeCommits, readRef, writeRef } from "../git/git.ts";
import type { EventDelivery, GithubHost, HostRepository } from "./contract.ts";
import { email, type RefMove } from "./payloads.ts";
import { pullPayload } from "./pull-shapes.ts";
import { personOf, stateOf } from "./repositories.ts";
import { installationOf, type PullState, type State, timestamp } from "./state.ts";
import { notSent, type Sender } from "./webhooks.ts";

export interface Pulls extends Pick<GithubHost, "openPull" | "closePull"> {
  /** A ref has moved: pull requests from that branch follow it. */
  follow(move: RefMove): Promise<void>;
}

export function createPulls(state: State, sender: Sender): Pulls {
  async function tell(
    pull: PullState,
    action: "opened" | "synchronize" | "closed",
    more: object = {},
  ): Promise<EventDelivery> {
    pull.updatedAt = timestamp(state.now());
    const installation = installationOf(state, pull.repository);
    const listens = installation !== null && !installation.suspended && "pull_requests" in installation.permissions;
    if (!listens) return notSent();
    return sender.send("pull_request", { ...(await pullPayload(state, pull, action)), ...more });
  }

  async function close(pull: PullState): Promise<EventDelivery> {
    pull.open = false;
    pull.closedAt = timestamp(state.now());
    await writeRef(pull.repository.gitDir, mergeRef(pull), null);
    return tell(pull, "closed");
  }

  async function moveHead(pull: PullState): Promise<void> {
    const ref = `+refs/heads/${pull.head}:refs/pull/${pull.number}/head`;
    await git(pull.repository.gitDir, ["fetch", "--quiet", pull.source.gitDir, ref]);
    pull.headSha = (await readRef(pull.repository.gitDir, `refs/pull/${pull.number}/head`)) ?? pull.headSha;
  }

  return {
    async openPull(of, { head, base, from, title }) {
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
        base: base ?? repository.defaultBranch,
        head,
        headSha,
        title: title ?? `Merge ${head}`,
        open: true,
        merge: null,
        createdAt: now,
        updatedAt: now,
        closedAt: null,
      };
      await tip(repository, pull.base);
      await moveHead(pull);
      state.pulls.push(pull);
      const delivery = await tell(pull, "opened");
      await testMerge(state, pull);
      return { pull, delivery };
    },

    async closePull({ id }) {
      const pull = state.pulls.find((item) => item.id === id && item.open);
      if (pull === undefined) throw new Error("the pull request is not open");
      return close(pull);
    },

    async follow({ repository, ref, before, after }) {
      const from = state.pulls.filter(
        (pull) => pull.open && pull.source.id === repository.id && ref === `refs/heads/${pull.head}`,
      );
      for (const pull of from) {
        if (after === null) {
          await close(pull);
          continue;
        }
        await moveHead(pull);
        await tell(pull, "synchronize", { before, after });
        await testMerge(state, pull);
      }
    },
  };
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
  const author = personOf(state, pull.source.owner);
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
