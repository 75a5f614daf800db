import type { Migration } from "../migrate.ts";

/** `made_by` and `facts` are JSON, in the words of core/audit.ts. Nothing refers to another table: what it tells of may be gone. */
const statements = ({ id }: { readonly id: string }): readonly string[] => [
  `CREATE TABLE audit (
    id ${id},
    at BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    action TEXT NOT NULL,
    installation TEXT,
    subject TEXT NOT NULL,
    facts TEXT NOT NULL
  )`,
  "CREATE INDEX audit_installation ON audit (installation, id)",
];

const REFUSED = "the audit log is only added to";

export const audit: Migration = {
  name: "0006-audit",
  sqlite: [
    ...statements({ id: "INTEGER PRIMARY KEY AUTOINCREMENT" }),
    `CREATE TRIGGER audit_not_updated BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, '${REFUSED}'); END`,
    `CREATE TRIGGER audit_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, '${REFUSED}'); END`,
    // What INSERT OR REPLACE puts out of its way, no trigger for DELETE sees.
    `CREATE TRIGGER audit_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, '${REFUSED}'); END`,
  ],
  postgres: [
    ...statements({ id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }),
    `CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION '${REFUSED}';
      END $$`,
    `CREATE TRIGGER audit_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`,
  ],
};
