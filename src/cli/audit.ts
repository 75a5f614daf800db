import type { AuditRecord, By } from "../core/audit.ts";
import { oneLine } from "../core/markdown.ts";
import { type Actor, type HostId, hostKey, parseHostKey } from "../core/model.ts";
import { auditJson } from "../engine/shapes.ts";
import { findInstallation } from "./accounts.ts";
import type { CliStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export interface AuditOptions {
  /** Null: everything. */
  readonly account: string | null;
  /** As typed; null: from the first entry on. */
  readonly since: string | null;
  readonly json: boolean;
}

/** Entries read at a time: an export of any length is never in memory as a whole. */
const AT_A_TIME = 500;

/**
 * `wharfinger audit [ACCOUNT]`: every entry of the audit log, oldest first, a line each. 1: no such installation, or the
 * name stands for several; 2: a time that is none.
 */
export async function audit(options: AuditOptions, store: CliStore, terminal: Terminal): Promise<ExitCode> {
  const since = options.since === null ? null : parseTime(options.since);
  if (options.since !== null && since === null) {
    terminal.err(
      `audit: ${JSON.stringify(options.since)} is not a time; give 2026-11-20, or with time and zone 2026-11-20T10:00:00Z\n`,
    );
    return 2;
  }
  const whose = options.account === null ? null : await installationOf(options.account, store);
  if (typeof whose === "string") {
    terminal.err(`audit: ${whose}\n`);
    return 1;
  }
  const shown = options.json ? (record: AuditRecord) => JSON.stringify(auditJson(record)) : line;
  const query = { limit: AT_A_TIME, ...(whose === null ? {} : { installation: whose }), ...(since && { since }) };
  for (let after: string | null = null; ; ) {
    const records: readonly AuditRecord[] = await store.auditAfter(after, query);
    const last = records.at(-1);
    if (last === undefined) return 0;
    terminal.out(records.map((record) => `${shown(record)}\n`).join(""));
    after = last.id;
  }
}

/** What is written of an installation outlives it: its key is an answer also where it is not known any more. */
async function installationOf(account: string, store: CliStore): Promise<HostId | string> {
  const key = parseHostKey(account);
  if (key !== null) return key;
  const found = await findInstallation(store, account);
  return found.ok ? found.installation : found.why;
}

/** A day, or a time that says its zone: what does not would mean another moment on every machine. Null: neither. */
function parseTime(text: string): string | null {
  if (!/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/.test(text)) return null;
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}

function line({ at, by, action, installation, subject, facts }: AuditRecord): string {
  const known = Object.entries(facts).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const whose = installation === null ? "instance" : hostKey(installation);
  return [at, whose, action, subject, ...known, `by ${whoMade(by)}`].map(oneLine).join("  ");
}

function whoMade(by: By): string {
  switch (by.kind) {
    case "operator":
      return "the operator";
    case "service":
      return "this program";
    case "person":
      return personText(by.provider, by.host, by.actor);
    case "token":
      return `the API token ${by.name} (${by.id})`;
    case "host":
      return by.actor === null
        ? `an event of ${by.provider}`
        : `an event of ${personText(by.provider, by.host, by.actor)}`;
  }
}

function personText(provider: HostId["provider"], host: string, { id, login }: Actor): string {
  return `${login} (${provider}:${host}:${id})`;
}
