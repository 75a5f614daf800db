import { v7 as uuidv7 } from "uuid";
import type { GrantStore } from "../engine/grants-port.ts";
import type { Clock, Logger, LogStore, Vault } from "../engine/ports.ts";
import type { RegistryStore } from "../engine/registries-port.ts";
import type { SettingStore } from "../engine/settings-port.ts";
import type { Store } from "../engine/store-port.ts";
import type { VariableStore } from "../engine/variables-port.ts";
import { createAccessTokens } from "./access-tokens.ts";
import { createApiTokens } from "./api-tokens.ts";
import { createApprovals } from "./approvals.ts";
import { createAudit } from "./audit.ts";
import { createBadgeRows } from "./badges.ts";
import { createBuildLists } from "./build-lists.ts";
import { createBuilds, type StoreParts } from "./builds.ts";
import { createChecks } from "./checks.ts";
import { createClaimRows } from "./claims.ts";
import { createComparisons } from "./comparisons.ts";
import { createConfigChecks } from "./config-checks.ts";
import { type Database, openDatabase, type Topic } from "./database.ts";
import { createDeliveries } from "./deliveries.ts";
import { createFurtherRepositories } from "./further-repositories.ts";
import { createGrants } from "./grants.ts";
import { createIdempotency } from "./idempotency.ts";
import { createImageGifts } from "./image-gifts.ts";
import { createInstallations } from "./installations.ts";
import { createJournal } from "./journal.ts";
import { createLifecycle } from "./lifecycle.ts";
import { createLogRows } from "./log-rows.ts";
import { migrate, schemaProblem } from "./migrate.ts";
import { createMissedRows } from "./missed.ts";
import { createNamespaceCodes } from "./namespace-codes.ts";
import { createNamespaces } from "./namespaces.ts";
import { createNoticeRows } from "./notices.ts";
import { createOperations } from "./operations.ts";
import { createOrders } from "./orders.ts";
import { createPauses } from "./pauses.ts";
import { createPlans } from "./plans.ts";
import { createPublications } from "./publications.ts";
import { createReceipts } from "./receipts.ts";
import { createRegistries } from "./registries.ts";
import { createRetries } from "./retries.ts";
import { bytesOrNull, text } from "./rows.ts";
import { SECRETS_LOCK } from "./secrets.ts";
import { createSessions } from "./sessions.ts";
import { createSettings } from "./settings.ts";
import { createUpkeep } from "./upkeep.ts";
import { createVariables } from "./variables.ts";

export interface StoreOptions {
  /** `sqlite:PATH`, `sqlite::memory:`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. */
  readonly url: string;
  readonly clock: Clock;
  /**
   * When given, the store refuses a database whose secrets this vault can not open. Without one it throws where a grant
   * with a secret is to be stored or read.
   */
  readonly vault?: Vault;
  readonly log?: Logger;
  /** Ids of builds and external ids of checks; default: UUID version 7, which sorts by time. */
  readonly newId?: () => string;
}

export interface OpenedStore extends Store, GrantStore, RegistryStore, VariableStore, SettingStore {
  /** Null: one process works on this database, and keeps logs as files. */
  readonly logs: LogStore | null;
}

/** The database is there, but this program must not use it as it is. The message says what to do. */
export class StoreRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "StoreRefused";
  }
}

/**
 * Opens a database whose schema is current; changes no schema itself, so that opening never surprises a second process.
 * The exception is `sqlite::memory:`, which nobody else could have prepared. Rejects with {@link StoreRefused}.
 */
export async function openStore({ url, clock, vault, log, newId = uuidv7 }: StoreOptions): Promise<OpenedStore> {
  const database = await openDatabase(url);
  const listeners = new Set<(topic: Topic) => void>();
  try {
    if (url === "sqlite::memory:") await migrate(database);
    const problem = await schemaProblem(database);
    if (problem !== null) throw new StoreRefused(problem);
    if (vault !== undefined) await checkKey(database, vault);
    await database.attend((topic) => {
      for (const listener of listeners) listener(topic);
    });
  } catch (error) {
    await database.close();
    throw error;
  }
  const parts: StoreParts = { database, clock, newId };
  return {
    ...createJournal(database),
    ...createDeliveries(database, clock),
    ...createPlans(parts),
    ...createPauses(parts),
    ...createInstallations(database, clock),
    ...createLifecycle(parts),
    ...createImageGifts(parts),
    ...createBuilds(parts),
    ...createBuildLists(database),
    ...createRetries(parts),
    ...createOrders(parts),
    ...createApprovals(parts),
    ...createPublications(parts),
    ...createChecks(parts),
    ...createConfigChecks(database),
    ...createAudit(parts),
    ...createReceipts(parts, vault),
    ...createClaimRows(parts),
    ...createNamespaces(parts),
    ...createNamespaceCodes(parts),
    ...createAccessTokens(parts),
    ...createApiTokens(parts),
    ...createIdempotency(parts),
    ...createFurtherRepositories(parts),
    ...createGrants(parts, vault),
    ...createRegistries(parts, vault),
    ...createVariables(parts, vault),
    ...createBadgeRows(parts, vault),
    ...createNoticeRows(parts, vault),
    ...createSessions(parts),
    ...createSettings(parts, vault),
    ...createUpkeep(parts),
    ...createOperations(parts),
    ...createMissedRows(parts),
    ...createComparisons(parts),
    logs: database.dialect === "postgres" ? createLogRows(database, log) : null,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Creates the schema or brings it up to date; answers the steps that ran. Safe to call from several processes at once. */
export async function migrateStore(url: string): Promise<{ readonly applied: readonly string[] }> {
  const database = await openDatabase(url);
  try {
    return { applied: await migrate(database) };
  } finally {
    await database.close();
  }
}

const KEY_CHECK = "key-check";

/**
 * A row sealed at the first start tells a wrong SECRET_KEY from a right one before anything depends on it. All secrets
 * are sealed anew with the current key, so that after one start with both keys the previous one can be dropped.
 */
async function checkKey(database: Database, vault: Vault): Promise<void> {
  await database.transaction(async (sql) => {
    await sql.lock(SECRETS_LOCK);
    const rows = await sql.query("SELECT name, sealed FROM secrets");
    const secrets = new Map<string, string>([[KEY_CHECK, "this key opens what is sealed here"]]);
    for (const row of rows) secrets.set(text(row, "name"), open(vault, text(row, "name"), bytesOrNull(row, "sealed")));
    for (const [name, secret] of secrets) {
      await sql.query(
        "INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
        [name, vault.seal(name, secret)],
      );
    }
  });
}

function open(vault: Vault, name: string, sealed: Buffer | null): string {
  try {
    return vault.open(name, sealed ?? Buffer.alloc(0));
  } catch (error) {
    throw new StoreRefused(
      `SECRET_KEY does not open the secrets in this database (${name}: ${error instanceof Error ? error.message : "damaged"}). ` +
        "Start with the key it was made with; to change keys, put the old one into SECRET_KEY_PREVIOUS.",
    );
  }
}
