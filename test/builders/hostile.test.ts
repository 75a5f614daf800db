/**
 * One hostile Dockerfile, whole: every way out its author could think of, in one RUN each, with a line saying what came
 * of it. SHOW_TRANSCRIPT=1 prints the log; without it it is shown when an attempt succeeds.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type BuilderWorld, buildFiles, createBuilderWorld, digestOf } from "../contract/builder.contract.ts";
import { createLeaseWorld, type LeaseWorld, SERVICE } from "./lease-world.ts";
import { createTestBuilder } from "./world.ts";

let world: BuilderWorld;
let workDir: string;
let program: Uint8Array;
/** Root's file on the machine, and a process of it. */
const treasure = join(tmpdir(), `wharfinger-treasure-${process.pid}`);
const victim = spawn("sleep", [`8${process.pid}`], { stdio: "ignore" });

beforeAll(async () => {
  await writeFile(treasure, "the machine's treasure\n");
  program = compile(PROGRAM);
  world = await createBuilderWorld(async (registry) => {
    const made = await createTestBuilder(registry);
    workDir = made.workDir;
    return made;
  });
});
afterAll(() => world?.stop());
afterAll(async () => {
  victim.kill("SIGKILL");
  await rm(treasure, { force: true });
});

/** What a shell can not do. Exit code 0: it got out. */
const PROGRAM = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char **words) {
  const char *what = words[1];
  if (!strcmp(what, "chroot")) {
    /* A second root while a directory outside it is open, then up and up. */
    mkdir("/jail", 0755);
    int out = open("/", O_RDONLY | O_DIRECTORY);
    if (chroot("/jail")) { perror("chroot"); return 1; }
    if (fchdir(out)) return 1;
    for (int i = 0; i < 64; i++) if (chdir("..")) return 1;
    if (chroot(".")) return 1;
    int found = open(words[2], O_RDONLY);
    if (found < 0) perror(words[2]);
    return found < 0;
  }
  if (!strcmp(what, "raw")) {
    int raw = socket(AF_INET, SOCK_RAW, 1);
    if (raw < 0) perror("raw"); else return 0;
    int packet = socket(AF_PACKET, SOCK_RAW, 0);
    if (packet < 0) perror("packet"); else return 0;
    int mark = 1;
    if (setsockopt(socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_MARK, &mark, sizeof mark)) perror("mark"); else return 0;
    return 1;
  }
  if (!strcmp(what, "keys")) {
    long key = syscall(SYS_add_key, "user", "wharfinger", "x", 1, -5);
    if (key < 0) perror("add_key");
    return key < 0;
  }
  if (!strcmp(what, "kernel")) {
    if (syscall(SYS_bpf, 0, 0, 0) >= 0) return 0; else perror("bpf");
    if (syscall(SYS_init_module, "", 0, "") >= 0) return 0; else perror("init_module");
    if (syscall(SYS_kexec_load, 0, 0, 0, 0) >= 0) return 0; else perror("kexec_load");
    if (syscall(SYS_open_by_handle_at, -1, 0, 0) >= 0) return 0; else perror("open_by_handle_at");
    if (unshare(CLONE_NEWUSER) == 0) return 0; else perror("unshare");
    return 1;
  }
  return 1;
}
`;

function compile(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "wharfinger-hostile-"));
  try {
    execFileSync("gcc", ["-static", "-w", "-x", "c", "-o", join(folder, "escape"), "-"], { input: source });
    return readFileSync(join(folder, "escape"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Shell for one attempt: `command` succeeds only if the escape did. */
interface Attempt {
  readonly name: string;
  readonly command: string;
}

function attempts(): readonly Attempt[] {
  const sleeper = `8${process.pid}`;
  const find = (root: string) =>
    `(find ${root} -xdev -name '${treasure.split("/").at(-1)}' 2>/dev/null | grep . && cat ${root}${treasure})`;
  return [
    // Processes.
    {
      name: "see a process of the machine",
      command: `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep '[s]leep ${sleeper}'`,
    },
    { name: "kill a process of the machine", command: `kill -9 ${victim.pid}` },
    { name: "kill the builder", command: `kill -9 ${process.pid}` },
    {
      name: "read the environment of process 1",
      command: "tr '\\0' '\\n' < /proc/1/environ | grep -E 'REGISTRY_AUTH_FILE|IDENTITY'",
    },
    // Files.
    { name: "read a file of the machine", command: `cat ${treasure}` },
    {
      name: "find the machine's root through /proc",
      command: "for p in /proc/[0-9]*; do ls $p/root/mnt/job $p/cwd/../mnt/scope; done 2>/dev/null | grep .",
    },
    {
      name: "read what the builder keeps",
      command:
        "find / -xdev \\( -name auth.json -o -name registries.conf -o -name 'overlay-layers' \\) 2>/dev/null | grep .",
    },
    { name: "read another repository's cache", command: `find / -name 'neighbours-secret' 2>/dev/null | grep .` },
    { name: "leave by chroot", command: `/escape chroot ${treasure}` },
    { name: "find the machine's files from any root", command: find("/proc/1/root") },
    // Mounts and devices.
    { name: "mount a disk", command: "mkdir -p /m && mknod /d b 254 0 && mount /d /m" },
    { name: "mount a file system", command: "mkdir -p /m && mount -t tmpfs none /m" },
    { name: "mount proc again", command: "mkdir -p /m && mount -t proc none /m" },
    { name: "mount sysfs again", command: "mkdir -p /m && mount -t sysfs none /m" },
    {
      name: "mount a control group",
      command: "mkdir -p /m && { mount -t cgroup -o memory none /m || mount -t cgroup2 none /m; }",
    },
    { name: "bind the root elsewhere", command: "mkdir -p /m && mount --bind / /m" },
    {
      name: "open a disk",
      command: "ls /dev/vda /dev/sda /dev/nvme0n1 /dev/loop0 /dev/mem /dev/kmsg 2>/dev/null | grep .",
    },
    { name: "make namespaces", command: "unshare -U -r true || unshare -m true || unshare -p -f true" },
    { name: "enter process 1's namespaces", command: "nsenter -t 1 -m true" },
    // The kernel.
    { name: "see the machine's control groups", command: "ls -d /sys/fs/cgroup/* 2>/dev/null | grep ." },
    {
      name: "raise its own memory limit",
      command:
        "find /sys/fs/cgroup -name 'memory.*' -writable 2>/dev/null | xargs -r ls -d | while read f; do echo 99999999999 > $f && echo $f; done 2>/dev/null | grep .",
    },
    {
      name: "leave its control group",
      command:
        "find /sys/fs/cgroup -name cgroup.procs 2>/dev/null | while read f; do echo $$ > $f && echo $f; done 2>/dev/null | grep .",
    },
    {
      name: "use release_agent",
      command:
        "find /sys/fs/cgroup -name release_agent 2>/dev/null | while read f; do echo /bin/sh > $f && echo $f; done 2>/dev/null | grep .",
    },
    { name: "set core_pattern", command: "echo '|/bin/sh' > /proc/sys/kernel/core_pattern" },
    { name: "use sysrq", command: "echo h > /proc/sysrq-trigger" },
    { name: "write to sysfs", command: "echo 1 > /sys/kernel/uevent_helper || echo mem > /sys/power/state" },
    { name: "set the clock", command: "date -s '2001-01-01 00:00:00'; date +%Y | grep 2001" },
    { name: "rename the machine", command: "hostname stolen && hostname | grep stolen" },
    { name: "read the kernel's memory or log", command: "dmesg | grep . || head -c 1 /proc/kcore" },
    { name: "call what only the kernel's owner may", command: "/escape kernel" },
    { name: "use the kernel's key rings", command: "/escape keys" },
    // Identity.
    {
      name: "gain a capability the container lacks",
      command: "grep -E '^Cap(Eff|Prm|Bnd):' /proc/self/status | grep -v 00000000800405fb",
    },
    { name: "be root of the machine", command: "awk '$1 == 0 && $2 == 0' /proc/self/uid_map | grep ." },
    { name: "change the user mapping", command: "echo '0 0 4294967295' > /proc/self/uid_map" },
    { name: "run without seccomp", command: "grep -E '^Seccomp:\\s+0' /proc/self/status" },
    // The network.
    { name: "open a raw socket, or mark packets", command: "/escape raw" },
    { name: "sniff", command: "tcpdump -c 1 || arping -c 1 10.0.2.2" },
    { name: "reach the registry from RUN", command: `nc -w 1 ${world.registry.name.replace(":", " ")} </dev/null` },
    { name: "talk to a service over a socket of the machine", command: "find / -type s 2>/dev/null | grep ." },
  ];
}

/**
 * What a stranger wants beyond that: what belongs to the repository he sent a pull request to. He is given more than he
 * can get: the secret of his own build's lease.
 */
function strangersAttempts(lab: LeaseWorld): readonly Attempt[] {
  const { id, username, secret } = lab.next();
  const basic = Buffer.from(`${username}:${secret}`).toString("base64");
  const tokenFor = (scope: string, account = "") =>
    `t=$(wget -q -O - ${account} '${lab.realm}?service=${SERVICE}&scope=${scope}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`;
  const list = (name: string) =>
    `wget -q -O - --header "Authorization: Bearer $t" http://${lab.registry.name}/v2/${name}/tags/list | grep '"tags"'`;
  const upload = (name: string) =>
    `wget -q -O - --header "Authorization: Bearer $t" --post-data '' http://${lab.registry.name}/v2/${name}/blobs/uploads/`;
  const asBuild = `--header 'Authorization: Basic ${basic}'`;
  return [
    { name: "read the cache of those who may push", command: "ls /cache | grep trusted-secret" },
    { name: "read another stranger's cache", command: "ls /cache | grep strangers-secret" },
    { name: "find a name of either anywhere", command: "find / -name '*s-secret' 2>/dev/null | grep ." },
    {
      name: "find a credential",
      command: `{ env; cat /proc/*/environ; find / -xdev -type f ! -name attempts.sh -exec cat {} +; } 2>/dev/null | grep -a -e '${secret}' -e '${basic}'`,
    },
    {
      name: "read a private image as nobody",
      command: `${tokenFor("repository:acme/base:pull")} && ${list("acme/base")}`,
    },
    {
      name: "read a private image with the lease's secret",
      command: `${tokenFor("repository:acme/base:pull", asBuild)} && ${list("acme/base")}`,
    },
    {
      name: "push to its staging repository as nobody",
      command: `${tokenFor(`repository:staging/${id}:pull,push`)} && ${upload(`staging/${id}`)}`,
    },
    {
      name: "push to its staging repository with the lease's secret",
      command: `${tokenFor(`repository:staging/${id}:pull,push`, asBuild)} && ${upload(`staging/${id}`)}`,
    },
    {
      name: "push over what others pull",
      command: `${tokenFor("repository:acme/base,public/busybox:pull,push", asBuild)} && { ${upload("acme/base")} || ${upload("public/busybox")}; }`,
    },
    {
      name: "use the lease's secret as a password",
      command: `wget -q -O - ${asBuild} http://${lab.registry.name}/v2/acme/base/tags/list`,
    },
  ];
}

/** The same ways, where they are open: what is refused above is not refused because nothing works. */
function openWays(lab: LeaseWorld): Attempt {
  const token = `t=$(wget -q -O - '${lab.realm}?service=${SERVICE}&scope=repository:public/busybox:pull' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`;
  const list = `wget -q -O - --header "Authorization: Bearer $t" http://${lab.registry.name}/v2/public/busybox/tags/list`;
  return { name: "read a public image", command: `${token} && ${list} | grep '"tags"' && touch /cache/left-behind` };
}

/** Tries each, and says of each what came of it. */
function scriptOf(tried: readonly Attempt[]): string {
  return [
    "#!/bin/sh",
    ...tried.map(
      ({ name, command }) =>
        `echo "== ${name}"\nif ( ${command} ) 2>&1; then echo "RESULT escaped: ${name}"; else echo 'RESULT refused'; fi`,
    ),
  ].join("\n");
}

function escapedIn(log: string): readonly (string | undefined)[] {
  return [...log.matchAll(/^RESULT escaped: (.*)$/gm)].map(([, name]) => name);
}

describe("a hostile Dockerfile", () => {
  it("gets nowhere, and says so itself", async () => {
    await buildFiles(
      world,
      { Dockerfile: `FROM ${world.base}\nRUN --mount=type=cache,target=/cache touch /cache/neighbours-secret\n` },
      { repository: "neighbour" },
    );
    const all = attempts();
    for (const network of ["none", "internet"] as const) {
      const tried = network === "none" ? all : all.filter(({ name }) => !name.startsWith("reach the registry"));
      const ran = await buildFiles(
        world,
        {
          Dockerfile: `FROM ${world.base}\nCOPY attempts.sh escape /\nRUN chmod +x /escape && sh /attempts.sh\n`,
          "attempts.sh": scriptOf(tried),
          escape: program,
        },
        { repository: `hostile-${network}`, inputs: { network } },
      );
      if (process.env["SHOW_TRANSCRIPT"] !== undefined) process.stdout.write(ran.log);
      digestOf(ran);
      const escaped = escapedIn(ran.log);
      if (escaped.length > 0) process.stdout.write(ran.log);
      expect({ network, escaped }).toEqual({ network, escaped: [] });
      expect(ran.log.match(/^RESULT refused$/gm)?.length).toBe(tried.length);
      expect(ran.log).not.toContain("treasure\n");
      expect(ran.log).not.toContain(`${hostname()}\n`);
    }
    expect(victim.exitCode ?? victim.signalCode).toBeNull();
    expect(await readFile(treasure, "utf8")).toContain("treasure");
    expect(existsSync(workDir)).toBe(true);
  });
});

describe("a stranger's hostile Dockerfile", () => {
  const CACHED = "--mount=type=cache,id=shared,target=/cache";
  let lab: LeaseWorld;

  beforeAll(async () => {
    lab = await createLeaseWorld("tokens");
    for (const [name, options] of [
      ["trusted-secret", {}],
      ["strangers-secret", { fork: 6 }],
    ] as const) {
      const ran = await lab.build(
        { Dockerfile: `FROM ${lab.base.public}\nRUN ${CACHED} touch /cache/${name}\n` },
        options,
      );
      if (ran.end.kind !== "built") throw new Error(ran.log);
    }
  });
  afterAll(() => lab?.stop());

  it("gets nowhere either, although it knows its lease's secret", async () => {
    const open = openWays(lab);
    // With a network it reaches the registry, like all: what it may do there is the question.
    const general = attempts().filter(({ name }) => !name.startsWith("reach the registry"));
    const tried = [...general, ...strangersAttempts(lab), open];
    const ran = await lab.build(
      {
        Dockerfile: `FROM ${lab.base.public}\nCOPY attempts.sh escape /\nRUN ${CACHED} chmod +x /escape && sh /attempts.sh\n`,
        "attempts.sh": scriptOf(tried),
        escape: program,
      },
      { fork: 5, network: "internet" },
    );
    if (process.env["SHOW_TRANSCRIPT"] !== undefined) process.stdout.write(ran.log);
    expect(ran.end).toEqual({ kind: "built", image: { digest: null } });
    const escaped = escapedIn(ran.log);
    if (escaped.length !== 1) process.stdout.write(ran.log);
    expect(escaped).toEqual([open.name]);
    expect(ran.log.match(/^RESULT refused$/gm)?.length).toBe(tried.length - 1);
  });

  it("leaves nothing in anybody's cache but its own", async () => {
    const Dockerfile = `FROM ${lab.base.public}\nRUN ${CACHED} ls /cache | sed 's/^/found /'\n`;
    for (const [options, there] of [
      [{}, ["found trusted-secret"]],
      [{ fork: 6 }, ["found strangers-secret"]],
      [{ fork: 5 }, ["found left-behind"]],
    ] as const) {
      expect((await lab.build({ Dockerfile }, options)).log.match(/^found .*$/gm)).toEqual(there);
    }
  });
});
