/** Makes access tokens. What is asked for is judged here for the command line and the API alike. */
import { randomBytes } from "node:crypto";
import {
  makeAccessToken,
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

/** The registry a namespace is in, as far as access tokens go. */
export interface TokenRegistry {
  /** Host and port, as image names carry it. */
  readonly host: string;
  readonly kind: "token" | "basic";
}

export interface MadeToken {
  readonly kind: "made";
  readonly token: AccessToken;
  /** The token itself. It is shown once, to whoever asked, and kept nowhere. */
  readonly secret: string;
  readonly registry: TokenRegistry;
}

export interface RefusedToken {
  readonly kind: "refused";
  readonly code: "unknown-namespace" | "no-token-registry" | "account" | "not-standing" | "name-taken" | "too-many";
  /** A sentence: what is in the way, and what to do. */
  readonly why: string;
}

export interface AccessTokens {
  make(namespace: string, wish: TokenWish, by: By): Promise<MadeToken | RefusedToken>;
}

export function createAccessTokens(options: {
  readonly store: Pick<AccessTokenStore, "namespaceAccounts" | "saveAccessToken" | "accessToken">;
  /** Null: nobody has this namespace, or its registry is not configured any more. */
  registryOf(namespace: string): Promise<TokenRegistry | null>;
  readonly clock: Clock;
}): AccessTokens {
  const { store, registryOf, clock } = options;

  return {
    async make(namespace, wish, by) {
      const accounts = await store.namespaceAccounts(namespace);
      const registry = accounts.length === 0 ? null : await registryOf(namespace);
      if (registry === null) {
        return refused(
          "unknown-namespace",
          `Nobody has the namespace ${namespace}. All there are: wharfinger namespaces`,
        );
      }
      if (registry.kind === "basic") {
        const why = `The registry ${registry.host} has user names and passwords of its own, and does not know our tokens. Make a pull credential there`;
        return refused("no-token-registry", `${why}; or let a registry trust this service (docs/operations.md).`);
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
          return { kind: "made", token: kept.token, secret: text, registry };
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
