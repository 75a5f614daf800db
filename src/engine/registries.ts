/** The one place that says where images of a namespace or a build go, and what opens that registry. */
import type { Account, Build } from "../core/model.ts";
import {
  DEFAULT_REGISTRY,
  imageHost,
  namespaceByTemplate,
  namespaceOf,
  type RegistrySettings,
} from "../core/registry-settings.ts";
import type { Clock, Registry, RegistryAccess } from "./ports.ts";
import type { RegistryStore } from "./registries-port.ts";

export interface RegistryCredential {
  readonly username: string;
  readonly password: string;
}

/** Names of staging repositories, by a registry's template. */
export interface Staging {
  of(buildId: string, namespace: string): { readonly repository: string; readonly tag: string; readonly own: boolean };
  /** Nothing is published under such a name. */
  has(repository: string): boolean;
}

/** A registry as it is configured now. What is asked of it goes to the registry itself. */
export interface KnownRegistry {
  /** `default`, or as the operator called it. */
  readonly name: string;
  /** Host and port, as image names carry it. */
  readonly host: string;
  readonly settings: RegistrySettings;
  readonly staging: Staging;
  /** Namespaces with a credential of their own. */
  readonly namespaces: readonly string[];
  /** What opens it for a namespace, or as far as it has one for all; null: our tokens, or nothing. */
  credential(namespace: string | null): RegistryCredential | null;
  /** Signed in with that. */
  client(namespace: string | null): Registry & RegistryAccess;
}

/** Where one build's image goes. */
export interface Place {
  readonly registry: Registry;
  readonly staging: { readonly repository: string; readonly tag: string; readonly own: boolean };
  /** The image's own name is one of a staging repository, where nothing is published. */
  readonly closed: boolean;
}

/** How a build signs in to its registry. */
export type SignInWith =
  /** The registry trusts our tokens: the secret of its lease opens its staging repository and nothing else. */
  | { readonly kind: "lease" }
  /** It wants a user name and password, and has none for this namespace. */
  | { readonly kind: "missing" }
  /** A credential of the registry's own, which opens more than the one build's. It stays in this program. */
  | ({ readonly kind: "credential" } & RegistryCredential);

export interface Registries {
  all(): Promise<readonly KnownRegistry[]>;
  /** Null: there is none of this name. */
  named(name: string): Promise<KnownRegistry | null>;
  /** Null: nobody has this namespace, or its registry is gone. */
  ofNamespace(namespace: string): Promise<KnownRegistry | null>;
  /** Null: the registry it was planned for is gone. */
  place(build: { readonly id: string; readonly registry: string; readonly image: string }): Promise<Place | null>;
  /** Null: the registry it was planned for is gone. */
  signIn(build: Pick<Build, "registry" | "image">): Promise<SignInWith | null>;
  /** Where the namespace of a new account is made, and its name; null: the account's own makes no legal one. */
  forAccount(account: Account): Promise<{ readonly registry: string; readonly namespace: string | null }>;
  /** As it was read last, for where nothing can be waited for. Null: not known so far; it is read anew soon. */
  known(name: string): KnownRegistry | null;
  /** Whatever was changed until now counts from here on. */
  refresh(): Promise<void>;
}

/** How long what was read counts for; other processes change it, too. */
const FRESH_MS = 5_000;

export interface RegistriesOptions {
  readonly store: Pick<RegistryStore, "registryRecords" | "registryOf">;
  /** The environment's own, which is called `default`. */
  readonly own: { readonly settings: RegistrySettings; readonly credential: RegistryCredential | null };
  /** Makes what speaks to a registry. Remembers sign-ins, so it is asked anew only for what has changed. */
  connect(
    registry: { readonly name: string; readonly settings: RegistrySettings },
    credential: RegistryCredential | null,
  ): Registry & RegistryAccess;
  staging(template: string): Staging;
  readonly clock: Clock;
}

type Connected = { readonly key: string; readonly client: Registry & RegistryAccess };

export function createRegistries(options: RegistriesOptions): Registries {
  const { store, own, clock } = options;
  /** By registry and namespace. */
  const clients = new Map<string, Connected>();
  let snapshot: ReadonlyMap<string, KnownRegistry> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<ReadonlyMap<string, KnownRegistry>> | null = null;

  async function read(): Promise<ReadonlyMap<string, KnownRegistry>> {
    const { registries, credentials } = await store.registryRecords();
    const all = [
      { name: DEFAULT_REGISTRY, settings: own.settings },
      ...registries.map(({ name, settings }) => ({ name, settings })),
    ];
    return new Map(
      all.map((registry) => {
        const opens = new Map<string | null, RegistryCredential>();
        if (registry.name === DEFAULT_REGISTRY && own.credential !== null) opens.set(null, own.credential);
        for (const { registry: name, namespace, username, password } of credentials) {
          if (name === registry.name) opens.set(namespace, { username, password });
        }
        return [registry.name, known(registry, opens)];
      }),
    );
  }

  function known(
    registry: { readonly name: string; readonly settings: RegistrySettings },
    opens: ReadonlyMap<string | null, RegistryCredential>,
  ): KnownRegistry {
    const { name, settings } = registry;
    const credential = (namespace: string | null) =>
      settings.kind === "token" ? null : (opens.get(namespace) ?? opens.get(null) ?? null);
    return {
      name,
      host: imageHost(settings.url),
      settings,
      staging: options.staging(settings.staging),
      namespaces: [...opens.keys()].filter((namespace) => namespace !== null),
      credential,
      client(namespace) {
        const opener = credential(namespace);
        // Namespaces without a credential of their own share the registry's sign-in.
        const place = `${name}:${opens.has(namespace) ? (namespace ?? "") : ""}`;
        const key = JSON.stringify([settings, opener]);
        const kept = clients.get(place);
        if (kept?.key === key) return kept.client;
        const made = { key, client: options.connect(registry, opener) };
        clients.set(place, made);
        return made.client;
      },
    };
  }

  /** Those who wait for the same reading share it. */
  async function refreshed(): Promise<ReadonlyMap<string, KnownRegistry>> {
    const begun = clock.now();
    reading ??= read().finally(() => {
      reading = null;
    });
    const found = await reading;
    snapshot = found;
    readAt = begun;
    return found;
  }

  async function current(): Promise<ReadonlyMap<string, KnownRegistry>> {
    const age = clock.now() - readAt;
    return snapshot !== null && age >= 0 && age < FRESH_MS ? snapshot : await refreshed();
  }

  async function named(name: string): Promise<KnownRegistry | null> {
    return (await current()).get(name) ?? (await refreshed()).get(name) ?? null;
  }

  return {
    all: async () => [...(await current()).values()],
    named,

    async ofNamespace(namespace) {
      const name = await store.registryOf(namespace);
      return name === null ? null : await named(name);
    },

    async place({ id, registry, image }) {
      const found = await named(registry);
      if (found === null) return null;
      const namespace = namespaceOf(image);
      return {
        registry: found.client(namespace),
        staging: found.staging.of(id, namespace),
        closed: found.staging.has(image),
      };
    },

    async signIn({ registry, image }) {
      const found = await named(registry);
      if (found === null) return null;
      const credential = found.credential(namespaceOf(image));
      if (credential !== null) return { kind: "credential", ...credential };
      return { kind: found.settings.kind === "token" ? "lease" : "missing" };
    },

    async forAccount(account) {
      const all = [...(await current()).values()];
      const host = `${account.provider}:${account.host}`;
      const found = all.find(({ settings }) => settings.accounts.includes(host));
      const { name, settings } = found ?? { name: DEFAULT_REGISTRY, settings: own.settings };
      return { registry: name, namespace: namespaceByTemplate(settings.namespaces, account) };
    },

    known(name) {
      const found = snapshot?.get(name) ?? null;
      if (found === null) readAt = Number.NEGATIVE_INFINITY;
      return found;
    },

    async refresh() {
      // One that is under way may have begun before the change.
      if (reading !== null) await reading.catch(() => undefined);
      await refreshed();
    },
  };
}
