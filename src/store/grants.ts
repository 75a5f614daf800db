import type { GrantStore } from "../engine/grants-port.ts";
import type { IncomingDelivery, Vault } from "../engine/ports.ts";
import type { StoreParts } from "./builds.ts";
import { createConnectClients } from "./connect-clients.ts";
import { createConnections } from "./connections.ts";
import type { Sql } from "./database.ts";
import { journalStatement } from "./journal.ts";
import { createSecrets, SECRETS_LOCK, type Secrets } from "./secrets.ts";

export interface GrantParts extends StoreParts {
  readonly secrets: Secrets;
  /** A transaction that nobody else's change of grants gets into. */
  changing<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** The same; journals the delivery at its end, unless `work` answers that it changed nothing. */
  telling(delivery: IncomingDelivery, work: (sql: Sql) => Promise<boolean>): Promise<boolean>;
}

/**
 * Grants change a few times a day, so changes take turns: what is decided from several rows (who is known, who has to make
 * room, which secret is the one before) stays as it was read. Looking a grant up waits for nobody.
 */
export function createGrants(store: StoreParts, vault: Vault | undefined): GrantStore {
  const { database } = store;
  const changing: GrantParts["changing"] = (work) =>
    database.transaction(async (sql) => {
      await sql.lock(SECRETS_LOCK);
      return work(sql);
    });
  const parts: GrantParts = {
    ...store,
    secrets: createSecrets(vault),
    changing,
    async telling(delivery, work) {
      const { statement, bind } = await journalStatement(database.dialect, [delivery]);
      return changing(async (sql) => {
        const changed = await work(sql);
        // Last: on PostgreSQL nobody else journals anything from here to the end of the transaction.
        if (changed) await sql.prepared(statement, bind);
        return changed;
      });
    },
  };
  return { ...createConnectClients(parts), ...createConnections(parts) };
}
