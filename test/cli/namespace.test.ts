import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { createNamespaceDesk } from "../../src/engine/namespace-desk.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { account, give, installationId, testClock } from "../contract/store.samples.ts";
import { recordingLog } from "../engine/fakes.ts";
import { type Ran, run } from "./world.ts";

const ACME = account("17", "acme");
const WORKSPACE = { ...ACME, provider: "bitbucket", id: "{w}" } as const;
const SEVEN = installationId("7");

let store: OpenedStore;
let closed: number;

beforeEach(async () => {
  closed = 0;
  store = await openStore({ url: "sqlite::memory:", clock: testClock() });
  await store.saveInstallation({ id: SEVEN, account: ACME, state: "active", permissions: {} });
  const id = { provider: "bitbucket", host: "default", id: "{w}" } as const;
  await store.saveInstallation({ id, account: WORKSPACE, state: "active", permissions: {} });
});
afterEach(() => store.close());

async function type(line: string, stdin = ""): Promise<Ran> {
  const registries = { forAccount: async () => ({ registry: "default" }) };
  const { log } = recordingLog();
  const desk = createNamespaceDesk({ store, registries, policy: { kind: "approve" }, clock: testClock(), log });
  const { listInstallations } = store;
  const close = async () => {
    closed += 1;
  };
  const openNamespaces = async () => ({ ...desk, listInstallations, close });
  return run(line.split(" "), { openNamespaces }, false, { stdin: async () => stdin });
}

async function claim(login = "acme", namespace: string | null = "acme"): Promise<string> {
  const asking = { installation: SEVEN, account: { ...ACME, login }, wanted: namespace, registry: "default" };
  await store.settleClaim(asking, () => {
    return { kind: "wait", namespace, reason: "confirmation", why: "somebody has to" };
  });
  return (await store.listClaims({ limit: 1, cursor: null, waiting: true })).items[0]?.id ?? "";
}

describe("namespaces on the command line", () => {
  it("are listed with who may write them", async () => {
    expect((await type("namespaces")).out).toBe("Nobody owns a namespace yet. Who asks for one: wharfinger claims\n");
    await give(store, ACME, "acme");
    await give(store, WORKSPACE, "acme");
    expect(await type("namespaces")).toEqual({
      code: 0,
      out: "acme  bitbucket:acme (bitbucket:default:{w}), github:acme (github:default:17)\n",
      err: "",
    });
    const { items } = JSON.parse((await type("namespaces --json")).out);
    expect(items).toMatchObject([{ name: "acme", writers: [{}, {}] }]);
    expect(closed).toBe(3);
  });

  it("say since when, why and by whom, one by one", async () => {
    await give(store, ACME, "acme");
    const shown = await type("namespace acme");
    expect(shown.code).toBe(0);
    expect(shown.out.split("\n")).toEqual([
      "namespace  acme",
      "registry   default",
      "since      2026-11-20T10:00:00.000Z",
      "written by github:acme (github:default:17) since 2026-11-20T10:00:00.000Z",
      "           why: a test wants it; by the operator; installed: 7 (active)",
      "",
      "It has no images.",
      "",
    ]);
    expect((await type("namespace show acme")).out).toBe(shown.out);
    expect(JSON.parse((await type("namespace acme --json")).out)).toMatchObject({ name: "acme", images: [] });
    for (const name of ["acm", "ACME", "acme/"]) {
      const unknown = await type(`namespace ${name}`);
      expect([unknown.code, unknown.out]).toEqual([1, ""]);
      expect(unknown.err).toContain("nobody ever owned");
    }
  });

  it("are approved as asked for, or by another name", async () => {
    expect((await type("claims")).out).toBe("Nobody waits for a namespace.\n");
    const id = await claim("ac\u001b[2Jme\nfake");
    const listed = `${id}  acme  github:acme fake (github:default:17)  pending: somebody has to\n`;
    expect((await type("claims")).out).toBe(listed);
    expect(await type(`claim approve ${id}`)).toEqual({
      code: 0,
      out: "granted  acme; what waited for it is built now\n",
      err: "",
    });
    expect((await type(`claim approve ${id}`)).code).toBe(1);
    expect(JSON.parse((await type("claims --all --json")).out)).toMatchObject({ items: [{ id, state: "approved" }] });
  });

  it("are given by another name where the account's makes none", async () => {
    const id = await claim("library", null);
    expect((await type("claims")).out).toContain("a namespace");
    const refused = await type(`claim approve ${id}`);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("Give it another one.")]);
    expect((await type(`claim approve ${id} --as library-of-things`)).out).toContain("granted  library-of-things");
  });

  it("are refused", async () => {
    const id = await claim();
    expect((await type(`claim refuse ${id}`)).code).toBe(0);
    expect((await type("claims --all")).out).toContain("refused: somebody has to");
  });

  it("are granted and revoked, to and from accounts that are named unmistakably", async () => {
    const several = await type("namespace grant acme acme");
    expect([several.code, several.err]).toEqual([1, expect.stringContaining("stands for")]);
    expect((await type("namespace grant acme github:acme")).out).toBe("granted  acme\n");
    const owned = await type("namespace grant acme bitbucket:acme");
    expect([owned.code, owned.err]).toEqual([
      1,
      expect.stringContaining("Not granted: acme belongs to github:default:17."),
    ]);
    expect((await type("namespace grant acme bitbucket:acme --share")).code).toBe(0);
    expect((await type("namespace revoke acme github:acme")).out).toContain("revoked  acme");
    expect((await type("namespace revoke acme github:acme")).code).toBe(1);
    expect((await type("namespace grant acme nobody")).code).toBe(1);
  });

  it("let another account in by a code that is never an argument", async () => {
    await give(store, ACME, "acme");
    const made = await type("namespace code acme github:acme");
    const [, code = ""] = /^code {5}(\S+)\nuntil {4}2026-11-20T11:00:00.000Z, once\n/.exec(made.out) ?? [];
    expect(code).toHaveLength(23);
    expect((await type("namespace acme")).out).toContain("code       one is open until 2026-11-20T11:00:00.000Z");
    expect((await type("namespace join acme bitbucket:acme")).code).toBe(2);
    expect((await type(`namespace join acme bitbucket:acme ${code}`)).code).toBe(2);
    expect((await type("namespace join acme bitbucket:acme", "wrong\n")).code).toBe(1);
    expect((await type("namespace join acme bitbucket:acme", `${code}\n`)).out).toBe("joined   acme\n");
    expect((await type("namespace code nothing")).code).toBe(1);
  });

  it("have no database left open when something fails", async () => {
    await type("claim approve 99");
    expect(closed).toBe(1);
  });
});
