/** Who may sign in to the registry, and what they may read there. */
import type { Build } from "../core/model.ts";
import { buildOfUser } from "./credentials.ts";
import type { Store } from "./store-port.ts";

/** A build that holds its lease, as the registry's token service knows it. */
export interface LeaseHolder {
  readonly kind: "build";
  readonly buildId: string;
  /** The repository it may push to; null: it pushes nothing. */
  readonly staging: string | null;
  /** When its lease ends unless it is prolonged. Milliseconds since 1970. */
  readonly until: number;
}

/**
 * Builds sign in with the secret of their lease; nobody else does yet. Untrusted ones are nobody here: they are given no
 * credential, so whoever comes with one has it from somewhere it should not be.
 */
export function createAccounts(options: {
  readonly store: Pick<Store, "leaseHolder" | "getBuild" | "publicImages">;
  staging(buildId: string): { readonly repository: string };
}): {
  verify(username: string, password: string): Promise<LeaseHolder | null>;
  pullable(
    holder: LeaseHolder | { readonly kind: "anonymous" },
    repositories: readonly string[],
  ): Promise<ReadonlySet<string>>;
} {
  const { store } = options;
  return {
    async verify(username, password) {
      const id = buildOfUser(username);
      const held = id === null ? null : await store.leaseHolder(id, password);
      if (held === null) return null;
      const { build, until } = held;
      const { planned } = build;
      if (planned.trust === "untrusted") return null;
      const staging = planned.push ? options.staging(build.id).repository : null;
      return { kind: "build", buildId: build.id, staging, until };
    },

    async pullable(holder, repositories) {
      const open = await store.publicImages(repositories);
      const build = holder.kind === "build" ? await store.getBuild(holder.buildId) : null;
      if (build === null || build.planned.trust === "untrusted") return open;
      const own = `${namespaceOf(build)}/`;
      return new Set([...open, ...repositories.filter((name) => name.startsWith(own))]);
    },
  };
}

/** `acme` of the image `acme/api`, whose name in the file is `api`. */
function namespaceOf({ image, planned }: Build): string {
  return image.slice(0, -(planned.image.length + 1));
}
