/** The decision trace: what was decided of each rule, by what. */
import type { Draft, Settled } from "./drafts.ts";
import type { PlannedBuild, Skip, Verdict } from "./model.ts";

/** A verdict before requests of equal work are joined, tags that collide are taken away and the brake is looked at. */
export type Trace = Verdict;

type Facts = Verdict["facts"];

export function traceSkip({ ref, image, rule, reason, detail }: Skip, facts: Facts = {}): Trace {
  return { ref, image, rule, verdict: "skip", reason, facts, detail };
}

export function traceBuild({ change, image, rule, tags }: Draft, facts: Facts): Trace {
  const built = { ref: change.ref, image: image.name, rule: rule.path } as const;
  return { ...built, verdict: "build", reason: null, facts: { ...facts, tags: tags.join(", ") }, detail: "" };
}

/** What came of them in the end. */
export function traceOf(traces: readonly Trace[], { requests, held, skips }: Settled): readonly Verdict[] {
  return traces.map((trace) => {
    if (trace.verdict !== "build") return trace;
    const request = requests.find((one) => isOf(one, trace));
    if (request !== undefined) return { ...trace, detail: describe(request) };
    const waiting = held.find((one) => isOf(one, trace));
    if (waiting !== undefined) {
      const { reason, detail } = waiting.hold;
      return { ...trace, verdict: "hold", reason, detail };
    }
    // Whatever its rule gave is published by another one.
    const lost = skips.find((one) => one.ref === trace.ref && one.image === trace.image && one.rule === trace.rule);
    return { ...trace, verdict: "skip", reason: "tag-collision", detail: lost?.detail ?? "not built" };
  });
}

function isOf({ ref, image, rules }: PlannedBuild, trace: Trace): boolean {
  return ref === trace.ref && image === trace.image && trace.rule !== null && rules.includes(trace.rule);
}

function describe({ push, tags }: PlannedBuild): string {
  return push ? `built and published as ${tags.join(", ")}` : "built and tested, not published";
}
