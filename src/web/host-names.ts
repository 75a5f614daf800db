import type { Provider } from "../core/model.ts";

const NAMES: Readonly<Record<Provider, string>> = { github: "GitHub", bitbucket: "Bitbucket" };

/** For people. */
export function hostName(provider: Provider): string {
  return NAMES[provider];
}
