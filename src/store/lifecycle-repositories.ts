/** The part of the lifecycle that is about repositories: the table's steps, taken on rows. */
import type { AuditAction, By } from "../core/audit.ts";
import type { RepositoryName } from "../core/events.ts";
import { type RepositoryNews, type RepositoryStanding, repositoryStep } from "../core/lifecycle/repository.ts";
import { type Account, type HostId, hostKey, parseHostKey } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import { writeAudit } from "./audit.ts";
import type { Commit } from "./build-rows.ts";
import type { Sql } from "./database.ts";
import { flag, marks, type Row, text, textOrNull, type Value } from "./rows.ts";
import { cancelBuilds } from "./stops.ts";

/**
 * What the account that had a repository set for it must not serve the one that has it now. $1: key of the repository. For
 * rows that do not say of which installation they are.
 */
const LEFT_BEHIND: readonly string[] = ["DELETE FROM comparisons WHERE repository = $1"];

export interface Teller {
  readonly installation: HostId;
  readonly account: Pick<Account, "id" | "login">;
  readonly by: By;
}

export interface Heard {
  readonly news: RepositoryNews;
  readonly repository: RepositoryName;
}

export interface RepositoryChanges {
  /** The host has to be asked about them. */
  readonly unsure: readonly RepositoryName[];
  /** Of builds that came to an end. */
  readonly commits: readonly Commit[];
}

interface Recorded {
  readonly key: string;
  readonly fullName: string;
  readonly private: boolean;
  readonly archived: boolean;
  readonly linked: boolean;
  /** Null: none ever covered it. */
  readonly installation: { readonly key: string; readonly account: string | null } | null;
}

/** `quiet`: without an entry for each repository that comes in, because one says so of all of them. */
export async function hearRepositories(
  sql: Sql,
  clock: Clock,
  teller: Teller,
  heard: readonly Heard[],
  { quiet }: { readonly quiet: boolean },
): Promise<RepositoryChanges> {
  const inOrder = heard.toSorted((a, b) => (hostKey(a.repository) < hostKey(b.repository) ? -1 : 1));
  const rows = await recordedOf(
    sql,
    inOrder.map(({ repository }) => hostKey(repository)),
  );
  const unsure: RepositoryName[] = [];
  const stopping: { readonly where: string; readonly bind: readonly Value[] }[] = [];
  for (const { news, repository } of inOrder) {
    const row = rows.get(hostKey(repository)) ?? null;
    const step = repositoryStep(standingOf(row, teller), news);
    if (step.effects.includes("ask")) {
      unsure.push(repository);
      continue;
    }
    const saved = step.effects.includes("save") ? repository : null;
    if (step.next !== "unknown") await saveStep(sql, teller, step.next, row, repository, saved !== null);
    const bind = [hostKey(repository), hostKey(teller.installation)];
    if (step.effects.includes("cancel")) stopping.push({ where: "repository = $1 AND installation = $2", bind });
    if (step.effects.includes("cancel-elsewhere")) {
      stopping.push({ where: "repository = $1 AND installation <> $2", bind });
      for (const statement of LEFT_BEHIND) await sql.query(statement, [hostKey(repository)]);
    }
    const becamePrivate = saved?.private === true && row?.private === false;
    if (step.effects.includes("close") || becamePrivate) await closeImages(sql, clock, teller, repository);
    const audit = quiet && step.audit === "repository.added" ? null : step.audit;
    await tell(sql, clock, teller, { row, repository: saved ?? named(repository, row), audit });
  }
  // Locks are taken in one order everywhere: repositories before builds.
  const commits: Commit[] = [];
  for (const { where, bind } of stopping) commits.push(...(await cancelBuilds(sql, where, bind, clock.now())));
  return { unsure, commits };
}

/** Repositories an installation covers, for which nothing is found in `but`. */
export async function coveredBeside(
  sql: Sql,
  installation: HostId,
  but: readonly RepositoryName[],
): Promise<readonly RepositoryName[]> {
  const listed = new Set(but.map(hostKey));
  const rows = await sql.query("SELECT key, full_name, private FROM repositories WHERE installation = $1 AND linked", [
    hostKey(installation),
  ]);
  return rows.flatMap((row) => {
    const id = parseHostKey(text(row, "key"));
    if (id === null || listed.has(hostKey(id))) return [];
    return [{ ...id, fullName: text(row, "full_name"), private: flag(row, "private") }];
  });
}

/** Keys asked for at a time; SQLite and PostgreSQL both bind more. */
const CHUNK = 500;

async function recordedOf(sql: Sql, keys: readonly string[]): Promise<ReadonlyMap<string, Recorded>> {
  const found = new Map<string, Recorded>();
  for (let from = 0; from < keys.length; from += CHUNK) {
    const chunk = keys.slice(from, from + CHUNK);
    const rows = await sql.query(
      `SELECT r.key, r.full_name, r.private, r.archived, r.linked, r.installation, i.provider, i.host, i.account_id
       FROM repositories r LEFT JOIN installations i ON i.key = r.installation
       WHERE r.key IN (${marks(1, chunk.length)}) ORDER BY r.key FOR NO KEY UPDATE OF r`,
      chunk,
    );
    for (const row of rows) found.set(text(row, "key"), toRecorded(row));
  }
  return found;
}

function toRecorded(row: Row): Recorded {
  const installation = textOrNull(row, "installation");
  const account = textOrNull(row, "account_id");
  return {
    key: text(row, "key"),
    fullName: text(row, "full_name"),
    private: flag(row, "private"),
    archived: flag(row, "archived"),
    linked: flag(row, "linked"),
    installation:
      installation === null
        ? null
        : { key: installation, account: account && `${text(row, "provider")}:${text(row, "host")}:${account}` },
  };
}

function standingOf(row: Recorded | null, { installation, account }: Teller): RepositoryStanding {
  if (row === null || row.installation === null) return "unknown";
  if (row.installation.key === hostKey(installation)) {
    if (!row.linked) return "left";
    return row.archived ? "archived" : "covered";
  }
  // Ids of accounts are unique within their host only.
  return row.installation.account === hostKey({ ...installation, id: account.id }) ? "left" : "elsewhere";
}

async function saveStep(
  sql: Sql,
  { installation }: Teller,
  next: RepositoryStanding,
  row: Recorded | null,
  told: RepositoryName,
  saves: boolean,
): Promise<void> {
  const linked = next === "covered" || next === "archived";
  const now = {
    fullName: saves ? told.fullName : (row?.fullName ?? told.fullName),
    private: saves ? told.private : (row?.private ?? told.private),
    installation: linked ? hostKey(installation) : (row?.installation?.key ?? hostKey(installation)),
    linked: linked || (row?.linked === true && row.installation?.key !== hostKey(installation)),
    archived: linked ? next === "archived" : row?.archived === true,
  };
  const unchanged =
    row !== null &&
    now.fullName === row.fullName &&
    now.private === row.private &&
    now.linked === row.linked &&
    now.archived === row.archived &&
    now.installation === (row.installation?.key ?? null);
  // Every push looks: most find what is recorded.
  if (unchanged) return;
  await sql.query(SAVE, [
    hostKey(told),
    told.provider,
    told.host,
    told.id,
    now.fullName,
    now.private,
    now.installation,
    now.linked,
    now.archived,
  ]);
}

const SAVE = `
  INSERT INTO repositories (key, provider, host, id, full_name, private, installation, linked, archived)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
  ON CONFLICT (key) DO UPDATE SET full_name = excluded.full_name, private = excluded.private,
    installation = excluded.installation, linked = excluded.linked, archived = excluded.archived`;

function named(repository: RepositoryName, row: Recorded | null): RepositoryName {
  return row === null ? repository : { ...repository, fullName: row.fullName, private: row.private };
}

async function closeImages(sql: Sql, clock: Clock, { installation, by }: Teller, of: RepositoryName): Promise<void> {
  const rows = await sql.query("UPDATE images SET public = FALSE WHERE repository = $1 AND public RETURNING name", [
    hostKey(of),
  ]);
  for (const row of rows) {
    const facts = { because: `${of.fullName} was made private` };
    await writeAudit(sql, clock, { by, action: "image.closed", installation, subject: text(row, "name"), facts });
  }
}

async function tell(
  sql: Sql,
  clock: Clock,
  { installation, account, by }: Teller,
  change: {
    readonly row: Recorded | null;
    readonly repository: RepositoryName;
    readonly audit: AuditAction | null;
  },
): Promise<void> {
  const { row, repository, audit } = change;
  const write = (action: AuditAction, facts: Readonly<Record<string, string>>, whose = installation) =>
    writeAudit(sql, clock, {
      by,
      action,
      installation: whose,
      subject: repository.fullName,
      facts: { repository: hostKey(repository), ...facts },
    });
  if (audit === "repository.transferred") {
    const previous = row?.installation?.key ?? "";
    await write(audit, { from: row?.fullName ?? "", previous });
    const theirs = parseHostKey(previous);
    if (theirs !== null) await write(audit, { from: row?.fullName ?? "", to: account.login }, theirs);
  } else if (audit !== null) {
    await write(audit, {});
  }
  if (row === null) return;
  if (row.fullName !== repository.fullName && audit !== "repository.transferred") {
    await write("repository.renamed", { from: row.fullName });
  }
  if (row.private !== repository.private) {
    await write(repository.private ? "repository.made-private" : "repository.made-public", {});
  }
}
