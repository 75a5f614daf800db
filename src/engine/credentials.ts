/** What a build's lease is exchanged for. */
import { GIT_CREDENTIALS, gitCredentials } from "../core/further-repositories.ts";
import { type Build, failed, type Outcome, ok } from "../core/model.ts";
import { namespaceOf } from "../core/registry-settings.ts";
import type { FurtherAccess } from "./further-repositories.ts";
import type { BuildCredentials, Host } from "./ports.ts";
import type { Registries } from "./registries.ts";

/** `secret`: of the lease. Nothing of the answer is stored anywhere. */
export type CredentialExchange = (build: Build, secret: string) => Promise<Outcome<BuildCredentials>>;

interface ExchangeOptions {
  readonly hosts: readonly Pick<Host, "provider" | "host" | "cloneCredential">[];
  readonly registries: Pick<Registries, "signIn">;
  /** What a build may read besides its own repository; left out: nothing. */
  readonly further?: FurtherAccess;
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
    const opened = await openRepositories(found, build);
    return opened.ok ? ok({ ...opened.value, registry: registry.value }) : opened;
  };

  async function openRepositories(
    host: ExchangeOptions["hosts"][number],
    build: Build,
  ): Promise<Outcome<Omit<BuildCredentials, "registry">>> {
    const { planned, installation, repository } = build;
    if (planned.checkout?.anonymous === true) return ok({ clone: null });
    // Asked only for code of those who may push; whoever answers it says so once more.
    const ask = planned.trust === "untrusted" ? undefined : options.further;
    const further = ask === undefined ? ok([]) : await ask(build);
    if (!further.ok) return further;
    const access = await host.cloneCredential(installation, repository, further.value);
    if (!access.ok) return { ...access, message: `The Git host gave no access to the repository: ${access.message}` };
    const { further: each, ...clone } = access.value;
    if (further.value.length === 0) return ok({ clone });
    const furtherRepositories = further.value.map(({ fullName, cloneUrl }, index) => {
      return { fullName, cloneUrl, credential: each?.[index] ?? clone };
    });
    const lines = [{ cloneUrl: repository.cloneUrl, credential: clone }, ...furtherRepositories].map(gitCredentials);
    return ok({ clone, furtherRepositories, secrets: { [GIT_CREDENTIALS]: lines.join("") } });
  }

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
