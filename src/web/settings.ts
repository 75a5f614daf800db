/**
 * Settings of an installation and of its repositories: what both hosts' owners see and change, in a browser of their own
 * and in a frame of Bitbucket's. What forms do is in settings-changes.ts.
 */
import { type HostId, hostKey, type Installation } from "../core/model.ts";
import type { Action } from "../core/roles.ts";
import type { AccessTokens } from "../engine/access-tokens.ts";
import type { ApiTokens } from "../engine/api-tokens.ts";
import type { Authorization, Place } from "../engine/authorize.ts";
import type { Badges } from "../engine/badges.ts";
import type { BuildActions } from "../engine/build-actions.ts";
import type { FurtherRepositoryStore } from "../engine/further-repositories-port.ts";
import type { NamespaceDesk } from "../engine/namespace-desk.ts";
import type { NoticeDesk } from "../engine/notices.ts";
import type { PauseStore } from "../engine/pause-port.ts";
import type { PermissionBook } from "../engine/permissions-port.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import type { KnownRegistry } from "../engine/registries.ts";
import type { Replay } from "../engine/replay.ts";
import type { RuleBook } from "../engine/rule-book.ts";
import type { ListedRepository, Store } from "../engine/store-port.ts";
import type { Surveys } from "../engine/surveys.ts";
import type { Trials } from "../engine/trial.ts";
import type { VariableStore } from "../engine/variables-port.ts";
import type { Viewer } from "../engine/viewer.ts";
import type { TrialView } from "./settings-trial.ts";

export type SettingsStore = Pick<VariableStore, "listVariables" | "saveVariable" | "removeVariable"> &
  Pick<Store, "getInstallation" | "repositoriesOf" | "repositoryOf" | "setPolicy" | "listAudit"> &
  Pick<FurtherRepositoryStore, "allowAccess" | "disallowAccess" | "listAccess"> &
  Pick<PauseStore, "pausesOf" | "pause" | "resume" | "countBuilds">;

export interface SettingsParts {
  readonly store: SettingsStore;
  readonly surveys: Pick<Surveys, "within">;
  readonly preview: Replay["preview"];
  readonly accessTokens: AccessTokens;
  /** Left out: namespaces are not decided about here. */
  readonly namespaceDesk?: NamespaceDesk;
  /** Where a namespace's images are; null: nobody has it. Left out: not told. */
  registryOf?(namespace: string): Promise<Pick<KnownRegistry, "name" | "host"> | null>;
  /** Null: nothing is known of its host. Left out: not told. */
  permissions?(installation: Installation): ReturnType<PermissionBook> | null;
  /** Left out: rules are not shown. */
  readonly rules?: RuleBook;
  /** Left out: programs get no tokens here. */
  readonly apiTokens?: Pick<ApiTokens, "make" | "list" | "revoke">;
  /** Left out: who is told of builds is not decided here. */
  readonly noticeDesk?: NoticeDesk;
  /** Left out: there are no badges. */
  readonly badges?: Pick<Badges, "markdown">;
  /** Left out: nothing is tried. */
  readonly trials?: Trials;
  /** Left out: nothing is started by hand. */
  readonly builds?: Pick<BuildActions, "start">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What of it the database and the rest of the pages do not have. */
export type SettingsExtras = Pick<
  SettingsParts,
  "registryOf" | "permissions" | "rules" | "apiTokens" | "noticeDesk" | "badges" | "trials" | "builds"
>;

/** Who looks at settings, or changes them. */
export interface SettingsVisitor {
  readonly viewer: Exclude<Viewer, { readonly kind: "token" }>;
  may(action: Action, place: Place): Promise<Authorization>;
}

/** Where the page is, and what its forms carry beside their own fields. */
export interface SettingsFrame {
  /** Address forms are sent to. */
  readonly action: string;
  readonly hidden: readonly { readonly name: string; readonly value: string }[];
  /** Addresses of pages about the same installation; null: there are none, and forms lead on. */
  readonly links: { readonly settings: string; readonly landing: string } | null;
}

/** What a form led to. */
export type Said =
  | { readonly kind: "done"; readonly what: DoneCode }
  | { readonly kind: "shown"; readonly shown: Shown }
  | Problem;

export interface Problem {
  readonly kind: "problem";
  /** The form it is of. */
  readonly change: string;
  readonly status: number;
  /** A sentence: what is wrong and what to do. */
  readonly message: string;
  /** What was typed, to be corrected; never a secret. */
  readonly typed: Readonly<Record<string, string>>;
}

/** What is shown once, on the page that answers the form. */
export type Shown =
  | {
      readonly kind: "token";
      readonly name: string;
      readonly secret: string;
      readonly access: "pull" | "push";
      readonly login: string;
    }
  | { readonly kind: "api-token"; readonly name: string; readonly role: string; readonly secret: string }
  | { readonly kind: "code"; readonly code: string; readonly namespace: string; readonly until: string }
  | { readonly kind: "preview"; readonly scope: string; readonly preview: PreviewView }
  | { readonly kind: "trial"; readonly typed: Problem["typed"]; readonly trial: TrialView }
  | { readonly kind: "started"; readonly delivery: string };

export interface PreviewView {
  readonly running: number;
  readonly queued: number;
  readonly further: number;
  readonly lanes: readonly {
    readonly lane: string;
    readonly repository: string;
    /** Sentences. */
    readonly lines: readonly string[];
  }[];
}

/** Sentences after a change; an address carries only the code, so that nobody else's words stand on the page. */
export const DONE = {
  "policy-saved": ["policy", "The policy is changed. It counts for what is planned from now on."],
  "variable-saved": ["variables", "Saved. Builds that begin from now on get it."],
  "variable-removed": ["variables", "Removed. Builds that begin from now on do not get it."],
  "token-revoked": ["tokens", "The token is revoked: nobody signs in with it any more."],
  "api-token-revoked": ["api-tokens", "The token is revoked: nothing is done with it any more."],
  "notification-added": ["notifications", "Added. Builds that end from now on are told there."],
  "notification-removed": ["notifications", "Removed: nothing is told there any more."],
  "notification-tested": ["notifications", "A test was sent, and taken."],
  "access-allowed": ["access", "Allowed."],
  "access-disallowed": ["access", "Taken back. A build that has its credentials keeps them until it ends."],
  paused: ["pause", "Paused: nothing new is begun. What is pushed meanwhile is kept."],
  resumed: ["pause", "Resumed. The newest of each branch, tag and pull request that waited is planned now."],
  "still-paused": ["pause", "Resumed, but something wider still holds its builds up."],
  joined: ["namespace", "The account writes to the namespace from now on. What waited for one is planned now."],
} as const satisfies Readonly<Record<string, readonly [string, string]>>;

export type DoneCode = keyof typeof DONE;

export function doneCode(given: unknown): DoneCode | null {
  return typeof given === "string" && Object.hasOwn(DONE, given) ? (given as DoneCode) : null;
}

/** Every repository of the installation, as far as somebody may have to choose from it. */
export const CHOICES = 500;

/** A repository the installation covers or has covered, by its host's id; null: it has none of the kind. */
export async function repositoryOf(
  store: Pick<Store, "repositoryOf">,
  installation: HostId,
  id: string,
): Promise<ListedRepository | null> {
  const found = await store.repositoryOf({ provider: installation.provider, host: installation.host, id });
  return found !== null && hostKey(found.installation) === hostKey(installation) ? found.repository : null;
}
