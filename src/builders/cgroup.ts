import { access, mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCode } from "./errno.ts";

/** A control group with a build's limits: buildah itself and everything the build runs count together. */
export interface Cgroup {
  add(pid: number): Promise<void>;
  /** How many processes the kernel killed because the memory limit was reached. */
  oomKills(): Promise<number>;
  /** Removes the group once its processes are gone. */
  remove(): Promise<void>;
}

export interface CgroupLimits {
  readonly memoryBytes: number;
  /** Processes and threads, buildah's own included. */
  readonly processes: number;
  /** How many of the machine's processors it may use at a time; fractions are fine. Null: all. */
  readonly cpus: number | null;
}

/** Microseconds. */
const CPU_PERIOD = 100_000;

const MOUNT = "/sys/fs/cgroup";
const PARENT = "wharfinger";

/** Which hierarchy limits memory here; null: none does. */
export async function cgroupVersion(): Promise<1 | 2 | null> {
  if (await exists(`${MOUNT}/cgroup.controllers`)) {
    return (await readFile(`${MOUNT}/cgroup.controllers`, "utf8")).split(/\s+/).includes("memory") ? 2 : null;
  }
  return (await exists(`${MOUNT}/memory/memory.limit_in_bytes`)) ? 1 : null;
}

/** Throws when the machine has no memory controller: a build without limits must not run. */
export async function createCgroup(name: string, limits: CgroupLimits): Promise<Cgroup> {
  const version = await cgroupVersion();
  if (version === 2) return await createUnified(name, limits);
  if (version === 1) return await createLegacy(name, limits);
  throw new Error(`no memory controller below ${MOUNT}`);
}

/** Removes the groups an earlier run left behind: those whose name begins with `prefix`. */
export async function sweepCgroups(prefix: string): Promise<void> {
  for (const parent of await parents()) {
    for (const name of await readdir(parent)) if (name.startsWith(prefix)) await removeGroup(`${parent}/${name}`);
  }
}

async function parents(): Promise<readonly string[]> {
  const all = [`${MOUNT}/${PARENT}`, `${MOUNT}/memory/${PARENT}`, `${MOUNT}/pids/${PARENT}`, `${MOUNT}/cpu/${PARENT}`];
  const there = await Promise.all(all.map(exists));
  return all.filter((_, index) => there[index]);
}

async function createUnified(name: string, limits: CgroupLimits): Promise<Cgroup> {
  const group = `${MOUNT}/${PARENT}/${name}`;
  await mkdir(group, { recursive: true });
  for (const parent of [MOUNT, `${MOUNT}/${PARENT}`]) {
    await writeFile(`${parent}/cgroup.subtree_control`, limits.cpus === null ? "+memory +pids" : "+memory +pids +cpu");
  }
  await writeFile(`${group}/memory.max`, String(limits.memoryBytes));
  await writeIfThere(`${group}/memory.swap.max`, "0");
  await writeFile(`${group}/pids.max`, String(limits.processes));
  if (limits.cpus !== null) await writeFile(`${group}/cpu.max`, `${quota(limits.cpus)} ${CPU_PERIOD}`);
  return {
    add: (pid) => writeFile(`${group}/cgroup.procs`, String(pid)),
    oomKills: () => readCount(`${group}/memory.events`),
    remove: () => removeGroup(group),
  };
}

async function createLegacy(name: string, limits: CgroupLimits): Promise<Cgroup> {
  const memory = `${MOUNT}/memory/${PARENT}/${name}`;
  const pids = `${MOUNT}/pids/${PARENT}/${name}`;
  const cpu = `${MOUNT}/cpu/${PARENT}/${name}`;
  const groups = [memory];
  if (await exists(`${MOUNT}/pids`)) groups.push(pids);
  if (limits.cpus !== null) groups.push(cpu);
  for (const group of groups) await mkdir(group, { recursive: true });
  await writeFile(`${memory}/memory.limit_in_bytes`, String(limits.memoryBytes));
  // Memory and swap together. Absent where the kernel does not count swap.
  await writeIfThere(`${memory}/memory.memsw.limit_in_bytes`, String(limits.memoryBytes));
  if (groups.includes(pids)) await writeFile(`${pids}/pids.max`, String(limits.processes));
  if (limits.cpus !== null) {
    await writeFile(`${cpu}/cpu.cfs_period_us`, String(CPU_PERIOD));
    await writeFile(`${cpu}/cpu.cfs_quota_us`, String(quota(limits.cpus)));
  }
  return {
    async add(pid) {
      for (const group of groups) await writeFile(`${group}/cgroup.procs`, String(pid));
    },
    oomKills: () => readCount(`${memory}/memory.oom_control`),
    async remove() {
      for (const group of groups) await removeGroup(group);
    },
  };
}

function quota(cpus: number): number {
  // Less than a hundredth is refused by the kernel.
  return Math.max(Math.round(cpus * CPU_PERIOD), 1000);
}

async function readCount(file: string): Promise<number> {
  const line = /^oom_kill (\d+)$/m.exec(await readFile(file, "utf8"));
  return Number(line?.[1] ?? 0);
}

/** A group stays busy for a moment after its last process was reaped; one that stays is the next sweep's. */
async function removeGroup(group: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      await rmdir(group);
      return;
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT") return;
      if (code !== "EBUSY") throw error;
      await sleep(20);
    }
  }
}

async function writeIfThere(file: string, text: string): Promise<void> {
  if (await exists(file)) await writeFile(file, text);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
