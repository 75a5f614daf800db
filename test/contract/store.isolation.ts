/** Whatever happens to accounts and namespaces: nobody reads or writes one without a grant to that very account. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { By } from "../../src/core/audit.ts";
import { decideClaim } from "../../src/core/lifecycle/claim.ts";
import { type Account, type HostId, hostKey } from "../../src/core/model.ts";
import type { Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import { retry } from "./store.retry.ts";
import { change, delivery, record, repository, request } from "./store.samples.ts";

const OPERATOR: By = { kind: "operator" };

interface Who {
  readonly provider: "github" | "bitbucket";
  readonly host: string;
  readonly id: string;
  readonly login: string;
}

/** Accounts that a careless comparison takes for each other. */
const WHOS: readonly Who[] = [
  { provider: "github", host: "default", id: "1", login: "acme" },
  { provider: "github", host: "default", id: "11", login: "Acme" },
  { provider: "github", host: "default2", id: "1", login: "acme" },
  { provider: "bitbucket", host: "default", id: "1", login: "acme" },
  { provider: "github", host: "default", id: "%", login: "acme-evil" },
];
const NAMES = ["acme", "acme-evil", "acme_x"] as const;

interface Step {
  readonly kind: "ask" | "grant" | "share" | "revoke" | "remove" | "code" | "map" | "push";
  readonly who: Who;
  /** The first or another install of the account. */
  readonly install: "a" | "b";
  readonly name: string;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("ask", "grant", "share", "revoke", "remove", "code", "map", "push", "push", "push", "push"),
  who: fc.constantFrom(...WHOS),
  install: fc.constantFrom("a", "b"),
  name: fc.constantFrom(...NAMES),
});

export function isolationContract(opened: Opened): void {
  describe("keeps namespaces apart", () => {
    it("whatever is asked, granted, shared, joined, mapped, revoked, removed or pushed, in whatever order", async () => {
      const { store, clock } = opened();
      let round = 0;
      let pushes = 0;
      let built = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(anyStep, { minLength: 6, maxLength: 14 }), async (steps) => {
          round += 1;
          const world = createModel(store, clock.now(), String(round));
          for (const step of steps) {
            if (step.kind !== "push") await world.apply(step);
            else if (await world.push(step, pushes++)) built += 1;
            await world.check();
          }
          // Nothing of this round is in the next one's way.
          await store.applyGrants([], "the end of a round");
        }),
        { numRuns: 8, seed: 7 },
      );
      // Both ways were gone.
      expect(built).toBeGreaterThan(0);
      expect(built).toBeLessThan(pushes);
    }, 120_000);
  });
}

/** What should be true: who was let in where, by whole ids. Each round has ids and names of its own. */
function createModel(store: Store, now: number, round: string) {
  const grants = new Map<string, string>();
  const seen = new Map<string, { readonly id: HostId; readonly account: Account }>();

  const accountOf = ({ provider, host, id, login }: Who): Account => {
    return { provider, host, id: `${id}-${round}`, login, kind: "organization" };
  };
  const nameOf = (name: string) => `r${round}-${name}`;

  async function install({ who, install: which }: Step): Promise<{ readonly id: HostId; readonly account: Account }> {
    const account = accountOf(who);
    const id = { provider: who.provider, host: who.host, id: `${which}-${account.id}` };
    await store.saveInstallation({ id, account, state: "active", permissions: {} });
    const installed = { id, account };
    seen.set(hostKey(id), installed);
    return installed;
  }

  const isTaken = (namespace: string) => [...grants.values()].includes(namespace);

  return {
    async apply(step: Step): Promise<void> {
      const { kind, name } = step;
      const namespace = nameOf(name);
      const { id, account } = await install(step);
      const own = grants.get(hostKey(account));
      switch (kind) {
        case "ask": {
          const wanted = nameOf(account.login.toLowerCase());
          const asking = { installation: id, account, wanted, registry: "default" };
          const policy = { kind: "automatic", provider: "github", host: "default" } as const;
          const { decision } = await store.settleClaim(asking, (known) =>
            decideClaim(policy, { ...known, account, wanted, occupied: false }),
          );
          if (decision.kind === "grant") {
            expect([own, isTaken(wanted), account.provider, account.host]).toEqual([
              undefined,
              false,
              "github",
              "default",
            ]);
            grants.set(hostKey(account), wanted);
          }
          return;
        }
        case "grant":
        case "share": {
          const insists = { share: kind === "share", anyway: true, registry: "default", why: "said so", by: OPERATOR };
          const given = await store.grantNamespace({ ...insists, namespace, account, login: account.login });
          const may = own === undefined ? kind === "share" || !isTaken(namespace) : own === namespace;
          expect(given.kind).toBe(may ? "given" : "refused");
          if (may) grants.set(hostKey(account), namespace);
          return;
        }
        case "revoke":
          expect((await store.revokeNamespace(account, OPERATOR))?.namespace).toBe(own);
          grants.delete(hostKey(account));
          return;
        case "remove":
          // What the account owns outlives its installation.
          await store.setInstallationState(id, "removed");
          return;
        case "code": {
          const hash = createHash("sha256").update(`${round} ${name}`).digest("hex");
          const until = new Date(now + 60_000).toISOString();
          const made = await store.saveNamespaceCode({ namespace, hash, until, from: null, by: OPERATOR });
          expect(made).toBe(isTaken(namespace));
          const entry = { namespace, hash, account, login: account.login, by: OPERATOR };
          const joined = await store.redeemNamespaceCode(entry);
          if (joined.kind === "joined") {
            expect([made, own]).toEqual([true, undefined]);
            grants.set(hostKey(account), namespace);
          }
          return;
        }
        case "map": {
          await store.applyGrants([{ account, namespace, registry: "default" }], "the file");
          grants.clear();
          grants.set(hostKey(account), namespace);
        }
      }
    },

    /** Of whoever says that they may write a namespace. True: it was built. */
    async push(step: Step, number: number): Promise<boolean> {
      const { id, account } = await install(step);
      const namespace = nameOf(step.name);
      const pushed = { ...repository(`${number}-${round}`), provider: id.provider, host: id.host };
      await store.linkRepositories(id, [pushed], { complete: false });
      const guid = `push-${round}-${number}`;
      await store.append([delivery(guid, { provider: id.provider, host: id.host })]);
      const moved = change(null, guid);
      const found = await store.findDelivery(guid);
      const what = record([moved], [request(moved)], { repository: pushed, installation: id, namespace });
      const builds = await store.recordPlan(found?.id ?? "", what);
      expect([hostKey(account), namespace, builds.length]).toEqual([
        hostKey(account),
        namespace,
        grants.get(hostKey(account)) === namespace ? 1 : 0,
      ]);
      for (const { id: build } of builds) {
        expect((await store.getBuild(build))?.image).toBe(`${namespace}/api`);
        // Once it is taken back, what was queued there is not, and is not repeated either.
        if (number % 3 !== 0) continue;
        await store.revokeNamespace(account, OPERATOR);
        grants.delete(hostKey(account));
        expect((await store.getBuild(build))?.state).toBe("canceled");
        expect(await retry(store, build, what.write)).toBeNull();
      }
      return builds.length > 0;
    },

    /** What every reader is told. */
    async check(): Promise<void> {
      for (const { id, account } of seen.values()) {
        const read = await store.getInstallation(id);
        expect([hostKey(id), read?.namespace ?? undefined]).toEqual([hostKey(id), grants.get(hostKey(account))]);
      }
      const installations = await store.listInstallations({ limit: 100, cursor: null });
      for (const { account, namespace } of installations.items.filter((one) => seen.has(hostKey(one)))) {
        expect([hostKey(account), namespace ?? undefined]).toEqual([hostKey(account), grants.get(hostKey(account))]);
      }
      for (const name of new Set(grants.values())) {
        const writers = [...grants].filter(([, namespace]) => namespace === name).map(([account]) => account);
        const ledger = await store.namespaceLedger(name);
        expect(ledger?.writers.map(({ account }) => hostKey(account)).toSorted()).toEqual(writers.toSorted());
        const accounts = await store.namespaceAccounts(name);
        expect(accounts.map(({ account }) => hostKey(account)).toSorted()).toEqual(writers.toSorted());
      }
    },
  };
}
