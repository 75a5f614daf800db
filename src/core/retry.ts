/** Whether a build that has ended can be done again. */
import type { Approval, Build, ForkPolicy, Hold, Sha } from "./model.ts";
import { forkHold } from "./pulls.ts";
import type { Refusal } from "./refusals.ts";

export interface RetryFacts {
  readonly build: Pick<Build, "state" | "planned" | "hold" | "approval">;
  /** Why nothing of its repository is built now; null: it is. */
  readonly closed: Refusal | null;
  /** Of its installation, now. */
  readonly forks: ForkPolicy;
  /** Where its lane is now; null: it was closed, or nothing is known of it. */
  readonly head: Sha | null;
  /** Of its tags, those that it would not get: each with why, a sentence. */
  readonly staying: ReadonlyMap<string, string>;
}

export type RetryVerdict =
  /** As the new build is recorded. */
  | { readonly ok: true; readonly hold: Hold | null; readonly approval: Approval | null }
  /** A sentence. */
  | { readonly ok: false; readonly why: string };

/** Why a build in this state is not one to do again: a sentence; null: it is. */
export function unretriable({ state, planned }: Pick<Build, "state" | "planned">): string | null {
  switch (state) {
    case "queued":
    case "running":
    case "held":
      return `It has not come to its end: it is ${state}.`;
    case "succeeded":
      return `It has succeeded. What ${planned.ref} is now can be built by starting a build of it.`;
    case "failed":
    case "canceled":
    case "superseded":
    case "timed_out":
      return null;
  }
}

/**
 * An approval is one of a commit, given under a policy: it counts again for the same commit as long as the policy lets
 * forks be built at all, and a pull request that has moved on has to be approved as it is now.
 */
export function judgeRetry({ build, closed, forks, head, staying }: RetryFacts): RetryVerdict {
  const { planned, hold, approval } = build;
  const { pull } = planned;
  const state = unretriable(build);
  if (state !== null) return no(state);
  if (closed !== null) return no(`It is not built again: ${closed.why}.`);
  if (pull !== undefined) {
    const what = `pull request #${pull.number}`;
    if (pull.fork && forks === "never") {
      return no(`By now the installation's policy is never to build pull requests from forks, as ${what} is.`);
    }
    if (head === null) return no(`It is not built again: ${what} is closed.`);
    if (head !== planned.after && (pull.fork || hold !== null)) {
      return no(`It is not built again: ${what} has moved on, and what it is now is approved by itself.`);
    }
    if (pull.fork && forks === "approve" && hold === null) return { ok: true, hold: forkHold(what), approval: null };
  }
  if (planned.push && planned.tags.every((tag) => staying.has(tag))) {
    const whys = planned.tags.map((tag) => `${tag}: ${staying.get(tag)}`);
    return no(`It is not built again, for all its tags have something newer. ${whys.join(" ")}`);
  }
  return { ok: true, hold, approval };
}

function no(why: string): RetryVerdict {
  return { ok: false, why };
}
