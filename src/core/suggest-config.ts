/** The file for a repository that has Dockerfiles and no file yet. */
import { hasGlobCharacters } from "./globs.ts";
import type { Repository } from "./model.ts";
import { compilePattern } from "./patterns.ts";
import { defaultImageName, legalImageName } from "./repo-config/image-name.ts";
import { checkFileIn, checkFolder } from "./repo-config/repository-path.ts";
import { scalar } from "./repo-config/scalar.ts";

/** More than anybody reads through before pasting it; the others follow by the same pattern. */
const MAX_SUGGESTED = 20;

interface Suggestion {
  /** Null: the repository's name. */
  readonly name: string | null;
  readonly context: string;
  /** From the context. */
  readonly dockerfile: string;
}

/**
 * A file that builds each of the Dockerfiles (paths from the repository's root) for pushes to the default branch, ready
 * to paste: it has no errors and no warnings. Null: there is none that could be built, or no branch a file could name.
 */
export function suggestConfig(
  { fullName, defaultBranch }: Pick<Repository, "fullName" | "defaultBranch">,
  dockerfiles: readonly string[],
): string | null {
  const branch = defaultBranch === null ? null : patternFor(defaultBranch);
  const usable = [...new Set(dockerfiles)].filter(isUsable).sort(byDepth);
  const images = named(usable.slice(0, MAX_SUGGESTED), defaultImageName(fullName));
  if (branch === null || images.length === 0) return null;
  const more = usable.length - MAX_SUGGESTED;
  const lines = [
    "version: 1",
    "images:",
    ...images.flatMap((image) => imageLines(image, branch, images.length > 1)),
    ...(more > 0 ? [`  # and ${more} more`] : []),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function isUsable(path: string): boolean {
  return checkFolder(folderOf(path)).ok && checkFileIn(folderOf(path), fileOf(path)).ok;
}

function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
}

function fileOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The root's first, then in the order of their folders. */
function byDepth(one: string, other: string): number {
  return one.split("/").length - other.split("/").length || (one < other ? -1 : 1);
}

/** Of one Dockerfile the image is called as the repository; of several each as its folder, and as its file if need be. */
function named(paths: readonly string[], repositoryName: string | null): readonly Suggestion[] {
  const taken = new Set<string | null>([repositoryName]);
  return paths.map((path, index) => {
    const [context, dockerfile] = [folderOf(path), fileOf(path)];
    const suggestion = { context, dockerfile };
    // The first in the root, or the only one.
    if (repositoryName !== null && index === 0 && (paths.length === 1 || context === ".")) {
      return { name: null, ...suggestion };
    }
    const variant = dockerfile.replace(/\.?(?:Dockerfile|Containerfile)\.?/i, "");
    const folder = context === "." ? (repositoryName ?? "") : fileOf(context);
    const candidates = [folder, `${folder}-${variant}`, `${context}-${variant}`, `image-${index + 1}`].flatMap(
      (text) => {
        return legalImageName(text.replaceAll("/", "-")) ?? [];
      },
    );
    // The last one is nobody else's place in the list, but may be somebody's folder.
    const free = candidates.find((name) => !taken.has(name)) ?? `image-${index + 1}-${paths.length}`;
    taken.add(free);
    return { name: free, ...suggestion };
  });
}

function imageLines({ name, context, dockerfile }: Suggestion, branch: string, several: boolean): readonly string[] {
  const paths = several && context !== "." && !/[*?[\]{}!,@+()]/.test(context) ? `${context}/**` : null;
  const keys = [
    ...(name === null ? [] : [`name: ${scalar(name)}`]),
    ...(context === "." ? [] : [`context: ${scalar(context)}`]),
    ...(dockerfile === "Dockerfile" ? [] : [`dockerfile: ${scalar(dockerfile)}`]),
    ...(paths === null || !compilePattern(paths, "path").ok ? [] : [`paths: { include: [${scalar(paths)}] }`]),
    "rules:",
  ];
  return [
    ...keys.map((key, index) => `  ${index === 0 ? "- " : "  "}${key}`),
    `      - branch: ${branch}`,
    "        tags: [latest]",
  ];
}

/** The branch as a pattern of its exact name, written for YAML; null: none that is short enough. */
function patternFor(branch: string): string | null {
  const plain = hasGlobCharacters(branch) || branch.startsWith("/") ? [] : [branch];
  // The engine knows an escape for each of these, and none for letters.
  const regex = `/^${branch.replace(/[!-.:-@[-^`{-~]/g, "\\$&")}$/`;
  const source = [...plain, regex].find((text) => {
    const compiled = compilePattern(text, "ref");
    return compiled.ok && compiled.remarks.length === 0;
  });
  return source === undefined ? null : scalar(source);
}
