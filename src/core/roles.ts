/**
 * Which person may do what. Hosts say who somebody is, in a repository or towards the account that installed us; the table
 * says what that is enough for. What commits, files and builds may do is decided in trust.ts.
 */

/** From little to much; each may do what those before it may. `operator`: whoever runs this instance, on no host. */
export const ROLES = ["none", "read", "write", "owner", "operator"] as const;

export type Role = (typeof ROLES)[number];

/** What a host can make of somebody. */
export type HostRole = Exclude<Role, "operator">;

interface Rule {
  /** Whose role counts: somebody's in the repository, towards the account as a whole, or nobody's on any host. */
  readonly of: "repository" | "account" | "instance";
  readonly least: Role;
  /** Completes "may not …". */
  readonly what: string;
}

export const ACTIONS = {
  "build.see": { of: "repository", least: "read", what: "see builds" },
  "build.log": { of: "repository", least: "read", what: "read logs of builds" },
  "build.start": { of: "repository", least: "write", what: "start builds" },
  "build.retry": { of: "repository", least: "write", what: "repeat builds" },
  "build.cancel": { of: "repository", least: "write", what: "cancel builds" },
  "build.approve": { of: "repository", least: "write", what: "approve builds" },
  "account.see": { of: "account", least: "read", what: "see what is set" },
  "audit.see": { of: "account", least: "owner", what: "read the audit log" },
  "policy.change": { of: "account", least: "owner", what: "change the policy" },
  "account.pause": { of: "account", least: "owner", what: "pause or resume builds" },
  "repository.pause": { of: "account", least: "owner", what: "pause or resume a repository" },
  "variable.change": { of: "account", least: "owner", what: "change variables and secrets" },
  "access.change": { of: "account", least: "owner", what: "say which further repositories builds may read" },
  "token.change": { of: "account", least: "owner", what: "make or revoke access tokens" },
  "notification.change": { of: "account", least: "owner", what: "say who is told of builds" },
  "image.share": { of: "account", least: "owner", what: "share images between repositories" },
  "image.open": { of: "account", least: "owner", what: "open images to everybody, or close them" },
  "namespace.share": { of: "account", least: "owner", what: "share the namespace with another account" },
  "claim.decide": { of: "instance", least: "operator", what: "decide who gets a namespace" },
  "namespace.assign": { of: "instance", least: "operator", what: "grant or take namespaces" },
  "image.give": { of: "instance", least: "operator", what: "give images to other repositories" },
  "registry.change": { of: "instance", least: "operator", what: "change registries and their credentials" },
  "connection.change": { of: "instance", least: "operator", what: "make or end connections" },
  "instance.pause": { of: "instance", least: "operator", what: "stop or resume the whole instance" },
  "instance.audit": { of: "instance", least: "operator", what: "read the audit log of the whole instance" },
  "key.rotate": { of: "instance", least: "operator", what: "change keys of the instance" },
} as const satisfies Readonly<Record<string, Rule>>;

export type Action = keyof typeof ACTIONS;

export function mayDo(role: Role, action: Action): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(ACTIONS[action].least);
}

/** A host's word for somebody's rights in a repository. `write`: may push. */
export type Permission = "admin" | "write" | "read" | "none";

/**
 * The role that a host's word for somebody's rights in a repository makes. Who administers a repository does not own the
 * account: settings decide what all its repositories may do.
 */
export function roleInRepository(permission: Permission): HostRole {
  return permission === "admin" ? "write" : permission;
}
