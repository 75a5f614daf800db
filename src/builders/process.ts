import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import type { Cgroup } from "./cgroup.ts";
import { errorCode } from "./errno.ts";

/**
 * Runs a tool of a build in a sandbox of its own: user, mount and process namespaces.
 *
 * Inside, "root" is an unprivileged user of the machine (`idBase` and up), nothing of the machine's data is visible
 * but the folders that are bound, and no process outlives the tool. The tool sees itself as root, so files it creates
 * are owned by 0 there: owners in image layers come out right. (Giving buildah `--userns-uid-map` instead wrote the
 * shifted owners into the layers of the published image: seen with buildah 1.28 on kernel 6.18.)
 */
export interface Launch {
  readonly command: readonly [string, ...string[]];
  /** The whole environment. Secrets may be in it: it is readable by root and the sandbox's own user only. */
  readonly env: Readonly<Record<string, string>>;
  /** Folders visible inside, as `/mnt/<name>`. */
  readonly binds: readonly Bind[];
  /** First of the 65536 machine ids that ids 0 to 65535 inside stand for. */
  readonly idBase: number;
  /** Null: the machine's. */
  readonly network: SandboxNetwork | null;
  /** Null: no limits. */
  readonly cgroup: Cgroup | null;
  /** No file may grow larger: the process that writes gets SIGXFSZ. Null: no limit. */
  readonly maxFileBytes: number | null;
  /** Standard output and standard error in the order they were written. */
  readonly output: (chunk: Buffer) => void;
  /** Aborting ends the tool: SIGTERM, after `graceMs` SIGKILL. */
  readonly signal: AbortSignal;
  readonly graceMs: number;
}

export interface Bind {
  readonly folder: string;
  readonly name: string;
}

export interface Exit {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** False: the sandbox could not be made, the tool never ran, and the output says why. */
  readonly started: boolean;
}

export interface SandboxNetwork {
  /** Path of a network namespace. It must belong to the machine's root: who is in the sandbox may not change it. */
  readonly namespace: string;
  /** Folder of files that stand in for those of `/etc` with the same names. */
  readonly etc: string;
}

/** For `ulimit -f`, which counts in 512 bytes. */
function blocks({ maxFileBytes }: Launch): string {
  return maxFileBytes === null ? "unlimited" : String(Math.ceil(maxFileBytes / 512));
}

/** Ids 0 to 65535 exist inside; `nobody` is 65534. */
export const ID_COUNT = 65_536;

// Makes the mounts as the machine's root, so that the folders may lie below ones that only root can search. With a
// network of its own the sandbox sees that one's interfaces in /sys, and the names the network is to know in /etc.
const MOUNTS = `set -e
exec 2>&1
mount -t tmpfs -o mode=0755,size=64k wharfinger /mnt
while [ "$1" != -- ]; do mkdir "/mnt/$2"; mount --bind "$1" "/mnt/$2"; shift 2; done
shift
if [ -n "$1" ]; then
  mkdir /mnt/cgroup
  mount --rbind /sys/fs/cgroup /mnt/cgroup
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys
  mount --move /mnt/cgroup /sys/fs/cgroup
  rmdir /mnt/cgroup
  for file in "$1"/*; do
    if [ -e "/etc/\${file##*/}" ]; then mount --bind "$file" "/etc/\${file##*/}"; fi
  done
fi
shift
ulimit -f "$1"
shift
exec unshare --user --keep-caps -- sh -c "$IDENTITY" sh "$@"`;

// Waits for the id maps, then becomes id 0 of them. --pdeathsig: when this program is killed, so is the tool.
// --kill-child: killing the outer process kills process 1 inside, and with it everything there. The tool is not process 1
// itself: that one would ignore a SIGTERM it has no handler for. No user namespaces below this one: in one of his own a
// hostile build would have all capabilities, and the kernel's least tested parts before him.
const IDENTITY = `unset IDENTITY
echo ready >&3
read -r _ || exit 125
exec 3>&- </dev/null setpriv --reuid 0 --regid 0 --clear-groups --inh-caps=-all --ambient-caps=-all --pdeathsig KILL \
  unshare --mount --pid --fork --kill-child --mount-proc -- sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && "$@"; exit $?' sh "$@"`;

export function runInSandbox(launch: Launch): Promise<Exit> {
  const mounts = launch.binds.flatMap((bind) => [bind.folder, bind.name]);
  const { network } = launch;
  const enter = network === null ? [] : ["nsenter", `--net=${network.namespace}`, "--"];
  const sandbox = [
    "unshare",
    "--mount",
    "--",
    "sh",
    "-c",
    MOUNTS,
    "sh",
    ...mounts,
    "--",
    network?.etc ?? "",
    blocks(launch),
  ];
  const [command = "", ...args] = [...enter, ...sandbox, ...launch.command];
  const child = spawn(command, args, {
    cwd: "/",
    env: { ...launch.env, IDENTITY },
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    // Its own process group, so that SIGTERM reaches the tool although unshare(1) stands in between.
    detached: true,
  });
  const { pid, stdin, stdout, stderr } = child;
  const ready = child.stdio[3];
  let started = false;
  let killTimer: NodeJS.Timeout | undefined;

  function kill(signal: NodeJS.Signals): void {
    if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if (errorCode(error) !== "ESRCH") throw error;
    }
  }
  function abort(): void {
    kill("SIGTERM");
    killTimer ??= setTimeout(() => kill("SIGKILL"), launch.graceMs);
  }
  async function admit(): Promise<void> {
    if (pid === undefined) return;
    await launch.cgroup?.add(pid);
    for (const map of ["uid_map", "gid_map"])
      await writeFile(`/proc/${pid}/${map}`, `0 ${launch.idBase} ${ID_COUNT}\n`);
    started = true;
    stdin?.end("go\n");
  }

  return new Promise((resolve, reject) => {
    child.on("error", reject);
    // The tool may end before it reads: then its exit says what there is to say.
    stdin?.on("error", () => undefined);
    stdout?.on("data", launch.output);
    stderr?.on("data", launch.output);
    ready?.once("data", () => {
      admit().catch((error: unknown) => {
        kill("SIGKILL");
        reject(error);
      });
    });
    child.on("close", (code, signal) => {
      clearTimeout(killTimer);
      launch.signal.removeEventListener("abort", abort);
      resolve({ code, signal, started });
    });
    if (launch.signal.aborted) abort();
    else launch.signal.addEventListener("abort", abort, { once: true });
  });
}
