/** What a workspace has given, and where its owners change that. */
import type { AskedPermission, PermissionBook } from "../engine/permissions-port.ts";

/** The descriptor's scopes, which are also those that a connection's token wants. */
const WANTED: readonly (Omit<AskedPermission, "given"> & { readonly scope: string })[] = [
  { scope: "account", title: "Account", level: "read", without: "nobody can show to be an owner of the workspace" },
  { scope: "repository", title: "Repositories", level: "read", without: "nothing is heard of pushes or built" },
  { scope: "pullrequest", title: "Pull requests", level: "read", without: "nothing is heard of pull requests" },
];

/**
 * Bitbucket names scopes in its answers to some tokens only, and `pullrequest` holds `repository` without naming it: what is
 * not named is not known to be missing.
 */
export function createBitbucketPermissionBook(webUrl: string): PermissionBook {
  return ({ account, permissions }) => ({
    asked: WANTED.map(({ scope, ...shown }) => ({ ...shown, given: scope in permissions ? true : null })),
    accept: null,
    manage: `${webUrl.replace(/\/+$/, "")}/${encodeURIComponent(account.login)}/workspace/settings/addon-management`,
  });
}
