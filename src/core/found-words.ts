/** Words for a change that was found, and not told. */
import type { Provider } from "./model.ts";
import { PROVIDER_NAMES } from "./provider-names.ts";

/** Until then: what comes after all comes too late to be told from what never comes. */
export function foundWords(provider: Provider): string {
  const host = PROVIDER_NAMES[provider];
  return `${host} had sent nothing of this. It was found by comparing the repository's branches and tags with what they were.`;
}
