import type { Account } from "./model.ts";

/** First components of image names that no account may own: the service's own, and what clients treat specially. */
export const RESERVED_NAMESPACES: readonly string[] = ["staging", "library", "_", "v2", "token", "wharfinger"];

/** One component of a repository name, by the registry's grammar (distribution spec, "Pulling manifests"). */
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/**
 * The namespace an account gets when it installs: its name in lower case. Null when that is no legal name for a
 * registry or is reserved; the installation then owns none and says so with each skip.
 */
export function namespaceFor(account: Pick<Account, "login">): string | null {
  // ASCII only: other letters whose lower case is one of ours (the Kelvin sign's is k) make another account's name.
  const name = account.login.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const legal = name.length <= 100 && COMPONENT.test(name) && !RESERVED_NAMESPACES.includes(name);
  return legal ? name : null;
}
