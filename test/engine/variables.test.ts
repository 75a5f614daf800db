import { describe, expect, it } from "@jest/globals";
import { failed, hostKey, ok, type PlannedBuild } from "../../src/core/model.ts";
import type { CredentialExchange } from "../../src/engine/credentials.ts";
import { withVariables } from "../../src/engine/variables.ts";
import type { VariableStore } from "../../src/engine/variables-port.ts";
import { buildOf } from "./fakes.ts";

const OPENED = { clone: { username: "x", password: "clone-token" }, registry: null };
const SET: Awaited<ReturnType<VariableStore["variablesOf"]>> = {
  installation: { variables: { LEVEL: "all's", A: "a" }, secrets: { S: "secret of all", T: "t of all" } },
  repository: { variables: { LEVEL: "ours" }, secrets: { S: "our secret" } },
};

/** A store that notes what it was asked for. */
function storeOf(set = SET) {
  const asked: string[] = [];
  return {
    asked,
    async variablesOf(...of: readonly Parameters<typeof hostKey>[0][]) {
      asked.push(of.map(hostKey).join(" "));
      return set;
    },
  };
}

function build(changes: Partial<PlannedBuild> = {}, buildArgs = {}) {
  const plain = buildOf();
  const inputs = { ...plain.planned.inputs, buildArgs };
  return buildOf({ planned: { ...plain.planned, inputs, ...changes } });
}

describe("the exchange of a lease, with variables", () => {
  const opens: CredentialExchange = async () => ok(OPENED);

  it("adds what is set for the build's installation and repository, and tells the log their names", async () => {
    const store = storeOf();
    expect(await withVariables(opens, store)(build(), "secret")).toEqual(
      ok({
        ...OPENED,
        variables: { A: "a", LEVEL: "ours" },
        secrets: { S: "our secret", T: "t of all" },
        notes: ["Set by owners: variables A, LEVEL; secrets S, T"],
      }),
    );
    expect(store.asked).toEqual(["github:default:7 github:default:1"]);
  });

  it("tells the log what the file says in its place", async () => {
    const outcome = await withVariables(opens, storeOf())(build({}, { LEVEL: "the file's" }), "secret");
    expect(outcome).toMatchObject({ value: { variables: { A: "a" } } });
    expect(outcome.ok && outcome.value.notes).toEqual([
      "Set by owners: variables A; secrets S, T",
      "The variable LEVEL is left out: the file's build_args set it.",
    ]);
    const nothing = { variables: {}, secrets: {} };
    const none = await withVariables(opens, storeOf({ installation: nothing, repository: nothing }))(build(), "secret");
    expect(none.ok && none.value.notes).toEqual([]);
  });

  it("keeps what the exchange itself gives under a name", async () => {
    const own: CredentialExchange = async () =>
      ok({ ...OPENED, secrets: { "git-credentials": "ours", S: "ours too" } });
    const outcome = await withVariables(own, storeOf())(build(), "secret");
    expect(outcome.ok && outcome.value.secrets).toEqual({ "git-credentials": "ours", S: "ours too", T: "t of all" });
  });

  it("adds nothing for a build that is not trusted, and does not even look", async () => {
    const store = storeOf();
    const pull = { number: 5, target: "main", fork: true };
    const untrusted = build({ kind: "pull_request", pull, trust: "untrusted", push: false });
    expect(await withVariables(opens, store)(untrusted, "secret")).toEqual(ok(OPENED));
    expect(store.asked).toEqual([]);
  });

  it("adds nothing where the exchange fails, and gives nothing out when the store does", async () => {
    const store = storeOf();
    const refusal = failed("503", { retryable: true });
    expect(await withVariables(async () => refusal, store)(build(), "secret")).toBe(refusal);
    expect(store.asked).toEqual([]);
    const damaged = { variablesOf: () => Promise.reject(new Error("damaged")) };
    await expect(withVariables(opens, damaged)(build(), "secret")).rejects.toThrow("damaged");
  });
});
