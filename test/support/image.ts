/** Pulls an image and reads what it holds. */
import { gunzipSync } from "node:zlib";
import type { RegistryClient } from "../../src/registry/client.ts";

export interface ImageFile {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  readonly bytes: Buffer;
}

export interface Image {
  readonly labels: Readonly<Record<string, string>>;
  /** Regular files of all layers, by path without leading slash; deletions of later layers are heeded. */
  readonly files: ReadonlyMap<string, ImageFile>;
  /** Config and unpacked layers, for searching. */
  readonly blobs: readonly Buffer[];
}

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

const MAX_BLOB = 512 * 1024 ** 2;

export async function readImage(registry: RegistryClient, repository: string, reference: string): Promise<Image> {
  const found = await registry.getManifest(repository, reference);
  if (!found.ok) throw new Error(found.message);
  if (found.value === null) throw new Error(`there is no ${repository}:${reference}`);
  const manifest = JSON.parse(found.value.bytes.toString("utf8")) as Manifest;
  const config = await blob(registry, repository, manifest.config.digest);
  const files = new Map<string, ImageFile>();
  const blobs = [config];
  for (const { digest } of manifest.layers) {
    const layer = gunzipSync(await blob(registry, repository, digest));
    blobs.push(layer);
    for (const [path, file] of readTar(layer)) {
      const removed = /^(.*?)([^/]*)$/.exec(path);
      const [, folder = "", name = ""] = removed ?? [];
      if (name.startsWith(".wh.")) files.delete(folder + name.slice(".wh.".length));
      else files.set(path, file);
    }
  }
  const parsed = JSON.parse(config.toString("utf8")) as { config?: { Labels?: Record<string, string> | null } };
  return { labels: parsed.config?.Labels ?? {}, files, blobs };
}

/** Contents of one file of an image; null: the image has no such file. */
export async function readFileFromImage(
  registry: RegistryClient,
  repository: string,
  reference: string,
  path: string,
): Promise<Buffer | null> {
  const image = await readImage(registry, repository, reference);
  return image.files.get(path.replace(/^\//, ""))?.bytes ?? null;
}

async function blob(registry: RegistryClient, repository: string, digest: string): Promise<Buffer> {
  const found = await registry.getBlob(repository, digest, MAX_BLOB);
  if (!found.ok) throw new Error(found.message);
  if (found.value === null) throw new Error(`there is no blob ${digest} in ${repository}`);
  return found.value;
}

/** Regular files of a tar archive, in order. Understands ustar and the long names of pax. */
function* readTar(tar: Buffer): Generator<readonly [path: string, file: ImageFile]> {
  let longName: string | null = null;
  for (let at = 0; at + 512 <= tar.length; ) {
    const head = tar.subarray(at, at + 512);
    const size = octal(head, 124, 12);
    const bytes = tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
    const type = String.fromCharCode(head[156] ?? 0);
    const prefix = text(head, 345, 155);
    const path = longName ?? (prefix === "" ? text(head, 0, 100) : `${prefix}/${text(head, 0, 100)}`);
    longName = type === "x" ? (/ path=(.*)\n/.exec(bytes.toString("utf8"))?.[1] ?? null) : null;
    if (type !== "0" && type !== "\0") continue;
    if (path === "") return;
    const file = { uid: octal(head, 108, 8), gid: octal(head, 116, 8), mode: octal(head, 100, 8) & 0o7777, bytes };
    yield [path.replace(/^\.?\//, ""), file];
  }
}

function text(head: Buffer, from: number, length: number): string {
  const field = head.subarray(from, from + length);
  const end = field.indexOf(0);
  return field.subarray(0, end < 0 ? length : end).toString("utf8");
}

function octal(head: Buffer, from: number, length: number): number {
  return Number.parseInt(text(head, from, length).trim() || "0", 8);
}
