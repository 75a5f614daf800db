import { afterEach, beforeEach, describe } from "@jest/globals";
import type { GrantStore } from "../../src/engine/grants-port.ts";
import type { RegistryStore } from "../../src/engine/registries-port.ts";
import type { SettingStore } from "../../src/engine/settings-port.ts";
import type { Store } from "../../src/engine/store-port.ts";
import type { VariableStore } from "../../src/engine/variables-port.ts";
import { accessTokensContract } from "./store.access-tokens.ts";
import { apiTokensContract } from "./store.api-tokens.ts";
import { auditContract } from "./store.audit.ts";
import { auditedContract } from "./store.audited.ts";
import { badgesContract } from "./store.badges.ts";
import { buildsContract } from "./store.builds.ts";
import { checksContract } from "./store.checks.ts";
import { claimsContract } from "./store.claims.ts";
import { comparisonsContract } from "./store.comparisons.ts";
import { configChecksContract } from "./store.config-checks.ts";
import { deliveriesContract } from "./store.deliveries.ts";
import { furtherRepositoriesContract } from "./store.further-repositories.ts";
import { grantsContract } from "./store.grants.ts";
import { holdsContract } from "./store.holds.ts";
import { idempotencyContract } from "./store.idempotency.ts";
import { installationsContract } from "./store.installations.ts";
import { isolationContract } from "./store.isolation.ts";
import { lifecycleContract } from "./store.lifecycle.ts";
import { missedContract } from "./store.missed.ts";
import { noticesContract } from "./store.notices.ts";
import { operationsContract } from "./store.operations.ts";
import { pausesContract } from "./store.pauses.ts";
import { plansContract } from "./store.plans.ts";
import { publicationsContract } from "./store.publications.ts";
import { pullsContract } from "./store.pulls.ts";
import { receiptsContract } from "./store.receipts.ts";
import { registriesContract } from "./store.registries.ts";
import { retriesContract } from "./store.retries.ts";
import type { TestClock } from "./store.samples.ts";
import { sessionsContract } from "./store.sessions.ts";
import { settingsContract } from "./store.settings.ts";
import { tenantsContract } from "./store.tenants.ts";
import { twinsContract } from "./store.twins.ts";
import { variablesContract } from "./store.variables.ts";

/** A store just made, and empty. */
export interface OpenedStore {
  readonly store: Store & GrantStore & RegistryStore & VariableStore & SettingStore;
  readonly clock: TestClock;
  /** A second store on the same data, opened without closing the first: what a new process finds. Null: data is not kept. */
  readonly reopen: (() => Promise<Store & GrantStore & RegistryStore & VariableStore & SettingStore>) | null;
  close(): Promise<void>;
}

/** What each part of the suite works with; a getter, because every test gets a new store. */
export type Opened = () => OpenedStore;

/** Holds a database to what the port promises. Every implementation runs all of it. */
export function storeContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`the store on ${name}`, () => {
    let opened: OpenedStore | null = null;
    const current: Opened = () => {
      if (opened === null) throw new Error("no store is open");
      return opened;
    };
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened?.close();
      opened = null;
    });
    deliveriesContract(current);
    auditContract(current);
    badgesContract(current);
    noticesContract(current);
    missedContract(current);
    comparisonsContract(current);
    auditedContract(current);
    plansContract(current);
    pausesContract(current);
    holdsContract(current);
    pullsContract(current);
    installationsContract(current);
    claimsContract(current);
    isolationContract(current);
    tenantsContract(current);
    lifecycleContract(current);
    buildsContract(current);
    retriesContract(current);
    checksContract(current);
    configChecksContract(current);
    furtherRepositoriesContract(current);
    publicationsContract(current);
    twinsContract(current);
    accessTokensContract(current);
    apiTokensContract(current);
    idempotencyContract(current);
    operationsContract(current);
    receiptsContract(current);
    registriesContract(current);
    variablesContract(current);
    settingsContract(current);
    sessionsContract(current);
    grantsContract(() => {
      const { store, clock } = current();
      return {
        grants: store,
        clock,
        async journalled() {
          const { items } = await store.listDeliveries({ limit: 100, cursor: null });
          return items.map(({ deliveryId }) => deliveryId).reverse();
        },
      };
    });
  });
}
