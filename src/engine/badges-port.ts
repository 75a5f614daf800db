/** Badges: what the engine asks of the database. */
import type { BuildState, HostId, Provider } from "../core/model.ts";

export interface BadgeStore {
  /**
   * What a badge shows of the branch of a repository that its installation covers, by name, whatever the case of letters.
   * `branch` null: the default branch; `image`: of this one alone. `states` as core/badge.ts wants them. Null: no
   * repository is called so.
   */
  badgeFacts(of: {
    readonly provider: Provider;
    readonly host: string;
    readonly fullName: string;
    readonly branch: string | null;
    readonly image: string | null;
  }): Promise<BadgeFacts | null>;
  /** 32 random bytes in base64url, made when first asked for and kept sealed: badges' tokens follow from it. */
  badgeKey(): Promise<string>;
}

export interface BadgeFacts {
  readonly repository: HostId & { readonly fullName: string };
  readonly private: boolean;
  readonly states: readonly BuildState[];
}
