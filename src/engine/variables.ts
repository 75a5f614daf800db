/** What owners set, added to what a build's lease is exchanged for. */
import { ok } from "../core/model.ts";
import { variablesFor } from "../core/variables.ts";
import type { CredentialExchange } from "./credentials.ts";
import type { VariableStore } from "./variables-port.ts";

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
