/** Who may write which namespace: rows that are read and written by several parts, always in their transactions. */
import type { By } from "../core/audit.ts";
import { type ClaimReason, type ClaimState, givingRefusal, type Insistence } from "../core/lifecycle/claim.ts";
import { type Account, type HostId, hostKey, type InstallationState, parseHostKey } from "../core/model.ts";
import { lookalike, namespaceProblem } from "../core/namespaces.ts";
import type { Claim, Giving, Grant } from "../engine/claims-store-port.ts";
import type { Replayed } from "../engine/pause-port.ts";
import type { Clock } from "../engine/ports.ts";
import { writeAudit } from "./audit.ts";
import type { Sql } from "./database.ts";
import { replayWaiting } from "./replays.ts";
import { json, jsonOrNull, key, marks, type Row, text, textOrNull, time, timeOrNull } from "./rows.ts";

/** Held by whoever gives or takes a namespace: what was looked at stays true until it is done. */
export const NAMESPACES_LOCK = "namespaces";

const OF_ACCOUNT = "provider = $1 AND host = $2 AND account_id = $3";

export function bindAccount({ provider, host, id }: HostId): readonly [string, string, string] {
  return [provider, host, id];
}

/** The namespace an account may write; null: none. */
export async function ownedBy(sql: Pick<Sql, "query">, account: HostId): Promise<string | null> {
  const rows = await sql.query(`SELECT namespace FROM namespace_grants WHERE ${OF_ACCOUNT}`, bindAccount(account));
  return rows[0] === undefined ? null : text(rows[0], "namespace");
}

/** Whether the account of an installation may write a namespace, and goes on to until the transaction ends. */
export async function grantedTo(sql: Sql, installation: HostId, namespace: string): Promise<boolean> {
  const rows = await sql.query(
    `SELECT g.namespace FROM namespace_grants g
     JOIN installations i ON i.provider = g.provider AND i.host = g.host AND i.account_id = g.account_id
     WHERE i.key = $1 AND g.namespace = $2 FOR SHARE OF g`,
    [hostKey(installation), namespace],
  );
  return rows.length > 0;
}

/** Null: the namespace was never anybody's. */
export async function writersOf(sql: Sql, namespace: string): Promise<readonly HostId[] | null> {
  const known = await sql.query("SELECT name FROM namespaces WHERE name = $1", [namespace]);
  if (known[0] === undefined) return null;
  const rows = await sql.query(
    "SELECT provider, host, account_id FROM namespace_grants WHERE namespace = $1 ORDER BY since, provider, host, account_id",
    [namespace],
  );
  return rows.map(accountId);
}

export async function lookalikeOf(sql: Sql, namespace: string): Promise<string | null> {
  const rows = await sql.query("SELECT name FROM namespaces ORDER BY seq");
  const names = rows.map((row) => text(row, "name"));
  return lookalike(namespace, names);
}

export function accountId(row: Row): HostId {
  return {
    // Written from an account only.
    provider: text(row, "provider") as HostId["provider"],
    host: text(row, "host"),
    id: text(row, "account_id"),
  };
}

/** The newest of the account that is not removed, else the newest; null: it has none. For the audit log. */
export async function installationOf(sql: Sql, account: HostId): Promise<HostId | null> {
  const rows = await sql.query(
    `SELECT key FROM installations WHERE ${OF_ACCOUNT}
     ORDER BY CASE WHEN state = 'removed' THEN 1 ELSE 0 END, seq DESC LIMIT 1`,
    bindAccount(account),
  );
  return rows[0] === undefined ? null : parseHostKey(text(rows[0], "key"));
}

export interface NewGrant {
  readonly namespace: string;
  readonly account: HostId;
  readonly login: string;
  /** Where the namespace is made, if it is new. */
  readonly registry: string;
  readonly why: string;
  readonly by: By;
}

/**
 * What it asks for is approved with that, and what waited for it is planned again. The account must not have one. Whoever
 * records a build holds on to the installation first and then to the grant; so does this.
 */
export async function insertGrant(sql: Sql, clock: Clock, grant: NewGrant): Promise<Replayed> {
  const { namespace, account, login, registry, why, by } = grant;
  const now = clock.now();
  const installations = await lockInstallations(sql, account);
  await sql.query(
    "INSERT INTO namespaces (name, registry, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
    [namespace, registry, now],
  );
  await sql.query(
    `INSERT INTO namespace_grants (provider, host, account_id, namespace, account_login, since, why, made_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [...bindAccount(account), namespace, login, now, why, JSON.stringify(by)],
  );
  await endClaim(sql, clock, account, "approved", by);
  await writeAudit(sql, clock, {
    by,
    action: "namespace.granted",
    installation: await installationOf(sql, account),
    subject: namespace,
    facts: { account: hostKey(account), login, why },
  });
  const replayed: Replayed[] = [];
  for (const id of installations) replayed.push(await replayWaiting(sql, { kind: "installation", id }, now));
  return {
    deliveries: replayed.flatMap((one) => one.deliveries),
    lanes: replayed.flatMap((one) => one.lanes),
    lost: replayed.flatMap((one) => one.lost),
  };
}

/** Those of an account, so that nothing of them is recorded until the transaction ends. */
export async function lockInstallations(sql: Sql, account: HostId): Promise<readonly HostId[]> {
  const rows = await sql.query(
    `SELECT key FROM installations WHERE ${OF_ACCOUNT} ORDER BY key FOR NO KEY UPDATE`,
    bindAccount(account),
  );
  return rows.flatMap((row) => parseHostKey(text(row, "key")) ?? []);
}

/** As {@link insertGrant}, unless something speaks against it that was not insisted on. */
export async function giveNamespace(
  sql: Sql,
  clock: Clock,
  grant: NewGrant & Insistence & { readonly occupied: boolean },
): Promise<Giving> {
  const { namespace, account } = grant;
  const owned = await ownedBy(sql, account);
  const facts = {
    namespace,
    problem: namespaceProblem(namespace),
    owned,
    writers: await writersOf(sql, namespace),
    lookalike: await lookalikeOf(sql, namespace),
    occupied: grant.occupied,
  };
  if (owned === namespace) return { kind: "given", namespace, account, replayed: null };
  const refusal = givingRefusal(facts, grant);
  if (refusal !== null) return { kind: "refused", refusal };
  return { kind: "given", namespace, account, replayed: await insertGrant(sql, clock, grant) };
}

/** False: the account asks for nothing. */
export async function endClaim(
  sql: Sql,
  clock: Clock,
  account: HostId,
  state: Exclude<ClaimState, "pending">,
  by: By,
): Promise<boolean> {
  const rows = await sql.query(
    `UPDATE claims SET state = $4, decided_at = $5, decided_by = $6 WHERE ${OF_ACCOUNT} AND state = 'pending'
     RETURNING id, installation, namespace, account_login`,
    [...bindAccount(account), state, clock.now(), JSON.stringify(by)],
  );
  const row = rows[0];
  if (row === undefined) return false;
  // What is approved tells of itself as a grant.
  if (state !== "approved") {
    await writeAudit(sql, clock, {
      by,
      action: state === "refused" ? "claim.refused" : "claim.withdrawn",
      installation: parseHostKey(text(row, "installation")),
      subject: textOrNull(row, "namespace") ?? text(row, "account_login"),
      facts: { claim: key(row, "id"), account: hostKey(account), login: text(row, "account_login") },
    });
  }
  return true;
}

export function toClaim(row: Row): Claim {
  const id = accountId(row);
  const installation = parseHostKey(text(row, "installation"));
  if (installation === null) throw new TypeError(`no installation: ${text(row, "installation")}`);
  return {
    id: key(row, "id"),
    // Kinds, states and reasons are written from their own types only.
    account: { ...id, login: text(row, "account_login"), kind: text(row, "account_kind") as Account["kind"] },
    installation,
    namespace: textOrNull(row, "namespace"),
    state: text(row, "state") as ClaimState,
    reason: text(row, "reason") as ClaimReason,
    why: text(row, "why"),
    madeAt: time(row, "made_at"),
    decidedAt: timeOrNull(row, "decided_at"),
    decidedBy: jsonOrNull(row, "decided_by"),
  };
}

/** Of these namespaces, the oldest first, by name. */
export async function readGrants(sql: Sql, names: readonly string[]): Promise<ReadonlyMap<string, readonly Grant[]>> {
  if (names.length === 0) return new Map();
  const rows = await sql.query(
    `SELECT g.*, i.id, i.state FROM namespace_grants g
     LEFT JOIN installations i ON i.provider = g.provider AND i.host = g.host AND i.account_id = g.account_id
     WHERE g.namespace IN (${marks(1, names.length)})
     ORDER BY g.since, g.provider, g.host, g.account_id, i.seq`,
    names,
  );
  const found = new Map<string, Map<string, Row[]>>();
  for (const row of rows) {
    const accounts = found.get(text(row, "namespace")) ?? new Map<string, Row[]>();
    found.set(text(row, "namespace"), accounts);
    const account = hostKey(accountId(row));
    accounts.set(account, [...(accounts.get(account) ?? []), row]);
  }
  return new Map([...found].map(([name, accounts]) => [name, [...accounts.values()].flatMap(toGrant)]));
}

/** Of the rows of one account: one for each of its installations. */
function toGrant(rows: readonly Row[]): readonly Grant[] {
  const [row] = rows;
  if (row === undefined) return [];
  const account = accountId(row);
  const grant = {
    account,
    login: text(row, "account_login"),
    since: time(row, "since"),
    why: text(row, "why"),
    by: json<By>(row, "made_by"),
    installations: rows.flatMap((one) => {
      const id = textOrNull(one, "id");
      // Written by saveInstallation only.
      return id === null ? [] : [{ ...account, id, state: text(one, "state") as InstallationState }];
    }),
  };
  return [grant];
}
