import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BuildRequest } from "../core/build-request.ts";
import type { Failure } from "../core/model.ts";
import type { BuildContext, BuildEnd, Builder, CloneCredential, Logger } from "../engine/ports.ts";
import { type Cgroup, createCgroup, sweepCgroups } from "./cgroup.ts";
import { checkout, resolveFiles } from "./checkout.ts";
import { classify } from "./classify.ts";
import { createJob, type Job, PLACES, TOOL_PATH } from "./job.ts";
import { createLogLines, type LogLines } from "./lines.ts";
import { createMasks, type Masks } from "./masks.ts";
import { type Exit, runInSandbox } from "./process.ts";
import { missingRequirements } from "./requirements.ts";
import { createStores } from "./stores.ts";

export interface BuildahOptions {
  /** Everything lies below it: layers, caches, the folders of running builds. One running program per folder. */
  readonly workDir: string;
  readonly registry: {
    /** Host and port, as image names carry it. */
    readonly name: string;
    /** Speaks http, or has a certificate nobody signed. */
    readonly insecure: boolean;
  };
  readonly log: Logger;
  /** Between SIGTERM and SIGKILL when a build is stopped. */
  readonly graceMs?: number;
  /** Processes and threads of one build at a time. */
  readonly processes?: number;
  /** First of the 65536 machine ids builds use; no one else should own files with them. */
  readonly idBase?: number;
  readonly tools?: Partial<Tools>;
}

interface Tools {
  readonly buildah: string;
  readonly runc: string;
  readonly git: string;
}

export interface BuildahBuilder extends Builder {
  /**
   * Removes what builds of an earlier run left when the program was killed: their folders and control groups. The first
   * build does it by itself; calling it at the start frees the disk sooner. Left-over containers of a repository go when
   * its next build begins.
   */
  sweep(): Promise<void>;
}

/** Ends a build early; `value` is what became of it. */
class Ended extends Error {
  readonly end: BuildEnd;
  constructor(end: BuildEnd) {
    super("the build has ended");
    this.end = end;
  }
}

/** Builds with buildah and runc on this machine. */
export function createBuildahBuilder(options: BuildahOptions): BuildahBuilder {
  const idBase = options.idBase ?? 200_000;
  const graceMs = options.graceMs ?? 10_000;
  const tools: Tools = { buildah: "buildah", runc: "runc", git: "git", ...options.tools };
  const jobs = join(options.workDir, "jobs");
  // Several instances on one machine keep their groups apart.
  const cgroupPrefix = `${createHash("sha256").update(options.workDir).digest("hex").slice(0, 12)}-`;
  let swept: Promise<void> | null = null;
  const stores = createStores({ folder: join(options.workDir, "scopes"), owner: idBase, clean: removeContainers });

  function sweep(): Promise<void> {
    swept ??= rm(jobs, { recursive: true, force: true }).then(() => sweepCgroups(cgroupPrefix));
    return swept;
  }

  /** Of builds that were killed; builds that end by themselves remove their own. */
  async function removeContainers(scope: string): Promise<void> {
    const job = await createJob({
      jobs,
      scope,
      owner: idBase,
      registry: { ...options.registry, credential: null },
      buildah: tools.buildah,
    });
    const said: Buffer[] = [];
    try {
      const exit = await runInSandbox({
        command: [...job.buildah, "rm", "--all"],
        env: job.env,
        binds: job.binds,
        idBase,
        cgroup: null,
        output: (chunk) => said.push(chunk),
        signal: AbortSignal.timeout(60_000),
        graceMs: 1000,
      });
      if (exit.code !== 0) {
        options.log.warn(
          { scope, output: Buffer.concat(said).toString("utf8").slice(-1000) },
          "left-over containers of builds were not removed",
        );
      }
    } catch (error) {
      options.log.warn({ err: error, scope }, "left-over containers of builds were not removed");
    } finally {
      await job.remove();
    }
  }

  async function build(context: BuildContext): Promise<BuildEnd> {
    const { request } = context;
    const refusal = refuse(request);
    if (refusal !== null) return { kind: "failed", failure: refusal, retryable: false };
    if (context.signal.aborted) return { kind: "stopped" };
    await sweep();

    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), request.limits.seconds * 1000);
    const stop = AbortSignal.any([context.signal, timeout.signal]);
    try {
      return await stores.use(request.inputs.cacheScope, (scope, spoiled) => inJob(context, stop, scope, spoiled));
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
      if (context.signal.aborted) return { kind: "stopped" };
      if (timeout.signal.aborted) return { kind: "failed", failure: tooLong(request.limits.seconds), retryable: false };
      return error.end;
    } finally {
      clearTimeout(timer);
    }
  }

  async function inJob(
    context: BuildContext,
    stop: AbortSignal,
    scope: string,
    spoiled: () => void,
  ): Promise<BuildEnd> {
    const registry = { ...options.registry, credential: context.push };
    const job = await createJob({ jobs, scope, owner: idBase, registry, buildah: tools.buildah });
    const { memoryBytes } = context.request.limits;
    const processes = options.processes ?? 4096;
    const cgroup = await createCgroup(`${cgroupPrefix}${job.id}`, { memoryBytes, processes });
    try {
      return await createRun({ context, stop, job, cgroup, tools, idBase, graceMs, spoiled }).all();
    } finally {
      await cgroup.remove();
      await job.remove();
    }
  }

  return {
    name: "buildah",
    build,
    async check() {
      await mkdir(options.workDir, { recursive: true });
      return await missingRequirements({ workDir: options.workDir, owner: idBase, tools });
    },
    sweep,
  };
}

/** What this builder does not do. */
function refuse(request: BuildRequest): Failure | null {
  const { network, platforms } = request.inputs;
  if (network === "internet") {
    return {
      class: "internal",
      message:
        "This builder can not give builds the network `internet` yet. The operator has to set BUILD_NETWORK to `none` or `host`.",
    };
  }
  const own = `linux/${process.arch === "x64" ? "amd64" : process.arch}`;
  const other = platforms.find((platform) => platform !== own);
  if (other === undefined) return null;
  return {
    class: "dockerfile",
    message: `This builder builds for ${own} only, not for ${other}. Take it out of \`platforms\`.`,
  };
}

function tooLong(seconds: number): Failure {
  const limit = seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
  return {
    class: "timeout",
    message: `The build was stopped because it took longer than ${limit}. Make it faster, or ask the operator for a higher limit.`,
  };
}

interface RunOptions {
  readonly context: BuildContext;
  readonly stop: AbortSignal;
  readonly job: Job;
  readonly cgroup: Cgroup;
  readonly tools: Tools;
  readonly idBase: number;
  readonly graceMs: number;
  /** To be called when buildah may have left containers. */
  readonly spoiled: () => void;
}

/** One build in its folders: checkout, test, build, push. */
function createRun({ context, stop, job, cgroup, tools, idBase, graceMs, spoiled }: RunOptions): {
  all(): Promise<BuildEnd>;
} {
  const { request } = context;
  const { inputs } = request;

  function logWith(masks: Masks): LogLines {
    return createLogLines({
      write: (text) => context.log(text),
      mask: masks.mask,
      longestSecret: masks.longest,
      maxBytes: request.limits.logBytes,
    });
  }

  async function run(
    command: readonly [string, ...string[]],
    env: Readonly<Record<string, string>>,
    log: LogLines,
  ): Promise<Exit> {
    const output = (chunk: Buffer) => log.chunk(chunk);
    const exit = await runInSandbox({ command, env, binds: job.binds, idBase, cgroup, output, signal: stop, graceMs });
    log.flush();
    // Killed or crashed, it does not remove its containers.
    if (exit.code !== 0) spoiled();
    if (stop.aborted) throw new Ended({ kind: "stopped" });
    if (!exit.started) throw new Error(`no sandbox for ${command[0]}: ${log.tail().at(-1) ?? "no output"}`);
    return exit;
  }

  async function all(): Promise<BuildEnd> {
    context.step("checkout");
    const credential = await context.cloneCredential();
    if (!credential.ok) {
      const message = `The Git host gave no access to the repository: ${credential.message}`;
      return { kind: "failed", failure: { class: "checkout", message }, retryable: credential.retryable };
    }
    const masks = createMasks([credential.value, ...(context.push === null ? [] : [context.push])]);
    const log = logWith(masks);
    const dockerfile = await timed(
      log,
      `Checkout of ${request.source.repository.fullName} at ${request.source.sha}`,
      () => fetchSource(credential.value, masks, log),
    );
    if (inputs.testTarget !== null) {
      context.step("test");
      const target = inputs.testTarget;
      await timed(log, `Test: target ${target}`, () => buildImage("test", target, dockerfile, log));
    }
    context.step("build");
    const image = await timed(log, "Build", () => buildImage("build", inputs.target, dockerfile, log));
    if (!request.image.push) {
      log.line("==> Nothing is pushed: the rule says `push: false`");
      await discard(image, log);
      return { kind: "built", image: { digest: null } };
    }
    context.step("push");
    const digest = await timed(log, "Push", () => push(image, dockerfile, log));
    await discard(image, log);
    return { kind: "built", image: { digest } };
  }

  async function fetchSource(credential: CloneCredential, masks: Masks, log: LogLines): Promise<Dockerfile> {
    const result = await checkout({
      cloneUrl: request.source.cloneUrl,
      sha: request.source.sha,
      gitDir: PLACES.git,
      workTree: PLACES.source,
      credential,
      async git(args, env) {
        const said = createLogLines({
          write: () => undefined,
          mask: masks.mask,
          longestSecret: masks.longest,
          maxBytes: 65_536,
        });
        const exit = await run([tools.git, ...args], { ...env, PATH: TOOL_PATH, HOME: "/nonexistent" }, said);
        if (exit.code !== 0) for (const line of said.tail()) log.line(line);
        return { code: exit.code, said: said.tail() };
      },
    });
    if (!result.ok) throw new Ended({ kind: "failed", failure: result.failure, retryable: result.retryable });
    const files = await resolveFiles(job.source, inputs);
    if (!files.ok) throw new Ended({ kind: "failed", failure: files.failure, retryable: false });
    const text = await readFile(join(job.source, files.dockerfile), "utf8");
    return {
      context: join(PLACES.source, files.context),
      path: join(PLACES.source, files.dockerfile),
      name: files.dockerfile,
      text,
    };
  }

  /** Id of the image, which has no name in the store: nothing can refer to it but what knows the id. */
  async function buildImage(
    part: "test" | "build",
    target: string | null,
    file: Dockerfile,
    log: LogLines,
  ): Promise<string> {
    const args = [
      "build",
      "--isolation=oci",
      `--runtime=${tools.runc}`,
      `--network=${inputs.network}`,
      `--signature-policy=${PLACES.pullPolicy}`,
      "--pull=always",
      "--force-rm",
      inputs.cache ? "--layers" : "--layers=false",
      ...(inputs.cache ? [] : ["--no-cache"]),
      `--iidfile=${PLACES.image}`,
      // Joined by `=`, so that no value is ever taken for an option.
      ...Object.entries(inputs.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
      ...Object.entries(inputs.labels).map(([name, value]) => `--label=${name}=${value}`),
      ...(target === null ? [] : [`--target=${target}`]),
      `--file=${file.path}`,
      "--",
      file.context,
    ];
    const exit = await run([...job.buildah, ...args], job.env, log);
    if (exit.code !== 0) throw await failure(part, exit, target, file, log);
    return await job.read("image");
  }

  async function push(image: string, file: Dockerfile, log: LogLines): Promise<string> {
    let digest: string | null = null;
    for (const tag of request.image.tags) {
      const name = `${request.image.registry}/${request.image.name}:${tag}`;
      log.line(`${name}`);
      const exit = await run(
        [...job.buildah, "push", "--quiet", `--digestfile=${PLACES.digest}`, "--", image, `docker://${name}`],
        job.env,
        log,
      );
      if (exit.code !== 0) throw await failure("push", exit, null, file, log);
      const pushed = await job.read("digest");
      if (digest !== null && pushed !== digest) {
        const message = `The tags of one image got different digests (${digest}, then ${pushed} for ${tag}). Try again.`;
        throw new Ended({ kind: "failed", failure: { class: "internal", message }, retryable: true });
      }
      digest = pushed;
    }
    if (digest === null) throw new Error(`request ${request.id} wants a push but has no tags`);
    log.line(`digest ${digest}`);
    return digest;
  }

  async function failure(
    part: "test" | "build" | "push",
    exit: Exit,
    target: string | null,
    file: Dockerfile,
    log: LogLines,
  ): Promise<Ended> {
    const { failure, retryable } = classify({
      part,
      code: exit.code,
      tail: log.tail(),
      dockerfile: file,
      oomKills: await cgroup.oomKills(),
      memoryBytes: request.limits.memoryBytes,
      registry: request.image.registry,
      target,
    });
    return new Ended({ kind: "failed", failure, retryable });
  }

  /** Without a cache the image is of no more use. With one its layers are the next build's cache. */
  async function discard(image: string, log: LogLines): Promise<void> {
    if (!inputs.cache) await run([...job.buildah, "rmi", "--force", "--", image], job.env, log);
  }

  async function timed<T>(log: LogLines, heading: string, work: () => Promise<T>): Promise<T> {
    log.line(`==> ${heading}`);
    const begun = performance.now();
    try {
      return await work();
    } finally {
      log.line(`    ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    }
  }

  return { all };
}

/** `context` and `path` inside the sandbox; `name` in the repository. */
interface Dockerfile {
  readonly context: string;
  readonly path: string;
  readonly name: string;
  readonly text: string;
}
