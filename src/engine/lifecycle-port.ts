/** What is recorded of installations and their repositories as hosts tell of them. See core/lifecycle. */
import type { By } from "../core/audit.ts";
import type { RepositoryName } from "../core/events.ts";
import type { InstallationEffect, InstallationNews, InstallationStanding } from "../core/lifecycle/installation.ts";
import type { RepositoryNews } from "../core/lifecycle/repository.ts";
import type { Account, HostId, LinkState } from "../core/model.ts";

export interface LifecycleStore {
  /** Takes a step of the table: what it changes, with the audit entries that say so, in one transaction. */
  hearInstallation(heard: InstallationHeard): Promise<InstallationTaken>;
  /**
   * The same for repositories, as told by one installation. Nothing is taken of an installation that is not recorded.
   * Answers those the host has to be asked about.
   */
  hearRepositories(heard: RepositoriesHeard): Promise<readonly RepositoryName[]>;
  /** How it stands towards this installation; null: nothing is recorded of it. */
  recordedRepository(installation: HostId, repository: HostId): Promise<RecordedRepository | null>;
  /**
   * The image is this recorded repository's from now on, whoever published it until then; with that a private one's is not
   * open to everybody any more. False: there is no such image.
   */
  giveImage(image: string, to: HostId, by: By): Promise<boolean>;
}

/** As its host says it stands; null: nothing is recorded. */
export type RecordedState = Exclude<InstallationStanding, "unknown" | "returning" | "beside"> | null;

export interface InstallationHeard {
  readonly id: HostId;
  readonly news: InstallationNews;
  /** Null: nothing but the news. */
  readonly told: {
    readonly account: Account;
    readonly permissions: Readonly<Record<string, string>>;
    /** All it covers; null: not told. */
    readonly repositories: readonly RepositoryName[] | null;
  } | null;
  readonly by: By;
  /** How it was recorded when the host was asked; left out: nobody asked. */
  readonly asked?: RecordedState;
}

export type InstallationTaken =
  /** Nothing was changed: the host has to be asked. `forget`: after every credential of it was forgotten. */
  | { readonly kind: "ask"; readonly recorded: RecordedState; readonly forget: boolean }
  /** Something else was heard while the host was asked: the answer may be older. */
  | { readonly kind: "stale"; readonly recorded: RecordedState }
  /** Nothing was changed, and never will be. */
  | { readonly kind: "refused"; readonly why: string }
  | {
      readonly kind: "taken";
      readonly before: InstallationStanding;
      readonly after: InstallationStanding;
      /** In order; what the database is concerned with is done. */
      readonly effects: readonly InstallationEffect[];
      readonly canceled: number;
      /** Other installations of the account, which have ended with this. */
      readonly replaced: readonly HostId[];
      /** Repositories it was told to cover which are another account's: the host has to be asked about them. */
      readonly unsure: readonly RepositoryName[];
    };

export interface RepositoriesHeard {
  readonly installation: HostId;
  readonly news: RepositoryNews;
  readonly repositories: readonly RepositoryName[];
  readonly by: By;
}

export interface RecordedRepository {
  readonly link: LinkState;
  readonly fullName: string;
  readonly private: boolean;
}
