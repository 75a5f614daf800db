import { lstat, readdir, realpath } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { plainText } from "../core/log-lines.ts";
import type { Failure } from "../core/model.ts";
import { shorten } from "./checkout-words.ts";
import { errorCode } from "./errno.ts";

export type BuildFiles =
  /** Both relative to the work tree, links followed. */
  | { readonly ok: true; readonly context: string; readonly dockerfile: string }
  | { readonly ok: false; readonly failure: Failure };

/** Bytes. It is read into memory. */
const MAX_DOCKERFILE = 1024 ** 2;

/**
 * Finds the context folder and the Dockerfile inside the checkout and refuses what would leave it: absolute paths, `..`,
 * and links whose end lies outside. Nobody else writes to the checkout, so what is found here is what is built.
 */
export async function resolveFiles(
  workTree: string,
  inputs: { readonly context: string; readonly dockerfile: string },
): Promise<BuildFiles> {
  const root = await realpath(workTree);
  const context = await follow(root, root, inputs.context, "context");
  if (!context.ok) return context;
  if (!(await lstat(context.path)).isDirectory()) return wrong(`The context \`${inputs.context}\` is not a folder.`);

  const dockerfile = await follow(root, context.path, inputs.dockerfile, "Dockerfile");
  if (!dockerfile.ok) return dockerfile;
  const found = await lstat(dockerfile.path);
  if (!found.isFile()) return wrong(`The Dockerfile \`${inputs.dockerfile}\` is not a regular file.`);
  if (found.size > MAX_DOCKERFILE) {
    return wrong(`The Dockerfile \`${inputs.dockerfile}\` is larger than ${MAX_DOCKERFILE / 1024} KiB.`);
  }
  const own = basename(dockerfile.path);
  for (const suffix of [".dockerignore", ".containerignore"]) {
    // Of the context, and of this Dockerfile, which the tool reads in its place.
    for (const [folder, name] of [
      [context.path, suffix],
      [dirname(dockerfile.path), `${own}${suffix}`],
    ] as const) {
      const ignore = await follow(root, folder, name, "ignore file");
      if (!ignore.ok && ignore.reason === "outside") return ignore;
    }
  }
  return { ok: true, context: relative(root, context.path) || ".", dockerfile: relative(root, dockerfile.path) };
}

type Followed =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly reason: "illegal" | "outside" | "missing"; readonly failure: Failure };

async function follow(root: string, from: string, path: string, what: string): Promise<Followed> {
  const segments = path.split("/");
  if (path === "" || path.startsWith("/") || /[\\\p{Cc}]/u.test(path) || segments.includes("..")) {
    const rule = "Paths are relative, with `/`, and never contain `..`.";
    return { reason: "illegal", ...wrong(`The ${what} path \`${shorten(plainText(path))}\` is not allowed. ${rule}`) };
  }
  try {
    const real = await realpath(join(from, path));
    if (real === root || real.startsWith(root + sep)) return { ok: true, path: real };
    const message = `The ${what} \`${path}\` is a link that leads out of the repository.`;
    return { reason: "outside", ...wrong(message) };
  } catch (error) {
    const code = errorCode(error);
    if (code === "ELOOP") {
      return { reason: "missing", ...wrong(`The ${what} \`${path}\` is a link that leads in a circle.`) };
    }
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") {
      const hint = await whatIsThere(root, from, segments);
      return { reason: "missing", ...wrong(`There is no ${what} \`${shorten(path)}\` at this commit.${hint}`) };
    }
    throw error;
  }
}

/** Says which names the first missing part of the path could have meant. */
async function whatIsThere(root: string, from: string, segments: readonly string[]): Promise<string> {
  let folder = from;
  for (const [index, segment] of segments.entries()) {
    const names = await readdir(folder).catch(() => null);
    if (names === null) return "";
    if (names.includes(segment) || segment === "." || segment === "") {
      const next = await realpath(join(folder, segment)).catch(() => null);
      if (next === null || !(next === root || next.startsWith(root + sep))) return "";
      folder = next;
      continue;
    }
    const here = relative(root, folder) || "the repository's root";
    const wanted = segment.toLowerCase();
    const near = names
      .filter((name) => name !== ".git" && (similar(name.toLowerCase(), wanted) || /dockerfile/i.test(name)))
      .slice(0, 5)
      .map((name) => `\`${plainText(name)}\``);
    const there = near.length > 0 ? near.join(", ") : "nothing with a similar name";
    return index === 0 || folder !== from ? ` In ${here} there is ${there}.` : "";
  }
  return "";
}

function similar(a: string, b: string): boolean {
  return a.startsWith(b.slice(0, 4)) || b.startsWith(a) || a.endsWith(b.slice(-4));
}

function wrong(message: string): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: { class: "dockerfile", message } };
}
