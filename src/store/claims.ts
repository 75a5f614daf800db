import type { By } from "../core/audit.ts";
import type { ClaimDecision, ClaimReason } from "../core/lifecycle/claim.ts";
import { type HostId, hostKey } from "../core/model.ts";
import type { ClaimStore, KnownFacts, Settling } from "../engine/claims-store-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import {
  bindAccount,
  endClaim,
  giveNamespace,
  insertGrant,
  lookalikeOf,
  NAMESPACES_LOCK,
  ownedBy,
  toClaim,
  writersOf,
} from "./namespace-rows.ts";
import { takeNamespace } from "./namespaces.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { integer, key, keyNumber, text, textOrNull } from "./rows.ts";

type Claims = Pick<
  ClaimStore,
  "settleClaim" | "withdrawClaim" | "listClaims" | "getClaim" | "approveClaim" | "refuseClaim"
>;

type Asking = Parameters<ClaimStore["settleClaim"]>[0];

/** What policies decide. */
const SERVICE: By = { kind: "service" };

export function createClaimRows(parts: StoreParts): Claims {
  const { database, clock } = parts;

  return {
    settleClaim(asking, decide) {
      return database.transaction(async (sql) => {
        await sql.lock(NAMESPACES_LOCK);
        const decision = decide(await knownFacts(sql, asking));
        return { decision, ...(await apply(sql, asking, decision)) };
      });
    },

    async withdrawClaim(installation) {
      await database.transaction(async (sql) => {
        await sql.lock(NAMESPACES_LOCK);
        const rows = await sql.query(
          "SELECT provider, host, account_id FROM claims WHERE installation = $1 AND state = 'pending'",
          [hostKey(installation)],
        );
        for (const row of rows) {
          const account = { ...installation, id: text(row, "account_id") };
          await endClaim(sql, clock, account, "withdrawn", SERVICE);
        }
      });
    },

    async listClaims({ waiting, ...query }) {
      const rows = await database.query(
        `SELECT * FROM claims WHERE id < $1 ${waiting ? "AND state = 'pending'" : ""} ORDER BY id DESC LIMIT $2`,
        [afterKey("claims", query.cursor), rowsWanted(query)],
      );
      const listed = page("claims", query, rows, (row) => integer(row, "id"));
      return { items: listed.items.map(toClaim), next: listed.next };
    },

    async getClaim(id) {
      const [row] = await database.query("SELECT * FROM claims WHERE id = $1", [keyNumber(id)]);
      return row === undefined ? null : toClaim(row);
    },

    approveClaim(id, { as, registry, by, share, anyway }) {
      return database.transaction(async (sql) => {
        await sql.lock(NAMESPACES_LOCK);
        const [row] = await sql.query("SELECT * FROM claims WHERE id = $1 AND state = 'pending'", [keyNumber(id)]);
        if (row === undefined) return { kind: "unknown" };
        const { account, namespace: wanted, reason } = toClaim(row);
        const namespace = as ?? wanted;
        if (namespace === null) {
          const why = `${JSON.stringify(account.login)} makes no name for a namespace`;
          return { kind: "refused", refusal: { reason: "unusable-name", why } };
        }
        return giveNamespace(sql, clock, {
          namespace,
          account,
          login: account.login,
          registry,
          why: "the operator approved its claim",
          by,
          share,
          anyway,
          occupied: namespace === wanted && reason === "occupied",
        });
      });
    },

    refuseClaim(id, by) {
      return database.transaction(async (sql) => {
        await sql.lock(NAMESPACES_LOCK);
        const [row] = await sql.query("SELECT * FROM claims WHERE id = $1 AND state = 'pending'", [keyNumber(id)]);
        return row !== undefined && (await endClaim(sql, clock, toClaim(row).account, "refused", by));
      });
    },
  };

  async function apply(sql: Sql, asking: Asking, decision: ClaimDecision): Promise<Omit<Settling, "decision">> {
    const { account, registry } = asking;
    const made = { account, login: account.login, registry, by: SERVICE };
    switch (decision.kind) {
      case "ask":
        return { changed: false, replayed: null };
      case "grant": {
        const { namespace, why } = decision;
        return { changed: true, replayed: await insertGrant(sql, clock, { ...made, namespace, why }) };
      }
      case "move": {
        const { to: namespace, why } = decision;
        await takeNamespace(sql, parts, { account, to: namespace, by: SERVICE });
        if (namespace === null) return { changed: true, replayed: null };
        return { changed: true, replayed: await insertGrant(sql, clock, { ...made, namespace, why }) };
      }
      case "wait":
        return { changed: await saveClaim(sql, asking, decision), replayed: null };
      case "owned":
      case "none":
        return { changed: await endClaim(sql, clock, account, "withdrawn", SERVICE), replayed: null };
    }
  }

  /**
   * A claim is of one name for good: were it to follow the account's, whoever approves what they saw could give away
   * another one. False: it waited for the same reason before.
   */
  async function saveClaim(sql: Sql, asking: Asking, decision: ClaimDecision & { kind: "wait" }): Promise<boolean> {
    const { account, installation } = asking;
    const { namespace, reason, why } = decision;
    const [waiting] = await sql.query(
      `SELECT id, namespace, reason FROM claims WHERE provider = $1 AND host = $2 AND account_id = $3 AND state = 'pending'`,
      bindAccount(account),
    );
    if (waiting !== undefined && textOrNull(waiting, "namespace") === namespace) {
      await sql.query(
        `UPDATE claims SET installation = $2, reason = $3, why = $4, account_login = $5, account_kind = $6 WHERE id = $1`,
        [integer(waiting, "id"), hostKey(installation), reason, why, account.login, account.kind],
      );
      return text(waiting, "reason") !== reason;
    }
    await endClaim(sql, clock, account, "withdrawn", SERVICE);
    const [made] = await sql.query(
      `INSERT INTO claims (provider, host, account_id, account_login, account_kind, installation, namespace, state, reason,
         why, made_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10) RETURNING id`,
      [
        ...bindAccount(account),
        account.login,
        account.kind,
        hostKey(installation),
        namespace,
        reason,
        why,
        clock.now(),
      ],
    );
    if (made === undefined) throw new Error("a claim that was made has an id");
    await writeAudit(sql, clock, {
      by: SERVICE,
      action: "claim.made",
      installation,
      subject: namespace ?? account.login,
      facts: { claim: key(made, "id"), account: hostKey(account), login: account.login, reason },
    });
    return true;
  }
}

async function knownFacts(sql: Sql, { account, wanted }: Asking): Promise<KnownFacts> {
  const owned = await ownedBy(sql, account);
  if (wanted === null) return { owned, writers: null, lookalike: null, refused: false, waits: null };
  return {
    owned,
    writers: await writersOf(sql, wanted),
    lookalike: await lookalikeOf(sql, wanted),
    refused: await wasRefused(sql, account, wanted),
    waits: await waitsFor(sql, account, wanted),
  };
}

async function waitsFor(sql: Sql, account: HostId, namespace: string): Promise<ClaimReason | null> {
  const [row] = await sql.query(
    `SELECT reason FROM claims
     WHERE provider = $1 AND host = $2 AND account_id = $3 AND namespace = $4 AND state = 'pending'`,
    [...bindAccount(account), namespace],
  );
  return row === undefined ? null : (text(row, "reason") as ClaimReason);
}

async function wasRefused(sql: Sql, account: HostId, namespace: string): Promise<boolean> {
  const rows = await sql.query(
    `SELECT id FROM claims
     WHERE provider = $1 AND host = $2 AND account_id = $3 AND namespace = $4 AND state = 'refused' LIMIT 1`,
    [...bindAccount(account), namespace],
  );
  return rows.length > 0;
}
