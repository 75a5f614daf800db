import type { HostId, Provider } from "../core/model.ts";

const NAMES: Readonly<Record<Provider, string>> = { github: "GitHub", bitbucket: "Bitbucket" };

/** For people: `GitHub`, `GitHub (ghes)`. */
export function hostName({ provider, host }: Pick<HostId, "provider" | "host">): string {
  return host === "default" ? NAMES[provider] : `${NAMES[provider]} (${host})`;
}
