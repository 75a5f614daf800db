import { createHash } from "node:crypto";

export const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** One part of a repository's name, as the registry API defines it. */
const COMPONENT = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** What a token is asked for, as token authentication writes it. */
export function scope(repository: string, ...actions: readonly string[]): string {
  return `repository:${repository}:${actions.join(",")}`;
}

// A name that is none is a mistake of this program: everything that comes from outside was checked before.

export function manifestPath(repository: string, reference: string): string {
  if (!DIGEST.test(reference) && !/^\w[\w.-]{0,127}$/.test(reference)) throw new Error(`not a reference: ${reference}`);
  return `${repositoryPath(repository)}/manifests/${reference}`;
}

export function blobPath(repository: string, digest: string): string {
  return `${repositoryPath(repository)}/blobs/${checkedDigest(digest)}`;
}

/** Opens an upload of a blob. */
export function uploadsPath(repository: string): string {
  return `${repositoryPath(repository)}/blobs/uploads/`;
}

/** Opens an upload of a blob, or takes it over from another repository of the same registry. */
export function mountPath(repository: string, digest: string, from: string): string {
  const query = new URLSearchParams({ mount: checkedDigest(digest), from: checkedRepository(from) });
  return `${repositoryPath(repository)}/blobs/uploads/?${query}`;
}

export function checkedDigest(digest: string): string {
  if (!DIGEST.test(digest)) throw new Error(`not a digest: ${digest}`);
  return digest;
}

function repositoryPath(repository: string): string {
  return `/v2/${checkedRepository(repository)}`;
}

function checkedRepository(repository: string): string {
  if (!repository.split("/").every((part) => COMPONENT.test(part)))
    throw new Error(`not a repository name: ${repository}`);
  return repository;
}
