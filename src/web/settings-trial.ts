import type { Diagnostic } from "../core/model.ts";
import type { Trial } from "../engine/trial.ts";
import { shortRef } from "./present.ts";
import { type TraceView, traceView } from "./verdicts.ts";

/** What *Try it* answers. */
export interface TrialView {
  readonly ref: string;
  readonly kind: "branch" | "tag";
  readonly sha: string | null;
  readonly hasFile: boolean;
  readonly builds: readonly {
    readonly image: string;
    readonly tags: readonly string[];
    readonly publishes: boolean;
    readonly hold: string | null;
  }[];
  readonly skips: readonly { readonly image: string | null; readonly reason: string; readonly detail: string }[];
  readonly trace: TraceView;
  readonly problems: readonly Diagnostic[];
}

export function trialView({ ref, sha, hasFile, plan }: Trial, namespace: string | null): TrialView {
  const named = (image: string) => (namespace === null ? image : `${namespace}/${image}`);
  const { requests, held, skips, diagnostics, trace } = plan;
  return {
    ref: shortRef(ref),
    kind: ref.startsWith("refs/tags/") ? "tag" : "branch",
    sha: sha?.slice(0, 7) ?? null,
    hasFile,
    builds: [
      ...requests.map(({ image, tags, push }) => ({ image: named(image), tags, publishes: push, hold: null })),
      ...held.map(({ image, tags, push, hold }) => ({ image: named(image), tags, publishes: push, hold: hold.detail })),
    ],
    skips: skips.map(({ image, reason, detail }) => ({ image: image === null ? null : named(image), reason, detail })),
    trace: traceView(trace),
    problems: diagnostics,
  };
}
