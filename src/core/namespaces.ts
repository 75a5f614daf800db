import type { Account } from "./model.ts";

/** First components of image names that no account may own: the service's own, and what clients treat specially. */
export const RESERVED_NAMESPACES: readonly string[] = ["staging", "library", "_", "v2", "token", "wharfinger"];

/** One component of a repository name, by the registry's grammar (distribution spec, "Pulling manifests"). */
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const MAX_LENGTH = 100;

/**
 * The namespace an account asks for when it installs: its name in lower case. Null when that is no legal name for a
 * registry or is reserved.
 */
export function namespaceFor(account: Pick<Account, "login">): string | null {
  // ASCII only: other letters whose lower case is one of ours (the Kelvin sign's is k) make another account's name.
  const name = account.login.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return namespaceProblem(name) === null ? name : null;
}

/** Why nobody may own a namespace of this name, or null. What follows the name in a sentence. */
export function namespaceProblem(name: string): string | null {
  if (name.length > MAX_LENGTH || !COMPONENT.test(name)) return "is no name that registries take";
  return RESERVED_NAMESPACES.includes(name) ? "is reserved" : null;
}

/**
 * What each character of a legal name may be taken for. Wide letters become the pairs that look like them, never the
 * other way round: so what is replaced does not depend on what stands beside it, and no two ways of writing a name come
 * out differently. In the manner of UTS #39, for the few characters registries know, and for the digits people read as
 * letters; no two digits are taken for each other (team-6, team-8).
 */
const LOOKS_LIKE: Readonly<Record<string, string>> = {
  ".": "",
  _: "",
  "-": "",
  "0": "o",
  "1": "l",
  i: "l",
  j: "l",
  "2": "z",
  "3": "e",
  "4": "a",
  "5": "s",
  "6": "b",
  "7": "t",
  "9": "g",
  q: "g",
  m: "rn",
  w: "vv",
  d: "cl",
};

/** Equal for names that people may take for each other. */
export function skeleton(name: string): string {
  return [...name].map((character) => LOOKS_LIKE[character] ?? character).join("");
}

/** Another name, of these or a reserved one, that people may take `name` for; null: there is none. */
export function lookalike(name: string, others: readonly string[]): string | null {
  const own = skeleton(name);
  return [...RESERVED_NAMESPACES, ...others].find((other) => other !== name && skeleton(other) === own) ?? null;
}
