/** What a build's lease is exchanged for. */
import { type Build, failed, type Outcome, ok } from "../core/model.ts";
import { namespaceOf } from "../core/registry-settings.ts";
import type { BuildCredentials, Host } from "./ports.ts";
import type { Registries } from "./registries.ts";

/** `secret`: of the lease. Nothing of the answer is stored anywhere. */
export type CredentialExchange = (build: Build, secret: string) => Promise<Outcome<BuildCredentials>>;

interface ExchangeOptions {
  readonly hosts: readonly Pick<Host, "provider" | "host" | "cloneCredential">[];
  readonly registries: Pick<Registries, "signIn">;
}

/** For builders of this program: they are given the registry's own credentials where it does not trust our tokens. */
export function createExchange(options: ExchangeOptions): CredentialExchange {
  return exchangeWith(options, { outside: false });
}

/**
 * For builders outside this program. Credentials of a registry's own open more than the one build's staging repository, so
 * they never leave it: the registry has to trust our tokens.
 */
export function createOutsideExchange(options: ExchangeOptions): CredentialExchange {
  return exchangeWith(options, { outside: true });
}

function exchangeWith(options: ExchangeOptions, { outside }: { readonly outside: boolean }): CredentialExchange {
  return async (build, secret) => {
    const { provider, host } = build.repository;
    const found = options.hosts.find((one) => one.provider === provider && one.host === host);
    if (found === undefined) {
      return failed(`This instance is no longer set up for the host ${host}.`, { retryable: false });
    }
    const { planned } = build;
    // Code of strangers pushes nothing, and bases its images on what everybody may pull.
    const registry = planned.trust === "untrusted" ? ok(null) : await registryCredential(build, secret);
    if (!registry.ok) return registry;
    const open = planned.checkout?.anonymous === true;
    const clone = open ? ok(null) : await found.cloneCredential(build.installation, build.repository);
    if (!clone.ok) return { ...clone, message: `The Git host gave no access to the repository: ${clone.message}` };
    return ok({ clone: clone.value, registry: registry.value });
  };

  async function registryCredential(build: Build, secret: string) {
    const { registry } = build;
    const signIn = await options.registries.signIn(build);
    if (signIn === null) {
      const message = `The registry ${registry}, for which this build was planned, is not configured any more. Push again.`;
      return failed(message, { retryable: false });
    }
    if (outside && signIn.kind !== "lease") return failed(staysHere(registry), { retryable: false });
    switch (signIn.kind) {
      case "lease":
        return ok({ username: leaseUser(build.id), password: secret });
      case "missing":
        return failed(noCredential(registry, namespaceOf(build.image)), { retryable: false });
      case "credential":
        return ok({ username: signIn.username, password: signIn.password });
    }
  }
}

function staysHere(registry: string): string {
  return (
    `The registry ${registry} is signed in to with a user name and password, which no HTTP builder is given. Let it trust ` +
    "Wharfinger's tokens, or build with BUILDER=buildah (docs/registries.md)."
  );
}

function noCredential(registry: string, namespace: string): string {
  return (
    `The registry ${registry} wants a user name and password, and none is kept for ${namespace}. The operator gives one: ` +
    `wharfinger registry credential set ${registry} --namespace ${namespace}`
  );
}

const LEASE_USER = /^build-([0-9a-z-]{1,64})$/;

/** The registry's user name of whoever holds the lease of a build. */
export function leaseUser(buildId: string): string {
  return `build-${buildId}`;
}

/** The build a registry's user name stands for; null: it is not such a name. */
export function buildOfUser(username: string): string | null {
  return LEASE_USER.exec(username)?.[1] ?? null;
}
