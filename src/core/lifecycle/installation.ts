/**
 * The life of an installation as a table: how it stands × what is heard of it. Hosts promise neither order nor that
 * nothing is lost or told twice, so what opens something is never taken from an event: the host is asked, and its answer
 * is heard as `found-…`. What closes something is taken at once.
 */
import type { AuditAction } from "../audit.ts";
import type { InstallationEvent } from "../events.ts";

export const INSTALLATION_STANDINGS = ["unknown", "returning", "beside", "active", "suspended", "removed"] as const;

/**
 * As recorded; whether it is paused here is another matter. The first three are of one that was never heard of, whose
 * account has: no installation on record; only removed ones; another one that is not removed, which then is not there any
 * more, or this one is not. An account has one installation at a time.
 */
export type InstallationStanding = (typeof INSTALLATION_STANDINGS)[number];

export const INSTALLATION_NEWS = [
  "created",
  "removed",
  "suspended",
  "unsuspended",
  "permissions",
  "renamed",
  "found-active",
  "found-suspended",
  "found-gone",
] as const satisfies readonly (InstallationEvent["action"] | `found-${string}`)[];

/** `found-…`: what the host answered when it was asked. */
export type InstallationNews = (typeof INSTALLATION_NEWS)[number];

export type InstallationEffect =
  /** Every credential of it that we hold. */
  | "forget"
  /** The host, what is true now. */
  | "ask"
  /** Any other installation of its account is gone: it ends as if that had been told. */
  | "replace"
  /** What was set for the account's last installation (policy, pause, …) is this one's now. */
  | "carry"
  /** Account and permissions, as told. */
  | "save"
  /** It covers the repositories told, and no others. */
  | "cover"
  /** It covers none. */
  | "uncover"
  /** What is queued or held ends, what runs is asked to stop. */
  | "cancel"
  /** What its account owns, or asks for. */
  | "settle"
  /** It asks for nothing any more. */
  | "withdraw"
  /** Checks that the host refused are shown. */
  | "revive"
  /** What came while it was suspended is planned. */
  | "replay";

export interface InstallationStep {
  readonly next: InstallationStanding;
  /** In this order; after `ask` nothing: the answer has a step of its own. */
  readonly effects: readonly InstallationEffect[];
  readonly audit: AuditAction | null;
}

export function installationStep(standing: InstallationStanding, news: InstallationNews): InstallationStep {
  return TABLE[standing][news];
}

type Steps = Readonly<Record<InstallationNews, InstallationStep>>;

function stay(next: InstallationStanding): InstallationStep {
  return { next, effects: [], audit: null };
}

function ask(next: InstallationStanding): InstallationStep {
  return { next, effects: ["ask"], audit: null };
}

/** Credentials we hold have the rights it had. */
function askAnew(next: InstallationStanding): InstallationStep {
  return { next, effects: ["forget", "ask"], audit: null };
}

/** What the host says opens something: it is asked. */
function asking(standing: InstallationStanding): Pick<Steps, "unsuspended" | "permissions" | "renamed"> {
  return { unsuspended: askAnew(standing), permissions: askAnew(standing), renamed: ask(standing) };
}

const REMOVED: InstallationStep = {
  next: "removed",
  effects: ["cancel", "uncover", "forget", "withdraw"],
  audit: "installation.removed",
};

const TABLE: Readonly<Record<InstallationStanding, Steps>> = {
  unknown: {
    created: { next: "active", effects: ["save", "cover", "settle"], audit: "installation.created" },
    // Recorded, so that a push on its way does not make it active.
    removed: { next: "removed", effects: ["save", "forget"], audit: "installation.removed" },
    suspended: { next: "suspended", effects: ["save", "forget"], audit: "installation.suspended" },
    ...asking("unknown"),
    "found-active": { next: "active", effects: ["save", "cover", "settle"], audit: "installation.created" },
    "found-suspended": { next: "suspended", effects: ["save"], audit: "installation.created" },
    "found-gone": stay("unknown"),
  },
  returning: {
    created: { next: "active", effects: ["save", "carry", "cover", "settle"], audit: "installation.restored" },
    removed: { next: "removed", effects: ["save", "forget"], audit: "installation.removed" },
    suspended: { next: "suspended", effects: ["save", "carry", "forget"], audit: "installation.suspended" },
    ...asking("returning"),
    "found-active": { next: "active", effects: ["save", "carry", "cover", "settle"], audit: "installation.restored" },
    "found-suspended": { next: "suspended", effects: ["save", "carry"], audit: "installation.restored" },
    "found-gone": stay("returning"),
  },
  beside: {
    // Either its end or that of the other one was not heard yet.
    created: ask("beside"),
    removed: { next: "removed", effects: ["save", "forget"], audit: "installation.removed" },
    suspended: ask("beside"),
    ...asking("beside"),
    "found-active": {
      next: "active",
      effects: ["replace", "save", "carry", "cover", "settle"],
      audit: "installation.restored",
    },
    "found-suspended": {
      next: "suspended",
      effects: ["replace", "save", "carry"],
      audit: "installation.restored",
    },
    "found-gone": stay("beside"),
  },
  active: {
    // Told again, or learned of before it was told.
    created: ask("active"),
    removed: REMOVED,
    // Told late, it is found active with the next delivery: the host sends none while it is suspended.
    suspended: { next: "suspended", effects: ["cancel", "forget"], audit: "installation.suspended" },
    ...asking("active"),
    "found-active": { next: "active", effects: ["save", "cover", "settle", "revive"], audit: null },
    "found-suspended": { next: "suspended", effects: ["save", "cancel", "forget"], audit: "installation.suspended" },
    "found-gone": REMOVED,
  },
  suspended: {
    created: ask("suspended"),
    removed: REMOVED,
    suspended: stay("suspended"),
    ...asking("suspended"),
    "found-active": {
      next: "active",
      effects: ["replace", "save", "cover", "settle", "revive", "replay"],
      audit: "installation.unsuspended",
    },
    "found-suspended": { next: "suspended", effects: ["save"], audit: null },
    "found-gone": REMOVED,
  },
  removed: {
    // Where ids are workspaces' they come back; elsewhere it is late, and the host does not know it.
    created: ask("removed"),
    removed: stay("removed"),
    suspended: stay("removed"),
    unsuspended: stay("removed"),
    permissions: stay("removed"),
    renamed: stay("removed"),
    "found-active": {
      next: "active",
      effects: ["replace", "save", "cover", "settle", "revive"],
      audit: "installation.restored",
    },
    "found-suspended": { next: "suspended", effects: ["replace", "save"], audit: "installation.restored" },
    "found-gone": stay("removed"),
  },
};
