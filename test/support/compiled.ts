/** The program as `npm run build` makes it, for tests that start it. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/version.ts";

const CACHE = join(packageRoot, ".cache/programs");
const CONFIGS = ["package.json", "tsconfig.json", "tsconfig.build.json"];

/**
 * Path of its `main.js`. Compiled once for all test files that ask, in a folder named after what the sources hold; two that
 * ask at the same time may both compile, and one of the two results is kept.
 */
export function compiledMain(): string {
  const src = join(packageRoot, "src");
  const sources = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const hash = createHash("sha256");
  for (const path of [...sources.toSorted().map((name) => join("src", name)), ...CONFIGS]) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(packageRoot, path)))
      .update("\0");
  }
  const folder = join(CACHE, hash.digest("hex").slice(0, 16));
  if (!existsSync(folder)) compileInto(folder);
  return join(folder, "main.js");
}

function compileInto(folder: string): void {
  const tsc = join(packageRoot, "node_modules/typescript/bin/tsc");
  // Beside it, where the compiled program finds the package's other files just as it will.
  mkdirSync(CACHE, { recursive: true });
  const fresh = mkdtempSync(`${folder}-`);
  try {
    execFileSync(process.execPath, [tsc, "-p", join(packageRoot, "tsconfig.build.json"), "--outDir", fresh]);
    renameSync(fresh, folder);
  } catch (error) {
    rmSync(fresh, { recursive: true });
    // Somebody else was first.
    if (!existsSync(folder)) throw error;
  }
}
