import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Folder of the package: the one with our package.json, `views/` and `app.yml`. Found by walking up, because this file
 * runs from `src/`, from `dist/` and from the deeper output folder of the lab build.
 */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Version in package.json. */
export const version: string = readPackage(packageRoot)?.version ?? "";

function findRoot(start: string): string {
  let folder = start;
  while (readPackage(folder)?.name !== "wharfinger") {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new Error(`No package.json of wharfinger in ${start} or above it: the installation is incomplete.`);
    }
    folder = parent;
  }
  return folder;
}

function readPackage(folder: string): { readonly name?: string; readonly version?: string } | null {
  let text: string;
  try {
    text = readFileSync(join(folder, "package.json"), "utf8");
  } catch (error) {
    if (typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT") {
      return null;
    }
    throw error;
  }
  return JSON.parse(text) as { name?: string; version?: string };
}
