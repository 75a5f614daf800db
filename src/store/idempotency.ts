import { ABANDONED_MS, type IdempotencyStore, KEPT_MS, type OnceRequest } from "../engine/idempotency-port.ts";
import type { StoreParts } from "./builds.ts";
import { integerOrNull, text, textOrNull } from "./rows.ts";

export function createIdempotency({ database, clock }: Omit<StoreParts, "newId">): IdempotencyStore {
  /** Of who has begun it: a request that was given up and begun anew is another one's by now. */
  const own = ({ caller, key, fingerprint }: OnceRequest) => [caller, key, fingerprint];

  return {
    beginOnce: ({ caller, key, fingerprint }) =>
      database.transaction(async (sql) => {
        const now = clock.now();
        await sql.query("DELETE FROM idempotency_keys WHERE begun_at <= $1 OR (status IS NULL AND begun_at <= $2)", [
          now - KEPT_MS,
          now - ABANDONED_MS,
        ]);
        const begun = await sql.query(
          `INSERT INTO idempotency_keys (caller, key, fingerprint, begun_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (caller, key) DO NOTHING RETURNING key`,
          [caller, key, fingerprint, now],
        );
        if (begun.length > 0) return { kind: "begun" };
        const [row] = await sql.query("SELECT * FROM idempotency_keys WHERE caller = $1 AND key = $2", [caller, key]);
        // Given up in between: whoever asks again finds it free.
        if (row === undefined) return { kind: "running" };
        if (text(row, "fingerprint") !== fingerprint) return { kind: "other" };
        const status = integerOrNull(row, "status");
        return status === null ? { kind: "running" } : { kind: "done", status, answer: textOrNull(row, "answer") };
      }),

    async endOnce(request, { status, answer }) {
      await database.query(
        `UPDATE idempotency_keys SET status = $4, answer = $5
         WHERE caller = $1 AND key = $2 AND fingerprint = $3 AND status IS NULL`,
        [...own(request), status, answer],
      );
    },

    async forgetOnce(request) {
      await database.query(
        "DELETE FROM idempotency_keys WHERE caller = $1 AND key = $2 AND fingerprint = $3 AND status IS NULL",
        own(request),
      );
    },
  };
}
