import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { NamespacePolicy } from "../../src/core/lifecycle/claim.ts";
import { type Account, failed, hostKey, type Outcome, ok } from "../../src/core/model.ts";
import { namespaceFor } from "../../src/core/namespaces.ts";
import { createClaims } from "../../src/engine/claims.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { account, installationId } from "../contract/store.samples.ts";
import { type Line, recordingLog } from "./fakes.ts";

const AUTOMATIC: NamespacePolicy = { kind: "automatic", provider: "github", host: "default" };
const ACME = account("17", "Acme");

let store: OpenedStore;
/** What the registry says; by default that nothing is there. */
let registry: Outcome<boolean | null>;
let asked: string[];
let granted: number;
let lines: Line[];

beforeEach(async () => {
  store = await openStore({ url: "sqlite::memory:", clock: Date });
  registry = ok(false);
  asked = [];
  granted = 0;
});

afterEach(() => store.close());

function claims(policy: NamespacePolicy) {
  const recording = recordingLog();
  lines = recording.lines;
  return createClaims({
    store,
    registries: {
      forAccount: async (one) => ({
        registry: one.host === "ghes" ? "second" : "default",
        namespace: namespaceFor(one),
      }),
      named: async (name) =>
        name === "second"
          ? null
          : {
              client: () => ({
                async occupied(namespace) {
                  asked.push(namespace);
                  return registry;
                },
              }),
            },
    },
    policy,
    log: recording.log,
    onGranted: () => {
      granted += 1;
    },
  });
}

async function settle(policy: NamespacePolicy, who: Account = ACME) {
  const id = { ...installationId("7"), provider: who.provider, host: who.host };
  await store.saveInstallation({ id, account: who, state: "active", permissions: {} });
  return claims(policy).settle({ id, account: who });
}

describe("claims", () => {
  it("are granted by themselves where the policy says so and the registry is empty there", async () => {
    expect(await settle(AUTOMATIC)).toEqual(ok({ kind: "owned", namespace: "acme" }));
    expect([asked, granted]).toEqual([["acme"], 1]);
    expect(lines.map(({ level, message }) => `${level}: ${message}`)).toEqual(["info: namespace granted"]);
    // Once it is settled, nobody is asked, and nobody is told.
    expect(await settle(AUTOMATIC)).toEqual(ok({ kind: "owned", namespace: "acme" }));
    expect([asked, granted, lines]).toEqual([["acme"], 1, []]);
  });

  it.each([
    [ok(true), "occupied"],
    [ok(null), "registry-silent"],
    [failed("nothing is to be had there", { retryable: false }), "registry-silent"],
  ])("wait for the operator where the registry answers %j", async (answer, reason) => {
    registry = answer;
    expect(await settle(AUTOMATIC)).toMatchObject({ ok: true, value: { kind: "waiting", namespace: "acme" } });
    expect(lines).toMatchObject([{ level: "warn", message: "namespace not granted", fields: { reason } }]);
    // A push later asks no registry again, and says nothing again.
    expect(await settle(AUTOMATIC)).toMatchObject({ ok: true, value: { kind: "waiting" } });
    expect([asked.length, granted, lines.length]).toEqual([1, 0, 0]);
  });

  it("are not decided while a registry that counts does not answer", async () => {
    registry = failed("away", { retryable: true });
    expect(await settle(AUTOMATIC)).toEqual(registry);
    expect((await store.listClaims({ limit: 1, cursor: null, waiting: false })).items).toEqual([]);
    expect(await settle({ kind: "approve" })).toMatchObject({ ok: true, value: { kind: "waiting" } });
  });

  it("of a registry that is not configured any more wait, too", async () => {
    const away = { ...ACME, host: "ghes" };
    expect(await settle({ ...AUTOMATIC, host: "ghes" }, away)).toMatchObject({ ok: true, value: { kind: "waiting" } });
    expect(asked).toEqual([]);
  });

  it("say what they wait for, with what an operator looks for in the log", async () => {
    expect(await settle({ kind: "approve" })).toEqual(
      ok({ kind: "waiting", namespace: "acme", why: "the operator has to confirm that acme is this account's" }),
    );
    expect(lines).toEqual([
      {
        level: "warn",
        message: "namespace not granted",
        fields: {
          installation: "github:default:7",
          account: "github:default:17",
          login: "Acme",
          namespace: "acme",
          reason: "confirmation",
          why: "the operator has to confirm that acme is this account's",
        },
      },
    ]);
  });

  it("of who has taken over an account's name leave a line with both ids to look for", async () => {
    await settle(AUTOMATIC);
    expect(await settle(AUTOMATIC, account("666", "acme"))).toMatchObject({ ok: true, value: { kind: "waiting" } });
    expect(lines).toMatchObject([{ level: "warn", fields: { account: "github:default:666", reason: "owned" } }]);
    const ledger = await store.namespaceLedger("acme");
    expect(ledger?.writers.map((one) => hostKey(one.account))).toEqual(["github:default:17"]);
    expect(ledger?.claims.map((one) => hostKey(one.account))).toEqual(["github:default:666"]);
  });

  it("of names that make none are none, until the operator gives one", async () => {
    expect(await settle(AUTOMATIC, account("9", "staging"))).toMatchObject({ ok: true, value: { kind: "none" } });
    expect(lines).toMatchObject([{ fields: { namespace: null, reason: "unusable-name" } }]);
  });

  it("are withdrawn when the installation ends", async () => {
    await settle({ kind: "approve" });
    await claims({ kind: "approve" }).withdraw(installationId("7"));
    expect((await store.listClaims({ limit: 9, cursor: null, waiting: true })).items).toEqual([]);
  });

  it("become what the file says when the program starts, and nothing else", async () => {
    const policy: NamespacePolicy = { kind: "fixed", map: new Map([["github:ghes:18", "beta"]]) };
    await settle(AUTOMATIC);
    await claims(policy).begin();
    expect(await store.namespaceLedger("acme")).toMatchObject({ writers: [] });
    expect(await store.namespaceLedger("beta")).toMatchObject({
      registry: "second",
      writers: [{ account: { host: "ghes", id: "18" } }],
    });
    expect(granted).toBe(2);
    expect(lines).toMatchObject([
      { level: "warn", fields: { account: "github:default:17", reason: "not-mapped" } },
      { level: "info", fields: { account: "github:ghes:18", namespace: "beta" } },
    ]);
    await claims(policy).begin();
    expect(lines).toEqual([]);
    expect(await settle(policy)).toMatchObject({ ok: true, value: { kind: "none" } });
    for (const other of [AUTOMATIC, { kind: "approve" } as const]) await claims(other).begin();
    expect(await store.namespaceLedger("beta")).toMatchObject({ writers: [{}] });
  });
});
