import { beforeEach, describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import { hostKey } from "../../src/core/model.ts";
import { MOST_VARIABLE_BYTES, MOST_VARIABLES, type VariableKind } from "../../src/core/variables.ts";
import type { Store } from "../../src/engine/store-port.ts";
import type { VariablePlace, VariableStore } from "../../src/engine/variables-port.ts";
import type { Opened } from "./store.contract.ts";
import { account, installationId, repository } from "./store.samples.ts";

const OPERATOR: By = { kind: "operator" };
const OWNER: By = { kind: "person", provider: "github", host: "default", actor: { id: "9", login: "ada" } };

/** All of installation 7; its repository 1 or 2; all of installation 8. */
const ALL: VariablePlace = { installation: installationId("7"), repository: null };
const ONE: VariablePlace = { ...ALL, repository: repository("1") };
const TWO: VariablePlace = { ...ALL, repository: repository("2") };
const OTHERS: VariablePlace = { installation: installationId("8"), repository: null };

const NOTHING = { installation: { variables: {}, secrets: {} }, repository: { variables: {}, secrets: {} } };

async function install(store: Store, id: string, state: "active" | "removed" = "active"): Promise<void> {
  await store.saveInstallation({
    id: installationId(id),
    account: account(id),
    state,
    permissions: {},
  });
}

async function save(store: VariableStore, place: VariablePlace, kind: VariableKind, name: string, value: string) {
  const saved = await store.saveVariable(place, { kind, name, value }, OPERATOR);
  if (saved.kind !== "saved") throw new Error(`${name} was not saved: ${saved.kind}`);
  return saved.variable;
}

export function variablesContract(opened: Opened): void {
  describe("keeps variables and secrets of builds", () => {
    const given = (id = "1", installation = "7") =>
      opened().store.variablesOf(installationId(installation), repository(id));

    beforeEach(async () => {
      const { store } = opened();
      for (const id of ["7", "8"]) await install(store, id);
      await store.linkRepositories(installationId("7"), [repository("1"), repository("2")], { complete: true });
      await store.linkRepositories(installationId("8"), [repository("3")], { complete: true });
    });

    it("and hands out what is set for the installation and for the one repository, apart", async () => {
      const { store } = opened();
      expect(await given()).toEqual(NOTHING);
      await save(store, ALL, "variable", "A", "all's");
      await save(store, ALL, "secret", "s.one", "secret of all\nin two lines\n");
      await save(store, ONE, "variable", "A", "");
      await save(store, ONE, "secret", "t", "of one: ü 'quoted'");
      await save(store, TWO, "secret", "t", "of two");
      await save(store, OTHERS, "secret", "x", "of others");
      const all = { variables: { A: "all's" }, secrets: { "s.one": "secret of all\nin two lines\n" } };
      expect(await given()).toEqual({
        installation: all,
        repository: { variables: { A: "" }, secrets: { t: "of one: ü 'quoted'" } },
      });
      expect(await given("2")).toEqual({ installation: all, repository: { variables: {}, secrets: { t: "of two" } } });
      expect(await given("3", "8")).toEqual({
        ...NOTHING,
        installation: { variables: {}, secrets: { x: "of others" } },
      });
    });

    it("but shows variables only, and of secrets that they are there", async () => {
      const { store, clock } = opened();
      const first = await save(store, ALL, "secret", "b", "not to be shown");
      clock.advance(1_000);
      const second = await save(store, ALL, "variable", "a", "shown");
      const savedAt = new Date(clock.now()).toISOString();
      expect(await store.listVariables(ALL)).toEqual([
        { kind: "variable", name: "a", value: "shown", fingerprint: second.fingerprint, savedAt },
        { kind: "secret", name: "b", value: null, fingerprint: first.fingerprint, savedAt: first.savedAt },
      ]);
      expect(first.savedAt).not.toBe(savedAt);
      for (const place of [ONE, OTHERS]) expect(await store.listVariables(place)).toEqual([]);
    });

    it("by a fingerprint that is another one each time, whatever the value", async () => {
      const { store } = opened();
      const values = ["same value", "same value", "another value"];
      const made: string[] = [];
      for (const value of values) made.push((await save(store, ALL, "secret", "s", value)).fingerprint);
      made.push((await save(store, ONE, "secret", "s", "same value")).fingerprint);
      expect(new Set(made).size).toBe(4);
      expect(made.join()).toMatch(/^[0-9a-f]{16}(,[0-9a-f]{16}){3}$/);
      expect((await given()).installation.secrets).toEqual({ s: "another value" });
    });

    it("of which a name is one or the other throughout an installation", async () => {
      const { store } = opened();
      await save(store, ONE, "secret", "NAME", "secret");
      const variable = { kind: "variable", name: "NAME", value: "plain" } as const;
      for (const place of [ALL, ONE, TWO]) {
        const saved = await store.saveVariable(place, variable, OPERATOR);
        expect(saved).toMatchObject({ kind: "other-kind" });
        expect(saved.kind === "other-kind" && saved.repository && hostKey(saved.repository)).toBe("github:default:1");
      }
      await save(store, OTHERS, "variable", "NAME", "plain");
      await save(store, ALL, "variable", "name", "plain");
      expect(await store.saveVariable(ONE, { ...variable, kind: "secret", name: "name" }, OPERATOR)).toEqual({
        kind: "other-kind",
        repository: null,
      });
      expect(await given()).toEqual({
        installation: { variables: { name: "plain" }, secrets: {} },
        repository: { variables: {}, secrets: { NAME: "secret" } },
      });
      await store.removeVariable(ONE, { kind: "secret", name: "NAME" }, OPERATOR);
      await save(store, TWO, "variable", "NAME", "plain");
    });

    it("not for what the installation does not cover, nor where it is not there any more", async () => {
      const { store } = opened();
      const variable = { kind: "secret", name: "S", value: "secret" } as const;
      await install(store, "9", "removed");
      for (const place of [
        { ...ALL, repository: repository("3") },
        { ...ALL, repository: repository("4") },
        { ...OTHERS, repository: repository("1") },
        { installation: installationId("10"), repository: null },
        { installation: installationId("9"), repository: null },
        { installation: { ...ALL.installation, provider: "bitbucket" } as const, repository: null },
      ]) {
        expect(await store.saveVariable(place, variable, OPERATOR)).toEqual({ kind: "unknown" });
      }
      expect((await store.listAudit({ limit: 100, cursor: null })).items.filter(isAboutVariables)).toEqual([]);
    });

    it("and gives a repository nothing that left the installation, nor its next owner what the last one set", async () => {
      const { store } = opened();
      await save(store, ALL, "secret", "all", "secret");
      await save(store, ONE, "secret", "one", "secret");
      await store.unlinkRepositories(installationId("7"), [repository("1")]);
      expect(await given()).toEqual(NOTHING);
      await store.linkRepositories(installationId("8"), [repository("1")], { complete: false });
      expect(await given()).toEqual(NOTHING);
      expect(await given("1", "8")).toEqual(NOTHING);
      expect(await store.listVariables({ ...OTHERS, repository: repository("1") })).toEqual([]);
    });

    it("as many as there may be, and as much", async () => {
      const { store } = opened();
      const half = "x".repeat(MOST_VARIABLE_BYTES / 2);
      await save(store, ALL, "secret", "half", half);
      await save(store, ALL, "secret", "rest", half);
      const more = { kind: "variable", name: "more", value: "é" } as const;
      expect(await store.saveVariable(ALL, more, OPERATOR)).toEqual({ kind: "full" });
      await save(store, ALL, "secret", "rest", half.slice(2));
      await save(store, ALL, "variable", "more", "é");
      for (let n = 2; n < MOST_VARIABLES; n += 1) await save(store, ONE, "variable", `V${n}`, "");
      await save(store, ONE, "variable", "V0", "");
      await save(store, ONE, "variable", "V1", "");
      expect(await store.saveVariable(ONE, more, OPERATOR)).toEqual({ kind: "full" });
      await save(store, ONE, "variable", "V1", "changed");
      await save(store, TWO, "variable", "more", "");
      expect(await store.listVariables(ONE)).toHaveLength(MOST_VARIABLES);
    }, 30_000);

    it("one of each name, of those that come at the same time", async () => {
      const { store } = opened();
      const both = (n: number): Promise<unknown> =>
        store.saveVariable(ALL, { kind: n % 2 ? "secret" : "variable", name: "N", value: `value ${n}` }, OPERATOR);
      await Promise.all([0, 1, 2, 3, 4, 5].map(both));
      expect(await store.listVariables(ALL)).toHaveLength(1);
    });

    it("and removes one by place, kind and name", async () => {
      const { store } = opened();
      await save(store, ALL, "secret", "S", "secret");
      await save(store, ONE, "secret", "S", "ours");
      expect(await store.removeVariable(ALL, { kind: "variable", name: "S" }, OPERATOR)).toBe(false);
      expect(await store.removeVariable(TWO, { kind: "secret", name: "S" }, OPERATOR)).toBe(false);
      expect(await store.removeVariable(ALL, { kind: "secret", name: "s" }, OPERATOR)).toBe(false);
      expect(await store.removeVariable(ALL, { kind: "secret", name: "S" }, OPERATOR)).toBe(true);
      expect(await store.removeVariable(ALL, { kind: "secret", name: "S" }, OPERATOR)).toBe(false);
      expect(await given()).toEqual({ ...NOTHING, repository: { variables: {}, secrets: { S: "ours" } } });
    });

    it("and erases all of an installation", async () => {
      const { store } = opened();
      await save(store, ALL, "secret", "S", "secret");
      await save(store, ONE, "variable", "V", "value");
      await save(store, OTHERS, "secret", "S", "others'");
      expect(await store.eraseVariables(installationId("7"), OWNER)).toBe(2);
      expect(await store.eraseVariables(installationId("7"), OWNER)).toBe(0);
      for (const place of [ALL, ONE]) expect(await store.listVariables(place)).toEqual([]);
      expect((await given("3", "8")).installation.secrets).toEqual({ S: "others'" });
    });

    it("with an audit entry for each change, that says nothing of a value", async () => {
      const { store } = opened();
      const saved = await store.saveVariable(ONE, { kind: "secret", name: "S", value: "the secret value" }, OWNER);
      const plain = await save(store, ALL, "variable", "V", "the plain value");
      await store.removeVariable(ONE, { kind: "secret", name: "S" }, OPERATOR);
      await store.removeVariable(ONE, { kind: "secret", name: "S" }, OPERATOR);
      await store.eraseVariables(installationId("7"), OWNER);
      const { items } = await store.listAudit({ limit: 100, cursor: null, installation: installationId("7") });
      const secret = {
        kind: "secret",
        fingerprint: saved.kind === "saved" ? saved.variable.fingerprint : "",
        repository: "github:default:1",
      };
      const variable = { kind: "variable", fingerprint: plain.fingerprint };
      expect(
        items.filter(isAboutVariables).map(({ by, action, subject, facts }) => [by.kind, action, subject, facts]),
      ).toEqual([
        ["person", "variable.removed", "V", variable],
        ["operator", "variable.removed", "S", secret],
        ["operator", "variable.saved", "V", variable],
        ["person", "variable.saved", "S", secret],
      ]);
      expect(JSON.stringify(items)).not.toContain("value");
    });
  });
}

function isAboutVariables({ action }: { readonly action: string }): boolean {
  return action.startsWith("variable.");
}
