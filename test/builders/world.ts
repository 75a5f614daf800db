import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type BuildahBuilder, type BuildahOptions, createBuildahBuilder } from "../../src/builders/buildah.ts";
import type { Logger } from "../../src/engine/ports.ts";
import type { TestRegistry } from "../support/registry.ts";

/** A real builder in a folder of its own. What it logs must not happen in tests, so it throws. */
export async function createTestBuilder(
  registry: Pick<TestRegistry, "name">,
  settings: Pick<BuildahOptions, "processes" | "resolver" | "ways" | "cpus" | "diskBytes" | "tools"> = {},
): Promise<{ readonly builder: BuildahBuilder; readonly workDir: string; stop(): Promise<void> }> {
  const workDir = await mkdtemp(join(tmpdir(), "wharfinger-builder-"));
  const builder = createBuildahBuilder({
    // As DATA_DIR is by default.
    workDir: relative(process.cwd(), workDir),
    registry: { name: registry.name, insecure: true },
    log: throwingLogger,
    graceMs: 2000,
    ...settings,
  });
  return { builder, workDir, stop: () => rm(workDir, { recursive: true, force: true, maxRetries: 3 }) };
}

function refuseToLog(fields: object, message: string): never {
  throw new Error(`${message}: ${JSON.stringify(fields)}`);
}

const throwingLogger: Logger = { info: refuseToLog, warn: refuseToLog, error: refuseToLog };
