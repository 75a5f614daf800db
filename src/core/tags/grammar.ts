/**
 * What a registry accepts as an image tag: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`, the grammar of the OCI distribution
 * specification. A manifest pushed under anything else is refused only after the whole build, so the plan settles it.
 */
export const MAX_TAG_LENGTH = 128;

const LEGAL = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

export function isLegalTag(text: string): boolean {
  return LEGAL.test(text);
}

/**
 * The nearest legal tag: each run of other characters becomes one `-` (`feature/x` -> `feature-x`, `1.0.0+b1` ->
 * `1.0.0-b1`), leading `-` and `.` go, the rest is cut at 128. Null when nothing is left: an empty tag must never be
 * read as "the default tag". Different texts may share a result; the planner reports that where it can see it.
 */
export function sanitizeTag(text: string): string | null {
  const tag = text
    .replace(/[^A-Za-z0-9_.-]+/g, "-")
    .replace(/^[-.]+/, "")
    .slice(0, MAX_TAG_LENGTH);
  return tag === "" ? null : tag;
}
