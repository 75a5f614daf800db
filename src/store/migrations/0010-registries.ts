import type { Migration } from "../migrate.ts";

const STATEMENTS: readonly string[] = [
  // Registries beside the environment's own, which is called `default`. JSON, in the words of core/registry-settings.ts.
  `CREATE TABLE registries (
    name TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL
  )`,
  // Of a registry, then the namespace is empty, or of one namespace in it.
  `CREATE TABLE registry_credentials (
    registry TEXT NOT NULL,
    namespace TEXT NOT NULL,
    username TEXT NOT NULL,
    password TEXT NOT NULL REFERENCES secrets (name),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (registry, namespace)
  )`,
  // Where the build's image goes: that of its namespace when it was recorded.
  "ALTER TABLE builds ADD COLUMN registry TEXT NOT NULL DEFAULT 'default'",
];

export const registries: Migration = { name: "0010-registries", sqlite: STATEMENTS, postgres: STATEMENTS };
