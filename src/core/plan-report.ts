import { planLines } from "./explain.ts";
import { oneLine } from "./markdown.ts";
import type { BuildPlan, Diagnostic, Provider, Repository, SkipReason } from "./model.ts";

/** What `wharfinger plan --json` prints: a public document, its keys in this order. */
export interface PlanReport {
  readonly provider: Provider;
  readonly event: string;
  /** Null: the event is about no repository. */
  readonly repository: { readonly id: string; readonly fullName: string } | null;
  readonly changes: readonly (ReportedChange & {
    /** Only there, and true, when the payload held nothing longer. */
    readonly abbreviated?: true;
  })[];
  readonly requests: readonly {
    readonly key: string;
    readonly image: string;
    readonly tags: readonly string[];
    readonly ref: string;
    readonly sha: string;
    readonly abbreviated?: true;
    readonly context: string;
    readonly dockerfile: string;
    readonly rules: readonly string[];
    readonly push: boolean;
    readonly trust: "trusted" | "untrusted";
  }[];
  readonly skips: readonly {
    readonly ref: string | null;
    readonly image: string | null;
    readonly rule: string | null;
    readonly reason: SkipReason;
    readonly detail: string;
  }[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What moved, as far as the payload says. */
export interface ReportedChange {
  /** Of a pull request: its source branch, which may be one of another repository. */
  readonly ref: string;
  readonly kind: "branch" | "tag" | "pull_request";
  /** Of a pull request: its number. */
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly forced: boolean;
}

export interface Planned {
  readonly provider: Provider;
  readonly event: string;
  readonly repository: Pick<Repository, "id" | "fullName"> | null;
  readonly changes: readonly ReportedChange[];
  readonly plan: BuildPlan;
}

export function planReport({ provider, event, repository, changes, plan }: Planned): PlanReport {
  return {
    provider,
    event,
    repository: repository === null ? null : { id: repository.id, fullName: repository.fullName },
    changes: changes.map(({ ref, kind, name, before, after, forced }) => ({
      ref,
      kind,
      name,
      before,
      after,
      forced,
      ...abbreviation(after),
    })),
    requests: plan.requests.map(({ key, image, tags, ref, sha, inputs, rules, push, trust }) => ({
      key,
      image,
      tags,
      ref,
      sha,
      ...abbreviation(sha),
      context: inputs.context,
      dockerfile: inputs.dockerfile,
      rules,
      push,
      trust,
    })),
    skips: [
      // What waits for somebody is not built, as things stand.
      ...plan.held.flatMap(({ ref, image, rules, hold: { reason, detail } }) =>
        rules.map((rule) => ({ ref, image, rule, reason, detail })),
      ),
      ...plan.skips.map(({ ref, image, rule, reason, detail }) => ({ ref, image, rule, reason, detail })),
    ],
    diagnostics: plan.diagnostics.map(({ severity, line, column, message }) => ({ severity, line, column, message })),
  };
}

/** The same for people: what came, then one line for each request, skip and diagnostic. */
export function planText({ event, repository, changes, plan }: Planned): string {
  const moves = changes.map((change) => `  ${oneLine(moveText(change))}`);
  const head = repository === null ? event : `${event} to ${repository.fullName}`;
  return [oneLine(head), ...moves, ...planLines(plan).map((line) => `- ${line}`)].join("\n");
}

function moveText({ ref, kind, name, before, after, forced }: ReportedChange): string {
  if (kind === "pull_request") return `#${name} ${ref} at ${after === null ? "an unknown commit" : short(after)}`;
  return `${ref} ${short(before)} -> ${short(after)}${forced ? " (forced)" : ""}`;
}

function short(hash: string | null): string {
  return hash === null ? "nothing" : hash.slice(0, 7);
}

/** SHA-1 and SHA-256 hashes have 40 and 64 digits. */
function abbreviation(hash: string | null): { readonly abbreviated?: true } {
  return hash === null || hash.length === 40 || hash.length === 64 ? {} : { abbreviated: true };
}
