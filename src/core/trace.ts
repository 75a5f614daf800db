/** The decision trace: what was decided of each rule, and by what. */
import type { Draft, Fate } from "./drafts.ts";
import type { Skip, Verdict } from "./model.ts";

type Facts = Verdict["facts"];

/** A verdict; of a draft it is known once equal work is joined, colliding tags are given out and the brake was looked at. */
export type Traced = Verdict | { readonly draft: Draft; readonly facts: Facts };

export function traceSkip({ ref, image, rule, reason, detail }: Skip, facts: Facts = {}): Verdict {
  return { ref, image, rule, verdict: "skip", reason, facts, detail };
}

/** `fates` has every draft. */
export function traceOf(traced: readonly Traced[], fates: ReadonlyMap<Draft, Fate>): readonly Verdict[] {
  return traced.flatMap((one) => {
    if (!("draft" in one)) return [one];
    const fate = fates.get(one.draft);
    return fate === undefined ? [] : [verdictOf(one.draft, one.facts, fate)];
  });
}

function verdictOf({ change: { ref }, image, rule, tags, push }: Draft, decidedBy: Facts, fate: Fate): Verdict {
  const taken = fate.lost.length === 0 ? {} : { "tags taken": fate.lost.join(", ") };
  const facts = { ...decidedBy, tags: tags.join(", "), ...taken };
  const place = { ref, image: image.name, rule: rule.path };
  switch (fate.verdict) {
    case "build": {
      const kept = tags.filter((tag) => !fate.lost.includes(tag));
      const detail = push ? `built and published as ${kept.join(", ")}` : "built and tested, not published";
      return { ...place, verdict: "build", reason: null, facts, detail };
    }
    case "hold":
    case "skip":
      return { ...place, verdict: fate.verdict, reason: fate.reason, facts, detail: fate.detail };
  }
}
