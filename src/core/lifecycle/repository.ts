/**
 * How a repository stands towards one installation × what is heard of it from there. As with installations
 * (installation.ts), what closes something is taken at once, and what opens something, or takes a repository from another
 * account, is asked of the host.
 */
import type { AuditAction } from "../audit.ts";
import type { RepositoryEvent } from "../events.ts";

export const REPOSITORY_STANDINGS = ["unknown", "covered", "archived", "left", "elsewhere"] as const;

/**
 * `left`: an installation of this account covered it last, and does not any more; `elsewhere`: one of another account
 * covers it or did last.
 */
export type RepositoryStanding = (typeof REPOSITORY_STANDINGS)[number];

export const REPOSITORY_NEWS = [
  "created",
  "renamed",
  "updated",
  "moved",
  "archived",
  "unarchived",
  "made-private",
  "made-public",
  "deleted",
  "added",
  "removed",
  "listed",
  "found",
  "found-archived",
  "found-gone",
] as const satisfies readonly (RepositoryEvent["action"] | "added" | "removed" | "listed" | `found${string}`)[];

/**
 * `added`, `removed`: of an installation's repositories, by its event. `listed`: in a list of all of them, which does not
 * say whether it is archived. `found…`: what the host answered when it was asked about this one.
 */
export type RepositoryNews = (typeof REPOSITORY_NEWS)[number];

export type RepositoryEffect =
  | "ask"
  /** Name, and whether it is private, as told. */
  | "save"
  /** Its images that anybody could pull are not open any more. */
  | "close"
  /** What this installation has queued or held of it ends, what runs is asked to stop. */
  | "cancel"
  /** The same of every other installation's. */
  | "cancel-elsewhere";

export interface RepositoryStep {
  readonly next: RepositoryStanding;
  readonly effects: readonly RepositoryEffect[];
  /** Besides what `save` changes, which has entries of its own. */
  readonly audit: AuditAction | null;
}

export function repositoryStep(standing: RepositoryStanding, news: RepositoryNews): RepositoryStep {
  return TABLE[standing][news];
}

type Steps = Readonly<Record<RepositoryNews, RepositoryStep>>;

function stay(next: RepositoryStanding): RepositoryStep {
  return { next, effects: [], audit: null };
}

function ask(next: RepositoryStanding): RepositoryStep {
  return { next, effects: ["ask"], audit: null };
}

const ADDED: RepositoryStep = { next: "covered", effects: ["save"], audit: "repository.added" };
const ADDED_ARCHIVED: RepositoryStep = { ...ADDED, next: "archived" };
const ARCHIVED: RepositoryStep = { next: "archived", effects: ["save", "cancel"], audit: "repository.archived" };
const DELETED: RepositoryStep = { next: "left", effects: ["cancel"], audit: "repository.deleted" };
const REMOVED: RepositoryStep = { next: "left", effects: ["cancel"], audit: "repository.removed" };

/** What follows of it is the new owner's: mapping, policy, credentials. What was published stays where it is. */
const TRANSFERRED: RepositoryStep = {
  next: "covered",
  effects: ["save", "cancel-elsewhere"],
  audit: "repository.transferred",
};

/** Private repositories have no images that anybody may pull, unless somebody says so again. */
function closed(next: RepositoryStanding): RepositoryStep {
  return { next, effects: ["save", "close"], audit: null };
}

function saved(next: RepositoryStanding): RepositoryStep {
  return { next, effects: ["save"], audit: null };
}

const TABLE: Readonly<Record<RepositoryStanding, Steps>> = {
  unknown: {
    created: ask("unknown"),
    renamed: ask("unknown"),
    updated: ask("unknown"),
    moved: ask("unknown"),
    archived: ask("unknown"),
    unarchived: ask("unknown"),
    "made-private": stay("unknown"),
    "made-public": ask("unknown"),
    // Told before it was added.
    deleted: { next: "left", effects: ["save"], audit: "repository.deleted" },
    added: ADDED,
    removed: { next: "left", effects: ["save"], audit: "repository.removed" },
    listed: ADDED,
    found: ADDED,
    "found-archived": ADDED_ARCHIVED,
    "found-gone": stay("unknown"),
  },
  covered: {
    created: stay("covered"),
    renamed: ask("covered"),
    updated: ask("covered"),
    moved: ask("covered"),
    archived: ARCHIVED,
    unarchived: stay("covered"),
    "made-private": closed("covered"),
    "made-public": ask("covered"),
    deleted: DELETED,
    added: stay("covered"),
    removed: REMOVED,
    listed: saved("covered"),
    found: saved("covered"),
    "found-archived": ARCHIVED,
    "found-gone": REMOVED,
  },
  archived: {
    created: stay("archived"),
    renamed: ask("archived"),
    updated: ask("archived"),
    moved: ask("archived"),
    archived: stay("archived"),
    unarchived: ask("archived"),
    "made-private": closed("archived"),
    "made-public": ask("archived"),
    deleted: DELETED,
    added: stay("archived"),
    removed: REMOVED,
    listed: saved("archived"),
    found: { next: "covered", effects: ["save"], audit: "repository.unarchived" },
    "found-archived": saved("archived"),
    "found-gone": REMOVED,
  },
  left: {
    created: ask("left"),
    renamed: ask("left"),
    updated: ask("left"),
    moved: ask("left"),
    archived: stay("left"),
    unarchived: ask("left"),
    "made-private": closed("left"),
    "made-public": ask("left"),
    deleted: stay("left"),
    // Perhaps late: it was taken out since.
    added: ask("left"),
    removed: stay("left"),
    listed: ADDED,
    found: ADDED,
    "found-archived": ADDED_ARCHIVED,
    "found-gone": stay("left"),
  },
  elsewhere: {
    created: ask("elsewhere"),
    renamed: ask("elsewhere"),
    updated: ask("elsewhere"),
    moved: ask("elsewhere"),
    archived: stay("elsewhere"),
    unarchived: ask("elsewhere"),
    // Whose it is says so; an event of somebody else closes nothing.
    "made-private": stay("elsewhere"),
    "made-public": ask("elsewhere"),
    deleted: stay("elsewhere"),
    // Perhaps late: it has moved on since.
    added: ask("elsewhere"),
    removed: stay("elsewhere"),
    listed: ask("elsewhere"),
    found: TRANSFERRED,
    "found-archived": { ...TRANSFERRED, next: "archived" },
    "found-gone": stay("elsewhere"),
  },
};
