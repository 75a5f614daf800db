/** Where registries are added, changed and tried. What is saved has been tried against the registry itself. */
import type { By } from "../core/audit.ts";
import { type Outcome, ok } from "../core/model.ts";
import { credentialAdvice } from "../core/registry-advice.ts";
import {
  DEFAULT_REGISTRY,
  imageHost,
  parseRegistrySettings,
  type RegistrySettings,
  registryNameProblem,
} from "../core/registry-settings.ts";
import type { KnownRegistry, Registries, RegistriesOptions, RegistryCredential } from "./registries.ts";
import type { RegistryStore } from "./registries-port.ts";

/** A registry as it may be shown: who signs in, and never with what. */
export interface ShownRegistry {
  readonly name: string;
  /** Host and port, as image names carry it. */
  readonly host: string;
  readonly settings: RegistrySettings;
  /** User name of what opens all of it; null: nothing does. */
  readonly username: string | null;
  /** Namespaces with a credential of their own. */
  readonly credentials: readonly { readonly namespace: string; readonly username: string }[];
  /** Namespaces whose images go there; at most {@link SHOWN}. */
  readonly namespaces: readonly string[];
}

/** One thing that was tried. `todo`: a sentence where it did not work, else empty. */
export interface Trial {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly todo: string;
}

export type Refused =
  /** What was asked for is wrong by itself. */
  | { readonly ok: false; readonly kind: "bad"; readonly message: string }
  | { readonly ok: false; readonly kind: "unknown"; readonly message: string }
  /** It does not go together with what there is. */
  | { readonly ok: false; readonly kind: "conflict"; readonly message: string }
  /** The registry itself says no, in its own words, or is away. */
  | { readonly ok: false; readonly kind: "refused"; readonly message: string };

export type Done<T> = { readonly ok: true; readonly value: T } | Refused;

export interface RegistryDesk {
  list(): Promise<readonly ShownRegistry[]>;
  /** Adds one, or changes what is given of it. `credential` null: as it is. */
  save(name: string, given: unknown, credential: RegistryCredential | null, by: By): Promise<Done<ShownRegistry>>;
  /** With its credentials. */
  remove(name: string, by: By): Promise<Done<true>>;
  /** Every credential of it is tried. */
  test(name: string): Promise<Done<readonly Trial[]>>;
  /** `namespace` null: of the whole registry. */
  setCredential(name: string, namespace: string | null, credential: RegistryCredential, by: By): Promise<Done<true>>;
  removeCredential(name: string, namespace: string | null, by: By): Promise<Done<true>>;
  /** Images of the namespace that are planned from now on go there. */
  use(name: string, namespace: string, by: By): Promise<Done<true>>;
}

/** Of a registry's namespaces. */
export const SHOWN = 100;
/** In the place of a build's id, where pushing is tried. */
const TRIED_BUILD = "check";

export interface RegistryDeskOptions {
  readonly store: RegistryStore;
  readonly registries: Registries;
  readonly connect: RegistriesOptions["connect"];
  readonly staging: RegistriesOptions["staging"];
  /** Builders outside this program build: they are given no credential of a registry's own. */
  readonly outsideBuilders: boolean;
}

export function createRegistryDesk(options: RegistryDeskOptions): RegistryDesk {
  const { store, registries } = options;

  async function shown(registry: KnownRegistry): Promise<ShownRegistry> {
    const { name, host, settings } = registry;
    return {
      name,
      host,
      settings,
      username: registry.credential(null)?.username ?? null,
      credentials: registry.namespaces.map((namespace) => {
        return { namespace, username: registry.credential(namespace)?.username ?? "" };
      }),
      namespaces: await store.namespacesIn(name, SHOWN),
    };
  }

  /** Signs in, and begins a push where it is known where to. */
  async function tryOut(
    name: string,
    settings: RegistrySettings,
    namespace: string | null,
    credential: RegistryCredential | null,
  ): Promise<readonly Trial[]> {
    const client = options.connect({ name, settings }, credential);
    const who = credential === null ? "with this program's tokens" : `as ${JSON.stringify(credential.username)}`;
    const signIn = trial(`sign in ${who}`, await client.check(), settings);
    if (!signIn.ok) return [signIn];
    const needed = settings.staging.includes("{namespace}");
    if (needed && namespace === null) return [signIn];
    const { repository } = options.staging(settings.staging).of(TRIED_BUILD, namespace ?? "");
    return [signIn, trial(`push to ${repository}`, await client.mayPush(repository), settings)];
  }

  async function demandWorks(...given: Parameters<typeof tryOut>): Promise<Refused | null> {
    const [name, settings, , credential] = given;
    if (settings.kind === "basic" && credential === null) {
      // Nothing to sign in with yet: that somebody answers is all there is to try.
      const answer = await options.connect({ name, settings }, null).check();
      return answer.ok || !answer.retryable ? null : refused("refused", answer.message);
    }
    const wrong = (await tryOut(...given)).find((one) => !one.ok);
    return wrong === undefined
      ? null
      : refused("refused", `${sentence(`${wrong.what}: ${wrong.detail}`)} ${wrong.todo}`);
  }

  async function clash(name: string, settings: RegistrySettings): Promise<Refused | null> {
    const service = ({ tokenService, url }: RegistrySettings) => tokenService ?? imageHost(url);
    for (const other of await registries.all()) {
      if (other.name === name) continue;
      if (other.host === imageHost(settings.url)) {
        return refused(
          "conflict",
          `${other.host} is the registry ${other.name} already. Another account there is a credential of a namespace: ` +
            `wharfinger registry credential set ${other.name} --namespace NAMESPACE`,
        );
      }
      const both = settings.kind === "token" && other.settings.kind === "token";
      if (both && service(other.settings) === service(settings)) {
        return refused(
          "conflict",
          `tokens for the registry ${other.name} would open this one: give another tokenService`,
        );
      }
      const host = settings.accounts.find((one) => other.settings.accounts.includes(one));
      if (host !== undefined)
        return refused("conflict", `new accounts of ${host} go to the registry ${other.name} already`);
    }
    return null;
  }

  async function save(
    name: string,
    given: unknown,
    credential: RegistryCredential | null,
    by: By,
  ): Promise<Done<ShownRegistry>> {
    const problem = registryNameProblem(name);
    if (problem !== null) return refused("bad", problem);
    const before = await registries.named(name);
    const parsed = parseRegistrySettings(given, before?.settings ?? null);
    if (!parsed.ok) return refused("bad", parsed.problems.join("; "));
    const { settings } = parsed;
    if (before !== null && before.host !== imageHost(settings.url)) {
      const advice = "Add that one under another name, and move the namespaces: wharfinger registry use";
      return refused("conflict", `${name} is ${before.host}, where images of its builds are, and stays it. ${advice}`);
    }
    if (credential !== null && settings.kind === "token") return refused("bad", NO_CREDENTIAL);
    const used = await store.namespacesIn(name, 1);
    if (options.outsideBuilders && settings.kind === "basic" && used.length > 0) return refused("conflict", STAYS_HERE);
    const clashing = await clash(name, settings);
    if (clashing !== null) return clashing;
    const broken = await demandWorks(name, settings, null, credential ?? before?.credential(null) ?? null);
    if (broken !== null) return broken;
    await store.saveRegistry(name, settings, by);
    if (credential !== null) await store.saveRegistryCredential({ registry: name, namespace: null, ...credential }, by);
    await registries.refresh();
    const saved = await registries.named(name);
    if (saved === null) return refused("unknown", `the registry ${name} was removed meanwhile`);
    return done(await shown(saved));
  }

  async function found(name: string): Promise<KnownRegistry | Refused> {
    return (
      (await registries.named(name)) ??
      refused("unknown", `there is no registry ${JSON.stringify(name)}. All of them: wharfinger registry list`)
    );
  }

  return {
    async list() {
      return await Promise.all((await registries.all()).map(shown));
    },

    save,

    async remove(name, by) {
      if (name === DEFAULT_REGISTRY) return refused("bad", registryNameProblem(name) ?? "");
      const registry = await found(name);
      if ("ok" in registry) return registry;
      const used = await store.removeRegistry(name, by);
      await registries.refresh();
      if (used === null) return done(true);
      const { namespaces, builds } = used;
      const whose = namespaces.length > 0 ? `namespaces are in it (${namespaces.join(", ")}): move them first` : "";
      const open = builds > 0 ? `${builds} of its builds have not ended or been cleaned up: wait, or cancel them` : "";
      return refused("conflict", [whose, open].filter((one) => one !== "").join("; "));
    },

    async test(name) {
      const registry = await found(name);
      if ("ok" in registry) return registry;
      const { settings } = registry;
      const whole = registry.credential(null);
      const trials: Trial[] = [];
      if (settings.kind === "token" || whole !== null) trials.push(...(await tryOut(name, settings, null, whole)));
      for (const namespace of registry.namespaces) {
        trials.push(...(await tryOut(name, settings, namespace, registry.credential(namespace))));
      }
      const without = (await store.namespacesIn(name, SHOWN)).filter(
        (namespace) => settings.kind === "basic" && registry.credential(namespace) === null,
      );
      trials.push(...without.map((namespace) => missing(name, namespace)));
      if (trials.length > 0) return done(trials);
      const answer = await registry.client(null).check();
      const there = answer.ok || !answer.retryable;
      const reached = trial("reach it", there ? ok(true) : answer, settings);
      return done([
        { ...reached, detail: there ? "it answers; it has no credential and no namespace yet" : reached.detail },
      ]);
    },

    async setCredential(name, namespace, credential, by) {
      const registry = await found(name);
      if ("ok" in registry) return registry;
      const { settings } = registry;
      if (settings.kind === "token") return refused("bad", NO_CREDENTIAL);
      if (name === DEFAULT_REGISTRY && namespace === null) {
        return refused(
          "bad",
          "the credential of the whole default registry is REGISTRY_USERNAME with REGISTRY_PASSWORD",
        );
      }
      if (namespace !== null && (await store.registryOf(namespace)) === null) return noNamespace(namespace);
      const broken = await demandWorks(name, settings, namespace, credential);
      if (broken !== null) return broken;
      await store.saveRegistryCredential({ registry: name, namespace, ...credential }, by);
      await registries.refresh();
      return done(true);
    },

    async removeCredential(name, namespace, by) {
      const registry = await found(name);
      if ("ok" in registry) return registry;
      const removed = await store.removeRegistryCredential(name, namespace, by);
      await registries.refresh();
      const whose = namespace === null ? `the whole registry ${name}` : `${namespace} in the registry ${name}`;
      return removed ? done(true) : refused("unknown", `no credential is kept for ${whose}`);
    },

    async use(name, namespace, by) {
      const registry = await found(name);
      if ("ok" in registry) return registry;
      const { settings } = registry;
      const from = await store.registryOf(namespace);
      if (from === null) return noNamespace(namespace);
      const credential = registry.credential(namespace);
      if (settings.kind === "basic") {
        if (options.outsideBuilders) return refused("conflict", STAYS_HERE);
        if (credential === null)
          return refused("conflict", `${missing(name, namespace).detail}. ${missing(name, namespace).todo}`);
      }
      const broken = await demandWorks(name, settings, namespace, credential);
      if (broken !== null) return broken;
      const moved = await store.moveNamespace(namespace, name, by);
      await registries.refresh();
      return moved ? done(true) : noNamespace(namespace);
    },
  };
}

const NO_CREDENTIAL =
  "a registry of kind token is opened by this program's own tokens and takes no user name. Set `kind` to basic where it has some";
const STAYS_HERE =
  "builds are built outside this program (BUILDER=webhook), where no user name and password of a registry goes. Take a " +
  "registry of kind token, or BUILDER=buildah";

function done<T>(value: T): Done<T> {
  return { ok: true, value };
}

function refused(kind: Refused["kind"], message: string): Refused {
  return { ok: false, kind, message: sentence(message) };
}

function noNamespace(namespace: string): Refused {
  return refused("unknown", `nobody has the namespace ${JSON.stringify(namespace)}`);
}

function missing(name: string, namespace: string): Trial {
  return {
    what: `credential for ${namespace}`,
    ok: false,
    detail: `the registry ${name} wants a user name and password, and none is kept for ${namespace}`,
    todo: `Give one: wharfinger registry credential set ${name} --namespace ${namespace}`,
  };
}

function trial(what: string, answer: Outcome<true>, settings: RegistrySettings): Trial {
  if (answer.ok) return { what, ok: true, detail: "works", todo: "" };
  const away = answer.retryable ? "Is it running, and does this machine reach it?" : "";
  const advice = sentence(
    `${credentialAdvice(settings).slice(0, 1).toUpperCase()}${credentialAdvice(settings).slice(1)}`,
  );
  return { what, ok: false, detail: answer.message, todo: away || advice };
}

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}
