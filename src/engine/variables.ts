/** What owners set: how it is changed, and how builds get it. */
import type { By } from "../core/audit.ts";
import { ok } from "../core/model.ts";
import { MOST_VARIABLE_BYTES, MOST_VARIABLES, variableProblem, variablesFor } from "../core/variables.ts";
import type { CredentialExchange } from "./credentials.ts";
import type { NewVariable, SavedVariable, ShownVariable, VariablePlace, VariableStore } from "./variables-port.ts";

export type SetVariable =
  | Extract<SavedVariable, { readonly kind: "saved" }>
  /** `why`: a sentence for people; it quotes no value. */
  | { readonly kind: "refused"; readonly code: RefusedVariable; readonly why: string };

export type RefusedVariable = "bad-variable" | "not-covered" | "other-kind" | "full";

/** The one way to set a variable or secret: looks at it, then saves it. */
export async function setVariable(
  store: Pick<VariableStore, "saveVariable">,
  place: VariablePlace,
  variable: NewVariable,
  by: By,
): Promise<SetVariable> {
  const { kind, name, value } = variable;
  const problem = variableProblem(kind, name, value);
  if (problem !== null) return refused("bad-variable", problem);
  const saved = await store.saveVariable(place, variable, by);
  switch (saved.kind) {
    case "saved":
      return saved;
    case "unknown":
      return refused("not-covered", "There is no such installation, or it does not cover this repository.");
    case "other-kind": {
      const other = kind === "secret" ? "variable" : "secret";
      const where = saved.repository === null ? "of the installation" : `of its repository ${saved.repository.id}`;
      return refused("other-kind", `${name} is a ${other} ${where}. Remove that one first, or take another name.`);
    }
    case "full": {
      const most = `${MOST_VARIABLES} variables and secrets, of ${MOST_VARIABLE_BYTES / 1024} KiB in all`;
      return refused("full", `There is no room: an installation has at most ${most}, and so has a repository.`);
    }
  }
}

function refused(code: RefusedVariable, why: string): SetVariable {
  return { kind: "refused", code, why };
}

/** As the API and the command line show it. A secret has no value there. */
export function variableJson({ name, value, fingerprint, savedAt }: ShownVariable): object {
  return { name, ...(value !== null && { value }), fingerprint, savedAt };
}

/**
 * The exchange, with the variables and secrets of the build's installation and repository. Who has not shown to be trusted
 * gets none, and they are not even read.
 */
export function withVariables(
  exchange: CredentialExchange,
  store: Pick<VariableStore, "variablesOf">,
): CredentialExchange {
  return async (build, secret) => {
    const exchanged = await exchange(build, secret);
    const { trust, inputs } = build.planned;
    if (!exchanged.ok || trust !== "trusted") return exchanged;
    const set = await store.variablesOf(build.installation, build.repository);
    const { variables, secrets, notes } = variablesFor(set, inputs.buildArgs);
    const named = [listed("variables", variables), listed("secrets", secrets)].filter((part) => part !== null);
    return ok({
      ...exchanged.value,
      variables,
      // No name of ours can be set, so nothing is replaced.
      secrets: { ...secrets, ...exchanged.value.secrets },
      notes: [...(named.length === 0 ? [] : [`Set by owners: ${named.join("; ")}`]), ...notes],
    });
  };
}

function listed(what: string, set: Readonly<Record<string, string>>): string | null {
  const names = Object.keys(set);
  return names.length === 0 ? null : `${what} ${names.join(", ")}`;
}
