import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import type { NamespacePolicy } from "../../src/core/lifecycle/claim.ts";
import { type Account, type HostId, hostKey } from "../../src/core/model.ts";
import { createNamespaceDesk } from "../../src/engine/namespace-desk.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { account, give, testClock } from "../contract/store.samples.ts";
import { type Line, recordingLog } from "./fakes.ts";

const OPERATOR: By = { kind: "operator" };
const PLAINLY = { share: false, anyway: false };
const ACME = account("17", "acme");
const WORKSPACE: Account = { ...ACME, provider: "bitbucket", id: "{w}" };

let store: OpenedStore;
let clock: ReturnType<typeof testClock>;
let lines: Line[];

function install({ provider, host, id }: Account): HostId {
  return { provider, host, id: `i${id}` };
}

beforeEach(async () => {
  clock = testClock();
  store = await openStore({ url: "sqlite::memory:", clock });
  for (const who of [ACME, WORKSPACE]) {
    await store.saveInstallation({ id: install(who), account: who, state: "active", permissions: {} });
  }
});

afterEach(() => store.close());

function desk(policy: NamespacePolicy = { kind: "approve" }) {
  const recording = recordingLog();
  lines = recording.lines;
  const registries = { forAccount: async () => ({ registry: "default" }) };
  return createNamespaceDesk({ store, registries, policy, clock, log: recording.log });
}

async function ask(who: Account): Promise<string> {
  const asking = { installation: install(who), account: who, wanted: "acme", registry: "default" };
  await store.settleClaim(asking, () => {
    return { kind: "wait", namespace: "acme", reason: "confirmation", why: "somebody has to" };
  });
  return (await store.listClaims({ limit: 1, cursor: null, waiting: true })).items[0]?.id ?? "";
}

describe("the desk for namespaces", () => {
  it("approves claims, once", async () => {
    const claim = await ask(ACME);
    expect(await desk().approve(claim, { ...PLAINLY, as: null }, OPERATOR)).toEqual({
      kind: "done",
      namespace: "acme",
    });
    expect(lines).toMatchObject([{ level: "info", message: "namespace granted" }]);
    expect((await desk().approve(claim, { ...PLAINLY, as: null }, OPERATOR)).kind).toBe("unknown");
    expect((await desk().approve("nonsense", { ...PLAINLY, as: null }, OPERATOR)).kind).toBe("unknown");
  });

  it("approves nothing of an installation that is gone", async () => {
    const claim = await ask(ACME);
    await store.setInstallationState(install(ACME), "removed");
    expect((await desk().approve(claim, { ...PLAINLY, as: null }, OPERATOR)).kind).toBe("unknown");
    expect((await desk().grant("acme", install(ACME), PLAINLY, OPERATOR)).kind).toBe("unknown");
    expect(await store.namespaceLedger("acme")).toBeNull();
  });

  it("says whose a namespace is, and what to do, and leaves a line", async () => {
    await give(store, ACME, "acme");
    const claim = await ask(WORKSPACE);
    const decided = await desk().approve(claim, { ...PLAINLY, as: null }, OPERATOR);
    expect(decided).toEqual({
      kind: "refused",
      reason: "owned",
      why: "Not granted: acme belongs to github:default:17. Have its owner make a one-time code, or say that both shall write it (share).",
    });
    expect(lines).toMatchObject([
      {
        level: "warn",
        fields: { claim, namespace: "acme", account: hostKey(WORKSPACE), login: "acme", reason: "owned" },
      },
    ]);
  });

  it("refuses claims for good", async () => {
    const claim = await ask(ACME);
    expect(await desk().refuse(claim, OPERATOR)).toEqual({ kind: "done" });
    expect((await desk().refuse(claim, OPERATOR)).kind).toBe("unknown");
  });

  it("lets a second account in by a code of the first, once, within the hour", async () => {
    await give(store, ACME, "acme");
    const made = await desk().code("acme", install(ACME), OPERATOR);
    if (made.kind !== "done") throw new Error(made.why);
    expect(made.code).toMatch(/^[0-9A-Z]{5}(?:-[0-9A-Z]{5}){3}$/);
    expect(Date.parse(made.until) - clock.now()).toBe(60 * 60 * 1_000);
    expect(JSON.stringify(lines)).not.toContain(made.code);
    const joined = await desk().join("acme", ` ${made.code.toLowerCase()}\n`, install(WORKSPACE), OPERATOR);
    expect(joined).toEqual({ kind: "done", namespace: "acme" });
    expect((await store.getInstallation(install(WORKSPACE)))?.namespace).toBe("acme");
    const third = account("19", "third");
    await store.saveInstallation({ id: install(third), account: third, state: "active", permissions: {} });
    const again = await desk().join("acme", made.code, install(third), OPERATOR);
    expect(again).toMatchObject({ kind: "refused", reason: "wrong" });
    expect(lines).toMatchObject([{ level: "warn", fields: { account: hostKey(third), reason: "wrong" } }]);
    expect(JSON.stringify(lines)).not.toContain(made.code);
  });

  it("makes no code for who has no say, and none that an empty line opens", async () => {
    await give(store, ACME, "acme");
    expect(await desk().code("acme", install(WORKSPACE), OPERATOR)).toMatchObject({ reason: "not-owner" });
    expect(await desk().code("nobody", null, OPERATOR)).toMatchObject({ reason: "not-owner" });
    await desk().code("acme", null, OPERATOR);
    for (const typed of ["", " ", "-", "0".repeat(20)]) {
      expect(await desk().join("acme", typed, install(WORKSPACE), OPERATOR)).toMatchObject({ reason: "wrong" });
    }
  });

  it("revokes what the account writes, and nothing by another name", async () => {
    await give(store, ACME, "acme");
    for (const other of ["acm", "acme-labs", "ACME", ""]) {
      expect((await desk().revoke(other, install(ACME), OPERATOR)).kind).toBe("unknown");
    }
    expect((await desk().revoke("acme", install(WORKSPACE), OPERATOR)).kind).toBe("unknown");
    expect(await desk().revoke("acme", install(ACME), OPERATOR)).toEqual({ kind: "done", canceled: 0 });
    expect(lines).toMatchObject([{ level: "warn", message: "namespace revoked" }]);
    expect((await desk().revoke("acme", install(ACME), OPERATOR)).kind).toBe("unknown");
  });

  it("revokes also what an account that is gone still owns", async () => {
    await give(store, ACME, "acme");
    await store.setInstallationState(install(ACME), "removed");
    expect((await desk().revoke("acme", install(ACME), OPERATOR)).kind).toBe("done");
  });

  it("changes nothing where a file decides", async () => {
    await give(store, ACME, "acme");
    const claim = await ask(WORKSPACE);
    const fixed = desk({ kind: "fixed", map: new Map() });
    const all = [
      fixed.approve(claim, { ...PLAINLY, as: "beta" }, OPERATOR),
      fixed.grant("beta", install(WORKSPACE), PLAINLY, OPERATOR),
      fixed.revoke("acme", install(ACME), OPERATOR),
      fixed.code("acme", install(ACME), OPERATOR),
      fixed.join("acme", "code", install(WORKSPACE), OPERATOR),
    ];
    for (const decided of await Promise.all(all)) expect(decided).toMatchObject({ kind: "refused", reason: "fixed" });
    expect((await store.listNamespaces({ limit: 9, cursor: null })).items).toHaveLength(1);
  });
});
