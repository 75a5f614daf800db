/** What would be built of a ref if it were pushed now. Nothing is recorded. */
import type { BuildPlan, HostId, Outcome, Repository, Sha } from "../core/model.ts";

/** Who may ask is the caller's to know. A failure's message is a sentence for people. */
export interface Trials {
  /** Of a branch or tag that is there: a full ref, or a short name that only one of them has. */
  ofRef(repository: HostId, ref: string): Promise<Outcome<Trial>>;
  /** Of a branch or tag that need not be there, as if it were made now of the tip of the default branch. */
  ofName(repository: HostId, kind: "branch" | "tag", name: string): Promise<Outcome<Trial>>;
}

export interface Trial {
  /** As its host tells of it now. */
  readonly repository: Repository;
  /** In full. */
  readonly ref: string;
  /** The commit that would be built; null: there is none. */
  readonly sha: Sha | null;
  /** Whether `.wharfinger.yml` was there. */
  readonly hasFile: boolean;
  /** By the one planner; without a push nothing is known of changed paths, so that filters by path let everything through. */
  readonly plan: BuildPlan;
}
