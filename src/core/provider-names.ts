import type { Provider } from "./model.ts";

/** For people. */
export const PROVIDER_NAMES: Readonly<Record<Provider, string>> = { github: "GitHub", bitbucket: "Bitbucket" };
