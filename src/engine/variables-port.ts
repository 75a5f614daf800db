/** What owners have given the builds of their repositories (core/variables.ts), as it rests in the database. */
import type { By } from "../core/audit.ts";
import type { HostId } from "../core/model.ts";
import type { VariableKind, Variables } from "../core/variables.ts";

export interface VariablePlace {
  readonly installation: HostId;
  /** Null: all that the installation covers. */
  readonly repository: HostId | null;
}

export interface NewVariable {
  readonly kind: VariableKind;
  readonly name: string;
  readonly value: string;
}

export interface ShownVariable {
  readonly kind: VariableKind;
  readonly name: string;
  /** Null: of a secret. There is no way to see one. */
  readonly value: string | null;
  /** Random, new with each save: tells two saves apart, and nothing about the value, not even to whoever guesses it. */
  readonly fingerprint: string;
  /** ISO 8601, UTC. */
  readonly savedAt: string;
}

export type SavedVariable =
  | { readonly kind: "saved"; readonly variable: ShownVariable }
  /** No such installation, or it does not cover the repository. */
  | { readonly kind: "unknown" }
  /** Somewhere in the installation the name is the other kind's; null: where it counts for all repositories. */
  | { readonly kind: "other-kind"; readonly repository: HostId | null }
  /** The place would have too many, or too much. */
  | { readonly kind: "full" };

export interface VariableStore {
  /**
   * Takes the place of what has the name there. Within an installation a name is a variable or a secret, not both. The
   * name and the value were found good. Not saved: nothing was changed.
   */
  saveVariable(place: VariablePlace, variable: NewVariable, by: By): Promise<SavedVariable>;
  /** Erased, not only marked. False: there is none of that kind and name. */
  removeVariable(place: VariablePlace, variable: Omit<NewVariable, "value">, by: By): Promise<boolean>;
  /** By name. */
  listVariables(place: VariablePlace): Promise<readonly ShownVariable[]>;
  /**
   * With the secrets in clear: for the exchange of a build's lease, and nothing else. Empty where the installation does not
   * cover the repository (any more).
   */
  variablesOf(
    installation: HostId,
    repository: HostId,
  ): Promise<{ readonly installation: Variables; readonly repository: Variables }>;
  /** All of an installation, its repositories' as well. Answers how many there were. */
  eraseVariables(installation: HostId, by: By): Promise<number>;
}
