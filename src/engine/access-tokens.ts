/** Access tokens as they are asked for, listed and revoked; the command line and the API do no more than show them. */
import { randomBytes } from "node:crypto";
import {
  makeAccessToken,
  parseTokenId,
  shownTokenId,
  TOKEN_ID_BYTES,
  TOKEN_SECRET_BYTES,
  type TokenWish,
  tokenExpiry,
} from "../core/access-tokens.ts";
import type { By } from "../core/audit.ts";
import { hostKey } from "../core/model.ts";
import { type AccessToken, type AccessTokenStore, MAX_TOKENS, type NamespaceAccount } from "./access-tokens-port.ts";
import { hashOfToken } from "./accounts.ts";
import type { Clock } from "./ports.ts";
import type { Registries } from "./registries.ts";
import type { Page, PageQuery } from "./store-port.ts";

export interface MadeToken {
  readonly kind: "made";
  readonly token: AccessToken;
  /** The token itself. It is shown once, to whoever asked, and kept nowhere. */
  readonly secret: string;
  /** Host and port of the registry, as image names carry it. */
  readonly registry: string;
}

export interface RefusedToken {
  readonly kind: "refused";
  readonly code: "unknown-namespace" | "no-token-registry" | "account" | "not-standing" | "name-taken" | "too-many";
  /** A sentence: what is in the way, and what to do. */
  readonly why: string;
}

export interface AccessTokens {
  make(namespace: string, wish: TokenWish, by: By): Promise<MadeToken | RefusedToken>;
  /** Newest first, those that do not work any more too. Null: nobody has this namespace, and there are none. */
  list(namespace: string, query: PageQuery): Promise<Page<AccessToken> | null>;
  /** `which`: an id, or the name of one that works. For good. Null: the namespace has no such token. */
  revoke(namespace: string, which: string, by: By): Promise<AccessToken | null>;
}

export function createAccessTokens(options: {
  readonly store: Pick<
    AccessTokenStore,
    "namespaceAccounts" | "saveAccessToken" | "accessToken" | "listAccessTokens" | "revokeAccessToken"
  >;
  readonly registries: Pick<Registries, "ofNamespace">;
  readonly clock: Clock;
}): AccessTokens {
  const { store, registries, clock } = options;

  /** Names are given again once the token before does not work any more: only one that does is meant by its name. */
  async function named(namespace: string, name: string): Promise<string | null> {
    for (let cursor: string | null = null; ; ) {
      const page: Page<AccessToken> = await store.listAccessTokens({ namespace, limit: 100, cursor });
      const found = page.items.find((token) => token.name === name && works(token, clock.now()));
      if (found !== undefined) return found.id;
      if (page.next === null) return null;
      cursor = page.next;
    }
  }

  return {
    async list(namespace, query) {
      const page = await store.listAccessTokens({ namespace, ...query });
      const known = page.items.length > 0 || (await store.namespaceAccounts(namespace)).length > 0;
      return known ? page : null;
    },

    async revoke(namespace, which, by) {
      // An id before a name: somebody else who writes the namespace may have called a token like this one's id.
      const id = parseTokenId(which);
      const known = id === null ? null : await store.accessToken(id);
      const meant = known?.token.namespace === namespace ? known.token.id : await named(namespace, which);
      return meant === null ? null : await store.revokeAccessToken(namespace, meant, by);
    },

    async make(namespace, wish, by) {
      const accounts = await store.namespaceAccounts(namespace);
      const registry = accounts.length === 0 ? null : await registries.ofNamespace(namespace);
      if (registry === null) {
        const why = `Nobody has the namespace ${JSON.stringify(namespace)} in a registry there is. All: wharfinger namespaces`;
        return refused("unknown-namespace", why);
      }
      if (registry.settings.kind === "basic") {
        const why = `The registry ${registry.host} has user names and passwords of its own, and does not know our tokens. Make a pull credential there`;
        return refused("no-token-registry", `${why}, or let a registry trust this service (docs/operations.md).`);
      }
      const found = accountFor(accounts, wish.account);
      if (found === undefined) return refused("account", whichAccount(accounts, namespace, wish.account));
      const { id, text } = makeAccessToken(randomBytes(TOKEN_ID_BYTES), randomBytes(TOKEN_SECRET_BYTES));
      const { name, access, days } = wish;
      const expiresAt = tokenExpiry(clock.now(), days);
      const { account } = found;
      const saved = await store.saveAccessToken(
        { id, hash: hashOfToken(text), namespace, account, name, access, expiresAt },
        by,
      );
      switch (saved) {
        case "saved": {
          const kept = await store.accessToken(id);
          if (kept === null) throw new Error("a token that was just saved is there");
          return { kind: "made", token: kept.token, secret: text, registry: registry.host };
        }
        case "no-standing":
          return refused(
            "not-standing",
            `${shown(found)} has no installation that is active now, so its tokens would open nothing.`,
          );
        case "name-taken":
          return refused(
            "name-taken",
            `A token called ${name} works in ${namespace} already. Revoke it first, or give another name.`,
          );
        case "too-many":
          return refused("too-many", `${namespace} has ${MAX_TOKENS} tokens that work. Revoke those nobody uses.`);
      }
    },
  };
}

/** It is neither revoked nor at its end; whether its account may still write to the namespace is another question. */
export function works({ revokedAt, expiresAt }: AccessToken, now: number): boolean {
  return revokedAt === null && Date.parse(expiresAt) > now;
}

/** Public JSON: fields may be added, none renamed. */
export function accessTokenJson({ id, account, ...token }: AccessToken): object {
  return {
    id: shownTokenId(id),
    namespace: token.namespace,
    name: token.name,
    access: token.access,
    account: hostKey(account),
    createdAt: token.createdAt,
    expiresAt: token.expiresAt,
    revokedAt: token.revokedAt,
    lastUsedAt: token.lastUsedAt,
  };
}

/** What whoever made a token is shown, once. */
export function madeTokenJson({ token, secret, registry }: MadeToken): object {
  return { ...accessTokenJson(token), token: secret, username: token.namespace, registry };
}

function accountFor(accounts: readonly NamespaceAccount[], wanted: string | null): NamespaceAccount | undefined {
  if (wanted !== null) return accounts.find(({ account }) => hostKey(account) === wanted);
  return accounts.length === 1 ? accounts[0] : undefined;
}

function whichAccount(accounts: readonly NamespaceAccount[], namespace: string, wanted: string | null): string {
  const all = accounts.map(shown).join(" and ");
  if (wanted !== null) return `No account ${JSON.stringify(wanted)} may write to ${namespace}; ${all} may.`;
  return `${all} may write to ${namespace}. Say for which of them the token is: it works while that one may.`;
}

function shown({ account, login }: NamespaceAccount): string {
  return login === null ? hostKey(account) : `${hostKey(account)} (${login})`;
}

function refused(code: RefusedToken["code"], why: string): RefusedToken {
  return { kind: "refused", code, why };
}
