import type { Draft } from "./drafts.ts";
import { type Change, type Diagnostic, laneOf, type Sha, type Skip } from "./model.ts";
import type { Refusal } from "./refusals.ts";
import { subjectOf } from "./rules.ts";
import { type Traced, traceSkip } from "./trace.ts";

/** What one change, one image or one rule leads to before requests of equal work are joined. */
export interface Part {
  readonly drafts: readonly Draft[];
  readonly skips: readonly Skip[];
  readonly diagnostics: readonly Diagnostic[];
  readonly trace: readonly Traced[];
}

/** A change that there is a commit of. */
export type Buildable = Change & { readonly after: Sha; readonly commit: Sha };

/** Of which image and rule something is said; left out: of the change, or of the whole image. */
export interface Place {
  readonly image?: string;
  readonly rule?: string;
}

/** In one part, in order. */
export function joinParts(parts: readonly Part[]): Part {
  return {
    drafts: parts.flatMap(({ drafts }) => drafts),
    skips: parts.flatMap(({ skips }) => skips),
    diagnostics: parts.flatMap(({ diagnostics }) => diagnostics),
    trace: parts.flatMap(({ trace }) => trace),
  };
}

/** Nothing but the refusal. `facts`: what it was decided by. */
export function refused(
  change: Change,
  refusal: Refusal,
  place: Place = {},
  facts: Readonly<Record<string, string>> = { change: subjectOf(change) },
): Part {
  const skip = skipOf(change, refusal, place);
  return { drafts: [], skips: [skip], diagnostics: [], trace: [traceSkip(skip, facts)] };
}

export function skipOf(change: Change, { reason, why, problems }: Refusal, { image, rule }: Place): Skip {
  const { ref, commit: sha } = change;
  const lane = laneOf(change);
  return {
    ref,
    ...(lane !== ref && { lane }),
    sha,
    image: image ?? null,
    rule: rule ?? null,
    reason,
    detail: `not built: ${why}`,
    ...(problems && { problems }),
  };
}
