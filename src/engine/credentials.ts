/** What a build's lease is exchanged for. */
import { type Build, failed, type Outcome, ok } from "../core/model.ts";
import type { BuildCredentials, Host } from "./ports.ts";

/** `secret`: of the lease. Nothing of the answer is stored anywhere. */
export type CredentialExchange = (build: Build, secret: string) => Promise<Outcome<BuildCredentials>>;

/**
 * `registry`: the instance's own credentials; null: the registry trusts our token service, which takes the lease's secret
 * for a password and opens the build's staging repository with it.
 */
export function createExchange(options: {
  readonly hosts: readonly Pick<Host, "provider" | "host" | "cloneCredential">[];
  readonly registry: { readonly username: string; readonly password: string } | null;
}): CredentialExchange {
  return async (build, secret) => {
    const { provider, host } = build.repository;
    const found = options.hosts.find((one) => one.provider === provider && one.host === host);
    if (found === undefined) {
      return failed(`This instance is no longer set up for the host ${host}.`, { retryable: false });
    }
    const { planned } = build;
    const open = planned.checkout?.anonymous === true;
    const clone = open ? ok(null) : await found.cloneCredential(build.installation, build.repository);
    if (!clone.ok) return { ...clone, message: `The Git host gave no access to the repository: ${clone.message}` };
    // Code of strangers pushes nothing, and bases its images on what everybody may pull.
    const registry =
      planned.trust === "untrusted" ? null : (options.registry ?? { username: leaseUser(build.id), password: secret });
    return ok({ clone: clone.value, registry });
  };
}

/**
 * For builders outside this program. The instance's own registry credentials open every image there is, so they never
 * leave it: the registry has to trust our tokens, which open the staging repository of the one build.
 */
export function createOutsideExchange(options: Parameters<typeof createExchange>[0]): CredentialExchange {
  if (options.registry === null) return createExchange({ hosts: options.hosts, registry: null });
  const message =
    "This instance signs in to its registry with REGISTRY_USERNAME, which no HTTP builder is given. Let the registry " +
    "trust Wharfinger's tokens (docs/operations.md), and take REGISTRY_USERNAME out.";
  return async () => failed(message, { retryable: false });
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
