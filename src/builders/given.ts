/** What owners give a build, as buildah takes it: build arguments and secrets. */
import { chmod, chown, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildCredentials } from "../engine/ports.ts";
import { errorCode } from "./errno.ts";
import { quoted } from "./sh.ts";

export interface Given {
  /** Options of `buildah build`. No value is among them: everybody on the machine can see arguments. */
  readonly options: readonly string[];
  /** The command with the variables in its environment, which is where buildah looks for build arguments. */
  wrap(command: readonly string[]): readonly [string, ...string[]];
  /** When the build has ended. Whoever is killed before leaves it in the job's folder. */
  remove(): Promise<void>;
}

/** In the job's folder, and so in the sandbox. */
const NAME = "given";
const PLACE = `/mnt/job/${NAME}`;

/**
 * Variables become the environment inside the sandbox only. What makes the sandbox is the machine's root, and nobody else
 * is to choose a name in that one's.
 */
export async function layOutGiven(
  { variables = {}, secrets = {} }: Pick<BuildCredentials, "variables" | "secrets">,
  job: { readonly folder: string; readonly owner: number },
): Promise<Given> {
  const folder = join(job.folder, NAME);
  await mkdir(join(folder, "secrets"), { recursive: true, mode: 0o700 });
  const exported = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  const files = Object.entries(secrets).map(([name, value]) => [join("secrets", name), value] as const);
  for (const [name, text] of [["variables", exported.join("")] as const, ...files]) {
    await writeFile(join(folder, name), text, { mode: 0o600, flag: "wx" });
    await chown(join(folder, name), job.owner, job.owner);
  }
  // Last: until then they are root's alone.
  for (const path of [join(folder, "secrets"), folder]) {
    await chmod(path, 0o700);
    await chown(path, job.owner, job.owner);
  }
  return {
    options: [
      ...Object.keys(variables).map((name) => `--build-arg=${name}`),
      ...Object.keys(secrets).map((name) => `--secret=id=${name},src=${PLACE}/secrets/${name}`),
    ],
    wrap: (command) => ["sh", "-c", `. ${PLACE}/variables && exec "$@"`, "sh", ...command],
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/**
 * Of every secret a RUN mounts, buildah keeps a copy in the folder of the working container, until that is removed. Those
 * of a killed program stay: this removes them from all stores below `scopes`, which nobody may be using.
 */
export async function sweepSecrets(scopes: string): Promise<void> {
  for (const scope of await namesIn(scopes)) {
    const containers = join(scopes, scope, "root/overlay-containers");
    for (const container of await namesIn(containers)) {
      await rm(join(containers, container, "userdata/secrets"), { recursive: true, force: true });
    }
  }
}

/** Of the folders in it. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}
