/** What owners give builds, with real buildah: who gets it, where it goes, and what is left of it. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { sweepSecrets } from "../../src/builders/given.ts";
import type { Variables } from "../../src/core/variables.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { failureOf } from "../contract/builder.contract.ts";
import { startChild } from "../support/child.ts";
import { readImage } from "../support/image.ts";
import type { GivenChildInput } from "./given-child.ts";
import { createLeaseWorld, type LeaseWorld, nosyTool } from "./lease-world.ts";
import { createTestBuilder } from "./world.ts";

const NONE: Variables = { variables: {}, secrets: {} };
const MOUNT = "--mount=type=secret,id";

let world: LeaseWorld;
let buildah: Awaited<ReturnType<typeof nosyTool>>;
/** Another one for each test: what an earlier one left is not found by a later one. */
let secret: string;
let count = 0;

const worlds: LeaseWorld[] = [];

beforeAll(async () => {
  buildah = await nosyTool("buildah");
});
afterAll(async () => {
  for (const one of worlds) await one.stop();
  await buildah?.remove();
});
beforeEach(() => {
  count += 1;
  secret = `s3cret/${count}/${"value+".repeat(3)}${Date.now()}`;
});

/** For the tests of a group. Of a registry with an account nobody pulls anything without one. */
function inWorld(kind: "tokens" | "account"): void {
  beforeAll(async () => {
    world = await createLeaseWorld(kind, { tools: { buildah: buildah.path } });
    worlds.push(world);
  });
}

function dockerfile(...lines: readonly string[]): { readonly Dockerfile: string } {
  return { Dockerfile: `FROM ${world.base.public}\n${lines.join("\n")}\n` };
}

/** What the builder's tool could see in all builds of the store that was used last. */
async function seenIn(scopes: "scopes" | "scopes-untrusted"): Promise<string> {
  const folder = join(world.workDir, scopes);
  const names = await readdir(folder);
  const used = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(folder, name))).mtimeMs })));
  const [last] = used.sort((one, other) => other.at - one.at);
  return await readFile(join(folder, last?.name ?? "", "tmp/seen"), "utf8");
}

/** Paths of files below a folder that hold a text. What vanishes meanwhile holds nothing. */
async function holding(folder: string, text: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const held = await Promise.all(
    files.map(async (file) => ((await readFile(file).catch(() => Buffer.alloc(0))).includes(text) ? [file] : [])),
  );
  // What the nosy tool wrote down is the one place that may.
  return held.flat().filter((file) => !file.endsWith("/tmp/seen"));
}

describe("variables", () => {
  inWorld("account");

  it("are build arguments, whatever is in their values, and a shell obeys none of it", async () => {
    const value = "a 'b' \"c\" $(touch /mnt/job/evil) `id` $HOME \\ ü\nsecond line\n; exit 1";
    const ran = await world.build(
      dockerfile("ARG PLAIN", "ARG EMPTY=default", 'RUN printf "[%s][%s]" "$PLAIN" "$EMPTY" | base64 | tr -d "\\n"'),
      { set: { variables: { PLAIN: value, EMPTY: "", UNUSED: "not declared" }, secrets: {} } },
    );
    expect(ran.end.kind).toBe("built");
    expect(ran.log).toContain(Buffer.from(`[${value}][]`).toString("base64"));
    expect(ran.log).toMatch(/^Set by owners: variables EMPTY, PLAIN, UNUSED$/m);
  }, 90_000);

  it("are for instructions before the first stage, too, and no argument of a tool", async () => {
    const value = `argument-${Date.now()}`;
    const [repository = "", tag = ""] = world.base.public.split(/:(?=[^:]*$)/);
    const ran = await world.build(
      { Dockerfile: `ARG TAG\nFROM ${repository}:\${TAG}\nARG NAMED\nRUN test "$NAMED" = ${value}\n` },
      { set: { variables: { TAG: tag, NAMED: value }, secrets: {} } },
    );
    expect(ran.end.kind).toBe("built");
    const seen = await seenIn("scopes");
    expect(seen).toContain(`\nNAMED=${value}\n`);
    expect(seen).toContain("\n--build-arg=NAMED\n");
    expect(seen).not.toContain(`--build-arg=NAMED=`);
  });

  it("give way to the file's build arguments, and the log says so", async () => {
    const ran = await world.build(dockerfile("ARG LEVEL", "RUN echo level is $LEVEL"), {
      set: { variables: { LEVEL: "the owner's" }, secrets: {} },
      inputs: { buildArgs: { LEVEL: "the file's" } },
    });
    expect(ran.log).toMatch(/^level is the file's$/m);
    expect(ran.log).toMatch(/^The variable LEVEL is left out: the file's build_args set it\.$/m);
  });

  it("build anew what used them when they change", async () => {
    const files = dockerfile("ARG LEVEL", "RUN echo level is $LEVEL");
    for (const LEVEL of ["one", "two", "one"]) {
      const ran = await world.build(files, { set: { variables: { LEVEL }, secrets: {} } });
      const built = new RegExp(`^level is ${LEVEL}$`, "m").test(ran.log);
      expect(built || /Using cache/.test(ran.log)).toBe(true);
      expect(ran.log).not.toContain(`level is ${LEVEL === "one" ? "two" : "one"}`);
    }
  }, 90_000);

  it("can not change the tool that builds, even where they were kept before their names were reserved", async () => {
    const ran = await world.build(dockerfile("RUN echo built"), {
      set: { variables: { LD_PRELOAD: "/mnt/job/src/evil.so", REGISTRY_AUTH_FILE: "/nothing" }, secrets: {} },
    });
    expect(ran.end.kind).toBe("built");
    expect(ran.log).toMatch(/^The variable LD_PRELOAD is left out\. /m);
    expect(ran.log).not.toContain("evil.so");
  });
});

describe("secrets", () => {
  inWorld("account");

  it("are files that a RUN mounts: exactly what was set, and readable by whom the mount says", async () => {
    const value = `${secret}\nsecond line 'q' "d" $x\n`;
    const ran = await world.build(
      dockerfile(
        `RUN ${MOUNT}=npm-token sha256sum /run/secrets/npm-token | cut -c1-16; ls -ln /run/secrets/npm-token`,
        `RUN ${MOUNT}=npm-token,target=/etc/token,mode=0444,uid=65534 ls -ln /etc/token`,
        "RUN ls /run/secrets /etc/token || echo gone",
      ),
      { set: { variables: {}, secrets: { "npm-token": value } } },
    );
    expect(ran.end.kind).toBe("built");
    expect(ran.log).toContain(createHash("sha256").update(value).digest("hex").slice(0, 16));
    expect(ran.log).toMatch(/^-r-------- .* 0 +0 .*\/run\/secrets\/npm-token$/m);
    expect(ran.log).toMatch(/^-r--r--r-- .* 65534 +0 .*\/etc\/token$/m);
    expect(ran.log).toMatch(/^gone$/m);
    expect(ran.log).toMatch(/^Set by owners: secrets npm-token$/m);
  });

  it("are not in the image, its configuration or history, nor in anything a build leaves", async () => {
    const { id } = world.next();
    const ran = await world.build(
      dockerfile("ARG SHOWN", `RUN ${MOUNT}=token test -s /run/secrets/token && echo "$SHOWN" > /shown`),
      { set: { variables: { SHOWN: "a shown value" }, secrets: { token: secret, unused: `unused-${secret}` } } },
    );
    if (ran.end.kind !== "built" || ran.end.image.digest === null) throw new Error(ran.log);
    const { registry } = world;
    const client = createRegistryClient({
      url: registry.url,
      username: registry.username,
      password: registry.password,
    });
    const image = await readImage(client, `staging/${id}`, ran.end.image.digest);
    const all = Buffer.concat(image.blobs).toString("latin1");
    for (const form of [secret, Buffer.from(secret).toString("base64").slice(0, -4)]) expect(all).not.toContain(form);
    // Of variables the history tells: docs/variables.md says so.
    expect(all).toContain("SHOWN=a shown value");
    expect(
      [...image.files.keys()].filter((path) => path.startsWith("run/secrets/") && path !== "run/secrets/"),
    ).toEqual([]);
    expect(await holding(world.workDir, secret)).toEqual([]);
    expect(await holding(registry.folder, secret)).toEqual([]);
  });

  it("are hidden in logs, and in what a failure says", async () => {
    const ran = await world.build(
      dockerfile(
        `RUN ${MOUNT}=token s=$(cat /run/secrets/token); echo "plain $s"; echo -n "$s" | base64 -w0; echo; set -x; : "x=$s"; echo "$s" >&2; exit 7`,
      ),
      { set: { variables: {}, secrets: { token: secret } } },
    );
    expect(failureOf(ran).class).toBe("build");
    expect(ran.log).toMatch(/^plain \*\*\*$/m);
    expect(ran.log).not.toContain(secret);
    expect(ran.log).not.toContain(Buffer.from(secret).toString("base64").slice(0, 12));
    expect(JSON.stringify(ran.end)).not.toContain(secret);
    expect(await holding(world.workDir, secret)).toEqual([]);
  });

  it("are no argument of any tool, and in no environment", async () => {
    await world.build(dockerfile(`RUN ${MOUNT}=token test -s /run/secrets/token`), {
      set: { variables: {}, secrets: { token: secret } },
    });
    const seen = await seenIn("scopes");
    expect(seen).toContain("\n--secret=id=token,src=/mnt/job/given/secrets/token\n");
    // The tool saw the file it was to read, and that is the only place.
    expect(seen.split(secret).length - 1).toBe(1);
  });

  it("leave nothing when a build is stopped amid the RUN that has one", async () => {
    const stop = new AbortController();
    let amid: Promise<readonly string[]> = Promise.resolve([]);
    const ran = await world.build(dockerfile(`RUN ${MOUNT}=token cat /run/secrets/token; echo; echo begun; sleep 60`), {
      set: { variables: {}, secrets: { token: secret } },
      signal: stop.signal,
      onLog(text) {
        if (!/^begun$/m.test(text)) return;
        amid = holding(world.workDir, secret).finally(() => stop.abort("cancel"));
      },
    });
    expect(ran.end).toEqual({ kind: "stopped" });
    // One was laid out for buildah, which made one for the RUN.
    expect(await amid).toHaveLength(2);
    expect(await holding(world.workDir, secret)).toEqual([]);
  });

  it("leave nothing after the next start when the whole program is killed", async () => {
    const { request, credentials } = await world.lease(
      dockerfile(`RUN ${MOUNT}=token cat /run/secrets/token; echo; echo begun; sleep 60`),
      { set: { variables: { V: "a value" }, secrets: { token: secret } } },
    );
    const exchanged = await credentials();
    if (!exchanged.ok) throw new Error(exchanged.message);
    const input: GivenChildInput = { request, credentials: exchanged.value };
    const child = await startChild(new URL("./given-child.ts", import.meta.url), [JSON.stringify(input)]);
    const folder = child.firstLine;
    await child.kill();
    const left = await holding(folder, secret);
    expect(left.filter((file) => file.includes("/jobs/"))).not.toEqual([]);
    const copies = left.filter((file) => file.includes("/overlay-containers/"));
    expect(copies).not.toEqual([]);
    const again = await createTestBuilder(world.registry, { workDir: folder });
    await again.builder.sweep();
    expect(await holding(folder, secret)).toEqual([]);
    await again.stop();
  }, 90_000);

  it("of a store that is not there need no sweeping", async () => {
    await expect(sweepSecrets(join(world.workDir, "none"))).resolves.toBeUndefined();
  });
});

describe("a build of a stranger's commit", () => {
  inWorld("tokens");

  const hostile = () =>
    dockerfile(
      "ARG PLAIN=none",
      "RUN echo plain is $PLAIN; env | sort; ls -R /run/secrets 2>/dev/null; true",
      `RUN ${MOUNT}=token,required=false cat /run/secrets/token || echo no secret`,
      "RUN cat /mnt/job/given/secrets/* /mnt/job/given/variables /proc/*/environ || echo nothing there",
    );

  it("gets nothing, however its Dockerfile asks, although the repository's own builds do", async () => {
    const set = { variables: { PLAIN: `plain-${secret}` }, secrets: { token: secret } };
    const own = await world.build(hostile(), { set });
    expect(own.log).toMatch(/^plain is plain-/m);
    for (const anonymous of [false, true]) {
      const ran = await world.build(hostile(), { set, fork: anonymous ? 6 : 5, anonymous });
      expect(ran.end.kind).toBe("built");
      expect(ran.log).toMatch(/^plain is none$/m);
      expect(ran.log).toMatch(/^no secret$/m);
      expect(ran.log).not.toContain(secret);
      expect(ran.log).not.toContain("***");
      expect(ran.log).not.toContain("Set by owners");
    }
    const seen = await seenIn("scopes-untrusted");
    expect(seen).toContain("--iidfile=");
    expect(seen).not.toContain(secret);
  }, 90_000);

  it("fails where its Dockerfile can not do without a secret", async () => {
    const ran = await world.build(dockerfile(`RUN ${MOUNT}=token,required=true cat /run/secrets/token`), {
      set: { variables: {}, secrets: { token: secret } },
      fork: 7,
    });
    expect(failureOf(ran).class).toBe("build");
    expect(ran.log).not.toContain(secret);
  });

  it("does not find what a trusted build's cache keeps of a RUN that had one", async () => {
    const files = dockerfile(`RUN ${MOUNT}=token,required=false cat /run/secrets/token > /copied; wc -c < /copied`);
    await world.build(files, { set: { variables: {}, secrets: { token: secret } } });
    const ran = await world.build(files, { set: NONE, fork: 8 });
    expect(ran.log).toMatch(/^0$/m);
    expect(ran.log).not.toContain("Using cache");
  }, 90_000);
});
