/** Puts small images into a real registry, and looks into its folder. */
import { createHash, randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { IssueToken } from "../../src/registry/sign-in.ts";
import type { TestRegistry } from "../support/registry.ts";

/** A registry, and how to get tokens for it if it wants those. */
export interface ImageRegistry extends TestRegistry {
  readonly issue?: IssueToken;
}

export const OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly urls?: readonly string[];
}

export interface PushedImage {
  readonly digest: string;
  /** Config and layers. */
  readonly blobs: readonly string[];
  readonly descriptor: Descriptor;
}

export function sha256(bytes: Buffer | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** An image like no other: a layer of its own, and `layers`. */
export async function pushImage(
  registry: ImageRegistry,
  repository: string,
  options: { readonly tag?: string; readonly docker?: boolean; readonly layers?: readonly Buffer[] } = {},
): Promise<PushedImage> {
  const docker = options.docker === true;
  const layers = [randomBytes(2_000), ...(options.layers ?? [])];
  const types = docker
    ? ["application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"]
    : ["application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"];
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", created: randomBytes(8) }));
  const mediaType = docker ? DOCKER_IMAGE : OCI_IMAGE;
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: await pushBlob(registry, repository, types[0] ?? "", config),
    layers: await Promise.all(layers.map((layer) => pushBlob(registry, repository, types[1] ?? "", layer))),
  };
  const descriptor = await pushManifest(registry, repository, manifest, options.tag);
  return {
    digest: descriptor.digest,
    blobs: [manifest.config, ...manifest.layers].map((one) => one.digest),
    descriptor,
  };
}

/** Two platforms with one layer in common. */
export async function pushIndex(
  registry: ImageRegistry,
  repository: string,
  tag?: string,
): Promise<PushedImage & { readonly images: readonly PushedImage[] }> {
  const layers = [randomBytes(1_000)];
  const images = [await pushImage(registry, repository, { layers }), await pushImage(registry, repository, { layers })];
  const manifests = images.map(({ descriptor }, at) => ({
    ...descriptor,
    platform: { os: "linux", architecture: at === 0 ? "amd64" : "arm64" },
  }));
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  const descriptor = await pushManifest(registry, repository, index, tag);
  const blobs = [...new Set(images.flatMap((image) => image.blobs))];
  return { digest: descriptor.digest, blobs, descriptor, images };
}

export async function pushBlob(
  registry: ImageRegistry,
  repository: string,
  mediaType: string,
  bytes: Buffer,
): Promise<Descriptor> {
  const digest = sha256(bytes);
  const opened = await call(registry, "POST", `/v2/${repository}/blobs/uploads/`);
  const place = new URL(opened.headers.get("location") ?? "", registry.url);
  place.searchParams.set("digest", digest);
  await call(registry, "PUT", place.href, bytes, "application/octet-stream");
  return { mediaType, digest, size: bytes.length };
}

export async function pushManifest(
  registry: ImageRegistry,
  repository: string,
  manifest: { readonly mediaType: string },
  tag?: string,
): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(manifest, null, 1));
  const digest = sha256(bytes);
  await call(registry, "PUT", `/v2/${repository}/manifests/${tag ?? digest}`, bytes, manifest.mediaType);
  return { mediaType: manifest.mediaType, digest, size: bytes.length };
}

/** Tags of a repository, in order. */
export async function tagsOf(registry: ImageRegistry, repository: string): Promise<readonly string[]> {
  const response = await call(registry, "GET", `/v2/${repository}/tags/list`, undefined, undefined, [404]);
  if (response.status === 404) return [];
  const { tags } = (await response.json()) as { tags: readonly string[] | null };
  return [...(tags ?? [])].sort();
}

/**
 * Data of uploads that were begun and neither finished nor taken back, in any repository. Of one that is taken back the
 * registry itself leaves the state of a hash behind, without the data.
 */
export async function openUploads(registry: ImageRegistry): Promise<readonly string[]> {
  const files = await readdir(join(registry.folder, "data"), { recursive: true, withFileTypes: true });
  return files.map((file) => join(file.path, file.name)).filter((path) => /\/_uploads\/[^/]+\/data$/.test(path));
}

/** The file in which the registry keeps a reference, e.g. `_manifests/tags/1/current`. */
export function linkFile(registry: ImageRegistry, repository: string, path: string): string {
  return join(registry.folder, "data/docker/registry/v2/repositories", repository, path, "link");
}

async function call(
  registry: ImageRegistry,
  method: string,
  path: string,
  body?: Buffer,
  type?: string,
  allowed: readonly number[] = [],
): Promise<Response> {
  const headers = new Headers(type === undefined ? {} : { "content-type": type });
  if (registry.username !== null) {
    const pair = `${registry.username}:${registry.password}`;
    headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
  }
  if (registry.issue !== undefined) {
    const repository = /\/v2\/(.+?)\/(?:blobs|manifests|tags)\//.exec(path)?.[1];
    const { token } = await registry.issue([`repository:${repository}:pull,push`]);
    headers.set("authorization", `Bearer ${token}`);
  }
  const init: RequestInit = { method, headers, ...(body === undefined ? {} : { body: new Uint8Array(body) }) };
  const response = await fetch(new URL(path, registry.url), init);
  if (response.ok || allowed.includes(response.status)) return response;
  throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}
