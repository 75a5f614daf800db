/** Who may sign in to the registry, and what they may read and write there: builds by their leases, people by access tokens. */
import { createHash, timingSafeEqual } from "node:crypto";
import { accessTokenId, inNamespace, shownTokenId, type TokenAccess, tokenRefusal } from "../core/access-tokens.ts";
import type { Build } from "../core/model.ts";
import { DEFAULT_REGISTRY } from "../core/registry-settings.ts";
import type { AccessToken, AccessTokenRecord } from "./access-tokens-port.ts";
import { buildOfUser } from "./credentials.ts";
import type { Clock, Logger } from "./ports.ts";
import type { Store } from "./store-port.ts";

/** A build that holds its lease, as the registry's token service knows it. */
export interface LeaseHolder {
  readonly kind: "build";
  readonly buildId: string;
  /** The repository it may push to; null: it pushes nothing. */
  readonly staging: string | null;
  /** When its lease ends unless it is prolonged. Milliseconds since 1970. */
  readonly until: number;
}

/** Somebody with an access token of a namespace. */
export interface TokenHolder {
  readonly kind: "access";
  /** Without `whf_`. */
  readonly tokenId: string;
  readonly namespace: string;
  readonly access: TokenAccess;
  /** When the token ends. Milliseconds since 1970. */
  readonly until: number;
}

/** Why somebody may not push to an image. */
export type PushRefusal = "pull-only" | "other-namespace" | "image-not-owned" | "too-many-images";

export interface RegistryAccounts {
  verify(username: string, password: string): Promise<LeaseHolder | TokenHolder | null>;
  pullable(
    holder: LeaseHolder | TokenHolder | { readonly kind: "anonymous" },
    repositories: readonly string[],
  ): Promise<ReadonlySet<string>>;
  /** Asking takes: an image that is granted is one no repository can have any more. */
  pushable(holder: TokenHolder, repositories: readonly string[]): Promise<ReadonlyMap<string, "granted" | PushRefusal>>;
}

type AccountStore = Pick<
  Store,
  "leaseHolder" | "leaseEnded" | "getBuild" | "publicImages" | "accessToken" | "accessTokenUsed" | "claimPushes"
>;

/** What no token has for its hash: there is no telling by the time it takes whether there is a token of some id. */
const NO_HASH = "";
const USED_EVERY_MS = 60_000;

/**
 * Builds sign in with the secret of their lease, people and clusters with an access token; nobody else does. Untrusted
 * builds are nobody here: they are given no credential, so whoever comes with one has it from somewhere it should not be.
 * This is the only place where either is verified; why somebody is refused is in the log, and nowhere else.
 */
export function createAccounts(options: {
  readonly store: AccountStore;
  /** Name of the registry whose accounts these are; default: the environment's own. */
  readonly registry?: string;
  staging(buildId: string): { readonly repository: string };
  readonly clock: Clock;
  readonly log: Logger;
}): RegistryAccounts {
  const { store, clock, log, registry = DEFAULT_REGISTRY } = options;

  async function verifyLease(username: string, secret: string): Promise<LeaseHolder | null> {
    const id = buildOfUser(username);
    const held = id === null ? null : await store.leaseHolder(id, secret);
    const refusal = held === null ? null : leaseRefusal(held.build, registry);
    if (held !== null && refusal === null) {
      const { build, until } = held;
      const staging = build.planned.push ? options.staging(build.id).repository : null;
      return { kind: "build", buildId: build.id, staging, until };
    }
    if (refusal !== null) log.warn({ build: id, reason: refusal }, "a build's credential was refused");
    // A secret that is nobody's is not worth a line: anybody can send any number of them.
    else if (id !== null && (await store.leaseEnded(id, secret)))
      log.warn({ build: id, reason: "lease-ended" }, "a build's credential was refused");
    return null;
  }

  async function verifyToken(id: string, username: string, text: string): Promise<TokenHolder | null> {
    const found = await store.accessToken(id);
    const right = sameHash(hashOfToken(text), found?.hash ?? NO_HASH);
    const refusal =
      found === null ? "unknown" : right ? refusalOf(found, { registry, username }, clock.now()) : "wrong-secret";
    if (found === null || refusal !== null) {
      const whose = found === null ? {} : { namespace: found.token.namespace, name: found.token.name };
      log.warn({ token: shownTokenId(id), ...whose, reason: refusal }, "an access token was refused");
      return null;
    }
    await noteUse(found.token);
    const { namespace, access, expiresAt } = found.token;
    return { kind: "access", tokenId: id, namespace, access, until: Date.parse(expiresAt) };
  }

  /** When it was used last is for people: that it can not be written keeps nobody from their images. */
  async function noteUse({ id, lastUsedAt }: AccessToken): Promise<void> {
    if (lastUsedAt !== null && clock.now() - Date.parse(lastUsedAt) < USED_EVERY_MS) return;
    await store.accessTokenUsed(id).catch((error: unknown) => {
      log.warn({ token: shownTokenId(id), err: error }, "that an access token was used is not recorded");
    });
  }

  return {
    verify(username, password) {
      // Nothing but a token looks like one; a text that is neither never gets as far as the database.
      const token = accessTokenId(password);
      return token === null ? verifyLease(username, password) : verifyToken(token, username, password);
    },

    async pullable(holder, repositories) {
      const open = await store.publicImages(repositories);
      const namespace = await namespaceOf(holder, { store, registry });
      if (namespace === null) return open;
      return new Set([...open, ...repositories.filter((name) => inNamespace(name, namespace))]);
    },

    async pushable({ tokenId: id, namespace, access }, repositories) {
      const answers = new Map<string, "granted" | PushRefusal>();
      const own = repositories.filter((name) => inNamespace(name, namespace));
      for (const name of repositories) answers.set(name, own.includes(name) ? "pull-only" : "other-namespace");
      if (access !== "push") return answers;
      const claims = await store.claimPushes({ id, namespace }, own);
      for (const name of own) answers.set(name, PUSH_ANSWERS[claims.get(name) ?? "owned"]);
      return answers;
    },
  };
}

const PUSH_ANSWERS = { granted: "granted", owned: "image-not-owned", full: "too-many-images" } as const;

async function namespaceOf(
  holder: Parameters<RegistryAccounts["pullable"]>[0],
  { store, registry }: { readonly store: Pick<Store, "getBuild">; readonly registry: string },
): Promise<string | null> {
  if (holder.kind === "access") return holder.namespace;
  const build = holder.kind === "build" ? await store.getBuild(holder.buildId) : null;
  return build === null || leaseRefusal(build, registry) !== null ? null : namespaceOfBuild(build);
}

/** `acme` of the image `acme/api`, whose name in the file is `api`. */
function namespaceOfBuild({ image, planned }: Build): string {
  return image.slice(0, -(planned.image.length + 1));
}

function leaseRefusal({ planned, registry }: Build, here: string): "untrusted" | "other-registry" | null {
  if (planned.trust === "untrusted") return "untrusted";
  return registry === here ? null : "other-registry";
}

function refusalOf({ token, ...facts }: AccessTokenRecord, at: Parameters<typeof tokenRefusal>[1], now: number) {
  const { namespace, expiresAt, revokedAt } = token;
  return tokenRefusal({ namespace, expiresAt: Date.parse(expiresAt), revoked: revokedAt !== null, ...facts }, at, now);
}

/** What is kept of a token. */
export function hashOfToken(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** In the same time wherever they differ, and where nothing is kept: that is no text's hash. */
export function sameHash(given: string, kept: string): boolean {
  const again = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(again(given), again(kept));
}
