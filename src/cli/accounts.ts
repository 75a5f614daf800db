/** Installations as people name them on the command line. */
import { oneLine } from "../core/markdown.ts";
import { type Account, hostKey, type Installation } from "../core/model.ts";
import type { CliStore } from "./parts.ts";

type Found =
  | { readonly ok: true; readonly installation: Installation }
  /** A clause for people: what there is not, or what to type instead. */
  | { readonly ok: false; readonly why: string };

export async function allInstallations(store: Pick<CliStore, "listInstallations">): Promise<readonly Installation[]> {
  const all: Installation[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = await store.listInstallations({ limit: 100, cursor });
    all.push(...page.items);
    if (page.next === null) return all;
    cursor = page.next;
  }
}

/** The one installation that `account` stands for: LOGIN, PROVIDER:LOGIN or the installation's id. */
export async function findInstallation(store: Pick<CliStore, "listInstallations">, account: string): Promise<Found> {
  const found = named(await allInstallations(store), account);
  const [only] = found;
  if (only === undefined) return { ok: false, why: unknownAccount(account) };
  if (found.length === 1) return { ok: true, installation: only };
  const why = `${JSON.stringify(account)} stands for ${found.map(hostKey).map(oneLine).join(" and ")}; give one of these`;
  return { ok: false, why };
}

/** What people may call an account, in small letters: LOGIN, PROVIDER:LOGIN, PROVIDER:HOST:LOGIN. */
export function accountNames({
  provider,
  host,
  login,
}: Pick<Account, "provider" | "host" | "login">): readonly string[] {
  return [login, `${provider}:${login}`, `${provider}:${host}:${login}`].map((name) => name.toLowerCase());
}

/** An account as it is listed, by one of its names: `github:acme`, on a further host `github:ghes:acme`. */
export function accountName({ provider, host, login }: Pick<Account, "provider" | "host" | "login">): string {
  return host === "default" ? `${provider}:${login}` : `${provider}:${host}:${login}`;
}

export function unknownAccount(account: string): string {
  return `no installation ${JSON.stringify(account)} is known here. All of them: wharfinger policy`;
}

/**
 * Ids are exact, and `provider:host:id` is always one. Hosts compare logins without case, and who installs the app anew
 * gets another id: what was removed is only meant where its id is given.
 */
function named(all: readonly Installation[], account: string): readonly Installation[] {
  const exact = all.filter((one) => hostKey(one) === account);
  if (exact.length > 0) return exact;
  const login = account.toLowerCase();
  return all.filter((one) => {
    const byLogin = one.state !== "removed" && accountNames({ ...one, login: one.account.login }).includes(login);
    return byLogin || one.id === account;
  });
}
