import type { BuildPlan, InstallationState, LinkState, RefChange, Repository } from "./model.ts";
import type { ParsedConfig, RepoConfig } from "./repo-config/config.ts";

/** Everything the one decision looks at. The engine gathers it; the planner never fetches. */
export interface PlanFacts {
  readonly repository: Repository;
  /** Null: no such installation is known. */
  readonly installation: { readonly state: InstallationState; readonly namespace: string | null } | null;
  readonly link: LinkState;
  readonly changes: readonly ChangeFacts[];
  /** True: without a file, the default branch builds the root `Dockerfile` as `latest`. */
  readonly zeroConfig: boolean;
  /** ISO 8601, UTC; for `{date}`. */
  readonly now: string;
}

export interface ChangeFacts {
  readonly change: RefChange;
  readonly config: ConfigFact;
  /** Null: not known, then we build. */
  readonly changedPaths: readonly string[] | null;
  /** Names of all tags of the repository; null: not known. */
  readonly tags: readonly string[] | null;
}

export type ConfigFact =
  /** {@link needsConfig} said it is not needed. */
  | { readonly kind: "not-asked" }
  | { readonly kind: "read"; readonly parsed: ParsedConfig }
  /** `hint`: a file with a similar name that is there. */
  | { readonly kind: "missing"; readonly hint: string | null }
  | { readonly kind: "unreadable"; readonly why: string }
  /** The commit is not there any more (force-pushed away before we looked). */
  | { readonly kind: "gone" };

/** Whether the file at the change's commit could matter at all. */
export declare function needsConfig(facts: Pick<PlanFacts, "installation" | "link">, change: RefChange): boolean;

/** Which further facts a rule asks for. */
export declare function neededFacts(
  change: RefChange,
  config: RepoConfig,
): { readonly changedPaths: boolean; readonly tags: boolean };

/**
 * The one decision. Total and pure: same facts, same plan; never throws, waits, logs or reads a clock. Every change
 * leads to at least one request or skip for each image.
 */
export declare function planBuilds(facts: PlanFacts): BuildPlan;
