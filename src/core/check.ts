import type { FileCheck } from "./config-check.ts";
import type { Build, BuildState, Skip } from "./model.ts";

/** Everything recorded about one commit that its checks are made of. */
export interface CheckFacts {
  /** Newest build of each (ref, image) at the commit, oldest first. */
  readonly builds: readonly Build[];
  /** Skips of the newest delivery of each ref at the commit. */
  readonly skips: readonly Skip[];
  /** What there is to say of the config file; left out: the commit changes nothing of it. */
  readonly fileCheck?: FileCheck;
}

/** What a check shows, in no host's words. Limits of a host (lengths, counts) are its reporter's business. */
export interface CheckContent {
  readonly status: "queued" | "in_progress" | "completed";
  /** Set exactly when status is `completed`. */
  readonly conclusion:
    | "success"
    | "failure"
    | "neutral"
    | "skipped"
    | "cancelled"
    | "timed_out"
    | "action_required"
    | null;
  /** One line. */
  readonly title: string;
  /** Markdown; everything from a repository is escaped. */
  readonly summary: string;
  /** Markdown: longer matter, e.g. the log's tail; null: none. */
  readonly text: string | null;
  readonly annotations: readonly Annotation[];
  /** What became of each build, for hosts that show data in fields. */
  readonly results: readonly BuildResult[];
  /** Short name of the one branch that all of it is about; null: of several refs, of a tag, or of none. */
  readonly branch: string | null;
  /** Page with more. */
  readonly detailsUrl: string;
  /** What a person may do about it, for hosts that have buttons; mostly none. */
  readonly actions: readonly CheckAction[];
  readonly startedAt: string | null;
  readonly completedAt: string | null;
}

/** A button. GitHub's limits: 20, 40 and 20 characters. */
export interface CheckAction {
  readonly label: string;
  readonly description: string;
  readonly identifier: "approve";
}

export interface BuildResult {
  /** With its namespace: `acme/api`. */
  readonly image: string;
  /** Tags it has; those it asks for as long as nothing is published. */
  readonly tags: readonly string[];
  /** `sha256:…`; null: nothing is published. */
  readonly digest: string | null;
  readonly state: BuildState;
  /** How long it took; null: it has not both begun and ended. */
  readonly seconds: number | null;
}

export interface Annotation {
  /** Repository-relative path. */
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  readonly level: "failure" | "warning" | "notice";
  readonly message: string;
}
