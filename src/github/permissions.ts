/** What the App asks for, as app.yml has it, and what is lost where an account has not given it. */

export interface WantedPermission {
  /** As GitHub's API spells it. */
  readonly name: string;
  readonly level: "read" | "write";
  /** As GitHub's pages call it. */
  readonly title: string;
  /** A clause for people: what does not work without it. */
  readonly without: string;
  /** False: what it is for does not exist on every host, so an App may leave it out. */
  readonly needed: boolean;
}

export const WANTED_PERMISSIONS: readonly WantedPermission[] = [
  { name: "metadata", level: "read", title: "Metadata", without: "no repository is known", needed: true },
  { name: "contents", level: "read", title: "Contents", without: "nothing is heard of pushes or built", needed: true },
  { name: "checks", level: "write", title: "Checks", without: "commits show nothing", needed: true },
  {
    name: "pull_requests",
    level: "read",
    title: "Pull requests",
    without: "nothing is heard of pull requests",
    needed: true,
  },
  {
    name: "merge_queues",
    level: "read",
    title: "Merge queues",
    without: "a merge queue that requires the check waits for ever",
    needed: false,
  },
  {
    name: "members",
    level: "read",
    title: "Members",
    without: "only the operator of this server can settle anything for an organization",
    needed: false,
  },
];

/** An event, and the permission it hangs on. What GitHub sends without asking is not listed. */
export const WANTED_EVENTS: readonly { readonly name: string; readonly permission: string }[] = [
  { name: "push", permission: "contents" },
  { name: "pull_request", permission: "pull_requests" },
  { name: "merge_group", permission: "merge_queues" },
  { name: "repository", permission: "metadata" },
  { name: "installation_target", permission: "metadata" },
  { name: "organization", permission: "members" },
];

const LEVELS = ["read", "write", "admin"];

/** Those of the wanted permissions that `given` (name to level) does not cover. */
export function missingPermissions(given: Readonly<Record<string, string>>): readonly WantedPermission[] {
  return WANTED_PERMISSIONS.filter(({ name, level }) => LEVELS.indexOf(given[name] ?? "") < LEVELS.indexOf(level));
}
