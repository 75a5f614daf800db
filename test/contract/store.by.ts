/** Who makes changes in tests. */
import type { Decider } from "../../src/core/audit.ts";
import type { Actor } from "../../src/core/model.ts";
import { ANN } from "./store.pull-samples.ts";

export const OPERATOR: Decider = { kind: "operator" };

export function byPerson(actor: Actor): Decider {
  return { kind: "person", provider: "github", host: "default", actor };
}

export const BY_ANN = byPerson(ANN);
