/** Who may see which badge. */
import { createHmac } from "node:crypto";
import { type BadgeState, badgeMarkdown, badgeState } from "../core/badge.ts";
import { type HostId, hostKey, type Provider } from "../core/model.ts";
import { sameHash } from "./accounts.ts";
import type { BadgeStore } from "./badges-port.ts";

export interface Badges {
  /**
   * `unknown` for a repository that is not covered here, and for a private one without its token, which look the same.
   * `open`: anybody may be shown the same.
   */
  state(wanted: WantedBadge): Promise<{ readonly state: BadgeState; readonly open: boolean }>;
  /** Markdown of the badge of a repository; with its token where it is private. */
  markdown(repository: HostId & { readonly fullName: string; readonly private: boolean }): Promise<string>;
}

export interface WantedBadge {
  readonly provider: Provider;
  readonly host: string;
  readonly fullName: string;
  readonly branch: string | null;
  readonly image: string | null;
  readonly token: string | null;
}

export function createBadges({ store, publicUrl }: { readonly store: BadgeStore; readonly publicUrl: string }): Badges {
  /** 128 bits; of the repository's id, so that it stays through renames and is nobody's who takes the name over. */
  async function tokenOf(repository: HostId): Promise<string> {
    const key = Buffer.from(await store.badgeKey(), "base64url");
    return createHmac("sha256", key)
      .update(`badge:${hostKey(repository)}`)
      .digest()
      .subarray(0, 16)
      .toString("base64url");
  }

  return {
    async state({ token, ...wanted }) {
      const facts = await store.badgeFacts(wanted);
      if (facts === null) return { state: "unknown", open: true };
      if (facts.private && (token === null || !sameHash(token, await tokenOf(facts.repository)))) {
        return { state: "unknown", open: true };
      }
      return { state: badgeState(facts.states), open: !facts.private };
    },

    async markdown(repository) {
      const { provider, host, fullName } = repository;
      const path = fullName.split("/").map(encodeURIComponent).join("/");
      const token = repository.private ? `?token=${await tokenOf(repository)}` : "";
      const builds = `${publicUrl}/builds?${new URLSearchParams({ repository: fullName })}`;
      // Addresses name no host but a further one.
      const whose = host === "default" ? provider : `${provider}/${host}`;
      return badgeMarkdown(`${publicUrl}/badge/${whose}/${path}.svg${token}`, builds);
    },
  };
}
