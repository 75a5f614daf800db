/**
 * The receipt of an uninstall: what was held for an installation, what became of it, and what is kept and why. It is made
 * of counts asked of the database after everything was done, not of what was meant to be done.
 */
import type { Account, HostId } from "./model.ts";

/** What an installation has here, and had since it was removed. */
export interface Holdings {
  /** Builds that were waiting or running and ended as canceled since. */
  readonly canceled: number;
  /** Builds that still run: they were asked to stop. */
  readonly running: number;
  /** Staging repositories in the registry that may hold something. */
  readonly staging: number;
  /** By name, with the fingerprint each was last saved with: erased since. */
  readonly erasedSecrets: readonly string[];
  readonly erasedVariables: readonly string[];
  /** E-mail addresses, and hosts of webhooks. */
  readonly erasedNotifications: readonly string[];
  readonly revokedTokens: readonly string[];
  /** `registry, user`. */
  readonly erasedCredentials: readonly string[];
  /** Further repositories that builds may not read any more. */
  readonly disallowed: number;
  readonly withdrawnClaims: number;
  /** Of webhooks that this program made: what became of each, as it was recorded when its connection ended. */
  readonly webhooks: readonly { readonly connection: string; readonly deleted: boolean; readonly detail: string }[];
  /** What should be zero by then: still there. */
  readonly left: {
    readonly variables: number;
    readonly notifications: number;
    readonly tokens: number;
    readonly credentials: number;
    readonly connections: number;
  };
  /** A secret of the Connect add-on that is kept to recognise the next install. */
  readonly tombstone: boolean;
  /** Null: it owns none. */
  readonly namespace: string | null;
  /** Logins of other accounts that publish there, too. */
  readonly sharedWith: readonly string[];
  readonly images: number;
  readonly paused: boolean;
  readonly builds: number;
  readonly repositories: number;
}

export interface ReceiptItem {
  /** The codes are public: extend, never rename. */
  readonly what:
    | "access"
    | "builds"
    | "staging"
    | "secrets"
    | "variables"
    | "notifications"
    | "access-tokens"
    | "registry-credentials"
    | "further-repositories"
    | "claims"
    | "webhooks"
    | "connect-secret"
    | "namespace"
    | "images"
    | "pause"
    | "records";
  /** `left`: it should be gone, and is not; the sentence says what to do. */
  readonly state: "removed" | "kept" | "left";
  readonly count: number;
  /** A sentence for people. */
  readonly detail: string;
}

export interface Receipt {
  readonly id: string;
  readonly installation: HostId;
  readonly account: Account;
  /** ISO 8601, UTC, like all times here. */
  readonly removedAt: string;
  /** Null: not everything has ended yet. */
  readonly closedAt: string | null;
  /** Until then what is kept of builds and repositories waits for the account to come back; null: it is not closed. */
  readonly keptUntil: string | null;
  /** The account has installed the app again. */
  readonly restoredAt: string | null;
  readonly purgedAt: string | null;
  readonly items: readonly ReceiptItem[];
}

/** What the receipt says, in a fixed order: what could not be removed first, then what was, then what is kept. */
export function receiptItems(held: Holdings, { keptUntil }: { readonly keptUntil: string }): readonly ReceiptItem[] {
  const items = [...gone(held), ...kept(held, keptUntil.slice(0, 10))];
  return (["left", "removed", "kept"] as const).flatMap((state) => items.filter((item) => item.state === state));
}

/** Whether the receipt can be written: nothing of the installation is on its way any more. */
export function isSettled({ running, staging }: Pick<Holdings, "running" | "staging">): boolean {
  return running === 0 && staging === 0;
}

function gone(held: Holdings): readonly ReceiptItem[] {
  const { left, webhooks } = held;
  const deleted = webhooks.filter((one) => one.deleted);
  const undeleted = webhooks.filter((one) => !one.deleted);
  const why = "the server's log says why";
  return [
    ...item(
      "removed",
      "access",
      1,
      "Nothing of the account can be read or reported to any more; tokens that were in memory are forgotten.",
    ),
    ...item("removed", "builds", held.canceled, "Those that waited were canceled, those that ran were stopped."),
    ...item("removed", "secrets", held.erasedSecrets.length, `Erased: ${list(held.erasedSecrets)}.`),
    ...item("removed", "variables", held.erasedVariables.length, `Erased: ${list(held.erasedVariables)}.`),
    ...item("removed", "notifications", held.erasedNotifications.length, `Erased: ${list(held.erasedNotifications)}.`),
    ...item("removed", "access-tokens", held.revokedTokens.length, `Revoked: ${list(held.revokedTokens)}.`),
    ...item(
      "removed",
      "registry-credentials",
      held.erasedCredentials.length,
      `Erased: ${list(held.erasedCredentials)}.`,
    ),
    ...item("removed", "further-repositories", held.disallowed, "What builds could read besides their own repository."),
    ...item("removed", "claims", held.withdrawnClaims, "What was asked for and not decided yet is withdrawn."),
    ...item("removed", "webhooks", deleted.length, "Deleted at the host."),
    ...undeleted.flatMap((one) => item("left", "webhooks", 1, `That of connection ${one.connection}: ${one.detail}.`)),
    ...item(
      "left",
      "webhooks",
      left.connections,
      "Connections are still there: wharfinger connect bitbucket --list, then --disconnect each.",
    ),
    ...item("left", "secrets", left.variables, `Secrets or variables could not be erased; ${why}.`),
    ...item("left", "notifications", left.notifications, `Addresses could not be erased; ${why}.`),
    ...item("left", "access-tokens", left.tokens, `They could not be revoked; ${why}.`),
    ...item("left", "registry-credentials", left.credentials, `They could not be erased; ${why}.`),
    ...item("left", "staging", held.staging, `Repositories of the registry that builds pushed to; ${why}.`),
  ];
}

function kept(held: Holdings, until: string): readonly ReceiptItem[] {
  const { namespace, sharedWith, builds, repositories } = held;
  const others = sharedWith.length === 0 ? "" : ` It is ${list(sharedWith)}'s as well, who may go on publishing there.`;
  const owned = `${namespace} stays this account's, so that nobody else can publish under a name that others pull.`;
  const records = `${count(builds, "build")} and ${count(repositories, "repository")}, with logs and deliveries, until ${until}, in case the app is installed again; then they are purged.`;
  return [
    ...item("kept", "namespace", namespace === null ? 0 : 1, `${owned}${others} The operator can revoke it.`),
    ...item("kept", "images", held.images, "They stay in the registry, for those who pull them."),
    ...item(
      "kept",
      "connect-secret",
      held.tombstone ? 1 : 0,
      "The add-on's last secret, sealed: Bitbucket signs the next install with it, and nobody else can.",
    ),
    ...item("kept", "pause", held.paused ? 1 : 0, "The account stays paused if it installs the app again."),
    ...item("kept", "records", builds + repositories, records),
  ];
}

/** Nothing is said of what there was none of. */
function item(
  state: ReceiptItem["state"],
  what: ReceiptItem["what"],
  count: number,
  detail: string,
): readonly ReceiptItem[] {
  return count === 0 ? [] : [{ what, state, count, detail }];
}

/** Names that a sentence bears. */
const TOLD = 10;

function list(names: readonly string[]): string {
  const more = names.length - TOLD;
  return names.slice(0, TOLD).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function count(n: number, noun: string): string {
  const plural = noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${n} ${n === 1 ? noun : plural}`;
}
