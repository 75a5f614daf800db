import { lookup } from "node:dns/promises";
import { isIPv4, isIPv6 } from "node:net";

/** A place builds may reach whatever else is closed to them: the registry, so that FROM finds its images. */
export interface Way {
  readonly host: string;
  /** Numeric. None of them is the machine's IPv6 loopback, which can not be forwarded to. */
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
}

export type Lookup = (host: string) => Promise<readonly string[]>;

/**
 * Looks up where a `host`, `host:port` or `[address]:port` is. Once, before the build begins: the build is told these
 * addresses and asks no name server for them, so that no answer meanwhile opens a way to somewhere else.
 */
export async function findWay(name: string, look: Lookup = lookupAll): Promise<Way> {
  const url = new URL(`http://${name}`);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  // URL leaves out the port 80 of http.
  const port = /:(\d+)$/.exec(name)?.[1];
  const found = isAddress(host) ? [host] : await look(host);
  const addresses = found.filter((address) => address !== "::1");
  if (addresses.length === 0) {
    const why = found.length === 0 ? "it has no address" : "builds can not be led to ::1; use 127.0.0.1";
    throw new Error(`no way from builds to ${name}: ${why}`);
  }
  // Without a port: https, or http where the registry is marked insecure.
  return { host, addresses, ports: port === undefined ? [443, 80] : [Number(port)] };
}

export function isLoopback(address: string): boolean {
  return isIPv4(address) && address.startsWith("127.");
}

export function isAddress(host: string): boolean {
  return isIPv4(host) || isIPv6(host);
}

async function lookupAll(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}
