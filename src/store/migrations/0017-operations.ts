import type { Migration } from "../migrate.ts";

/** What failures are counted by follows from what is recorded of them, so that nothing can write the one without the other. */
const statements = (failureClass: string): readonly string[] => [
  `ALTER TABLE builds ADD COLUMN failure_class TEXT GENERATED ALWAYS AS ${failureClass}`,
  "CREATE INDEX builds_failed ON builds (finished_at, failure_class) WHERE failure IS NOT NULL",
];

export const operations: Migration = {
  name: "0017-operations",
  sqlite: statements("(failure ->> 'class') VIRTUAL"),
  // Not by its JSON functions, which refuse texts with \u0000 in them. Quotes within a text are escaped, so this is the name.
  postgres: statements(`(substring(failure FROM '"class":"([a-z-]+)"')) STORED`),
};
