import type { By } from "../core/audit.ts";
import { type HostId, hostKey } from "../core/model.ts";
import type { ClaimStore, NamespaceSummary } from "../engine/claims-store-port.ts";
import type { Replayed } from "../engine/pause-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import { touchChecks } from "./check-rows.ts";
import type { Sql } from "./database.ts";
import {
  accountId,
  bindAccount,
  giveNamespace,
  insertGrant,
  installationOf,
  lockInstallations,
  NAMESPACES_LOCK,
  readGrants,
  toClaim,
} from "./namespace-rows.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { flag, integer, type Row, text, time, timeOrNull } from "./rows.ts";
import { cancelBuilds } from "./stops.ts";

type Namespaces = Pick<
  ClaimStore,
  "grantNamespace" | "revokeNamespace" | "applyGrants" | "listNamespaces" | "namespaceLedger"
>;

/** Of a namespace, as far as one look at it shows. */
const MAX_IMAGES = 1_000;

export function createNamespaces(parts: StoreParts): Namespaces {
  const { database, clock } = parts;
  return {
    grantNamespace: (grant) =>
      database.transaction(async (sql) => {
        await sql.lock(NAMESPACES_LOCK);
        return giveNamespace(sql, clock, { ...grant, occupied: false });
      }),

    revokeNamespace: (account, by) =>
      database.transaction(async (sql) => {
        await sql.lock(NAMESPACES_LOCK);
        return takeNamespace(sql, parts, { account, to: null, by });
      }),

    applyGrants: (wanted, why) =>
      database.transaction(async (sql) => {
        await sql.lock(NAMESPACES_LOCK);
        const by: By = { kind: "service" };
        const given: { account: HostId; replayed: Replayed }[] = [];
        const taken: HostId[] = [];
        const kept = new Set<string>();
        const wantedOf = new Map(wanted.map(({ account, namespace }) => [hostKey(account), namespace]));
        const rows = await sql.query("SELECT provider, host, account_id, namespace FROM namespace_grants");
        for (const row of rows) {
          const account = accountId(row);
          const to = wantedOf.get(hostKey(account)) ?? null;
          if (to === text(row, "namespace")) kept.add(hostKey(account));
          else await takeNamespace(sql, parts, { account, to, by });
          if (to === null) taken.push(account);
        }
        for (const { account, ...where } of wanted.filter(({ account: one }) => !kept.has(hostKey(one)))) {
          const grant = { ...where, account, login: await loginOf(sql, account), why, by };
          given.push({ account, replayed: await insertGrant(sql, clock, grant) });
        }
        return { given, taken };
      }),

    async listNamespaces(query) {
      return database.reading(async (sql) => {
        const rows = await sql.query(
          "SELECT seq, name, registry, created_at FROM namespaces WHERE seq < $1 ORDER BY seq DESC LIMIT $2",
          [afterKey("namespaces", query.cursor), rowsWanted(query)],
        );
        const listed = page("namespaces", query, rows, (row) => integer(row, "seq"));
        return { items: await summaries(sql, listed.items), next: listed.next };
      });
    },

    namespaceLedger: (name) =>
      database.reading(async (sql) => {
        const rows = await sql.query("SELECT name, registry, created_at FROM namespaces WHERE name = $1", [name]);
        const [summary] = await summaries(sql, rows);
        if (summary === undefined) return null;
        const waiting = await sql.query("SELECT * FROM claims WHERE namespace = $1 AND state = 'pending' ORDER BY id", [
          name,
        ]);
        const [code] = await sql.query(
          "SELECT valid_until FROM namespace_codes WHERE namespace = $1 AND valid_until > $2",
          [name, clock.now()],
        );
        return {
          ...summary,
          images: await imagesOf(sql, name),
          claims: waiting.map(toClaim),
          codeUntil: code === undefined ? null : timeOrNull(code, "valid_until"),
        };
      }),
  };
}

/**
 * The account may not write what it could any more. Its grant goes first: whoever records a build waits for that
 * (`grantedTo`), so that none is queued after those that are canceled here.
 */
export async function takeNamespace(
  sql: Sql,
  { clock, newId }: Omit<StoreParts, "database">,
  { account, to, by }: { readonly account: HostId; readonly to: string | null; readonly by: By },
): Promise<{ readonly namespace: string; readonly canceled: number } | null> {
  await lockInstallations(sql, account);
  const [row] = await sql.query(
    `DELETE FROM namespace_grants WHERE provider = $1 AND host = $2 AND account_id = $3 RETURNING namespace, account_login`,
    bindAccount(account),
  );
  if (row === undefined) return null;
  const namespace = text(row, "namespace");
  // Of a code it may have made: whoever has it was let in by somebody who has no say any more.
  await sql.query("DELETE FROM namespace_codes WHERE namespace = $1", [namespace]);
  const stopped = await cancelBuilds(
    sql,
    "installation IN (SELECT key FROM installations WHERE provider = $1 AND host = $2 AND account_id = $3)",
    bindAccount(account),
    clock.now(),
  );
  await touchChecks(sql, stopped, clock.now(), newId);
  await writeAudit(sql, clock, {
    by,
    action: to === null ? "namespace.revoked" : "namespace.moved",
    installation: await installationOf(sql, account),
    subject: namespace,
    facts: {
      account: hostKey(account),
      login: text(row, "account_login"),
      ...(to !== null && { to }),
      canceled: String(stopped.length),
    },
  });
  return { namespace, canceled: stopped.length };
}

async function loginOf(sql: Sql, account: HostId): Promise<string> {
  const [row] = await sql.query(
    `SELECT account_login FROM installations WHERE provider = $1 AND host = $2 AND account_id = $3
     ORDER BY seq DESC LIMIT 1`,
    bindAccount(account),
  );
  return row === undefined ? "" : text(row, "account_login");
}

async function summaries(sql: Sql, rows: readonly Row[]): Promise<readonly NamespaceSummary[]> {
  const grants = await readGrants(
    sql,
    rows.map((row) => text(row, "name")),
  );
  return rows.map((row) => ({
    name: text(row, "name"),
    registry: text(row, "registry"),
    createdAt: time(row, "created_at"),
    writers: grants.get(text(row, "name")) ?? [],
  }));
}

/** By the first part of their names, whole: `acme/api` is of `acme`, `acme-evil/api` and `acme_/api` are not. */
async function imagesOf(sql: Sql, namespace: string) {
  const first = `${namespace}/`;
  const rows = await sql.query(
    `SELECT i.name, i.public, r.provider, r.host, r.id, r.full_name FROM images i
     JOIN repositories r ON r.key = i.repository
     WHERE substr(i.name, 1, $2) = $1 ORDER BY i.name LIMIT $3`,
    [first, first.length, MAX_IMAGES],
  );
  return rows.map((row) => ({
    name: text(row, "name"),
    public: flag(row, "public"),
    repository: {
      provider: text(row, "provider") as HostId["provider"],
      host: text(row, "host"),
      id: text(row, "id"),
      fullName: text(row, "full_name"),
    },
  }));
}
