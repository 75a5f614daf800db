/** Where the pages of things are, on this site. */
import type { HostId } from "../core/model.ts";

export function installationAddress({ provider, host, id }: HostId): string {
  return `/installations/${[provider, host, id].map(encodeURIComponent).join("/")}`;
}

/** Where people are sent to a host to sign in, and below which they come back. */
export function signInPath({ provider, host }: Pick<HostId, "provider" | "host">): string {
  return host === "default" ? `/auth/${provider}` : `/auth/${provider}/${host}`;
}

/** Where operators stop one. */
export function pauseAddress(installation: HostId): string {
  return `/admin${installationAddress(installation)}/pause`;
}

export function buildAddress(id: string): string {
  return `/builds/${encodeURIComponent(id)}`;
}

export function deliveryAddress(id: string): string {
  return `/deliveries/${encodeURIComponent(id)}`;
}
