import type { Migration } from "../migrate.ts";

/**
 * Lanes, holds, policies and traces. `lane`: what only the newest counts of (laneOf in core/model.ts); until now always the
 * ref, and the table `refs` has a row for each lane. `stopped_as`: how a build ends that was asked to stop. `twin`: the
 * build of the same work that it waits for, to publish the same image (twins.ts).
 */
const statements = ({ bytes }: { readonly bytes: string }): readonly string[] => [
  // JSON: what was changed of core/model.ts, DEFAULT_POLICY.
  "ALTER TABLE installations ADD COLUMN policy TEXT NOT NULL DEFAULT '{}'",
  "ALTER TABLE builds ADD COLUMN lane TEXT NOT NULL DEFAULT ''",
  "ALTER TABLE builds ADD COLUMN stopped_as TEXT NOT NULL DEFAULT 'canceled'",
  // What it waits for, or waited for until somebody approved it.
  "ALTER TABLE builds ADD COLUMN hold_reason TEXT",
  "ALTER TABLE builds ADD COLUMN hold_detail TEXT",
  "ALTER TABLE builds ADD COLUMN approval TEXT",
  "ALTER TABLE builds ADD COLUMN twin TEXT",
  "ALTER TABLE decisions ADD COLUMN lane TEXT",
  // JSON, packed: see traces.ts.
  `ALTER TABLE deliveries ADD COLUMN trace ${bytes}`,
  "UPDATE builds SET lane = ref",
  "UPDATE decisions SET lane = ref",
  "DROP INDEX builds_ref",
  "CREATE INDEX builds_lane ON builds (repository, lane, image, generation)",
];

export const pullRequests: Migration = {
  name: "0004-pull-requests",
  sqlite: statements({ bytes: "BLOB" }),
  postgres: statements({ bytes: "BYTEA" }),
};
