import { failed, type Outcome, ok } from "../../src/core/model.ts";
import type { Registry, RegistryAccess } from "../../src/engine/ports.ts";
import { registryOf } from "./fakes.ts";

/** A registry that takes what it is given, unless told what it answers. */
export function accessibleRegistry(
  more: Partial<Pick<Registry & RegistryAccess, "check" | "mayPush">> = {},
): Registry & RegistryAccess {
  return {
    ...registryOf(),
    check: async () => ok(true),
    mayPush: async () => ok(true),
    signInPlace: async () => null,
    ...more,
  };
}

export function refusing(message: string): () => Promise<Outcome<true>> {
  return async () => failed(message, { retryable: false });
}
