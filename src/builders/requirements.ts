import { access, constants, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { TOOL_PATH } from "../git/environment.ts";
import { cgroupVersion } from "./cgroup.ts";
import { createJob } from "./job.ts";
import { createNetwork } from "./network.ts";
import { runInSandbox } from "./process.ts";
import type { Tools } from "./run.ts";

/** Everything that is missing to build in `workDir`, each with what to do. */
export async function missingRequirements(options: {
  readonly workDir: string;
  readonly owner: number;
  readonly tools: Tools;
  /** False: builds use the machine's network. */
  readonly ownNetwork: boolean;
}): Promise<readonly string[]> {
  if (process.getuid?.() !== 0) {
    return ["The builder has to run as root, to make user namespaces and memory limits for builds. Start it as root."];
  }
  const missing: string[] = [];
  const { tools } = options;
  const forNetworks = [
    { tool: tools.slirp4netns, origin: "slirp4netns" },
    { tool: tools.nft, origin: "nftables" },
    { tool: "nsenter", origin: "util-linux" },
    { tool: "ip", origin: "iproute2" },
  ];
  for (const { tool, origin } of [
    { tool: tools.buildah, origin: "buildah" },
    { tool: tools.runc, origin: "runc" },
    { tool: tools.git, origin: "git" },
    { tool: "unshare", origin: "util-linux" },
    { tool: "setpriv", origin: "util-linux" },
    { tool: "mount", origin: "mount" },
    ...(options.ownNetwork ? forNetworks : []),
  ]) {
    if (!(await isExecutable(tool))) missing.push(`${tool} is missing. Install it: apt-get install ${origin}`);
  }
  if ((await cgroupVersion()) === null) {
    missing.push("No memory controller is mounted below /sys/fs/cgroup, so builds can not be limited. Mount cgroups.");
  }
  if (missing.length > 0) return missing;
  const problems = await Promise.all([probe(options), options.ownNetwork ? probeNetwork(options) : []]);
  return problems.flat();
}

/** Makes a network as every build has one. */
async function probeNetwork(options: { readonly workDir: string; readonly tools: Tools }): Promise<readonly string[]> {
  const folder = await mkdtemp(join(options.workDir, "probe-"));
  try {
    const settings = { folder, internet: true, ways: [], resolver: null, tools: options.tools, path: TOOL_PATH };
    await (await createNetwork(settings)).close();
    return [];
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return [
      `A network for builds can not be made: ${words}. It needs /dev/net/tun and nf_tables in the kernel; ` +
        "BUILD_NETWORK=host does without, and lets builds reach whatever this machine reaches.",
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Makes a sandbox and an overlay mount in it, as every build does. */
async function probe(options: { readonly workDir: string; readonly owner: number }): Promise<readonly string[]> {
  const scope = await mkdtemp(join(options.workDir, "probe-"));
  const job = await createJob({
    jobs: scope,
    scope,
    owner: options.owner,
    registries: [],
    login: null,
    buildah: "buildah",
    overlayFeatures: [],
  });
  const said: Buffer[] = [];
  try {
    const exit = await runInSandbox({
      command: ["sh", "-c", OVERLAY],
      env: job.env,
      binds: job.binds,
      idBase: options.owner,
      network: null,
      cgroup: null,
      maxFileBytes: null,
      output: (chunk) => said.push(chunk),
      signal: AbortSignal.timeout(10_000),
      graceMs: 1000,
    });
    if (exit.code === 0) return [];
    const words = Buffer.concat(said).toString("utf8").trim().split("\n").at(-1) ?? "";
    if (!exit.started) {
      return [
        `A sandbox can not be made: ${words}. Allow user namespaces (sysctl user.max_user_namespaces) and mounts.`,
      ];
    }
    return [
      `Overlay mounts do not work in user namespaces here: ${words}. Linux 5.11 and a local file system are needed.`,
    ];
  } catch (error) {
    return [`A sandbox can not be made: ${String(error)}. Give the service CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID.`];
  } finally {
    await job.remove();
    await rm(scope, { recursive: true, force: true });
  }
}

const OVERLAY = `set -e
cd /mnt/job/src
mkdir lower upper work merged
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,userxattr merged
touch merged/file`;

async function isExecutable(tool: string): Promise<boolean> {
  const places = tool.includes("/") ? [tool] : TOOL_PATH.split(":").map((place) => join(place, tool));
  const found = await Promise.all(
    places.map((place) =>
      access(place, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
