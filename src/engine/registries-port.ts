/**
 * What is recorded of registries: those beside the environment's own, the credentials that open them, and which namespace
 * is in which. Every change is written to the audit log with it; a password shows there as its fingerprint.
 */
import type { By } from "../core/audit.ts";
import type { RegistrySettings } from "../core/registry-settings.ts";

export interface StoredRegistry {
  readonly name: string;
  readonly settings: RegistrySettings;
  readonly createdAt: string;
}

export interface StoredCredential {
  readonly registry: string;
  /** The one namespace it is for; null: all of the registry that have none of their own. */
  readonly namespace: string | null;
  readonly username: string;
  readonly password: string;
  readonly createdAt: string;
}

export interface RegistryRecords {
  /** By name. */
  readonly registries: readonly StoredRegistry[];
  /** By registry and namespace. */
  readonly credentials: readonly StoredCredential[];
}

/** Why something can not be removed: it is still needed. */
export interface StillUsed {
  /** At most ten of them, by name. */
  readonly namespaces: readonly string[];
  /** Builds that have not ended, or left something in the registry that is still to be removed. */
  readonly builds: number;
}

export interface RegistryStore {
  /** All of it, passwords included, as it was at one moment. */
  registryRecords(): Promise<RegistryRecords>;
  /** Adds the registry, or changes all of its settings. */
  saveRegistry(name: string, settings: RegistrySettings, by: By): Promise<void>;
  /** With its credentials. Null: it is gone; nothing changes while it is used. */
  removeRegistry(name: string, by: By): Promise<StillUsed | null>;
  /** Takes the place of the one before. */
  saveRegistryCredential(credential: Omit<StoredCredential, "createdAt">, by: By): Promise<void>;
  /** False: there was none. */
  removeRegistryCredential(registry: string, namespace: string | null, by: By): Promise<boolean>;
  /** The registry of a namespace; null: nobody has this namespace. */
  registryOf(namespace: string): Promise<string | null>;
  /** Namespaces in a registry, by name; at most `limit`. */
  namespacesIn(registry: string, limit: number): Promise<readonly string[]>;
  /** Where builds that are recorded from now on publish. False: nobody has this namespace, or there is no such registry. */
  moveNamespace(namespace: string, registry: string, by: By): Promise<boolean>;
}
