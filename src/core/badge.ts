/** What a badge says of a branch: how the newest finished build of each of its images ended. */
import type { BuildState } from "./model.ts";

export type BadgeState = "passing" | "failing" | "building" | "waiting" | "none" | "unknown";

/** Builds that say nothing of how the branch is: something else took their place, or somebody stopped them. */
export const BADGE_STATES: readonly BuildState[] = ["queued", "held", "running", "succeeded", "failed", "timed_out"];

/**
 * `states`: of each image the newest finished build's, or the newest one's where none has finished; one that failed counts
 * for all, so that a badge never hides it behind another image.
 */
export function badgeState(states: readonly BuildState[]): BadgeState {
  if (states.some((state) => state === "failed" || state === "timed_out")) return "failing";
  if (states.some((state) => state === "queued" || state === "running")) return "building";
  if (states.includes("held")) return "waiting";
  return states.includes("succeeded") ? "passing" : "none";
}

/** Words and colour of each; the colours are names that badge-maker knows. */
export const BADGES: Readonly<Record<BadgeState, { readonly message: string; readonly color: string }>> = {
  passing: { message: "passing", color: "brightgreen" },
  failing: { message: "failing", color: "red" },
  building: { message: "building", color: "blue" },
  waiting: { message: "waits for approval", color: "yellow" },
  none: { message: "no builds", color: "lightgrey" },
  unknown: { message: "unknown", color: "lightgrey" },
};

/** Markdown for a README: the badge, leading to the repository's builds. `url`: of the badge, without `)`. */
export function badgeMarkdown(url: string, leadsTo: string): string {
  return `[![wharfinger](${url})](${leadsTo})`;
}
