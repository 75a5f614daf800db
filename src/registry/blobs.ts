import { createHash } from "node:crypto";
import { failed, type Outcome, ok } from "../core/model.ts";
import { unreachable, withGrace } from "./answers.ts";
import { damaged } from "./manifests.ts";
import { blobPath, mountPath } from "./names.ts";
import type { Session } from "./session.ts";

/** Milliseconds for a registry to finish with an upload that comes to nothing, and again for taking it back. */
const GRACE_MS = 3_000;

/** From where to where blobs are copied. */
export interface BlobCopy {
  readonly from: string;
  readonly to: string;
  readonly scopes: readonly string[];
  readonly signal: AbortSignal;
  /** Milliseconds the data of one blob may take where it has to be sent. */
  readonly totalMs: number;
}

/** Data in an upload that is still open. */
interface Sent {
  /** Path and query of where it goes on. */
  readonly place: string;
  /** Of what was sent; null: not all of it was. */
  readonly digest: string | null;
}

/** The registry takes the blob over from its other repository; where it does not, the data is read and sent. */
export async function copyBlob(session: Session, copy: BlobCopy, digest: string): Promise<Outcome<true>> {
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
  const upload = session.pathOf(mounted.value.headers.get("location"));
  if (upload !== null) return await fill(session, copy, digest, upload);
  return failed(`The registry ${session.name} names no place to upload.`, { retryable: false });
}

/**
 * Whether the answer to a HEAD lets us write. 500, after all repetitions: a crash left an empty link behind, which
 * writing mends. A redirect says nothing about what is there.
 */
export function mayWrite(status: number): boolean {
  return status === 404 || status === 500 || (status >= 300 && status < 400);
}

/** Finishes an upload that was opened, or takes it back. */
async function fill(session: Session, copy: BlobCopy, digest: string, upload: string): Promise<Outcome<true>> {
  const sent = await send(session, copy, digest, upload);
  const done = sent.ok ? await commit(session, copy, digest, sent.value) : sent;
  if (done.ok) return done;
  const path = sent.ok ? sent.value.place : upload;
  // Best effort, and not under the caller's signal, which may be the reason. What stays the registry purges in time.
  await session.ask({ method: "DELETE", path, scopes: copy.scopes, timeoutMs: GRACE_MS });
  return done;
}

/** Sends what the source repository has. Nothing becomes visible by that. */
async function send(session: Session, copy: BlobCopy, digest: string, upload: string): Promise<Outcome<Sent>> {
  const { from, scopes, signal, totalMs: timeoutMs } = copy;
  // Bytes as they are stored: the digest is of those.
  const headers = { accept: "*/*", "accept-encoding": "identity" };
  const source = {
    method: "GET",
    path: blobPath(from, digest),
    scopes,
    headers,
    follow: true,
    signal,
    timeoutMs,
  } as const;
  return await session.open(source, async (response) => {
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      const why = `The registry ${session.name} answered ${response.status} for ${digest} of ${from}.`;
      return failed(why, { retryable: response.status >= 500 || response.status === 429 });
    }
    const { bytes, result } = hashing(response.body);
    const type = { "content-type": "application/octet-stream" };
    const sent = await withGrace(GRACE_MS, signal, (late) =>
      session.ask({ method: "PATCH", path: upload, scopes, headers: type, body: bytes, signal: late, timeoutMs }),
    );
    if (!sent.ok) return sent;
    if (!sent.value.ok) return session.refusal(sent.value);
    // Each answer names where to go on; a registry that does not means the same place.
    return ok({ place: session.pathOf(sent.value.headers.get("location")) ?? upload, digest: result() });
  });
}

async function commit(session: Session, copy: BlobCopy, digest: string, sent: Sent): Promise<Outcome<true>> {
  const { from, scopes, signal } = copy;
  if (sent.digest === null) {
    const why = `The registry ${session.name} broke off while it sent ${digest} of ${from}.`;
    if (signal.aborted) return unreachable(`registry ${session.name}`, signal.reason, signal);
    return failed(why, { retryable: true });
  }
  if (sent.digest !== digest) return damaged(session, digest, sent.digest);
  const path = `${sent.place}${sent.place.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
  const done = await session.ask({ method: "PUT", path, scopes, signal });
  if (!done.ok) return done;
  return done.value.ok ? ok(true) : session.refusal(done.value);
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
