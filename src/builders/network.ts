import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { INSIDE, type NetworkPlan, networkFiles, resolverFile, ruleset, wantsIpv6 } from "./network-rules.ts";
import type { SandboxNetwork } from "./process.ts";
import { findWay, isLoopback } from "./ways.ts";

/**
 * A network namespace for one build. What goes out passes nft rules inside it, then slirp4netns, a process that opens
 * ordinary connections of the machine for it. Nothing of the machine's own network is changed, and nothing has a name:
 * when this program ends, however it ends, both processes see their pipes close, and the namespace goes with them.
 */
export interface BuildNetwork extends SandboxNetwork {
  close(): Promise<void>;
}

export interface NetworkOptions {
  /** Made here. */
  readonly folder: string;
  /** False: the build reaches the ways only. */
  readonly internet: boolean;
  /** `host:port` the build must reach wherever they are. */
  readonly ways: readonly string[];
  /** IPv4 address of the name server builds are given; null: the machine's. */
  readonly resolver: string | null;
  readonly tools: { readonly slirp4netns: string; readonly nft: string };
  readonly path: string;
}

/** Milliseconds. */
const PATIENCE = 10_000;

export async function createNetwork(options: NetworkOptions): Promise<BuildNetwork> {
  const ways = await Promise.all(options.ways.map((name) => findWay(name)));
  const own = ownAddresses();
  const plan = { internet: options.internet, ipv6: wantsIpv6(options.internet, own, ways), ways, own };
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(networkFiles(plan))) {
    await writeFile(join(options.folder, name), text, { mode: 0o644 });
  }
  const children: ChildProcess[] = [];
  async function close(): Promise<void> {
    await Promise.all(children.map(end));
    await rm(options.folder, { recursive: true, force: true });
  }
  try {
    const holder = start(["unshare", "--net", "--", "sh", "-c", HOLD, "sh", options.tools.nft], options, {
      RULES: ruleset(plan),
      LOCALNET: ways.some(({ addresses }) => addresses.some(isLoopback)) ? "1" : "0",
    });
    children.push(holder);
    await ready(holder, "the rules of the build's network");
    const namespace = `/proc/${holder.pid}/ns/net`;
    const slirp = start(await slirpCommand(options, plan, namespace), options, { IPV6: plan.ipv6 ? "1" : "0" });
    children.push(slirp);
    await ready(slirp, "slirp4netns");
    if (plan.ipv6) await configureIpv6(namespace, options);
    return { namespace, etc: options.folder, close };
  } catch (error) {
    await close();
    throw error;
  }
}

// Keeps the namespace until its standard input ends. The ports below 1024 are open to builds as in any container:
// their root has no rights over the namespace.
const HOLD = `set -e
ip link set lo up
printf %s "$RULES" | "$1" -f -
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
echo "$LOCALNET" > /proc/sys/net/ipv4/conf/all/route_localnet
echo ready >&4
exec cat <&3`;

// In a mount namespace of its own: with --enable-sandbox it unmounts what is mounted below /run/netns.
const SLIRP = `set -e
if [ -n "$1" ]; then mount --bind "$1" /etc/resolv.conf; fi
shift
exec "$@"`;

async function slirpCommand(
  options: NetworkOptions,
  plan: NetworkPlan,
  namespace: string,
): Promise<readonly [string, ...string[]]> {
  let resolver = "";
  if (options.resolver !== null) {
    resolver = join(options.folder, "resolver");
    await writeFile(resolver, resolverFile(options.resolver));
  }
  const toMachine = plan.ways.some(({ addresses }) => addresses.some(isLoopback));
  const slirp = [
    options.tools.slirp4netns,
    "--configure",
    "--mtu=65520",
    `--cidr=${INSIDE.cidr}`,
    ...(plan.ipv6 ? ["--enable-ipv6"] : []),
    ...(toMachine ? [] : ["--disable-host-loopback"]),
    ...(plan.internet ? [] : ["--disable-dns"]),
    "--enable-sandbox",
    "--enable-seccomp",
    "--exit-fd=3",
    "--ready-fd=4",
    "--netns-type=path",
    namespace,
    INSIDE.device,
  ];
  return ["unshare", "--mount", "--", "sh", "-c", SLIRP, "sh", resolver, ...slirp];
}

/** By hand: slirp4netns leaves it to router advertisements, which take a second. */
async function configureIpv6(namespace: string, options: NetworkOptions): Promise<void> {
  const commands = [
    `addr add ${INSIDE.address6} dev ${INSIDE.device} nodad`,
    `route add default via ${INSIDE.gateway6} dev ${INSIDE.device}`,
  ];
  const child = start(
    ["nsenter", `--net=${namespace}`, "--", "sh", "-c", IPV6, "sh", commands.join("\n")],
    options,
    {},
  );
  await ready(child, "the build's IPv6 address");
  await end(child);
}

const IPV6 = `set -e
printf '%s\\n' "$1" | ip -6 -batch -
echo ready >&4`;

/** Descriptor 3: when it ends, so does the child. Descriptor 4: the child writes there when it is ready. */
function start(
  [command, ...args]: readonly [string, ...string[]],
  options: NetworkOptions,
  env: Readonly<Record<string, string>>,
): ChildProcess {
  return spawn(command, args, {
    cwd: "/",
    env: { PATH: options.path, LC_ALL: "C", ...env },
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
    // Ctrl-C in a terminal is for this program, which ends its builds in order.
    detached: true,
  });
}

async function ready(child: ChildProcess, what: string): Promise<void> {
  const said: string[] = [];
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    if (said.length < 50) said.push(text);
  });
  const sign = child.stdio[4] as Readable;
  const failure = await new Promise<string | null>((resolve) => {
    const timer = setTimeout(() => resolve(`not ready after ${PATIENCE / 1000} s`), PATIENCE);
    const settle = (value: string | null) => {
      clearTimeout(timer);
      resolve(value);
    };
    sign.once("data", () => settle(null));
    child.once("error", (error) => settle(error.message));
    child.once("close", () => settle(said.join("").trim().split("\n").at(-1) ?? "it ended"));
  });
  if (failure !== null) throw new Error(`${what}: ${failure}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "close");
  child.stdio[3]?.destroy();
  const timer = setTimeout(() => child.kill("SIGKILL"), 1000);
  await ended;
  clearTimeout(timer);
}

/** With their prefixes. */
function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return [...new Set(all.flatMap(({ cidr }) => cidr ?? []))];
}
