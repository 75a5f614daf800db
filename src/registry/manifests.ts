import { z } from "zod";
import { failed, type Outcome, ok } from "../core/model.ts";
import { DIGEST, digestOf, manifestPath } from "./names.ts";
import type { Answer, Session } from "./session.ts";

export interface Manifest {
  readonly digest: string;
  readonly mediaType: string;
  /** The exact bytes the digest is of. */
  readonly bytes: Buffer;
}

const INDEX_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
const IMAGE_TYPES: readonly string[] = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

/** Without all of them a registry answers 404 for images it has in another format. */
const ACCEPT = { accept: [...INDEX_TYPES, ...IMAGE_TYPES].join(", ") } as const;

/** Layers that may not be handed on: a manifest names the addresses to get them from, and no registry has them. */
const FOREIGN_TYPES =
  /^application\/vnd\.(?:docker\.image\.rootfs\.foreign\.diff\.tar\.gzip|oci\.image\.layer\.nondistributable\.v1\.tar(?:\+gzip|\+zstd)?)$/;

/** Bytes; registries refuse larger manifests themselves. */
const MAX_MANIFEST = 4 * 1024 ** 2;

interface Place {
  readonly repository: string;
  readonly reference: string;
  readonly scopes: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Null: there is no such manifest. Its bytes are checked against the digest. */
export async function readManifest(session: Session, place: Place): Promise<Outcome<Manifest | null>> {
  const { repository, reference, scopes, signal } = place;
  const path = manifestPath(repository, reference);
  const asked = await session.ask({ method: "GET", path, scopes, headers: ACCEPT, maxBytes: MAX_MANIFEST, signal });
  if (!asked.ok) return asked;
  const answer = asked.value;
  if (answer.status === 404) return ok(null);
  if (!answer.ok) return session.refusal(answer);
  const digest = digestOf(answer.bytes);
  const wanted = DIGEST.test(reference) ? reference : answer.headers.get("docker-content-digest");
  if (wanted !== null && wanted !== digest) return damaged(session, wanted, digest);
  const mediaType = answer.headers.get("content-type")?.split(";")[0]?.trim() ?? "";
  return ok({ digest, mediaType, bytes: answer.bytes });
}

/** The answer's status, whatever it is, and the digest the registry names; not every registry names one. */
export async function headManifest(
  session: Session,
  place: Place,
): Promise<Outcome<{ readonly answer: Answer; readonly digest: string | null }>> {
  const { repository, reference, scopes, signal } = place;
  const path = manifestPath(repository, reference);
  const asked = await session.ask({ method: "HEAD", path, scopes, headers: ACCEPT, signal });
  if (!asked.ok) return asked;
  const digest = asked.value.headers.get("docker-content-digest");
  return ok({ answer: asked.value, digest: asked.value.ok && digest !== null && DIGEST.test(digest) ? digest : null });
}

export function damaged(session: Session, wanted: string, found: string): Outcome<never> {
  return failed(`The registry ${session.name} sent other bytes than asked for: ${found} instead of ${wanted}.`, {
    retryable: true,
  });
}

/** What must be in a repository before the manifest may be: an index needs manifests, an image blobs. */
export type Needs =
  | { readonly kind: "index"; readonly manifests: readonly string[] }
  | { readonly kind: "image"; readonly blobs: readonly string[] };

const Descriptor = z.object({
  mediaType: z.string(),
  digest: z.string().regex(DIGEST),
  urls: z.array(z.string()).optional(),
});
const head = { schemaVersion: z.literal(2), mediaType: z.string().optional() };
const Index = z.object({ ...head, manifests: z.array(Descriptor) });
const Image = z.object({ ...head, config: Descriptor, layers: z.array(Descriptor) });

/** A text instead of the needs says what is wrong with the manifest. */
export function parseManifest(manifest: Manifest): Needs | string {
  const { mediaType, bytes } = manifest;
  const isIndex = INDEX_TYPES.includes(mediaType);
  // The type comes from whoever pushed the image: quoted, bounded and on one line.
  const type = JSON.stringify(mediaType.slice(0, 100));
  if (!isIndex && !IMAGE_TYPES.includes(mediaType)) return `${type} is not a type of image`;
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString("utf8"));
  } catch {
    return "it is not JSON";
  }
  const parsed = (isIndex ? Index : Image).safeParse(document);
  if (!parsed.success) return `it is not of the form ${type}`;
  // One body must not be read in two ways, depending on whom a client believes.
  if ((parsed.data.mediaType ?? mediaType) !== mediaType) return `it says itself that it is not ${type}`;
  if ("manifests" in parsed.data) return { kind: "index", manifests: digests(parsed.data.manifests) };
  const { config, layers } = parsed.data;
  return { kind: "image", blobs: digests([config, ...layers.filter((layer) => !isForeign(layer))]) };
}

function isForeign(layer: z.infer<typeof Descriptor>): boolean {
  return FOREIGN_TYPES.test(layer.mediaType) && (layer.urls ?? []).length > 0;
}

function digests(descriptors: readonly { readonly digest: string }[]): readonly string[] {
  return [...new Set(descriptors.map(({ digest }) => digest))];
}
