/** Who somebody is towards the account that installed the app. */
import { type Account, type Actor, failed, type HostId, type Outcome, ok, type Repository } from "../core/model.ts";
import { type HostRole, roleInRepository } from "../core/roles.ts";
import type { GithubAccess } from "./access.ts";
import { apiPath, misshapen, refusal } from "./api.ts";
import { readInstallation } from "./facts.ts";
import { membershipSchema } from "./payloads.ts";
import { readPermission } from "./pulls.ts";

/**
 * An organization may be called otherwise by now, and its name be somebody else's: GitHub is asked first what the account
 * is called today, and its answer counts only where it names the ids of both.
 */
export async function readRole(
  access: GithubAccess,
  installation: HostId,
  repository: Repository | null,
  actor: Actor,
): Promise<Outcome<HostRole>> {
  if (repository !== null) {
    const permission = await readPermission(access, installation, repository, actor);
    return permission.ok ? ok(roleInRepository(permission.value)) : permission;
  }
  const told = await readInstallation(access, installation);
  if (!told.ok) return told;
  // Whoever took it away has none of it any more.
  if (told.value === null) return ok("none");
  const { account, permissions } = told.value;
  switch (account.kind) {
    case "user":
      return ok(account.id === actor.id ? "owner" : "none");
    case "enterprise":
      return failed("GitHub does not tell who owns an enterprise; the operator of this instance has to do it.", {
        retryable: false,
      });
    case "organization":
      return permissions["members"] === undefined
        ? failed(lacksMembers(account), { retryable: false })
        : readMembership(access, installation, account, actor);
  }
}

function lacksMembers({ login }: Account): string {
  return (
    `GitHub says who owns ${login} only to Apps with the organization permission "Members: read-only" (members: read). ` +
    `Add it to the App, and have an owner of ${login} accept it.`
  );
}

async function readMembership(
  access: GithubAccess,
  installation: HostId,
  account: Account,
  actor: Actor,
): Promise<Outcome<HostRole>> {
  // No login of anybody's, and as a part of an address it would lead elsewhere.
  if (actor.login === "." || actor.login === "..") return ok("none");
  const answer = await access.asInstallation(
    { installationId: installation.id, repositoryIds: "all", permissions: { members: "read" } },
    { method: "GET", path: apiPath(["orgs", account.login, "memberships", actor.login]) },
  );
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok("none");
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = membershipSchema.safeParse(answer.value.body);
  if (!result.success) return misshapen(answer.value);
  const { state, role, user, organization } = result.data;
  // Who was only invited is nobody yet; `billing_manager` is not one of the organization's people.
  if (state !== "active" || user?.id !== actor.id || organization.id !== account.id) return ok("none");
  if (role === "admin") return ok("owner");
  return ok(role === "member" ? "read" : "none");
}
