import { createHash, timingSafeEqual } from "node:crypto";
import type { Vault } from "../engine/ports.ts";
import type { Sql } from "./database.ts";
import { bytesOrNull, marks, type Row, textOrNull } from "./rows.ts";

/**
 * Lock of whoever writes secrets or erases them: at a start all of them are read and written anew (store.ts), which would
 * bring back what is erased meanwhile.
 */
export const SECRETS_LOCK = "secrets";

/** The table `secrets`. What is kept there is sealed, and bound to its name. */
export interface Secrets {
  /** Takes the place of what was kept under this name. Answers the name. */
  keep(sql: Sql, name: string, secret: string): Promise<string>;
  /** Rows that name a secret have to be gone before it. */
  erase(sql: Sql, names: readonly (string | null)[]): Promise<void>;
  /** From a row that has a secret's name in one column, and what is kept under it in the other; null where it has none. */
  open(row: Row, name: string, sealed: string): string | null;
}

export function createSecrets(vault: Vault | undefined): Secrets {
  function needed(): Vault {
    if (vault === undefined)
      throw new Error("This store was opened without a vault: it can neither keep nor read secrets.");
    return vault;
  }

  return {
    async keep(sql, name, secret) {
      await sql.query(
        "INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
        [name, needed().seal(name, secret)],
      );
      return name;
    },

    async erase(sql, names) {
      const kept = names.filter((name) => name !== null);
      if (kept.length > 0) await sql.query(`DELETE FROM secrets WHERE name IN (${marks(1, kept.length)})`, kept);
    },

    open(row, name, sealed) {
      const keptAs = textOrNull(row, name);
      // Nothing at all does not open: a secret that is missing must not look like none.
      return keptAs === null ? null : needed().open(keptAs, bytesOrNull(row, sealed) ?? Buffer.alloc(0));
    },
  };
}

/** Takes the same time wherever they differ. */
export function sameSecret(one: string | null, other: string | null): boolean {
  return one === null || other === null ? one === other : timingSafeEqual(sha256(one), sha256(other));
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
