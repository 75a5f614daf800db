import { failed, type Outcome, ok } from "../core/model.ts";
import type { Registry } from "../engine/ports.ts";
import { withDeadline } from "./answers.ts";
import { type BlobCopy, copyBlob, mayWrite } from "./blobs.ts";
import { headManifest, type Manifest, parseManifest, readManifest } from "./manifests.ts";
import { checkedDigest, manifestPath, scope } from "./names.ts";
import type { Session } from "./session.ts";

/** Blobs of one image on all its platforms, and its platforms: far above what is built, far below what would hurt. */
const MAX_BLOBS = 2_000;
const MAX_PLATFORMS = 100;

/** Blobs of one image that are dealt with at the same time. */
const WIDTH = 4;

/** One copy under way. */
interface Copy extends BlobCopy {
  /** Digests of the blobs met so far: platforms share them. */
  readonly blobs: Set<string>;
}

/** A place in a repository, and what opens it. */
interface Target {
  readonly repository: string;
  readonly reference: string;
  readonly scopes: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * The port's writing side. `totalMs` bounds one copy, tag or discard, data that has to be streamed included.
 *
 * Nothing is written that is there already. That makes repeating cheap, and it spares readers: a registry that keeps
 * its data in files answers 500 to whoever reads what is just being written, even where the content stays the same.
 */
export function createPromotion(session: Session, totalMs: number): Pick<Registry, "copy" | "tag" | "discard"> {
  async function copyManifest(copy: Copy, digest: string, within: "nothing" | "index"): Promise<Outcome<true>> {
    const { from, to, scopes, signal } = copy;
    const found = await readManifest(session, { repository: from, reference: digest, scopes, signal });
    if (!found.ok) return found;
    const target = { repository: to, reference: digest, scopes, signal };
    if (found.value === null) return await copiedBefore(from, target);
    const needs = parseManifest(found.value);
    if (typeof needs === "string") return unfit(digest, needs);
    if (needs.kind === "index" && within === "index") return unfit(digest, "it is an index within an index");
    const filled =
      needs.kind === "index"
        ? await copyPlatforms(copy, digest, needs.manifests)
        : await copyBlobs(copy, digest, needs.blobs);
    return filled.ok ? await put(target, found.value) : filled;
  }

  /** Whoever discards first and records it afterwards comes back to a repository that is empty, or half so. */
  async function copiedBefore(from: string, target: Target): Promise<Outcome<true>> {
    // A registry takes a manifest only when it has all that belongs to it.
    const there = await headManifest(session, target);
    if (!there.ok) return there;
    if (there.value.answer.ok) return ok(true);
    if (there.value.answer.status !== 404) return session.refusal(there.value.answer);
    return failed(`The registry ${session.name} has no ${target.reference} in ${from}.`, { retryable: false });
  }

  async function copyPlatforms(copy: Copy, index: string, manifests: readonly string[]): Promise<Outcome<true>> {
    if (manifests.length > MAX_PLATFORMS) return unfit(index, `it lists more than ${MAX_PLATFORMS} images`);
    for (const digest of manifests) {
      const copied = await copyManifest(copy, digest, "index");
      if (!copied.ok) return copied;
    }
    return ok(true);
  }

  async function copyBlobs(copy: Copy, image: string, blobs: readonly string[]): Promise<Outcome<true>> {
    const missing = blobs.filter((digest) => !copy.blobs.has(digest));
    for (const digest of missing) copy.blobs.add(digest);
    if (copy.blobs.size > MAX_BLOBS) return unfit(image, `it is made of more than ${MAX_BLOBS} parts`);
    return await each(missing, WIDTH, (digest) => copyBlob(session, copy, digest));
  }

  async function put(target: Target, manifest: Manifest): Promise<Outcome<true>> {
    const there = await isThere(target, manifest.digest);
    if (!there.ok) return there;
    return there.value ? ok(true) : await write(target, manifest);
  }

  /** Whether the reference is the digest's already. */
  async function isThere(target: Target, digest: string): Promise<Outcome<boolean>> {
    const there = await headManifest(session, target);
    if (!there.ok) return there;
    if (there.value.answer.ok) return ok(there.value.digest === digest);
    return mayWrite(there.value.answer.status) ? ok(false) : session.refusal(there.value.answer);
  }

  async function write(target: Target, manifest: Manifest): Promise<Outcome<true>> {
    const { repository, reference, scopes, signal } = target;
    const written = await session.ask({
      method: "PUT",
      path: manifestPath(repository, reference),
      scopes,
      headers: { "content-type": manifest.mediaType },
      body: manifest.bytes,
      signal,
    });
    if (!written.ok) return written;
    if (!written.value.ok) return session.refusal(written.value);
    const stored = written.value.headers.get("docker-content-digest");
    if (stored === null || stored === manifest.digest) return ok(true);
    const why = `The registry ${session.name} stored something else than ${manifest.digest} as ${repository}:${reference}.`;
    return failed(why, { retryable: false });
  }

  /** The images an index lists; none for everything else, readable or not. */
  async function platformsOf(target: Target): Promise<Outcome<readonly string[]>> {
    const found = await readManifest(session, target);
    if (!found.ok) return found.retryable ? found : ok([]);
    const needs = found.value === null ? "" : parseManifest(found.value);
    return ok(typeof needs !== "string" && needs.kind === "index" ? needs.manifests.slice(0, MAX_PLATFORMS) : []);
  }

  async function remove(target: Target): Promise<Outcome<true>> {
    const { repository, reference, scopes, signal } = target;
    const path = manifestPath(repository, reference);
    const removed = await session.ask({ method: "DELETE", path, scopes, signal });
    if (!removed.ok) return removed;
    const { status, bytes } = removed.value;
    const cannot = status === 405 || (status >= 400 && bytes.includes('"UNSUPPORTED"'));
    return removed.value.ok || status === 404 || cannot ? ok(true) : session.refusal(removed.value);
  }

  return {
    async copy(from, to, digest, outer) {
      const scopes = [scope(from, "pull"), scope(to, "pull", "push")];
      checkedDigest(digest);
      return await withDeadline(totalMs, outer, (signal) =>
        copyManifest({ from, to, scopes, signal, totalMs, blobs: new Set() }, digest, "nothing"),
      );
    },

    async tag(repository, tag, digest, outer) {
      const scopes = [scope(repository, "pull", "push")];
      checkedDigest(digest);
      return await withDeadline(totalMs, outer, async (signal) => {
        const target = { repository, reference: tag, scopes, signal };
        const there = await isThere(target, digest);
        if (!there.ok) return there;
        if (there.value) return ok(true);
        const manifest = await readManifest(session, { ...target, reference: digest });
        if (!manifest.ok) return manifest;
        if (manifest.value !== null) return await write(target, manifest.value);
        return failed(`The registry ${session.name} has no ${digest} in ${repository}.`, { retryable: false });
      });
    },

    async discard(repository, digest, outer) {
      const scopes = [scope(repository, "pull", "delete")];
      checkedDigest(digest);
      return await withDeadline(totalMs, outer, async (signal) => {
        const target = { repository, reference: digest, scopes, signal };
        const platforms = await platformsOf(target);
        if (!platforms.ok) return platforms;
        // The index last: without it nobody would find the others again.
        for (const reference of platforms.value) {
          const removed = await remove({ ...target, reference });
          if (!removed.ok) return removed;
        }
        return await remove(target);
      });
    },
  };
}

function unfit(digest: string, why: string): Outcome<never> {
  return failed(`The image ${digest} can not be published: ${why}.`, { retryable: false });
}

/** Runs `work` for all items, `width` at a time; after a failure it begins no more. */
async function each<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<Outcome<true>>,
): Promise<Outcome<true>> {
  const waiting = items.values();
  let end: Outcome<true> = ok(true);
  async function run(): Promise<void> {
    for (const item of waiting) {
      const outcome = await work(item);
      if (!outcome.ok && end.ok) end = outcome;
      if (!end.ok) return;
    }
  }
  await Promise.all(Array.from({ length: width }, run));
  return end;
}
