/** What the database knows of repositories that builds of another one may read. */
import type { By } from "../core/audit.ts";
import type { CoveredRepository } from "../core/further-repositories.ts";
import type { HostId } from "../core/model.ts";
import type { Page, PageQuery } from "./store-port.ts";

/** A repository that some installation covers, or did last. */
export interface NamedRepository extends HostId {
  readonly fullName: string;
  readonly installation: HostId;
}

/** Builds of `repository` read `reads`. Both have to be of the installation, and not the same. */
export interface Access {
  readonly installation: HostId;
  readonly repository: HostId;
  readonly reads: HostId;
}

export interface AllowedAccess {
  readonly repository: HostId & { readonly fullName: string };
  readonly reads: HostId & { readonly fullName: string };
  /** False: the installation does not cover one of them any more, and nothing is read. */
  readonly covered: boolean;
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly by: By;
}

export interface FurtherRepositoryStore {
  /** `known`: it was allowed before, and who did stays recorded. `not-covered`: nothing was changed. */
  allowAccess(access: Access, by: By): Promise<"allowed" | "known" | "not-covered">;
  /** By its name, whatever the case of letters, or by its key; names may have been used twice. */
  findRepositories(nameOrKey: string): Promise<readonly NamedRepository[]>;
  /** From now on: a build that has its credentials keeps them. False: it was not allowed. */
  disallowAccess(access: Access, by: By): Promise<boolean>;
  /** Newest first; of the whole installation, or of one repository. */
  listAccess(
    query: PageQuery & { readonly installation: HostId; readonly repository?: HostId },
  ): Promise<Page<AllowedAccess>>;
  /**
   * Of the repositories asked for, by name (whatever the case of letters) or by the host's id, those the installation
   * covers now, each with whether builds of `repository` may read it. None where it does not cover `repository` itself.
   */
  coveredRepositories(
    of: Pick<Access, "installation" | "repository">,
    asked: { readonly names: readonly string[] } | { readonly ids: readonly string[] },
  ): Promise<readonly CoveredRepository[]>;
}
