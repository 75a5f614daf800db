import { beforeEach, describe, expect, it } from "@jest/globals";
import type { Account } from "../../src/core/model.ts";
import type { RegistrySettings } from "../../src/core/registry-settings.ts";
import { createRegistries, type Registries, type RegistryCredential } from "../../src/engine/registries.ts";
import type { RegistryRecords } from "../../src/engine/registries-port.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import { settingsOf } from "../contract/store.registries.ts";
import { type TestClock, testClock } from "../contract/store.samples.ts";
import { accessibleRegistry } from "./registry-fakes.ts";

const OWN = settingsOf({ url: "https://own.test", kind: "token" });
const HUB = settingsOf({ url: "https://docker.io", staging: "{namespace}/staging" });
const WHOLE = { username: "whole", password: "one" };
const ACMES = { username: "acmes", password: "two" };

let clock: TestClock;
let records: RegistryRecords;
let reads: number;
let connected: [string, RegistryCredential | null][];
let away: Error | null;

function stored(name: string, settings: RegistrySettings) {
  return { name, settings, createdAt: "2026-11-20T10:00:00.000Z" };
}

function opener(registry: string, namespace: string | null, credential: RegistryCredential) {
  return { registry, namespace, ...credential, createdAt: "2026-11-20T10:00:00.000Z" };
}

function create(credential: RegistryCredential | null = null, own: RegistrySettings = OWN): Registries {
  return createRegistries({
    store: {
      async registryRecords() {
        reads += 1;
        if (away !== null) throw away;
        return records;
      },
      registryOf: async (namespace) => ({ acme: "hub", beta: "default", lost: "removed" })[namespace] ?? null,
    },
    own: { settings: own, credential },
    connect({ name }, opens) {
      connected.push([name, opens]);
      return accessibleRegistry();
    },
    staging: createStagingNames,
    clock,
  });
}

beforeEach(() => {
  clock = testClock();
  records = {
    registries: [stored("hub", HUB)],
    credentials: [opener("hub", null, WHOLE), opener("hub", "acme", ACMES)],
  };
  reads = 0;
  connected = [];
  away = null;
});

describe("registries", () => {
  it("are the environment's own and those that were added", async () => {
    const all = await create().all();
    expect(all.map(({ name, host }) => [name, host])).toEqual([
      ["default", "own.test"],
      ["hub", "docker.io"],
    ]);
  });

  it("are signed in to with the namespace's credential, else the registry's, each once", async () => {
    const hub = await create().named("hub");
    expect([hub?.credential("acme"), hub?.credential("beta"), hub?.credential(null)]).toEqual([ACMES, WHOLE, WHOLE]);
    const clients = ["acme", "beta", null, "gamma", "acme"].map((namespace) => hub?.client(namespace));
    expect(connected).toEqual([
      ["hub", ACMES],
      ["hub", WHOLE],
    ]);
    expect(clients[1]).toBe(clients[2]);
    expect(clients[1]).toBe(clients[3]);
    expect(clients[0]).toBe(clients[4]);
    expect(clients[0]).not.toBe(clients[1]);
  });

  it("remember a sign-in until what it was made with changes", async () => {
    const registries = create();
    const before = (await registries.named("hub"))?.client("acme");
    await registries.refresh();
    expect((await registries.named("hub"))?.client("acme")).toBe(before);
    records = { ...records, credentials: [opener("hub", "acme", { ...ACMES, password: "three" })] };
    await registries.refresh();
    expect((await registries.named("hub"))?.client("acme")).not.toBe(before);
    records = { ...records, registries: [stored("hub", { ...HUB, insecure: true })] };
    await registries.refresh();
    (await registries.named("hub"))?.client("acme");
    expect(connected).toHaveLength(3);
  });

  it("of kind token take no credential, whatever is kept for them", async () => {
    records = { ...records, credentials: [opener("default", "acme", ACMES)] };
    const registries = create(null);
    expect((await registries.named("default"))?.credential("acme")).toBeNull();
    expect(await registries.signIn({ registry: "default", image: "acme/api" })).toEqual({ kind: "lease" });
  });

  it("say how a build signs in, by the registry it was planned for and its image's namespace", async () => {
    const registries = create();
    const signIn = (registry: string, image: string) => registries.signIn({ registry, image });
    expect(await signIn("default", "acme/api")).toEqual({ kind: "lease" });
    expect(await signIn("hub", "acme/api")).toEqual({ kind: "credential", ...ACMES });
    expect(await signIn("hub", "acme-evil/api")).toEqual({ kind: "credential", ...WHOLE });
    expect(await signIn("removed", "acme/api")).toBeNull();
    records = { ...records, credentials: [opener("hub", "acme", ACMES)] };
    await registries.refresh();
    expect(await signIn("hub", "acme-evil/api")).toEqual({ kind: "missing" });
    expect(await signIn("hub", "acme/evil/api")).toEqual({ kind: "credential", ...ACMES });
  });

  it("give the environment's credential to its own registry only, and a namespace's before it", async () => {
    records = { ...records, credentials: [opener("default", "acme", ACMES)] };
    const registries = create(WHOLE, { ...OWN, kind: "basic" });
    expect(await registries.signIn({ registry: "default", image: "beta/api" })).toEqual({
      kind: "credential",
      ...WHOLE,
    });
    expect(await registries.signIn({ registry: "default", image: "acme/api" })).toEqual({
      kind: "credential",
      ...ACMES,
    });
    expect(await registries.signIn({ registry: "hub", image: "beta/api" })).toEqual({ kind: "missing" });
  });

  it("never give what is kept for one registry to another", async () => {
    const other = settingsOf({ url: "https://other.test" });
    records = { ...records, registries: [...records.registries, stored("other", other)] };
    const registries = create();
    expect(await registries.signIn({ registry: "other", image: "acme/api" })).toEqual({ kind: "missing" });
    (await registries.named("other"))?.client("acme");
    expect(connected).toEqual([["other", null]]);
  });

  it("say where a build pushes to, and refuse to publish under such a name", async () => {
    const registries = create();
    const place = async (registry: string, image: string) => {
      const found = await registries.place({ id: "b1", registry, image });
      return found === null ? null : [found.staging, found.closed];
    };
    const shared = { repository: "acme/staging", tag: "b1", own: false };
    expect(await place("hub", "acme/api")).toEqual([shared, false]);
    expect(await place("hub", "acme/staging")).toEqual([shared, true]);
    expect(await place("hub", "acme/staging/deep")).toEqual([shared, true]);
    expect(await place("default", "acme/staging")).toEqual([
      { repository: "staging/b1", tag: "build", own: true },
      false,
    ]);
    expect(await place("removed", "acme/api")).toBeNull();
  });

  it("know a namespace's, and none for a namespace nobody has or whose registry is gone", async () => {
    const registries = create();
    const of = async (namespace: string) => (await registries.ofNamespace(namespace))?.name ?? null;
    expect([await of("acme"), await of("beta"), await of("nobody"), await of("lost")]).toEqual([
      "hub",
      "default",
      null,
      null,
    ]);
  });

  it("give new accounts a namespace by the template of the registry that takes their host", async () => {
    const account: Account = { provider: "bitbucket", host: "default", id: "1", login: "Acme", kind: "organization" };
    const registries = create();
    expect(await registries.forAccount(account)).toEqual({ registry: "default", namespace: "acme" });
    const taking = { ...HUB, accounts: ["bitbucket:default"], namespaces: "{host}-{account}" };
    records = { ...records, registries: [stored("hub", taking)] };
    await registries.refresh();
    expect(await registries.forAccount(account)).toEqual({ registry: "hub", namespace: "bitbucket-acme" });
    expect(await registries.forAccount({ ...account, provider: "github" })).toEqual({
      registry: "default",
      namespace: "acme",
    });
  });
});

describe("what is known of registries", () => {
  it("is read once for all who ask within seconds, and anew after them", async () => {
    const registries = create();
    await Promise.all([registries.all(), registries.named("hub"), registries.all()]);
    await registries.named("default");
    expect(reads).toBe(1);
    clock.advance(5_000);
    await registries.all();
    expect(reads).toBe(2);
  });

  it("is read anew at once for a name that is not known", async () => {
    const registries = create();
    await registries.all();
    records = { ...records, registries: [stored("new", HUB)] };
    expect((await registries.named("new"))?.name).toBe("new");
    expect(await registries.named("never")).toBeNull();
    expect(reads).toBe(3);
  });

  it("can be asked without waiting, and is read anew soon where that was not enough", async () => {
    const registries = create();
    expect(registries.known("default")).toBeNull();
    await registries.all();
    expect(registries.known("hub")?.name).toBe("hub");
    records = { ...records, registries: [stored("new", HUB)] };
    expect(registries.known("new")).toBeNull();
    await registries.all();
    expect(registries.known("new")?.name).toBe("new");
    expect(registries.known("hub")).toBeNull();
  });

  it("is never older than a change, even while an earlier reading is under way", async () => {
    const registries = create();
    const before = registries.all();
    records = { registries: [], credentials: [] };
    await registries.refresh();
    await before;
    expect((await registries.all()).map(({ name }) => name)).toEqual(["default"]);
  });

  it("is not taken for known when it can not be read", async () => {
    const registries = create();
    away = new Error("the database is away");
    await expect(registries.all()).rejects.toThrow("the database is away");
    await expect(registries.signIn({ registry: "hub", image: "acme/api" })).rejects.toThrow();
    away = null;
    expect(await registries.all()).toHaveLength(2);
  });
});
