import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildRequest } from "../core/build-request.ts";
import { createLogLines, type LogLines } from "../core/log-lines.ts";
import { createMasks, LONGEST_MASKED, type Masks } from "../core/masks.ts";
import type { BuildContext, BuildCredentials, BuildEnd } from "../engine/ports.ts";
import type { Cgroup } from "./cgroup.ts";
import { checkout } from "./checkout.ts";
import { resolveFiles } from "./checkout-files.ts";
import { createGit } from "./checkout-sandbox.ts";
import { classify } from "./classify.ts";
import { type Given, layOutGiven } from "./given.ts";
import { type Job, PLACES } from "./job.ts";
import { type Exit, runInSandbox, type SandboxNetwork } from "./process.ts";

/** Names or paths of the tools. */
export interface Tools {
  readonly buildah: string;
  readonly runc: string;
  readonly git: string;
  readonly slirp4netns: string;
  readonly nft: string;
}

/** Ends a build early; `value` is what became of it. */
export class Ended extends Error {
  readonly end: BuildEnd;
  constructor(end: BuildEnd) {
    super("the build has ended");
    this.end = end;
  }
}

export interface RunOptions {
  readonly context: BuildContext;
  readonly credentials: BuildCredentials;
  readonly stop: AbortSignal;
  readonly job: Job;
  /** For buildah while it builds and everything it runs; null: the machine's. */
  readonly network: Promise<SandboxNetwork> | null;
  readonly cgroup: Cgroup;
  readonly maxFileBytes: number;
  readonly tools: Tools;
  readonly idBase: number;
  readonly graceMs: number;
  /** To be called when buildah may have left containers. */
  readonly spoiled: () => void;
}

/** One build in its folders: checkout, test, build, push. */
export function createRun(options: RunOptions): { all(): Promise<BuildEnd> } {
  const { context, credentials, stop, job, network, cgroup, maxFileBytes, tools, idBase, graceMs, spoiled } = options;
  const { request } = context;
  const { inputs } = request;
  const further = credentials.furtherRepositories ?? [];

  function logWith(masks: Masks): LogLines {
    return createLogLines({
      write: (text) => context.log(text),
      mask: masks.mask,
      longestSecret: LONGEST_MASKED,
      maxBytes: request.limits.logBytes,
    });
  }

  async function run(
    command: readonly [string, ...string[]],
    env: Readonly<Record<string, string>>,
    log: Pick<LogLines, "chunk" | "flush" | "tail">,
    // What only speaks to the Git host and the registry uses the machine's: they may be in a private network.
    network: SandboxNetwork | null = null,
  ): Promise<Exit> {
    const output = (chunk: Buffer) => log.chunk(chunk);
    const exit = await runInSandbox({
      command,
      env,
      binds: job.binds,
      idBase,
      network,
      cgroup,
      maxFileBytes,
      output,
      signal: stop,
      graceMs,
    });
    log.flush();
    // Killed or crashed, it does not remove its containers.
    if (exit.code !== 0) spoiled();
    if (stop.aborted) throw new Ended({ kind: "stopped" });
    if (!exit.started) throw new Error(`no sandbox for ${command[0]}: ${log.tail().at(-1) ?? "no output"}`);
    return exit;
  }

  async function all(): Promise<BuildEnd> {
    context.step("checkout");
    const masks = createMasks(
      [credentials.clone, credentials.registry, ...further.map((one) => one.credential)].filter((one) => one !== null),
      Object.values(credentials.secrets ?? {}),
    );
    const log = logWith(masks);
    for (const note of credentials.notes ?? []) log.line(note);
    const dockerfile = await timed(
      log,
      `Checkout of ${request.source.repository.fullName} at ${request.source.sha}`,
      () => fetchSource(masks, log),
    );
    const image = await testAndBuild(dockerfile, log);
    if (!request.image.push) {
      log.line(`==> Nothing is pushed: ${whyNot(request)}`);
      await discard(image, log);
      return { kind: "built", image: { digest: null } };
    }
    context.step("push");
    const digest = await timed(log, "Push", () => push(image, dockerfile, log));
    await discard(image, log);
    return { kind: "built", image: { digest } };
  }

  async function testAndBuild(dockerfile: Dockerfile, log: LogLines): Promise<string> {
    const given = await layOutGiven(credentials, { folder: job.folder, owner: idBase });
    try {
      if (inputs.testTarget !== null) {
        context.step("test");
        const target = inputs.testTarget;
        await timed(log, `Test: target ${target}`, () => buildImage("test", target, dockerfile, given, log));
      }
      context.step("build");
      return await timed(log, "Build", () => buildImage("build", inputs.target, dockerfile, given, log));
    } finally {
      await given.remove();
    }
  }

  async function fetchSource(masks: Masks, log: LogLines): Promise<Dockerfile> {
    const result = await checkout({
      cloneUrl: request.source.cloneUrl,
      sha: request.source.sha,
      pull: request.source.pull?.number ?? null,
      gitDir: PLACES.git,
      workTree: PLACES.source,
      folder: job.source,
      inputs,
      credential: credentials.clone,
      further,
      trusted: request.trust === "trusted",
      hasNetwork: inputs.network !== "none",
      say: (line) => log.line(line),
      git: createGit({
        tool: tools.git,
        masks,
        log,
        run: async (command, env, output, where) =>
          run(command, env, output, where === "build" ? await buildNetwork() : null),
      }),
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
    given: Given,
    log: LogLines,
  ): Promise<string> {
    const args = [
      "build",
      "--isolation=oci",
      `--runtime=${tools.runc}`,
      // Of RUN. Without a network it has none at all, not even buildah's, which leads to the registry.
      `--network=${inputs.network === "none" ? "none" : "host"}`,
      // RUN sees the machine's /sys, read-only; which services and builds it has is nobody's business.
      `--volume=${PLACES.empty}:/sys/fs/cgroup:ro`,
      `--signature-policy=${PLACES.pullPolicy}`,
      "--pull=always",
      "--force-rm",
      inputs.cache ? "--layers" : "--layers=false",
      ...(inputs.cache ? [] : ["--no-cache"]),
      `--iidfile=${PLACES.image}`,
      // Joined by `=`, so that no value is ever taken for an option.
      ...Object.entries(inputs.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
      ...given.options,
      ...Object.entries(inputs.labels).map(([name, value]) => `--label=${name}=${value}`),
      ...(target === null ? [] : [`--target=${target}`]),
      `--file=${file.path}`,
      "--",
      file.context,
    ];
    const exit = await run(given.wrap([...job.buildah, ...args]), job.env, log, await buildNetwork());
    if (exit.code !== 0) throw await failure(part, exit, target, file, log);
    return await job.read("image");
  }

  async function buildNetwork(): Promise<SandboxNetwork | null> {
    try {
      return await network;
    } catch (error) {
      const why = `The build's network could not be made: ${error instanceof Error ? error.message : String(error)}.`;
      const message = `${why} The operator should run \`wharfinger doctor\`.`;
      throw new Ended({ kind: "failed", failure: { class: "internal", message }, retryable: true });
    }
  }

  async function push(image: string, file: Dockerfile, log: LogLines): Promise<string> {
    const { registry, staging } = request.image;
    const name = `${registry}/${staging.repository}:${staging.tag}`;
    const exit = await run(
      [...job.buildah, "push", "--quiet", `--digestfile=${PLACES.digest}`, "--", image, `docker://${name}`],
      job.env,
      log,
    );
    if (exit.code !== 0) throw await failure("push", exit, null, file, log);
    const digest = await job.read("digest");
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
      network: inputs.network,
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

function whyNot({ source, trust }: BuildRequest): string {
  if (trust === "untrusted") return "the commit comes from people who may not push to the repository";
  return source.pull === undefined ? "the rule says `push: false`" : "this is a test of a pull request";
}

/** `context` and `path` inside the sandbox; `name` in the repository. */
interface Dockerfile {
  readonly context: string;
  readonly path: string;
  readonly name: string;
  readonly text: string;
}
