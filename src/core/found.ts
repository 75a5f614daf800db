/**
 * Changes of branches and tags that their host told nobody of, found by comparing what there is with what there was.
 * Journalled like what hosts tell, under a name that none of them can send: neither entrance takes an event with a dot.
 */
import { z } from "zod";
import { kindOfRef } from "./build-order.ts";
import { type HostId, parseSha, type RefChange } from "./model.ts";

export const FOUND = "wharfinger.found";

export interface Found {
  readonly repository: HostId;
  /** None of them twice. */
  readonly changes: readonly RefChange[];
}

const sha = z.string().transform((text, context) => {
  const parsed = parseSha(text);
  if (parsed === null) context.addIssue({ code: "custom", message: "not a full hash" });
  return parsed ?? z.NEVER;
});

const foundSchema = z.strictObject({
  repository: z.strictObject({ provider: z.enum(["github", "bitbucket"]), host: z.string(), id: z.string() }),
  changes: z.array(
    z.strictObject({
      ref: z.string(),
      before: sha.nullable(),
      after: sha.nullable(),
      commit: sha.nullable(),
      message: z.string(),
      committedAt: z.string().nullable(),
    }),
  ),
});

/** The body of its delivery. The same changes make the same text. */
export function foundText({ repository: { provider, host, id }, changes }: Found): string {
  return JSON.stringify({
    repository: { provider, host, id },
    changes: changes.map(({ ref, before, after, commit, message, committedAt }) => {
      return { ref, before, after, commit, message, committedAt: committedAt ?? null };
    }),
  });
}

/** Null: {@link foundText} has not made it. Whether a branch was rewritten nobody has said. */
export function parseFound(text: string): Found | null {
  try {
    const result = foundSchema.safeParse(JSON.parse(text));
    if (!result.success) return null;
    const { repository, changes } = result.data;
    return {
      repository,
      changes: changes.map(({ committedAt, ...change }) => {
        return { ...kindOfRef(change.ref), ...change, forced: false, ...(committedAt !== null && { committedAt }) };
      }),
    };
  } catch {
    // Not JSON, and the error would quote it.
    return null;
  }
}
