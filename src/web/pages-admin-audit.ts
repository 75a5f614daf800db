import type { Request } from "express";
import type { AuditRecord, By } from "../core/audit.ts";
import { hostKey, parseHostKey } from "../core/model.ts";
import { whoIs } from "../core/pause.ts";
import type { AuditFilter } from "../engine/audit-port.ts";
import { auditJson } from "../engine/shapes.ts";
import { installationAddress } from "./addresses.ts";
import { sendPieces } from "./download.ts";
import { WebError } from "./errors.ts";
import { hostName } from "./host-names.ts";
import { type AdminParts, adminPage } from "./operations.ts";
import { paging } from "./paging.ts";
import { timeView } from "./present.ts";
import { pageQuery } from "./requests.ts";
import type { PageKit } from "./visit.ts";

/** Entries read at a time: a download of any length is never in memory as a whole. */
const AT_A_TIME = 500;

/** Who changed what, of the instance and of all installations. */
export function addAuditPages({ page, send }: PageKit, { store, clock }: Pick<AdminParts, "store" | "clock">): void {
  page("/admin/audit", async (req, res, visit) => {
    const filter = filterOf(req);
    const found = await store.listAudit({ ...pageQuery(req), ...filter });
    const now = clock.now();
    const typed = { installation: typedIn(req, "installation"), action: typedIn(req, "action") };
    send(res, visit, "admin-audit", {
      ...adminPage("Audit log", "audit"),
      typed,
      filtered: typed.installation !== "" || typed.action !== "",
      download: `/admin/audit.jsonl?${new URLSearchParams(typed)}`,
      entries: found.items.map((record) => entryView(record, now)),
      ...paging("/admin/audit", req, found),
    });
  });

  page("/admin/audit.jsonl", async (req, res) => {
    const filter = filterOf(req);
    res.set({
      "Content-Type": "application/jsonl; charset=utf-8",
      "Content-Disposition": 'attachment; filename="wharfinger-audit.jsonl"',
    });
    if (req.method === "GET") await sendPieces(res, linesOf(filter));
    else res.end();
  });

  async function* linesOf(filter: AuditFilter): AsyncGenerator<string> {
    for (let after: string | null = null; ; ) {
      const records: readonly AuditRecord[] = await store.auditAfter(after, { limit: AT_A_TIME, ...filter });
      const last = records.at(-1);
      if (last === undefined) return;
      after = last.id;
      yield records.map((record) => `${JSON.stringify(auditJson(record))}\n`).join("");
    }
  }
}

function typedIn({ query }: Request, name: string): string {
  return typeof query[name] === "string" ? query[name].trim() : "";
}

function filterOf(req: Request): AuditFilter {
  const [installation, action] = [typedIn(req, "installation"), typedIn(req, "action")];
  if (action !== "" && !/^[a-z]+(?:\.[a-z-]+)?$/.test(action)) {
    throw new WebError(
      400,
      "bad-action",
      "An action is a noun, or a noun and a verb: namespace, or namespace.granted.",
    );
  }
  const id = installation === "" ? null : parseHostKey(installation);
  if (installation !== "" && id === null) {
    throw new WebError(400, "bad-installation", "An installation is PROVIDER:HOST:ID, such as github:default:7.");
  }
  return { ...(id === null ? {} : { installation: id }), ...(action === "" ? {} : { action }) };
}

function entryView({ id, at, by, action, installation, subject, facts }: AuditRecord, now: number) {
  return {
    id,
    at: timeView(at, now),
    by: whoIs(by),
    byId: idOf(by),
    action,
    subject,
    installation:
      installation === null ? null : { key: hostKey(installation), href: installationAddress(installation) },
    facts: Object.entries(facts).map(([name, value]) => ({ name, value })),
  };
}

/** Names change; what tells one from another is shown, too. */
function idOf(by: By): string | null {
  switch (by.kind) {
    case "operator":
    case "service":
      return null;
    case "token":
      return by.id;
    case "person":
      return `${by.provider}:${by.host}:${by.actor.id}`;
    case "host":
      return by.actor === null ? hostName(by) : `an event of ${hostName(by)}, ${by.actor.id}`;
  }
}
