import { isIPv4, isIPv6 } from "node:net";
import { isAddress, isLoopback, type Way } from "./ways.ts";

/** Addresses inside a build's network namespace, all made by slirp4netns. From the range for benchmarks (RFC 2544),
 * which no network uses, so that no registry can have one of them. */
export const INSIDE = {
  device: "tap0",
  cidr: "198.18.77.0/24",
  /** Where slirp4netns answers for the machine's 127.0.0.1. */
  gateway: "198.18.77.2",
  /** Where it answers for the machine's name server. */
  resolver: "198.18.77.3",
  /** slirp4netns 1.2 knows no other ones. */
  address6: "fd00::100/64",
  gateway6: "fd00::2",
} as const;

/** Whatever is not the public internet (IANA's special-purpose registry), and ways round it. */
const CLOSED = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  // 6to4 relays, and below 6to4 and Teredo themselves: they carry packets to IPv4 addresses.
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/3",
  "2002::/16",
  "2001::/32",
];

export interface NetworkPlan {
  /** False: only the ways. */
  readonly internet: boolean;
  readonly ipv6: boolean;
  readonly ways: readonly Way[];
  /** The machine's own addresses with their prefixes, `192.0.2.2/24`. The networks they lie in are closed to builds. */
  readonly own: readonly string[];
}

/** For nft(8), inside the namespace. Who is in there has no right to change it: the namespace is the machine's root's. */
export function ruleset({ internet, ipv6, ways, own }: NetworkPlan): string {
  const open = ways.flatMap(({ addresses, ports }) => {
    const there = new Set(addresses.map((address) => (isLoopback(address) ? INSIDE.gateway : address)));
    return [...there].map((address) => `${family(address)} daddr ${address} tcp dport ${set(ports)} accept`);
  });
  const closed = [...CLOSED, ...own.filter((cidr) => !cidr.endsWith("/0"))];
  const outside = [
    `ip daddr ${INSIDE.resolver} udp dport 53 accept`,
    `ip daddr ${INSIDE.resolver} tcp dport 53 accept`,
    ...closed.map((cidr) => `${family(cidr)} daddr ${cidr} jump refuse`),
    "ip6 daddr != 2000::/3 jump refuse",
    `oifname "${INSIDE.device}" accept`,
  ];
  const neighbours = ipv6 ? ["icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"] : [];
  const out = ["ct state established accept", ...neighbours, ...open, ...(internet ? outside : ["jump refuse"])];
  const forwards = ways.flatMap(({ addresses, ports }) =>
    addresses
      .filter(isLoopback)
      .map((address) => `ip daddr ${address} tcp dport ${set(ports)} dnat to ${INSIDE.gateway}`),
  );
  return [
    "table inet build {",
    ...REFUSE,
    chain("out", "filter hook output priority 0; policy drop", ['oifname "lo" accept', ...out]),
    chain("in", "filter hook input priority 0; policy drop", [
      'iifname "lo" accept',
      "ct state established,related accept",
      ...neighbours,
    ]),
    chain("forward", "filter hook forward priority 0; policy drop", []),
    "}",
    "table ip ways {",
    chain("out", "nat hook output priority -100", forwards),
    chain("post", "nat hook postrouting priority 100", [`oifname "${INSIDE.device}" ip saddr 127.0.0.0/8 masquerade`]),
    "}",
    "",
  ].join("\n");
}

/** So that a build fails at once. TCP hears only a reset while it connects; told otherwise it tries for a second. */
const REFUSE = [
  " chain refuse {",
  "  meta l4proto tcp reject with tcp reset",
  "  reject with icmpx type admin-prohibited",
  " }",
];

function chain(name: string, type: string, rules: readonly string[]): string {
  return [` chain ${name} {`, `  type ${type}`, ...rules.map((rule) => `  ${rule}`), " }"].join("\n");
}

function set(ports: readonly number[]): string {
  return `{ ${ports.join(", ")} }`;
}

function family(cidr: string): "ip" | "ip6" {
  return cidr.includes(":") ? "ip6" : "ip";
}

/** Files of `/etc` as the build sees them: nothing of the machine's own names, nobody to ask but who is reachable. */
export function networkFiles({ internet, ways }: NetworkPlan): Readonly<Record<string, string>> {
  const named = ways.filter(({ host }) => !isAddress(host) && host !== "localhost");
  const pinned = named.flatMap(({ host, addresses }) => addresses.map((address) => `${address}\t${host}\n`));
  return {
    hosts: `127.0.0.1\tlocalhost\n::1\tlocalhost\n${pinned.join("")}`,
    // Nobody listens there: a name that is looked up without a network fails at once.
    "resolv.conf": `nameserver ${internet ? INSIDE.resolver : "127.0.0.1"}\n`,
    // Not through services of the machine, which answer over sockets in the file system.
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  };
}

/** Whether the build gets IPv6: where the machine has some of the internet's, or a way needs it. */
export function wantsIpv6(internet: boolean, own: readonly string[], ways: readonly Way[]): boolean {
  const isPublic = (cidr: string) => /^[23][0-9a-f]{3}:/.test(cidr);
  return (internet && own.some(isPublic)) || ways.some(({ addresses }) => addresses.some((one) => isIPv6(one)));
}

/** A name server's address, checked: it becomes a line of a file. */
export function resolverFile(address: string): string {
  if (!isIPv4(address)) throw new Error(`"${address}" is not the IPv4 address of a name server`);
  return `nameserver ${address}\n`;
}
