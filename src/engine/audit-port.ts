import type { AuditEntry, AuditRecord } from "../core/audit.ts";
import type { HostId } from "../core/model.ts";
import type { Page, PageQuery } from "./store-port.ts";

export interface AuditStore {
  /**
   * Appends an entry for a change that is made outside the database. What changes the database writes its own, in the
   * same transaction.
   */
  appendAudit(entry: AuditEntry): Promise<void>;
  /** Newest first; of all, or of one installation. */
  listAudit(query: PageQuery & { readonly installation?: HostId }): Promise<Page<AuditRecord>>;
}
