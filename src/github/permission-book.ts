/** What an account on GitHub has given the App, and where its owners change that. */
import type { PermissionBook } from "../engine/permissions-port.ts";
import { missingPermissions, WANTED_PERMISSIONS } from "./permissions.ts";

/** `webUrl`: of the host. Addresses by github/docs, "Approving updated permissions for a GitHub App". */
export function createGithubPermissionBook(webUrl: string): PermissionBook {
  return ({ id, account, permissions }) => {
    const missing = new Set(missingPermissions(permissions).map(({ name }) => name));
    const owner = account.kind === "user" ? "" : `/organizations/${encodeURIComponent(account.login)}`;
    const manage = `${webUrl.replace(/\/+$/, "")}${owner}/settings/installations/${encodeURIComponent(id)}`;
    return {
      asked: WANTED_PERMISSIONS.map(({ name, title, level, without }) => {
        return { title, level, without, given: !missing.has(name) };
      }),
      accept: missing.size === 0 ? null : `${manage}/permissions/update`,
      manage,
    };
  };
}
