import { createHash } from "node:crypto";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { Registry } from "../engine/ports.ts";
import { unreachable, withDeadline, withGrace } from "./answers.ts";
import { damaged, headManifest, type Manifest, parseManifest, readManifest } from "./manifests.ts";
import { blobPath, checkedDigest, manifestPath, mountPath, scope } from "./names.ts";
import type { Session } from "./session.ts";

/** Blobs of one image on all its platforms, and its platforms: far above what is built, far below what would hurt. */
const MAX_BLOBS = 2_000;
const MAX_PLATFORMS = 100;

/** Blobs of one image that are dealt with at the same time. */
const WIDTH = 4;

/** Milliseconds for a registry to finish with an upload that comes to nothing, and again for taking it back. */
const GRACE_MS = 3_000;

/** One copy under way. */
interface Copy {
  readonly from: string;
  readonly to: string;
  readonly scopes: readonly string[];
  readonly signal: AbortSignal;
  /** Digests of the blobs met so far: platforms share them. */
  readonly blobs: Set<string>;
}

/** Data in an upload that is still open. */
interface Sent {
  /** Path and query of where it goes on. */
  readonly place: string;
  /** Of what was sent; null: not all of it was. */
  readonly digest: string | null;
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
    return await each(missing, WIDTH, (digest) => copyBlob(copy, digest));
  }

  async function copyBlob(copy: Copy, digest: string): Promise<Outcome<true>> {
    const { from, to, scopes, signal } = copy;
    const there = await session.ask({ method: "HEAD", path: blobPath(to, digest), scopes, signal });
    if (!there.ok) return there;
    if (there.value.ok) return ok(true);
    if (!mayWrite(there.value.status)) return session.refusal(there.value);
    const path = mountPath(to, digest, from);
    // Given time to answer: it may open an upload, and only the answer says where to take that back.
    const mounted = await withGrace(GRACE_MS, signal, (late) =>
      session.ask({ method: "POST", path, scopes, signal: late }),
    );
    if (!mounted.ok) return mounted;
    if (mounted.value.status === 201) return ok(true);
    if (mounted.value.status !== 202) return session.refusal(mounted.value);
    // Not mounted, whyever; an upload was opened instead.
    const upload = session.pathOf(mounted.value.headers.get("location"));
    if (upload === null) return failed(`The registry ${session.name} names no place to upload.`, { retryable: false });
    const sent = await send(copy, digest, upload);
    const place = sent.ok ? sent.value.place : upload;
    const committed = sent.ok ? await commit(copy, digest, sent.value) : sent;
    if (committed.ok) return committed;
    // Best effort, and not under the caller's signal, which may be the reason. What stays the registry purges in time.
    await session.ask({ method: "DELETE", path: place, scopes, timeoutMs: GRACE_MS });
    return committed;
  }

  /** Sends what the source repository has to an upload that was opened. Nothing becomes visible by that. */
  async function send(copy: Copy, digest: string, upload: string): Promise<Outcome<Sent>> {
    const { from, scopes, signal } = copy;
    // Bytes as they are stored: the digest is of those.
    const headers = { accept: "*/*", "accept-encoding": "identity" };
    const path = blobPath(from, digest);
    const source = { method: "GET", path, scopes, headers, follow: true, signal, timeoutMs: totalMs } as const;
    return await session.open(source, async (response) => {
      if (!response.ok || response.body === null) {
        await response.body?.cancel();
        const why = `The registry ${session.name} answered ${response.status} for ${digest} of ${from}.`;
        return failed(why, { retryable: response.status >= 500 || response.status === 429 });
      }
      const { bytes, result } = hashing(response.body);
      const sent = await withGrace(GRACE_MS, signal, (late) =>
        session.ask({
          method: "PATCH",
          path: upload,
          scopes,
          headers: { "content-type": "application/octet-stream" },
          body: bytes,
          signal: late,
          timeoutMs: totalMs,
        }),
      );
      if (!sent.ok) return sent;
      if (!sent.value.ok) return session.refusal(sent.value);
      // Each answer names where to go on; a registry that does not means the same place.
      return ok({ place: session.pathOf(sent.value.headers.get("location")) ?? upload, digest: result() });
    });
  }

  async function commit(copy: Copy, digest: string, sent: Sent): Promise<Outcome<true>> {
    if (sent.digest === null) {
      const why = `The registry ${session.name} broke off while it sent ${digest} of ${copy.from}.`;
      return copy.signal.aborted
        ? unreachable(`registry ${session.name}`, copy.signal.reason, copy.signal)
        : failed(why, { retryable: true });
    }
    if (sent.digest !== digest) return damaged(session, digest, sent.digest);
    const path = `${sent.place}${sent.place.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
    const done = await session.ask({ method: "PUT", path, scopes: copy.scopes, signal: copy.signal });
    if (!done.ok) return done;
    return done.value.ok ? ok(true) : session.refusal(done.value);
  }

  async function put(target: Target, manifest: Manifest): Promise<Outcome<true>> {
    const there = await isThere(target, manifest.digest);
    if (!there.ok || there.value) return there.ok ? ok(true) : there;
    return await write(target, manifest);
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
        copyManifest({ from, to, scopes, signal, blobs: new Set() }, digest, "nothing"),
      );
    },

    async tag(repository, tag, digest, outer) {
      const scopes = [scope(repository, "pull", "push")];
      checkedDigest(digest);
      return await withDeadline(totalMs, outer, async (signal) => {
        const target = { repository, reference: tag, scopes, signal };
        const there = await isThere(target, digest);
        if (!there.ok || there.value) return there.ok ? ok(true) : there;
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

/**
 * Whether the answer to a HEAD lets us write. 500, after all repetitions: a crash left an empty link behind, which
 * writing mends. A redirect says nothing about what is there.
 */
function mayWrite(status: number): boolean {
  return status === 404 || status === 500 || (status >= 300 && status < 400);
}

function unfit(digest: string, why: string): Outcome<never> {
  return failed(`The image ${digest} can not be published: ${why}.`, { retryable: false });
}

/**
 * The bytes of `body`, and the digest of all of them, or null if not all came. They end where it breaks off, without an
 * error: a registry whose connection is cut goes on writing, and what it writes after the upload was taken back stays.
 */
function hashing(body: AsyncIterable<Uint8Array>) {
  const hash = createHash("sha256");
  let complete = false;
  async function* bytes(): AsyncGenerator<Uint8Array, void> {
    try {
      for await (const chunk of body) {
        hash.update(chunk);
        yield chunk;
      }
      complete = true;
    } catch {
      complete = false;
    }
  }
  return { bytes: bytes(), result: () => (complete ? `sha256:${hash.digest("hex")}` : null) };
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
