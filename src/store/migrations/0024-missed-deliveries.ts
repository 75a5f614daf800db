import type { Migration } from "../migrate.ts";

/**
 * What a host could not deliver and is fetched from it. Of a delivery that came so: when the host tried to deliver it and
 * the status it saw (`sent_status` NULL: no answer). How far each host's list was looked through, and what could not be
 * fetched (`not_before` NULL: given up).
 */
const STATEMENTS: readonly string[] = [
  "ALTER TABLE deliveries ADD COLUMN sent_at BIGINT",
  "ALTER TABLE deliveries ADD COLUMN sent_status INTEGER",
  "CREATE INDEX deliveries_fetched ON deliveries (received_at) WHERE sent_at IS NOT NULL",
  `CREATE TABLE missed_looks (
    provider TEXT NOT NULL,
    host TEXT NOT NULL,
    reached BIGINT,
    begun_at BIGINT NOT NULL,
    looked_at BIGINT,
    problem TEXT,
    not_before BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    PRIMARY KEY (provider, host)
  )`,
  `CREATE TABLE missed_tries (
    provider TEXT NOT NULL,
    host TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    tries INTEGER NOT NULL,
    tried_at BIGINT NOT NULL,
    not_before BIGINT,
    PRIMARY KEY (provider, host, delivery_id)
  )`,
];

export const missedDeliveries: Migration = {
  name: "0024-missed-deliveries",
  sqlite: STATEMENTS,
  postgres: STATEMENTS,
};
