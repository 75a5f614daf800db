import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import { failed } from "../../src/core/model.ts";
import type { RegistrySettings } from "../../src/core/registry-settings.ts";
import type { Registry, RegistryAccess } from "../../src/engine/ports.ts";
import { createRegistries, type RegistryCredential } from "../../src/engine/registries.ts";
import { createRegistryDesk, type RegistryDesk } from "../../src/engine/registry-desk.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { settingsOf } from "../contract/store.registries.ts";
import { cover, record, testClock } from "../contract/store.samples.ts";
import { accessibleRegistry, refusing } from "./registry-fakes.ts";

const BY: By = { kind: "operator" };
const ROBOT = { username: "robot", password: "secret-of-the-robot" };
const HUB = { url: "https://hub.test", kind: "basic" };

let store: OpenedStore;
/** What was asked of registries: who, and what. */
let asked: string[];
let answers: Partial<Pick<Registry & RegistryAccess, "check" | "mayPush">>;

function connect({ name }: { readonly name: string }, credential: RegistryCredential | null) {
  const who = `${name} ${credential === null ? "tokens" : `${credential.username}:${credential.password}`}`;
  const { check, mayPush } = accessibleRegistry(answers);
  return accessibleRegistry({
    async check() {
      asked.push(`${who} check`);
      return await check();
    },
    async mayPush(repository) {
      asked.push(`${who} push ${repository}`);
      return await mayPush(repository);
    },
  });
}

function desk(more: { outsideBuilders?: boolean; own?: RegistrySettings } = {}): RegistryDesk {
  const { outsideBuilders = false, own = settingsOf({ url: "https://own.test", kind: "token" }) } = more;
  const credential = own.kind === "basic" ? ROBOT : null;
  const parts = { connect, staging: createStagingNames };
  const registries = createRegistries({ ...parts, store, own: { settings: own, credential }, clock: Date });
  return createRegistryDesk({ ...parts, store, registries, outsideBuilders });
}

beforeEach(async () => {
  store = await openStore({ url: "sqlite::memory:", clock: testClock(), vault: createVault([Buffer.alloc(32, 1)]) });
  await cover(store, record([], []));
  asked = [];
  answers = {};
});

afterEach(() => store.close());

async function kept(): Promise<readonly string[]> {
  const { registries, credentials } = await store.registryRecords();
  return [
    ...registries.map(({ name }) => name),
    ...credentials.map(({ registry, namespace, username }) => `${registry} ${namespace} ${username}`),
  ];
}

describe("a registry", () => {
  it("is kept once it was signed in to and takes a push, and shown without its password", async () => {
    const saved = await desk().save("hub", HUB, ROBOT, BY);
    expect(saved).toMatchObject({
      ok: true,
      value: { name: "hub", host: "hub.test", username: "robot", namespaces: [] },
    });
    expect(JSON.stringify(saved)).not.toContain(ROBOT.password);
    expect(JSON.stringify(await desk().list())).not.toContain(ROBOT.password);
    expect(asked).toEqual([`hub robot:${ROBOT.password} check`, `hub robot:${ROBOT.password} push staging/check`]);
    expect(await kept()).toEqual(["hub", "hub null robot"]);
  });

  it("that is to hold one staging repository of each namespace is only signed in to, until one is known", async () => {
    await desk().save("hub", { ...HUB, staging: "{namespace}/staging" }, ROBOT, BY);
    expect(asked).toEqual([`hub robot:${ROBOT.password} check`]);
  });

  it.each([
    [
      "refuses the password",
      { check: refusing("401: unauthorized") },
      /^Sign in as "robot": 401: unauthorized\. Give a user/,
    ],
    ["takes no push", { mayPush: refusing("403: denied") }, /^Push to staging\/check: 403: denied\. Give a user/],
    ["is away", { check: async () => failed("it is away", { retryable: true }) }, /it is away\. Is it running/],
  ])("that %s is not kept, and says so in its own words", async (_, given, message) => {
    answers = given;
    const saved = await desk().save("hub", HUB, ROBOT, BY);
    expect(saved).toMatchObject({ ok: false, kind: "refused" });
    expect(saved.ok ? "" : saved.message.replace(/^./, (first) => first.toUpperCase())).toMatch(message);
    expect(await kept()).toEqual([]);
  });

  it("without a credential only has to answer", async () => {
    answers = { check: refusing("it wants a user name and password") };
    expect(await desk().save("hub", HUB, null, BY)).toMatchObject({ ok: true });
    answers = { check: async () => failed("it is away", { retryable: true }) };
    expect(await desk().save("other", { ...HUB, url: "https://other.test" }, null, BY)).toMatchObject({
      kind: "refused",
    });
    expect(await kept()).toEqual(["hub"]);
  });

  it("is tried again with its own credential when its settings change, and stays as it was when that fails", async () => {
    await desk().save("hub", HUB, ROBOT, BY);
    asked = [];
    answers = { mayPush: refusing("403") };
    expect(await desk().save("hub", { staging: "other/{build}" }, null, BY)).toMatchObject({ kind: "refused" });
    expect(asked).toContain(`hub robot:${ROBOT.password} push other/check`);
    expect((await desk().list())[1]?.settings.staging).toBe("staging/{build}");
  });

  const wrong: readonly (readonly [string, string, object, RegistryCredential | null, string, RegExp])[] = [
    ["a bad name", "Hub", HUB, null, "bad", /is no name for a registry/],
    ["the environment's name", "default", HUB, null, "bad", /REGISTRY_URL/],
    ["bad settings", "hub", { ...HUB, kind: "x" }, null, "bad", /kind: must be/],
    ["a credential it does not take", "hub", { ...HUB, kind: "token" }, ROBOT, "bad", /takes no user name/],
    [
      "the host of another",
      "hub",
      { ...HUB, url: "https://own.test" },
      null,
      "conflict",
      /is the registry default already/,
    ],
    [
      "the token service of another",
      "hub",
      { ...HUB, kind: "token", tokenService: "own.test" },
      null,
      "conflict",
      /tokens for the registry default would open this one/,
    ],
  ];
  it.each(wrong)("with %s is refused, and nobody is asked", async (_, name, given, credential, kind, message) => {
    expect(await desk().save(name, given, credential, BY)).toMatchObject({
      ok: false,
      kind,
      message: expect.stringMatching(message),
    });
    expect(asked).toEqual([]);
    expect(await kept()).toEqual([]);
  });

  it("keeps its host, and new accounts of a host go to one registry only", async () => {
    await desk().save("hub", { ...HUB, accounts: ["github:default"] }, ROBOT, BY);
    expect(await desk().save("hub", { url: "https://elsewhere.test" }, null, BY)).toMatchObject({ kind: "conflict" });
    const other = { ...HUB, url: "https://other.test", accounts: ["github:default"] };
    expect(await desk().save("other", other, ROBOT, BY)).toMatchObject({
      kind: "conflict",
      message: expect.stringMatching(/new accounts of github:default go to the registry hub/),
    });
  });

  it("is removed when nothing is in it, and not before", async () => {
    await desk().save("hub", HUB, ROBOT, BY);
    await desk().use("hub", "acme", BY);
    expect(await desk().remove("hub", BY)).toMatchObject({
      kind: "conflict",
      message: expect.stringContaining("acme"),
    });
    await desk().use("default", "acme", BY);
    expect(await desk().remove("hub", BY)).toEqual({ ok: true, value: true });
    expect(await kept()).toEqual([]);
    expect(await desk().remove("hub", BY)).toMatchObject({ kind: "unknown" });
    expect(await desk().remove("default", BY)).toMatchObject({ kind: "bad" });
  });
});

describe("a credential", () => {
  beforeEach(async () => {
    await desk().save("hub", { ...HUB, staging: "{namespace}/staging" }, null, BY);
    asked = [];
  });

  it("of a namespace is kept once it may push to the namespace's staging repository", async () => {
    expect(await desk().setCredential("hub", "acme", ROBOT, BY)).toEqual({ ok: true, value: true });
    expect(asked).toEqual([`hub robot:${ROBOT.password} check`, `hub robot:${ROBOT.password} push acme/staging`]);
    expect(await kept()).toEqual(["hub", "hub acme robot"]);
    expect(await desk().removeCredential("hub", "acme", BY)).toEqual({ ok: true, value: true });
    expect(await desk().removeCredential("hub", "acme", BY)).toMatchObject({ kind: "unknown" });
    expect(await kept()).toEqual(["hub"]);
  });

  it("that may not push there is refused, and the one before stays", async () => {
    await desk().setCredential("hub", "acme", ROBOT, BY);
    answers = { mayPush: refusing("403: denied") };
    const other = { username: "other", password: "x" };
    expect(await desk().setCredential("hub", "acme", other, BY)).toMatchObject({ kind: "refused" });
    expect(await kept()).toEqual(["hub", "hub acme robot"]);
  });

  it("is for a namespace somebody has, and a registry that is there and takes it", async () => {
    expect(await desk().setCredential("hub", "nobody", ROBOT, BY)).toMatchObject({ kind: "unknown" });
    expect(await desk().setCredential("nowhere", "acme", ROBOT, BY)).toMatchObject({ kind: "unknown" });
    expect(await desk().setCredential("default", "acme", ROBOT, BY)).toMatchObject({ kind: "bad" });
    const own = settingsOf({ url: "https://own.test", kind: "basic" });
    expect(await desk({ own }).setCredential("default", null, ROBOT, BY)).toMatchObject({
      kind: "bad",
      message: expect.stringContaining("REGISTRY_USERNAME"),
    });
    expect(await desk({ own }).setCredential("default", "acme", ROBOT, BY)).toMatchObject({ ok: true });
  });
});

describe("a namespace", () => {
  it("goes to a registry that takes its pushes", async () => {
    await desk().save("hub", HUB, ROBOT, BY);
    expect(await desk().use("hub", "acme", BY)).toEqual({ ok: true, value: true });
    expect(await store.registryOf("acme")).toBe("hub");
    answers = { mayPush: refusing("403: denied") };
    expect(await desk().use("default", "acme", BY)).toMatchObject({ kind: "refused" });
    expect(await store.registryOf("acme")).toBe("hub");
    expect(await desk().use("hub", "nobody", BY)).toMatchObject({ kind: "unknown" });
    expect(await desk().use("nowhere", "acme", BY)).toMatchObject({ kind: "unknown" });
  });

  it("does not go where nothing opens it, and says which command would change that", async () => {
    await desk().save("hub", HUB, null, BY);
    expect(await desk().use("hub", "acme", BY)).toMatchObject({
      kind: "conflict",
      message: expect.stringContaining("wharfinger registry credential set hub --namespace acme"),
    });
    expect(await store.registryOf("acme")).toBe("default");
  });

  it("does not go to a registry with accounts of its own while others build: its credential stays here", async () => {
    await desk().save("hub", HUB, ROBOT, BY);
    const outside = desk({ outsideBuilders: true });
    expect(await outside.use("hub", "acme", BY)).toMatchObject({
      kind: "conflict",
      message: expect.stringContaining("BUILDER=webhook"),
    });
    expect(await store.registryOf("acme")).toBe("default");
  });
});

describe("trying a registry", () => {
  it("tries every credential of it, and tells of namespaces without one", async () => {
    await desk().save("hub", HUB, null, BY);
    expect(await desk().test("hub")).toMatchObject({ ok: true, value: [{ what: "reach it", ok: true }] });
    await desk().setCredential("hub", "acme", ROBOT, BY);
    await desk().use("hub", "acme", BY);
    expect(await desk().test("hub")).toMatchObject({
      value: [
        { what: 'sign in as "robot"', ok: true },
        { what: "push to staging/check", ok: true },
      ],
    });
    answers = { check: refusing("401: gone") };
    expect(await desk().test("hub")).toMatchObject({ value: [{ ok: false, detail: "401: gone" }] });
    answers = {};
    await desk().removeCredential("hub", "acme", BY);
    expect(await desk().test("hub")).toMatchObject({ value: [{ what: "credential for acme", ok: false }] });
    expect(await desk().test("default")).toMatchObject({
      value: [{ what: "sign in with this program's tokens" }, { ok: true }],
    });
    expect(await desk().test("nowhere")).toMatchObject({ ok: false, kind: "unknown" });
  });
});
