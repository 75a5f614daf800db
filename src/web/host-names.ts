import type { HostId } from "../core/model.ts";
import { PROVIDER_NAMES } from "../core/provider-names.ts";

/** For people: `GitHub`, `GitHub (ghes)`. */
export function hostName({ provider, host }: Pick<HostId, "provider" | "host">): string {
  return host === "default" ? PROVIDER_NAMES[provider] : `${PROVIDER_NAMES[provider]} (${host})`;
}
