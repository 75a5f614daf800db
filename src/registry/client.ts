import { type Outcome, ok } from "../core/model.ts";
import type { Registry, RegistryAccess } from "../engine/ports.ts";
import { createAccess } from "./access.ts";
import { createCatalog } from "./catalog.ts";
import { damaged, headManifest, type Manifest, readManifest } from "./manifests.ts";
import { blobPath, digestOf, scope } from "./names.ts";
import { createPromotion } from "./promote.ts";
import { createSession, type SessionOptions } from "./session.ts";

export interface RegistryOptions extends SessionOptions {
  /** Milliseconds one copy, tag or discard may take altogether. */
  readonly totalMs?: number;
}

export interface RegistryClient extends Registry, RegistryAccess {
  /** Null: there is no such manifest. Its bytes are checked against the digest. */
  getManifest(repository: string, reference: string): Promise<Outcome<Manifest | null>>;
  /** Null: there is no such blob. Its bytes are checked against the digest. At most `maxBytes`. */
  getBlob(repository: string, digest: string, maxBytes: number): Promise<Outcome<Buffer | null>>;
}

/** A Docker registry (API version 2). */
export function createRegistryClient(options: RegistryOptions): RegistryClient {
  const session = createSession(options);

  async function getManifest(repository: string, reference: string): Promise<Outcome<Manifest | null>> {
    return await readManifest(session, { repository, reference, scopes: [scope(repository, "pull")] });
  }

  return {
    name: session.name,
    credentials: () => session.credential,
    getManifest,
    ...createAccess(session),
    ...createCatalog(session),
    ...createPromotion(session, options.totalMs ?? 10 * 60_000),

    async digest(repository, reference) {
      const asked = await headManifest(session, { repository, reference, scopes: [scope(repository, "pull")] });
      if (!asked.ok) return asked;
      const { answer, digest } = asked.value;
      if (answer.status === 404) return ok(null);
      if (!answer.ok) return session.refusal(answer);
      if (digest !== null) return ok(digest);
      // Not every registry names the digest in the answer to HEAD.
      const manifest = await getManifest(repository, reference);
      return manifest.ok ? ok(manifest.value?.digest ?? null) : manifest;
    },

    async getBlob(repository, digest, maxBytes) {
      const path = blobPath(repository, digest);
      const scopes = [scope(repository, "pull")];
      const asked = await session.ask({ method: "GET", path, scopes, maxBytes, follow: true });
      if (!asked.ok) return asked;
      if (asked.value.status === 404) return ok(null);
      if (!asked.value.ok) return session.refusal(asked.value);
      const found = digestOf(asked.value.bytes);
      return found === digest ? ok(asked.value.bytes) : damaged(session, digest, found);
    },

    async check() {
      const asked = await session.ask({ method: "GET", path: "/v2/", scopes: [] });
      if (!asked.ok) return asked;
      const { status } = asked.value;
      if (asked.value.ok) return ok(true);
      if (status === 401 || status === 403) {
        return session.denied("user name or password is wrong, or the account is not allowed to sign in");
      }
      if (status === 404) return session.denied("there is no registry at this address (it answered 404)");
      return session.refusal(asked.value);
    },
  };
}
