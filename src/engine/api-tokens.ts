/** API tokens as they are asked for, listed, revoked and judged; command line, API and pages do no more than show them. */
import { randomBytes } from "node:crypto";
import { TOKEN_ID_BYTES, TOKEN_SECRET_BYTES, tokenExpiry } from "../core/access-tokens.ts";
import { type ApiTokenWish, apiTokenId, makeApiToken, parseApiTokenId, shownApiTokenId } from "../core/api-tokens.ts";
import type { By } from "../core/audit.ts";
import { type HostId, hostKey } from "../core/model.ts";
import { hashOfToken, sameHash } from "./accounts.ts";
import { type ApiToken, type ApiTokenStore, MAX_API_TOKENS } from "./api-tokens-port.ts";
import type { Clock, Logger } from "./ports.ts";
import type { HostState, Page, PageQuery, Store } from "./store-port.ts";
import type { Viewer } from "./viewer.ts";

export interface MadeApiToken {
  readonly kind: "made";
  readonly token: ApiToken;
  /** The token itself. It is shown once, to whoever asked, and kept nowhere. */
  readonly secret: string;
}

export interface RefusedApiToken {
  readonly kind: "refused";
  readonly code: "unknown-installation" | "name-taken" | "too-many";
  /** A sentence: what is in the way, and what to do. */
  readonly why: string;
}

export interface ApiTokens {
  make(installation: HostId, wish: ApiTokenWish, by: By): Promise<MadeApiToken | RefusedApiToken>;
  /** Newest first, those that do not work any more too. Null: there is no such installation. */
  list(installation: HostId, query: PageQuery): Promise<Page<ApiToken> | null>;
  /** `which`: an id, or the name of one that works. For good. Null: the installation has no such token. */
  revoke(installation: HostId, which: string, by: By): Promise<ApiToken | null>;
  /** Who sends this; null: nobody, for whatever reason. The reason is in the log, and nowhere else. */
  judge(text: string): Promise<Extract<Viewer, { readonly kind: "token" }> | null>;
}

/** What no token has for its hash: there is no telling by the time it takes whether there is a token of some id. */
const NO_HASH = "";
const USED_EVERY_MS = 60_000;

export function createApiTokens(options: {
  readonly store: ApiTokenStore & Pick<Store, "getInstallation">;
  readonly clock: Clock;
  readonly log: Pick<Logger, "warn">;
}): ApiTokens {
  const { store, clock, log } = options;

  /** Names are given again once the token before does not work any more: only one that does is meant by its name. */
  async function named(installation: HostId, name: string): Promise<string | null> {
    for (let cursor: string | null = null; ; ) {
      const page: Page<ApiToken> = await store.listApiTokens({ installation, limit: 100, cursor });
      const found = page.items.find((token) => token.name === name && apiTokenWorks(token, clock.now()));
      if (found !== undefined) return found.id;
      if (page.next === null) return null;
      cursor = page.next;
    }
  }

  /** When it was used last is for people: that it can not be written keeps no program from its answers. */
  async function noteUse({ id, lastUsedAt }: ApiToken): Promise<void> {
    if (lastUsedAt !== null && clock.now() - Date.parse(lastUsedAt) < USED_EVERY_MS) return;
    await store.apiTokenUsed(id).catch((error: unknown) => {
      log.warn({ token: shownApiTokenId(id), err: error }, "that an API token was used is not recorded");
    });
  }

  return {
    async list(installation, query) {
      if ((await store.getInstallation(installation)) === null) return null;
      return store.listApiTokens({ installation, ...query });
    },

    async revoke(installation, which, by) {
      const id = (await named(installation, which)) ?? parseApiTokenId(which);
      return id === null ? null : await store.revokeApiToken(installation, id, by);
    },

    async make(installation, { name, role, days }, by) {
      const { id, text } = makeApiToken(randomBytes(TOKEN_ID_BYTES), randomBytes(TOKEN_SECRET_BYTES));
      const expiresAt = tokenExpiry(clock.now(), days);
      const saved = await store.saveApiToken({ id, hash: hashOfToken(text), installation, name, role, expiresAt }, by);
      switch (saved) {
        case "saved": {
          const kept = await store.apiToken(id);
          if (kept === null) throw new Error("a token that was just saved is there");
          return { kind: "made", token: kept.token, secret: text };
        }
        case "no-installation":
          return refused(
            "unknown-installation",
            `There is no installation ${hostKey(installation)} that is active now, so a token would open nothing.`,
          );
        case "name-taken":
          return refused(
            "name-taken",
            `A token called ${name} works there already. Revoke it first, or give another name.`,
          );
        case "too-many":
          return refused("too-many", `There are ${MAX_API_TOKENS} tokens that work. Revoke those nobody uses.`);
      }
    },

    async judge(text) {
      const id = apiTokenId(text);
      if (id === null) return null;
      const record = await store.apiToken(id);
      const right = sameHash(hashOfToken(text), record?.hash ?? NO_HASH);
      // Who has only an id learns nothing, from the log neither.
      if (record === null || !right) return null;
      const { token, standing } = record;
      const why = refusal(token, standing, clock.now());
      if (why !== null) {
        log.warn(
          { token: shownApiTokenId(id), installation: hostKey(token.installation), reason: why },
          "an API token was refused",
        );
        return null;
      }
      await noteUse(token);
      const { name, installation, role } = token;
      return { kind: "token", id: shownApiTokenId(id), name, installation, role };
    },
  };
}

/** It is neither revoked nor at its end. */
export function apiTokenWorks(
  { revokedAt, expiresAt }: Pick<ApiToken, "revokedAt" | "expiresAt">,
  now: number,
): boolean {
  return revokedAt === null && Date.parse(expiresAt) > now;
}

/** Public JSON: fields may be added, none renamed. */
export function apiTokenJson({ id, installation, ...token }: ApiToken): object {
  return {
    id: shownApiTokenId(id),
    installation: { provider: installation.provider, host: installation.host, id: installation.id },
    name: token.name,
    role: token.role,
    createdAt: token.createdAt,
    expiresAt: token.expiresAt,
    revokedAt: token.revokedAt,
    lastUsedAt: token.lastUsedAt,
  };
}

/** What whoever made a token is shown, once. */
export function madeApiTokenJson({ token, secret }: MadeApiToken): object {
  return { ...apiTokenJson(token), token: secret };
}

/** Null: it is good. Who was uninstalled or suspended has no programs here; a pause stops builds, and nothing else. */
function refusal(token: ApiToken, standing: HostState, now: number): string | null {
  if (token.revokedAt !== null) return "revoked";
  if (!apiTokenWorks(token, now)) return "expired";
  return standing === "active" ? null : `installation-${standing}`;
}

function refused(code: RefusedApiToken["code"], why: string): RefusedApiToken {
  return { kind: "refused", code, why };
}
