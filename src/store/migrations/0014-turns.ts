import type { Migration } from "../migrate.ts";

/** When a delivery's turn to be processed is (engine/turns.ts). Read from the index only: in the row it stands behind the body. */
const STATEMENTS: readonly string[] = [
  "ALTER TABLE deliveries ADD COLUMN turn BIGINT NOT NULL DEFAULT 0",
  "DROP INDEX deliveries_waiting",
  "CREATE INDEX deliveries_waiting ON deliveries (turn, id) WHERE outcome = 'pending'",
];

export const turns: Migration = { name: "0014-turns", sqlite: STATEMENTS, postgres: STATEMENTS };
