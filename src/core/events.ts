import type { Account, Actor, Checkout, HostId, RefChange, Repository, Sha } from "./model.ts";

/** What both hosts' payloads are parsed into. No provider's word appears here. */
export type HostEvent =
  | PushEvent
  | PullRequestEvent
  | ApprovalEvent
  | InstallationEvent
  | RepositoriesEvent
  | RepositoryEvent
  | RerunEvent
  | PersonEvent
  | IgnoredEvent;

/** Refs that moved in one repository. */
export interface PushEvent {
  readonly type: "push";
  readonly repository: Repository;
  readonly installation: HostId;
  readonly actor: Actor | null;
  /** May be empty. */
  readonly changes: readonly RefChange[];
  /** Left out when there are none, as there hardly ever are. */
  readonly unusable?: readonly UnusableChange[];
}

/** A ref that moved, of which the payload does not name both commits in full. It can not be built, and that is said. */
export interface UnusableChange extends Pick<RefChange, "kind" | "ref" | "name" | "forced"> {
  /** Verbatim as far as it is hex digits; null also where the payload says nothing. */
  readonly before: string | null;
  readonly after: string | null;
}

/** A pull request was opened, changed or closed, or a merge queue wants to merge one. */
export interface PullRequestEvent {
  readonly type: "pull_request";
  /** `opened`: also again. `updated`: its commits, its target, or that it is a draft. */
  readonly action: "opened" | "updated" | "merged" | "declined";
  /** Where it is to be merged into. */
  readonly repository: Repository;
  readonly installation: HostId;
  readonly number: number;
  readonly source: {
    /** Null: the fork it came from is gone. */
    readonly repository: RepositoryName | null;
    /** Short name. */
    readonly branch: string;
    /** Verbatim from the payload; some hosts abbreviate it there. Null: not known. */
    readonly commit: string | null;
    /** What it was before, where the payload says. */
    readonly before: string | null;
  };
  /** Where its commits are fetched from; null: its source is gone. */
  readonly checkout: Checkout | null;
  readonly target: { readonly branch: string; readonly commit: string | null };
  /** Its source is another repository than its target, or gone: code of strangers. */
  readonly fork: boolean;
  readonly draft: boolean;
  /** True: `source.branch` is a branch of the merge queue. */
  readonly queued: boolean;
  readonly actor: Actor | null;
}

/** Somebody pressed the button that lets what is held at a commit run. */
export interface ApprovalEvent {
  readonly type: "approval";
  readonly repository: Repository;
  readonly installation: HostId;
  readonly sha: Sha;
  /** Name of the check the button is on. */
  readonly check: string;
  /** Null: the payload names nobody, and nobody approves nothing. */
  readonly actor: Actor | null;
}

/** The life of an installation. */
export interface InstallationEvent {
  readonly type: "installation";
  /** `renamed`: its account. */
  readonly action: "created" | "removed" | "suspended" | "unsuspended" | "permissions" | "renamed";
  readonly installation: HostId;
  readonly account: Account;
  /** Empty where the payload lists none. */
  readonly permissions: Readonly<Record<string, string>>;
  /** Repositories the payload lists; null when it lists none (the host must be asked). */
  readonly repositories: readonly RepositoryName[] | null;
  readonly actor: Actor | null;
}

/** Repositories entered or left an installation. */
export interface RepositoriesEvent {
  readonly type: "repositories";
  readonly installation: HostId;
  readonly account: Account;
  readonly added: readonly RepositoryName[];
  readonly removed: readonly RepositoryName[];
  readonly actor: Actor | null;
}

/** A repository itself changed. What is true of it now is asked of its host. */
export interface RepositoryEvent {
  readonly type: "repository";
  /** `moved`: to another account. `updated`: the payload does not say what of it. */
  readonly action:
    | "created"
    | "renamed"
    | "updated"
    | "moved"
    | "archived"
    | "unarchived"
    | "made-private"
    | "made-public"
    | "deleted";
  readonly repository: RepositoryName;
  readonly installation: HostId;
  readonly actor: Actor | null;
}

/** A repository as installation payloads name it: without clone address or default branch. */
export interface RepositoryName extends HostId {
  readonly fullName: string;
  readonly private: boolean;
}

/** Somebody pressed *Re-run*. `check` is the name of the one check to re-run, null for all of the commit's. */
export interface RerunEvent {
  readonly type: "rerun";
  readonly repository: Repository;
  readonly installation: HostId;
  readonly sha: Sha;
  readonly check: string | null;
  readonly actor: Actor | null;
}

/** Somebody took back what they had let us do for them, or left an account: nothing they signed in for holds any more. */
export interface PersonEvent {
  readonly type: "person";
  readonly action: "revoked" | "left";
  readonly person: HostId;
}

/** Nothing to do, and why: our own echo, a ping, or an event this program does not act on. */
export interface IgnoredEvent {
  readonly type: "ignored";
  readonly reason: "echo" | "ping" | "unsupported-event";
  /** A sentence for the delivery's page. */
  readonly detail: string;
  /** What the payload is about; left out when it names no repository. */
  readonly repository?: RepositoryName;
}

/** What a parser makes of a payload: words, or why the payload is not one of this event. Parsers never throw. */
export type ParseResult =
  | { readonly ok: true; readonly event: HostEvent }
  | { readonly ok: false; readonly message: string };
