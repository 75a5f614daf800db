import { createHash } from "node:crypto";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { Registry } from "../engine/ports.ts";
import { type Challenge, parseChallenge, parseToken } from "./challenge.ts";

export interface RegistryOptions {
  /** `https://registry.example.com`, `http://127.0.0.1:5000`, or `docker.io`. */
  readonly url: string;
  /** Null: the registry is asked without credentials. */
  readonly username: string | null;
  readonly password: string | null;
  /** For tests. */
  readonly fetch?: typeof fetch;
  /** Milliseconds one request may take, its body included. */
  readonly timeoutMs?: number;
}

export interface Manifest {
  readonly digest: string;
  readonly mediaType: string;
  /** The exact bytes the digest is of. */
  readonly bytes: Buffer;
}

export interface RegistryClient extends Registry {
  /** Null: there is no such manifest. Its bytes are checked against the digest. */
  getManifest(repository: string, reference: string): Promise<Outcome<Manifest | null>>;
  /** Null: there is no such blob. Its bytes are checked against the digest. At most `maxBytes`. */
  getBlob(repository: string, digest: string, maxBytes: number): Promise<Outcome<Buffer | null>>;
}

/** Without all of them a registry answers 404 for images it has in another format. */
const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** One part of a repository's name, as the registry API defines it. */
const COMPONENT = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** Bytes; registries refuse larger manifests themselves. */
const MAX_MANIFEST = 4 * 1024 ** 2;
const MAX_ANSWER = 64 * 1024;

/**
 * Asks a Docker registry (API version 2). Credentials go to the configured registry and, for token authentication, to
 * the token service that registry names; redirects are followed without them, and only for blobs.
 */
export function createRegistryClient(options: RegistryOptions): RegistryClient {
  const { base, name } = parseAddress(options.url);
  const send = options.fetch ?? fetch;
  const timeoutMs = options.timeoutMs ?? 15_000;
  const credential =
    options.username === null ? null : { username: options.username, password: options.password ?? "" };
  /** Authorization headers that worked, by scope. */
  const grants = new Map<string, { readonly header: string; readonly until: number }>();

  async function ask(method: "GET" | "HEAD", path: string, scope: string, accept: string): Promise<Outcome<Response>> {
    const held = grants.get(scope);
    const first = await request(
      method,
      path,
      accept,
      held !== undefined && held.until > Date.now() ? held.header : null,
    );
    if (!first.ok || first.value.status !== 401) return first;
    await first.value.body?.cancel();
    grants.delete(scope);
    const challenge = parseChallenge(first.value.headers.get("www-authenticate"));
    if (challenge === null) return denied("it names no way to sign in that this program knows");
    const grant = await obtain(challenge, scope);
    if (!grant.ok) return grant;
    grants.set(scope, grant.value);
    return await request(method, path, accept, grant.value.header);
  }

  async function request(
    method: string,
    path: string,
    accept: string,
    authorization: string | null,
  ): Promise<Outcome<Response>> {
    const headers = { accept, ...(authorization === null ? {} : { authorization }) };
    const redirect = "manual";
    try {
      return ok(await send(new URL(path, base), { method, headers, redirect, signal: AbortSignal.timeout(timeoutMs) }));
    } catch (error) {
      return unreachable(error);
    }
  }

  async function obtain(
    challenge: Challenge,
    scope: string,
  ): Promise<Outcome<{ readonly header: string; readonly until: number }>> {
    if (challenge.scheme === "basic") {
      if (credential === null) return denied("it wants a user name and password, and none is configured");
      return ok({ header: basic(credential), until: Number.POSITIVE_INFINITY });
    }
    const realm = new URL(challenge.realm);
    // A password that is sent over https must not become readable because the registry names an http address.
    if (credential !== null && base.protocol === "https:" && realm.protocol !== "https:") {
      return denied("its token service is not an https address");
    }
    if (challenge.service !== null) realm.searchParams.set("service", challenge.service);
    if (scope !== "") realm.searchParams.set("scope", scope);
    const headers: Record<string, string> = credential === null ? {} : { authorization: basic(credential) };
    let response: Response;
    let text: string;
    try {
      response = await send(realm, { headers, redirect: "error", signal: AbortSignal.timeout(timeoutMs) });
      text = (await readAtMost(response, MAX_ANSWER)).toString("utf8");
    } catch (error) {
      return unreachable(error, "token service");
    }
    if (!response.ok) return refusal(response, text, "The registry's token service");
    const token = parseToken(text);
    if (token === null) return failed("The registry's token service gave no token.", { retryable: false });
    // A quarter less than the token's life, so that none expires under way.
    return ok({ header: `Bearer ${token.token}`, until: Date.now() + token.seconds * 750 });
  }

  function denied(why: string): Outcome<never> {
    return failed(`The registry ${name} refuses access: ${why}.`, { retryable: false });
  }

  function unreachable(error: unknown, what = "registry"): Outcome<never> {
    return failed(`The ${what} ${what === "registry" ? name : `of ${name}`} could not be reached: ${reason(error)}.`, {
      retryable: true,
    });
  }

  function refusal(response: Response, body: string, who = `The registry ${name}`): Outcome<never> {
    const words = hide(errorWords(body));
    const after = Number(response.headers.get("retry-after"));
    return failed(`${who} answered ${response.status}${words === "" ? "" : `: ${words}`}`, {
      retryable: response.status >= 500 || response.status === 429,
      retryAfter: Number.isInteger(after) && after > 0 ? after : null,
    });
  }

  function hide(text: string): string {
    return credential === null || credential.password === "" ? text : text.replaceAll(credential.password, "***");
  }

  async function body(response: Response, maxBytes: number): Promise<Outcome<Buffer>> {
    try {
      return ok(await readAtMost(response, maxBytes));
    } catch (error) {
      return unreachable(error);
    }
  }

  async function getManifest(repository: string, reference: string): Promise<Outcome<Manifest | null>> {
    const path = `/v2/${repositoryPath(repository)}/manifests/${referencePath(reference)}`;
    const answer = await ask("GET", path, pullScope(repository), MANIFEST_TYPES);
    if (!answer.ok) return answer;
    const response = answer.value;
    const bytes = await body(response, response.ok ? MAX_MANIFEST : MAX_ANSWER);
    if (!bytes.ok) return bytes;
    if (response.status === 404) return ok(null);
    if (!response.ok) return refusal(response, bytes.value.toString("utf8"));
    const digest = digestOf(bytes.value);
    const wanted = DIGEST.test(reference) ? reference : response.headers.get("docker-content-digest");
    if (wanted !== null && wanted !== digest) return damaged(wanted, digest);
    const mediaType = response.headers.get("content-type")?.split(";")[0]?.trim() ?? "";
    return ok({ digest, mediaType, bytes: bytes.value });
  }

  function damaged(wanted: string, found: string): Outcome<never> {
    return failed(`The registry ${name} sent other bytes than asked for: ${found} instead of ${wanted}.`, {
      retryable: true,
    });
  }

  return {
    name,
    credentials: () => credential,
    getManifest,

    async digest(repository, reference) {
      const path = `/v2/${repositoryPath(repository)}/manifests/${referencePath(reference)}`;
      const answer = await ask("HEAD", path, pullScope(repository), MANIFEST_TYPES);
      if (!answer.ok) return answer;
      if (answer.value.status === 404) return ok(null);
      if (!answer.value.ok) return refusal(answer.value, "");
      const digest = answer.value.headers.get("docker-content-digest");
      if (digest !== null && DIGEST.test(digest)) return ok(digest);
      // Not every registry names the digest in the answer to HEAD.
      const manifest = await getManifest(repository, reference);
      return manifest.ok ? ok(manifest.value?.digest ?? null) : manifest;
    },

    async getBlob(repository, digest, maxBytes) {
      if (!DIGEST.test(digest)) throw new Error(`not a digest: ${digest}`);
      const path = `/v2/${repositoryPath(repository)}/blobs/${digest}`;
      const answer = await ask("GET", path, pullScope(repository), "*/*");
      if (!answer.ok) return answer;
      let response = answer.value;
      const location = response.headers.get("location");
      if (response.status >= 300 && response.status < 400 && location !== null) {
        // Storage behind the registry: its address carries its own permission, ours must not go there.
        const moved = await request("GET", new URL(location, new URL(path, base)).href, "*/*", null);
        if (!moved.ok) return moved;
        response = moved.value;
      }
      const bytes = await body(response, response.ok ? maxBytes : MAX_ANSWER);
      if (!bytes.ok) return bytes;
      if (response.status === 404) return ok(null);
      if (!response.ok) return refusal(response, bytes.value.toString("utf8"));
      const found = digestOf(bytes.value);
      return found === digest ? ok(bytes.value) : damaged(digest, found);
    },

    async check() {
      const answer = await ask("GET", "/v2/", "", "application/json");
      if (!answer.ok) return answer;
      const bytes = await body(answer.value, MAX_ANSWER);
      if (!bytes.ok) return bytes;
      if (answer.value.ok) return ok(true);
      if (answer.value.status === 401 || answer.value.status === 403) {
        return denied("user name or password is wrong, or the account is not allowed to sign in");
      }
      if (answer.value.status === 404) return denied("there is no registry at this address (it answered 404)");
      return refusal(answer.value, bytes.value.toString("utf8"));
    },
  };
}

/** Docker Hub has one name in image names and another address; everything else is reached where its name says. */
function parseAddress(text: string): { readonly base: URL; readonly name: string } {
  const url = new URL(/^https?:\/\//.test(text) ? text : `https://${text}`);
  if (url.username !== "" || url.password !== "") throw new Error("a registry's address must not contain credentials");
  if (["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"].includes(url.host)) {
    return { base: new URL("https://registry-1.docker.io"), name: "docker.io" };
  }
  return { base: new URL(url.origin), name: url.host };
}

function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

function repositoryPath(repository: string): string {
  if (!repository.split("/").every((part) => COMPONENT.test(part)))
    throw new Error(`not a repository name: ${repository}`);
  return repository;
}

function referencePath(reference: string): string {
  if (!DIGEST.test(reference) && !/^\w[\w.-]{0,127}$/.test(reference)) throw new Error(`not a reference: ${reference}`);
  return reference;
}

function basic(credential: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString("base64")}`;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Throws when the body is longer, the connection breaks or the time is over. */
async function readAtMost(response: Response, maxBytes: number): Promise<Buffer> {
  if (response.body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `code: message` of the registry's own error document, or the beginning of what it said. One line, bounded. */
function errorWords(body: string): string {
  const found = [...body.matchAll(/"message"\s*:\s*"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1] ?? "");
  const words = found.length > 0 ? found.join("; ") : body;
  return words
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, 200);
}

function reason(error: unknown): string {
  // fetch's own message is "fetch failed"; the cause says why. Read by shape: its errors may be of another realm.
  const { name, message, cause } = error as { name?: unknown; message?: unknown; cause?: { message?: unknown } };
  if (name === "TimeoutError") return "it did not answer in time";
  const words = typeof cause?.message === "string" && cause.message !== "" ? cause.message : message;
  return String(words).slice(0, 200);
}
