/** A registry that trusts our tokens, and is asked nothing. */
import { DEFAULT_REGISTRY_SETTINGS } from "../../src/core/registry-settings.ts";
import type { KnownRegistry } from "../../src/engine/registries.ts";

export const REGISTRY: KnownRegistry = {
  name: "default",
  host: "registry.example.com",
  settings: { ...DEFAULT_REGISTRY_SETTINGS, url: "https://registry.example.com", kind: "token" },
  staging: { of: () => ({ repository: "staging/b", tag: "build", own: true }), has: () => false },
  namespaces: [],
  credential: () => null,
  client() {
    throw new Error("no registry is asked in these tests");
  },
};
