/** Where a branch or tag is at this moment, as a change that could have been pushed. */
import { kindOfRef, refsCalled } from "../core/build-order.ts";
import { oneLine } from "../core/markdown.ts";
import { type HostId, type Outcome, ok, type RefChange, type Sha } from "../core/model.ts";
import type { Host, RepositoryNow, Tip } from "./ports.ts";

export type RefNow =
  | { readonly kind: "found"; readonly repository: RepositoryNow; readonly change: RefChange }
  /** It is not there, or the installation does not cover it. */
  | { readonly kind: "no-repository" }
  /** `why`: a sentence. */
  | { readonly kind: "no-ref"; readonly repository: RepositoryNow; readonly why: string };

/** `name`: a full ref, or a short name that only a branch or only a tag has; null: the default branch. */
export async function refNow(
  host: Pick<Host, "repository" | "tip">,
  installation: HostId,
  id: HostId,
  name: string | null,
): Promise<Outcome<RefNow>> {
  const seen = await host.repository(installation, id);
  if (!seen.ok) return seen;
  const repository = seen.value;
  if (repository === null) return ok({ kind: "no-repository" });
  const noRef = (why: string) => ok<RefNow>({ kind: "no-ref", repository, why });
  const { defaultBranch, fullName } = repository;
  if (name === null && defaultBranch === null) return noRef(`There are no commits in ${fullName} yet.`);
  const wanted = name ?? `refs/heads/${defaultBranch}`;
  const found: { readonly ref: string; readonly tip: Tip }[] = [];
  for (const ref of name === null ? [wanted] : refsCalled(wanted)) {
    const tip = await host.tip(installation, repository, ref);
    if (!tip.ok) return tip;
    if (tip.value !== null) found.push({ ref, tip: tip.value });
  }
  const [only, other] = found;
  if (only === undefined) return noRef(`There is no branch or tag ${oneLine(wanted)} in ${fullName}.`);
  if (other !== undefined) {
    return noRef(`${fullName} has a branch and a tag called ${oneLine(wanted)}: say ${only.ref} or ${other.ref}.`);
  }
  return ok({ kind: "found", repository, change: changeTo(only.ref, only.tip) });
}

/** As if it had just been made there. Nobody wrote its commit's message to keep it from being built now. */
export function changeTo(ref: string, { commit, committedAt }: Tip): RefChange & { readonly commit: Sha } {
  return {
    ...kindOfRef(ref),
    ref,
    before: null,
    after: commit,
    commit,
    forced: false,
    message: "",
    ...(committedAt !== null && { committedAt }),
  };
}
