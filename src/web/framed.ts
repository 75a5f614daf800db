import type { HostId, InstallationState, LinkState } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { Store } from "../engine/store-port.ts";
import { type BuildView, buildView } from "./present.ts";

/** What pages that a host shows in a frame of its own are told. Workspaces and repositories are named by their id. */
export interface FramedReaders {
  /** Null: nothing was heard of it yet. */
  installation(workspace: string): Promise<FramedInstallation | null>;
  /** The last ones, newest first; of one repository, or of all. */
  builds(of: { readonly workspace: string; readonly repository: string | null }): Promise<readonly BuildView[]>;
}

export interface FramedInstallation {
  readonly login: string;
  readonly state: InstallationState;
  readonly namespace: string | null;
  readonly repositories: readonly { readonly id: string; readonly fullName: string; readonly state: LinkState }[];
}

const BUILDS = 20;
/** By name; a page that goes on for longer is none to read. */
const REPOSITORIES = 1_000;

export function createFramedReaders({
  store,
  clock,
}: {
  readonly store: Pick<Store, "getInstallation" | "repositoriesOf" | "listBuilds">;
  readonly clock: Clock;
}): FramedReaders {
  const named = (id: string): HostId => ({ provider: "bitbucket", host: "default", id });
  return {
    async installation(workspace) {
      const found = await store.getInstallation(named(workspace));
      if (found === null) return null;
      const repositories = await store.repositoriesOf(found, REPOSITORIES);
      return {
        login: found.account.login,
        state: found.state,
        namespace: found.namespace,
        repositories: repositories.map(({ id, fullName, link }) => ({ id, fullName, state: link })),
      };
    },
    async builds({ workspace, repository }) {
      const page = await store.listBuilds({
        limit: BUILDS,
        cursor: null,
        installation: named(workspace),
        ...(repository === null ? {} : { repository: named(repository) }),
      });
      return page.items.map((build) => buildView(build, clock.now()));
    },
  };
}
