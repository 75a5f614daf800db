import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type BuildahBuilder, type BuildahOptions, createBuildahBuilder } from "../../src/builders/buildah.ts";
import type { BuildRegistry } from "../../src/builders/job.ts";
import type { Logger } from "../../src/engine/ports.ts";
import type { TestRegistry } from "../support/registry.ts";

/** A real builder in a folder of its own. What it logs must not happen in tests, so it throws. */
export async function createTestBuilder(
  registry: Pick<TestRegistry, "name">,
  settings: Pick<BuildahOptions, "processes" | "resolver" | "cpus" | "diskBytes" | "tools"> & {
    readonly ways?: readonly string[];
    readonly trust?: Partial<Pick<BuildRegistry, "insecure" | "ca">>;
    readonly workDir?: string;
  } = {},
): Promise<{ readonly builder: BuildahBuilder; readonly workDir: string; stop(): Promise<void> }> {
  const { ways = [], trust = {}, ...options } = settings;
  const workDir = settings.workDir ?? (await mkdtemp(join(tmpdir(), "wharfinger-builder-")));
  const builder = createBuildahBuilder({
    registries: async () => [{ name: registry.name, insecure: true, ca: null, ways: async () => ways, ...trust }],
    log: throwingLogger,
    graceMs: 2000,
    ...options,
    // As DATA_DIR is by default.
    workDir: relative(process.cwd(), workDir),
  });
  return { builder, workDir, stop: () => rm(workDir, { recursive: true, force: true, maxRetries: 3 }) };
}

function refuseToLog(fields: object, message: string): never {
  throw new Error(`${message}: ${JSON.stringify(fields)}`);
}

const throwingLogger: Logger = { info: refuseToLog, warn: refuseToLog, error: refuseToLog };
