import { type HostId, hostKey } from "../core/model.ts";
import type { ClaimStore } from "../engine/claims-store-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { accountId, insertGrant, installationOf, NAMESPACES_LOCK, ownedBy } from "./namespace-rows.ts";
import { integer, milliseconds, text } from "./rows.ts";

type Codes = Pick<ClaimStore, "saveNamespaceCode" | "redeemNamespaceCode">;
type Entry = Parameters<ClaimStore["redeemNamespaceCode"]>[0];

/** Wrong codes of one account within that time; then none is looked at until it is over. */
const MAX_FAILURES = 10;
const WINDOW_MS = 60 * 60 * 1_000;

export function createNamespaceCodes({ database, clock }: Pick<StoreParts, "database" | "clock">): Codes {
  return {
    saveNamespaceCode: ({ namespace, hash, until, from, by }) =>
      database.transaction(async (sql) => {
        await sql.lock(NAMESPACES_LOCK);
        const owners = await sql.query("SELECT provider, host, account_id FROM namespace_grants WHERE namespace = $1", [
          namespace,
        ]);
        const makers = owners.filter((row) => from === null || hostKey(accountId(row)) === hostKey(from));
        if (makers.length === 0) return false;
        await sql.query(
          `INSERT INTO namespace_codes (namespace, hash, valid_until, made_by) VALUES ($1, $2, $3, $4)
           ON CONFLICT (namespace) DO UPDATE SET hash = excluded.hash, valid_until = excluded.valid_until,
             made_by = excluded.made_by`,
          [namespace, hash, milliseconds(until), JSON.stringify(by)],
        );
        await writeAudit(sql, clock, {
          by,
          action: "namespace.code-made",
          installation: from === null ? null : await installationOf(sql, from),
          subject: namespace,
          facts: { until, fingerprint: fingerprint(hash), ...(from !== null && { account: hostKey(from) }) },
        });
        return true;
      }),

    redeemNamespaceCode: (entry) =>
      database.transaction(async (sql) => {
        await sql.lock(NAMESPACES_LOCK);
        const { namespace, hash, account, login, by } = entry;
        const owned = await ownedBy(sql, account);
        if (owned === namespace) return { kind: "member" };
        if (owned !== null) return { kind: "owns-another", namespace: owned };
        const blocked = await blockedUntil(sql, account);
        if (blocked !== null) {
          await refused(sql, entry, "too-many");
          return { kind: "too-many", until: new Date(blocked).toISOString() };
        }
        // Taking it out is what makes it good for one.
        const taken = await sql.query(
          `DELETE FROM namespace_codes WHERE namespace = $1 AND hash = $2 AND valid_until > $3 RETURNING made_by`,
          [namespace, hash, clock.now()],
        );
        if (taken.length === 0) {
          await countFailure(sql, account);
          await refused(sql, entry, "wrong");
          return { kind: "wrong" };
        }
        await sql.query("DELETE FROM code_attempts WHERE account = $1", [hostKey(account)]);
        const [made] = await sql.query("SELECT registry FROM namespaces WHERE name = $1", [namespace]);
        if (made === undefined) throw new Error("a code is of a namespace that is there");
        const why = `the one-time code ${fingerprint(hash)} of an owner`;
        const grant = { namespace, account, login, registry: text(made, "registry"), why, by };
        return { kind: "joined", namespace, replayed: await insertGrant(sql, clock, grant) };
      }),
  };

  async function blockedUntil(sql: Sql, account: HostId): Promise<number | null> {
    const [row] = await sql.query("SELECT failures, since FROM code_attempts WHERE account = $1", [hostKey(account)]);
    if (row === undefined || integer(row, "failures") < MAX_FAILURES) return null;
    const until = integer(row, "since") + WINDOW_MS;
    return until > clock.now() ? until : null;
  }

  async function countFailure(sql: Sql, account: HostId): Promise<void> {
    await sql.query(
      `INSERT INTO code_attempts (account, failures, since) VALUES ($1, 1, $2)
       ON CONFLICT (account) DO UPDATE SET
         failures = CASE WHEN code_attempts.since <= CAST($3 AS BIGINT) THEN 1 ELSE code_attempts.failures + 1 END,
         since = CASE WHEN code_attempts.since <= CAST($3 AS BIGINT) THEN excluded.since ELSE code_attempts.since END`,
      [hostKey(account), clock.now(), clock.now() - WINDOW_MS],
    );
  }

  async function refused(sql: Sql, { namespace, account, login, by }: Entry, reason: string): Promise<void> {
    await writeAudit(sql, clock, {
      by,
      action: "namespace.code-refused",
      installation: await installationOf(sql, account),
      subject: namespace,
      facts: { account: hostKey(account), login, reason },
    });
  }
}

/** To tell codes apart in what people read later; the code can not be found from it. */
function fingerprint(hash: string): string {
  return hash.slice(0, 8);
}
