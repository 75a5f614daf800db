/** What a hostile repository tries, against real git, buildah, runc and a real registry. */

import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  type BuilderWorld,
  buildCommit,
  buildFiles,
  createBuilderWorld,
  digestOf,
  failureOf,
  secretsOf,
} from "../contract/builder.contract.ts";
import { readImage } from "../support/image.ts";
import { createTestBuilder } from "./world.ts";

let world: BuilderWorld;
let workDir: string;
/** The same world with a builder of narrow limits. */
let fewProcesses: BuilderWorld;

beforeAll(async () => {
  world = await createBuilderWorld(async (registry) => {
    const made = await createTestBuilder(registry);
    workDir = made.workDir;
    return made;
  });
  const narrow = await createTestBuilder(world.registry, { processes: 150 });
  fewProcesses = { ...world, builder: narrow.builder, stop: narrow.stop };
});
afterAll(() => fewProcesses?.stop());
afterAll(() => world?.stop());

describe("a repository that wants more than it may have", () => {
  it("reads no other place than registries: not folders, other stores or a daemon", async () => {
    const base = `FROM ${world.base}\n`;
    const attempts = [
      "FROM oci:/etc\n",
      `FROM containers-storage:${world.base}\n`,
      "FROM docker-daemon:busybox:latest\n",
      `${base}COPY --from=oci:/etc /passwd /stolen\n`,
      `${base}COPY --from=dir:/etc /passwd /stolen\n`,
      `${base}RUN --mount=type=bind,from=oci:/etc,target=/m cat /m/passwd\n`,
    ];
    const inputs = { cacheScope: "places" };
    await Promise.all(
      attempts.map(async (dockerfile) => {
        const ran = await buildFiles(world, { Dockerfile: dockerfile }, { inputs });
        expect({ dockerfile, class: failureOf(ran).class }).toEqual({ dockerfile, class: "dockerfile" });
        expect(ran.log).not.toContain("root:x:0:0");
      }),
    );
  });

  it("uses no image that is not a registry's: not by id, not of another repository's store, not as localhost", async () => {
    const neighbour = await buildFiles(world, { Dockerfile: `FROM ${world.base}\nRUN echo mine > /mine\n` }, {});
    digestOf(neighbour);
    const id = await newestImage(workDir);
    const base = `FROM ${world.base}\n`;
    const attempts = [
      `FROM ${id}\n`,
      `FROM ${id.slice(0, 12)}\n`,
      `FROM containers-storage:${id}\n`,
      "FROM localhost/mine:1\n",
      `${base}COPY --from=${id} /mine /stolen\n`,
      `${base}RUN --mount=type=bind,from=${id},target=/m cat /m/mine\n`,
    ];
    await Promise.all(
      attempts.map(async (dockerfile) => {
        const ran = await buildFiles(world, { Dockerfile: dockerfile }, { inputs: { cacheScope: "other" } });
        expect({ dockerfile, class: failureOf(ran).class }).toEqual({ dockerfile, class: "dockerfile" });
      }),
    );
  });

  it("can not lead the build out of the checkout by a link", async () => {
    const ran = await buildFiles(world, { Dockerfile: { symlink: "/etc/passwd" } });
    expect(failureOf(ran)).toMatchObject({ class: "dockerfile" });
    expect(failureOf(ran).message).toContain("out of the repository");

    const copied = await buildFiles(world, {
      Dockerfile: `FROM ${world.base}\nCOPY stolen /stolen\nCOPY auth /auth\n`,
      stolen: { symlink: "/etc/shadow" },
      auth: { symlink: "../auth.json" },
    });
    expect(failureOf(copied)).toMatchObject({ class: "dockerfile", line: 2 });

    const mounted = await buildFiles(world, {
      Dockerfile: `FROM ${world.base}\nRUN --mount=type=bind,source=../auth.json,target=/a cat /a && exit 9\n`,
    });
    expect(mounted.end.kind).toBe("failed");
    for (const secret of secretsOf(world)) expect(mounted.log).not.toContain(secret);
  });

  it("sees nothing of the machine: no data, no processes, no privileges", async () => {
    const ran = await buildFiles(world, {
      Dockerfile: `FROM ${world.base}\nRUN test ! -e /mnt && ls /proc | grep -c '^[0-9]'; cat /proc/self/uid_map; grep -E 'Seccomp:|CapEff' /proc/self/status\n`,
    });
    expect(ran.end.kind).toBe("built");
    const [processes, ids] = /^(\d+)\n\s+(0\s+\d+\s+\d+)$/m.exec(ran.log)?.slice(1) ?? [];
    expect(Number(processes)).toBeLessThan(6);
    expect(ids?.split(/\s+/)).toEqual(["0", "200000", "65536"]);
    expect(ran.log).toMatch(/Seccomp:\s+2/);
    // chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, setfcap.
    expect(ran.log).toMatch(/CapEff:\s+00000000800405fb/);
  });

  it("fails with the class and the line that help", async () => {
    const base = `FROM ${world.base}\n`;
    const cases: [dockerfile: string, target: string | null, expected: object, words: string][] = [
      [`${base}RUN true\nFOO bar\n`, null, { class: "dockerfile", line: 3 }, "FOO"],
      [`${base}COPY nothere /x\n`, null, { class: "dockerfile", line: 2 }, "nothere"],
      [`${base}WORKDIR\n`, null, { class: "dockerfile", line: 2 }, "WORKDIR"],
      [`${base}RUN\n`, null, { class: "dockerfile", line: 2 }, "RUN"],
      ["", null, { class: "dockerfile" }, "empty"],
      ["RUN true\n", null, { class: "dockerfile" }, "FROM"],
      [`${base}RUN true\n`, "nope", { class: "dockerfile" }, "nope"],
      [`# x\nFROM ${world.registry.name}/no/such:1\n`, null, { class: "dockerfile", line: 2 }, "does not exist"],
      [`${base}RUN nosuchcommand\n`, null, { class: "build", line: 2 }, "exit code 127"],
    ];
    await Promise.all(
      cases.map(async ([dockerfile, target, expected, words]) => {
        const inputs = { cacheScope: "classes", target };
        const ran = await buildFiles(world, { Dockerfile: dockerfile }, { inputs });
        expect({ dockerfile, ...failureOf(ran) }).toMatchObject(expected);
        expect(failureOf(ran).message).toContain(words);
        expect(failureOf(ran).message).not.toMatch(/\/mnt\/|\p{Cc}/u);
      }),
    );
  });
});

describe("secrets", () => {
  it("are in no command line, layer or file, though the whole way was walked", async () => {
    const secrets = secretsOf(world);
    const seen = watchCommandLines();
    const ran = await buildFiles(
      world,
      { Dockerfile: `FROM ${world.base}\nCOPY . /src\nRUN env > /env; find /run /tmp -type f > /found\n`, f: "x" },
      { repository: "secrets", image: { tags: ["a", "b"] } },
    );
    const lines = await seen.stop();
    const digest = digestOf(ran);
    // Otherwise the watch saw nothing and proves nothing.
    for (const words of ["fetch\0", "build\0--isolation=oci", "push\0"]) {
      expect(lines.some((line) => line.includes(words))).toBe(true);
    }
    const image = await readImage(world.client, "acme/secrets", digest);
    const kept = filesBelow(workDir).map((file) => readFileSync(file));
    expect(kept.length).toBeGreaterThan(20);
    for (const secret of secrets) {
      expect(lines.some((line) => line.includes(secret))).toBe(false);
      expect(ran.log).not.toContain(secret);
      expect(image.blobs.some((blob) => blob.includes(secret))).toBe(false);
      expect(kept.some((bytes) => bytes.includes(secret))).toBe(false);
    }
  });

  it("do not follow a redirect to another server", async () => {
    const visits: (string | undefined)[] = [];
    const elsewhere = createServer((request, response) => {
      visits.push(request.headers.authorization);
      response.writeHead(404).end();
    }).listen(0, "127.0.0.1");
    await once(elsewhere, "listening");
    const address = elsewhere.address();
    const port = typeof address === "object" ? address?.port : 0;
    const sha = await world.git.commit("moved", { Dockerfile: "FROM scratch\n" });
    world.git.fail({ status: 302, location: `http://127.0.0.1:${port}/moved.git/info/refs?service=git-upload-pack` });
    const ran = await buildCommit(world, "moved", sha, {});
    world.git.fail(null);
    elsewhere.close();
    expect(failureOf(ran)).toMatchObject({ class: "checkout" });
    expect(visits).toEqual([]);
  });

  it("are named by no failure when the registry does not accept them", async () => {
    const wrong = { ...world, registry: { ...world.registry, password: "wrong-password-123" } };
    const ran = await buildFiles(wrong, { Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" });
    expect(ran.end).toMatchObject({ kind: "failed", retryable: false, failure: { class: "push" } });
    expect(failureOf(ran).message).toContain("denied");
    expect(ran.log + failureOf(ran).message).not.toContain("wrong-password-123");
  });
});

describe("a build that is stopped", () => {
  it("leaves no process, folder, control group or container, even if it ignores the polite signal", async () => {
    const marker = `sleep\0${987_000 + (Date.now() % 1000)}\0`;
    const command = marker.replaceAll("\0", " ").trim();
    const running = () => commandLines().filter((line) => line === marker).length;
    const script = `trap '' TERM; for i in 1 2 3 4 5; do (trap '' TERM; ${command} &) ; done; ${command}`;
    const stop = new AbortController();
    const build = buildFiles(
      world,
      { Dockerfile: `FROM ${world.base}\nRUN ${script}\n` },
      { repository: "stopped", signal: stop.signal },
    );
    const deadline = Date.now() + 20_000;
    while (running() < 6 && Date.now() < deadline) await sleep(20);
    expect(running()).toBe(6);
    stop.abort("cancel");
    const ran = await build;
    expect(running()).toBe(0);
    expect(ran.end).toEqual({ kind: "stopped" });
    expect(await readdir(join(workDir, "jobs"))).toEqual([]);
    expect(readFileSync("/proc/mounts", "utf8")).not.toContain(workDir);

    expect(await containersOf(workDir)).toEqual([]);

    const again = await buildFiles(world, { Dockerfile: `FROM ${world.base}\nRUN true\n` }, { repository: "stopped" });
    expect(digestOf(again)).toMatch(/^sha256:/);
  });
});

describe("what builds share", () => {
  it("is the network of the machine, where the operator chose so", async () => {
    const address = world.registry.name.replace(":", " ");
    const dockerfile = `FROM ${world.base}\nRUN nc -w 2 ${address} </dev/null\n`;
    const ran = await buildFiles(world, { Dockerfile: dockerfile }, { inputs: { network: "host" } });
    expect(digestOf(ran)).toMatch(/^sha256:/);
  });

  it("is the cache mount of their own scope, of no other", async () => {
    const dockerfile = (word: string) =>
      `FROM ${world.base}\nRUN --mount=type=cache,target=/cache echo ${word} >> /cache/f && cat /cache/f > /f\n`;
    const contents: (string | undefined)[] = [];
    for (const [repository, word] of [
      ["mount-a", "one"],
      ["mount-a", "two"],
      ["mount-b", "three"],
    ] as const) {
      const ran = await buildFiles(world, { Dockerfile: dockerfile(word) }, { repository });
      const image = await readImage(world.client, `acme/${repository}`, digestOf(ran));
      contents.push(image.files.get("f")?.bytes.toString());
    }
    expect(contents).toEqual(["one\n", "one\ntwo\n", "three\n"]);
  });
});

describe("a build that starts too many processes", () => {
  it("meets a limit, and the machine goes on", async () => {
    const script = "i=0; while [ $i -lt 400 ]; do sleep 30 & i=$((i+1)); done; echo all";
    const ran = await buildFiles(fewProcesses, { Dockerfile: `FROM ${world.base}\nRUN ${script}\n` });
    expect(ran.end.kind).toBe("failed");
    expect(ran.log).not.toMatch(/^all$/m);
  });
});

describe("a build that writes too much", () => {
  it("is stopped, told so, and leaves nothing of it", async () => {
    const { builder, workDir: small, stop } = await createTestBuilder(world.registry, { diskBytes: 60 * 1024 ** 2 });
    // In files each below the limit.
    const script =
      "i=0; while [ $i -lt 60 ]; do head -c 10000000 /dev/zero > /f$i; sleep 0.1; i=$((i+1)); done; echo all";
    const build = (run: string) =>
      buildFiles({ ...world, builder }, { Dockerfile: `FROM ${world.base}\nRUN ${run}\n` }, { repository: "writer" });
    const ran = await build(script);
    expect(failureOf(ran)).toMatchObject({ class: "build" });
    expect(failureOf(ran).message).toContain("60 MiB");
    expect(ran.log).not.toMatch(/^all$/m);
    const left = filesBelow(small).reduce((sum, file) => sum + statSync(file).size, 0);
    expect(left).toBeLessThan(20 * 1024 ** 2);
    expect(digestOf(await build("true"))).toMatch(/^sha256:/);

    // One file alone hits a wall, however fast it is written.
    const wall = await build("head -c 300000000 /dev/zero > /f || ls -l /f");
    expect(wall.log).toMatch(/ 62914560 .* \/f$/m);
    await stop();
  });
});

describe("a build that computes", () => {
  it("gets the processors it may use and no more", async () => {
    const { builder, stop } = await createTestBuilder(world.registry, { cpus: 0.5 });
    // Spins for three seconds, then says what it used.
    const clock = "$(cut -d. -f1 /proc/uptime)";
    const script = `e=$((${clock}+3)); while [ ${clock} -lt $e ]; do :; done; times`;
    const ran = await buildFiles({ ...world, builder }, { Dockerfile: `FROM ${world.base}\nRUN ${script}\n` });
    digestOf(ran);
    const spent = [...ran.log.matchAll(/(\d+)m([\d.]+)s/g)].map(
      ([, minutes, rest]) => Number(minutes) * 60 + Number(rest),
    );
    const seconds = spent.reduce((sum, one) => sum + one, 0);
    expect(seconds).toBeGreaterThan(0.3);
    expect(seconds).toBeLessThan(2.3);
    await stop();
  });
});

describe("a start after a crash", () => {
  it("removes the folders of the builds that ran", async () => {
    const { builder, workDir: crashed, stop } = await createTestBuilder(world.registry);
    await mkdir(join(crashed, "jobs/left/src"), { recursive: true });
    await builder.sweep();
    expect(existsSync(join(crashed, "jobs"))).toBe(false);
    await stop();
  });
});

describe("what this builder can not do yet", () => {
  it("is refused in words", async () => {
    const platforms = ["linux/amd64", "linux/s390x"];
    const many = await buildFiles(world, { Dockerfile: "FROM scratch\n" }, { inputs: { platforms } });
    expect(failureOf(many)).toMatchObject({ class: "dockerfile" });
    expect(failureOf(many).message).toContain("linux/s390x");
  });
});

/** Id of the image that was made last, in whichever store below the folder. */
async function newestImage(folder: string): Promise<string> {
  const all: { readonly id: string; readonly created: string }[] = [];
  for (const scope of await readdir(join(folder, "scopes"))) {
    const file = join(folder, "scopes", scope, "root/overlay-images/images.json");
    if (existsSync(file)) all.push(...(JSON.parse(await readFile(file, "utf8")) as typeof all));
  }
  const newest = all.toSorted((a, b) => Date.parse(b.created) - Date.parse(a.created)).at(0);
  if (newest === undefined) throw new Error("no images");
  return newest.id;
}

/** Records of containers in all stores below the folder: what `buildah containers` lists. */
async function containersOf(folder: string): Promise<readonly unknown[]> {
  const all: unknown[] = [];
  for (const scope of await readdir(join(folder, "scopes"))) {
    const file = join(folder, "scopes", scope, "root/overlay-containers/containers.json");
    if (existsSync(file)) all.push(...(JSON.parse(await readFile(file, "utf8")) as unknown[]));
  }
  return all;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Command lines of all processes of the machine, arguments ended by NUL. */
function commandLines(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return ""; // It has ended meanwhile.
      }
    });
}

function watchCommandLines(): { stop(): Promise<readonly string[]> } {
  const seen = new Set<string>();
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      for (const line of commandLines()) seen.add(line);
      await sleep(5);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await watching;
      return [...seen];
    },
  };
}
