import type { AuditEntry, AuditRecord } from "../core/audit.ts";
import type { HostId } from "../core/model.ts";
import type { Page, PageQuery } from "./store-port.ts";

export interface AuditFilter {
  readonly installation?: HostId;
  readonly action?: string;
}

export interface AuditStore {
  /**
   * Appends an entry for a change that is made outside the database. What changes the database writes its own, in the
   * same transaction.
   */
  appendAudit(entry: AuditEntry): Promise<void>;
  /** Newest first; of all, or of one installation, or of one kind: `namespace.granted`, or `namespace` for all of that noun. */
  listAudit(query: PageQuery & AuditFilter): Promise<Page<AuditRecord>>;
  /**
   * For exports: oldest first, what was recorded after the entry `after` (null: from the first on), at most `limit` (1 to
   * 1,000); empty: there is no more. `since`: nothing older than that.
   */
  auditAfter(
    after: string | null,
    query: AuditFilter & { readonly limit: number; readonly since?: string },
  ): Promise<readonly AuditRecord[]>;
}
