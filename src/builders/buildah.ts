import { createHash } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { BuildRequest } from "../core/build-request.ts";
import type { Failure } from "../core/model.ts";
import { namespaceOf } from "../core/registry-settings.ts";
import type { BuildContext, BuildEnd, Builder, Logger } from "../engine/ports.ts";
import { TOOL_PATH } from "../git/environment.ts";
import { createCgroup, sweepCgroups } from "./cgroup.ts";
import { watchDisk } from "./disk.ts";
import { sweepSecrets } from "./given.ts";
import { type BuildRegistry, createJob, type OverlayFeatures } from "./job.ts";
import { type BuildNetwork, createNetwork } from "./network.ts";
import { runInSandbox } from "./process.ts";
import { missingRequirements } from "./requirements.ts";
import { createRun, Ended, type Tools } from "./run.ts";
import { createStores } from "./stores.ts";

export interface BuildahOptions {
  /** Everything lies below it: layers, caches, the folders of running builds. One running program per folder. */
  readonly workDir: string;
  /** Those that requests may name, as they are now. */
  registries(): Promise<readonly BuildRegistry[]>;
  readonly log: Logger;
  /** What requests will ask for: decides what {@link Builder.check} looks for. Without it: not the machine's network. */
  readonly network?: BuildRequest["inputs"]["network"];
  /** IPv4 address of the name server of builds with a network; without it, the machine's own. */
  readonly resolver?: string;
  /** Between SIGTERM and SIGKILL when a build is stopped. */
  readonly graceMs?: number;
  /** Processes and threads of one build at a time. */
  readonly processes?: number;
  /** Processors one build may use; without it, all. */
  readonly cpus?: number;
  /** What one build may write, in bytes, layers and caches included; 20 GiB. */
  readonly diskBytes?: number;
  /** First of the 65536 machine ids builds use; no one else should own files with them. */
  readonly idBase?: number;
  readonly tools?: Partial<Tools>;
}

export interface BuildahBuilder extends Builder {
  /**
   * Removes what builds of an earlier run left when the program was killed: their folders, secrets and control groups.
   * To be called at the start, for the secrets; the first build makes sure of it. Left-over containers of a repository go
   * when its next build begins.
   */
  sweep(): Promise<void>;
}

/** Builds with buildah and runc on this machine. */
export function createBuildahBuilder(options: BuildahOptions): BuildahBuilder {
  const idBase = options.idBase ?? 200_000;
  const graceMs = options.graceMs ?? 10_000;
  const diskBytes = options.diskBytes ?? 20 * 1024 ** 3;
  const tools: Tools = { ...TOOLS, ...options.tools };
  // Tools run in another working directory.
  const workDir = resolve(options.workDir);
  const jobs = join(workDir, "jobs");
  const trustedScopes = join(workDir, "scopes");
  const untrustedScopes = join(workDir, "scopes-untrusted");
  // Several instances on one machine keep their groups apart.
  const cgroupPrefix = `${createHash("sha256").update(workDir).digest("hex").slice(0, 12)}-`;
  /** Of a build that went well: one that was stopped may have been in the middle of finding out. */
  let overlayFeatures: OverlayFeatures = [];
  let swept: Promise<void> | null = null;
  const owned = { owner: idBase, clean: removeContainers };
  // Apart, so that no name of a scope ever leads from one to the other. A fork can have any number of pull requests.
  const stores = {
    trusted: createStores({ ...owned, folder: trustedScopes }),
    untrusted: createStores({ ...owned, folder: untrustedScopes, keep: KEPT_UNTRUSTED }),
  };

  function sweep(): Promise<void> {
    swept ??= sweepAll();
    return swept;
  }

  async function sweepAll(): Promise<void> {
    await rm(jobs, { recursive: true, force: true });
    for (const scopes of [trustedScopes, untrustedScopes]) await sweepSecrets(scopes);
    await sweepCgroups(cgroupPrefix);
  }

  /** Of builds that were killed; builds that end by themselves remove their own. */
  async function removeContainers(scope: string): Promise<void> {
    const job = await createJob({
      jobs,
      scope,
      owner: idBase,
      registries: [],
      login: null,
      buildah: tools.buildah,
      overlayFeatures,
    });
    const said: Buffer[] = [];
    try {
      const exit = await runInSandbox({
        command: [...job.buildah, "rm", "--all"],
        env: job.env,
        binds: job.binds,
        idBase,
        network: null,
        cgroup: null,
        maxFileBytes: null,
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
      return await stores[request.trust].use(request.inputs.cacheScope, (scope, spoiled) =>
        inJob(context, stop, scope, spoiled),
      );
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
    const credentials = await context.credentials();
    if (!credentials.ok) {
      const { message, retryable, retryAfter } = credentials;
      return { kind: "failed", failure: { class: "checkout", message }, retryable, retryAfter };
    }
    const registries = await options.registries();
    const { image } = context.request;
    const registry = registries.find(({ name }) => name === image.registry);
    if (registry === undefined) return { kind: "failed", failure: unknownRegistry(image.registry), retryable: false };
    const opens = credentials.value.registry;
    const login = opens === null ? null : { registry: registry.name, ...opens };
    const job = await createJob({
      jobs,
      scope,
      owner: idBase,
      registries,
      login,
      buildah: tools.buildah,
      overlayFeatures,
    });
    const { memoryBytes } = context.request.limits;
    const processes = options.processes ?? 4096;
    const cgroup = await createCgroup(`${cgroupPrefix}${job.id}`, {
      memoryBytes,
      processes,
      cpus: options.cpus ?? null,
    });
    const disk = watchDisk({ scope, folder: job.folder, maxBytes: diskBytes });
    // Made while the commit is fetched; whoever needs it learns why it could not be.
    const network = networkOf(context.request, registry, job.id);
    network?.catch(() => undefined);
    try {
      const run = {
        context,
        credentials: credentials.value,
        stop: AbortSignal.any([stop, disk.signal]),
        job,
        maxFileBytes: diskBytes,
        network,
        cgroup,
        tools,
        idBase,
        graceMs,
        spoiled,
      };
      const end = await createRun(run).all();
      if (end.kind === "built" && overlayFeatures.length === 0) overlayFeatures = await job.overlayFeatures();
      return end;
    } catch (error) {
      if (!(error instanceof Ended) || stop.aborted || !disk.signal.aborted) throw error;
      return { kind: "failed", failure: tooMuchDisk(diskBytes), retryable: false };
    } finally {
      await disk.stop();
      await network?.then(
        (made) => made.close(),
        () => undefined,
      );
      await cgroup.remove();
      await job.remove();
    }
  }

  /** Null: the machine's, which the operator chose. */
  function networkOf({ inputs, image }: BuildRequest, registry: BuildRegistry, jobId: string) {
    if (inputs.network === "host") return null;
    return made();

    async function made(): Promise<BuildNetwork> {
      const ways = [registry.name, ...(await registry.ways(namespaceOf(image.name)))];
      return await createNetwork({
        // Beside the job's folder, not in it: that one belongs to the sandbox.
        folder: join(jobs, `${jobId}.network`),
        internet: inputs.network === "internet",
        ways,
        resolver: options.resolver ?? null,
        tools,
        path: TOOL_PATH,
      });
    }
  }

  return {
    name: "buildah",
    build,
    async check() {
      await mkdir(workDir, { recursive: true });
      return await missingRequirements({ workDir, owner: idBase, tools, ownNetwork: options.network !== "host" });
    },
    sweep,
  };
}

/** Caches of pull requests from forks. */
const KEPT_UNTRUSTED = 8;

const TOOLS: Tools = { buildah: "buildah", runc: "runc", git: "git", slirp4netns: "slirp4netns", nft: "nft" };

/** What this builder does not do. */
function refuse(request: BuildRequest): Failure | null {
  const { platforms } = request.inputs;
  const own = `linux/${process.arch === "x64" ? "amd64" : process.arch}`;
  const other = platforms.find((platform) => platform !== own);
  if (other === undefined) return null;
  return {
    class: "dockerfile",
    message: `This builder builds for ${own} only, not for ${other}. Take it out of \`platforms\`.`,
  };
}

function unknownRegistry(name: string): Failure {
  const advice = "Push again; if it stays so, the operator should look at `wharfinger registry list`.";
  return {
    class: "internal",
    message: `The registry ${name}, which this build is for, is not configured here. ${advice}`,
  };
}

function tooMuchDisk(bytes: number): Failure {
  const limit = bytes >= 1024 ** 3 ? `${Math.floor(bytes / 1024 ** 3)} GiB` : `${Math.floor(bytes / 1024 ** 2)} MiB`;
  const advice = "Make it write less (.dockerignore, cache mounts), or ask the operator for a higher limit.";
  return {
    class: "build",
    message: `The build was stopped because it wrote more than ${limit} to the disk. ${advice}`,
  };
}

function tooLong(seconds: number): Failure {
  const limit = seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
  return {
    class: "timeout",
    message: `The build was stopped because it took longer than ${limit}. Make it faster, or ask the operator for a higher limit.`,
  };
}
