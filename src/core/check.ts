import type { Build, Skip } from "./model.ts";

/** Everything recorded about one commit that its checks are made of. */
export interface CheckFacts {
  /** Newest build of each (ref, image) at the commit, oldest first. */
  readonly builds: readonly Build[];
  /** Skips of the newest delivery of each ref at the commit. */
  readonly skips: readonly Skip[];
}

/** What a check shows, in no host's words. Limits of a host (lengths, counts) are its reporter's business. */
export interface CheckContent {
  readonly status: "queued" | "in_progress" | "completed";
  /** Set exactly when status is `completed`. */
  readonly conclusion: "success" | "failure" | "neutral" | "skipped" | "cancelled" | "timed_out" | null;
  /** One line. */
  readonly title: string;
  /** Markdown; everything from a repository is escaped. */
  readonly summary: string;
  /** Markdown: longer matter, e.g. the log's tail; null: none. */
  readonly text: string | null;
  readonly annotations: readonly Annotation[];
  /** Page with more. */
  readonly detailsUrl: string;
  readonly startedAt: string | null;
  readonly completedAt: string | null;
}

export interface Annotation {
  /** Repository-relative path. */
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  readonly level: "failure" | "warning" | "notice";
  readonly message: string;
}
