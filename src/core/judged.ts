import type { BuildPlan, Skip } from "./model.ts";

/** Nothing was built, and nobody looked which images the change concerns: what it changed is part of the next one. */
const UNJUDGED: readonly Skip["reason"][] = ["paused", "suspended", "no-namespace", "not-linked", "archived"];

/** Whether a plan says what is built of what moved in a lane, and what is not. */
export function isJudged({ skips }: Pick<BuildPlan, "skips">, lane: string): boolean {
  return !skips.some(
    (skip) => (skip.lane ?? skip.ref) === lane && skip.image === null && UNJUDGED.includes(skip.reason),
  );
}
