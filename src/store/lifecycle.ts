/** Installations and their repositories as hosts tell of them: the steps of core/lifecycle, each in one transaction. */
import type { AuditAction, By } from "../core/audit.ts";
import type { RepositoryName } from "../core/events.ts";
import { type InstallationStanding, type InstallationStep, installationStep } from "../core/lifecycle/installation.ts";
import { type Account, type HostId, hostKey, parseHostKey } from "../core/model.ts";
import type { InstallationHeard, InstallationTaken, LifecycleStore, RecordedState } from "../engine/lifecycle-port.ts";
import { writeAudit } from "./audit.ts";
import type { Commit } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import { touchChecks } from "./check-rows.ts";
import type { Sql } from "./database.ts";
import { readLink } from "./installations.ts";
import { coveredBeside, hearRepositories, type RepositoryChanges } from "./lifecycle-repositories.ts";
import { inheritPause } from "./pause-rows.ts";
import { flag, json, type Row, text } from "./rows.ts";
import { cancelBuilds } from "./stops.ts";

/**
 * What was set for an account's last installation ($1: its key) is set for the one it has now ($2), whose id is another
 * one. Nothing that is closed may be open after it.
 */
const CARRIED: readonly string[] = [
  "UPDATE installations SET policy = (SELECT policy FROM installations WHERE key = $1) WHERE key = $2",
  `UPDATE variables SET installation = $2 WHERE installation = $1
     AND NOT EXISTS (SELECT 1 FROM variables mine WHERE mine.installation = $2)`,
  "UPDATE notice_targets SET installation = $2 WHERE installation = $1",
  `INSERT INTO further_repositories (installation, repository, reads, since, made_by)
   SELECT CAST($2 AS TEXT), repository, reads, since, made_by FROM further_repositories WHERE installation = $1
   ON CONFLICT DO NOTHING`,
];

interface Recorded {
  readonly key: string;
  readonly state: NonNullable<RecordedState>;
  readonly account: string;
  readonly login: string;
  readonly permissions: Readonly<Record<string, string>>;
}

export function createLifecycle({ database, clock, newId }: StoreParts): Omit<LifecycleStore, "giveImage"> {
  const mark = (sql: Sql, commits: readonly Commit[]) => touchChecks(sql, commits, clock.now(), newId);

  return {
    hearInstallation: (heard) =>
      database.transaction(async (sql) => {
        const account = heard.told?.account ?? null;
        const rows = await lockRows(sql, heard.id, account);
        const own = rows.find(({ key }) => key === hostKey(heard.id)) ?? null;
        const others = rows.filter((row) => row !== own);
        const recorded = own?.state ?? null;
        if (own !== null && account !== null && own.account !== account.id) {
          return { kind: "refused", why: `it is account ${own.account}'s, and can not become account ${account.id}'s` };
        }
        if (heard.asked !== undefined && heard.asked !== recorded) return { kind: "stale", recorded };
        const before = standingOf(recorded, others);
        const step = installationStep(before, heard.news);
        const { effects } = step;
        const unlisted = effects.includes("cover") && !heard.told?.repositories;
        if (effects.includes("ask") || unlisted) return { kind: "ask", recorded, forget: effects.includes("forget") };
        return take(sql, { heard, step, before, own, others });
      }),

    hearRepositories: ({ installation, news, repositories, by }) =>
      database.transaction(async (sql) => {
        const [row] = await sql.query(
          "SELECT account_id, account_login FROM installations WHERE key = $1 FOR NO KEY UPDATE",
          [hostKey(installation)],
        );
        if (row === undefined) return [];
        const account = { id: text(row, "account_id"), login: text(row, "account_login") };
        const heard = repositories.map((repository) => ({ news, repository }));
        const changes = await hearRepositories(sql, clock, { installation, account, by }, heard, { quiet: false });
        await mark(sql, changes.commits);
        return changes.unsure;
      }),

    recordedRepository: (installation, repository) =>
      database.reading(async (sql) => {
        const [row] = await sql.query("SELECT full_name, private FROM repositories WHERE key = $1", [
          hostKey(repository),
        ]);
        if (row === undefined) return null;
        const link = await readLink(sql, installation, repository);
        return { link, fullName: text(row, "full_name"), private: flag(row, "private") };
      }),
  };

  async function take(
    sql: Sql,
    {
      heard,
      step,
      before,
      own,
      others,
    }: {
      readonly heard: InstallationHeard;
      readonly step: InstallationStep;
      readonly before: InstallationStanding;
      readonly own: Recorded | null;
      readonly others: readonly Recorded[];
    },
  ): Promise<InstallationTaken> {
    const { id, told, by } = heard;
    const wants = (effect: InstallationStep["effects"][number]) => step.effects.includes(effect);
    const replaced = wants("replace") ? others.filter(({ state }) => state !== "removed") : [];
    for (const other of replaced) await endInstallation(sql, other, by);
    if (told !== null && wants("save")) await save(sql, id, told, step.next);
    else if (own !== null && step.next !== before) await setState(sql, own.key, step.next);
    const last = others.at(-1);
    if (wants("carry") && last !== undefined) {
      for (const statement of CARRIED) await sql.query(statement, [last.key, hostKey(id)]);
      await inheritPause(sql, id, { id: last.account });
    }
    const account = told?.account ?? { id: own?.account ?? "", login: own?.login ?? "" };
    if (step.audit !== null) await write(sql, step.audit, { id, login: account.login, by, facts: factsOf(heard) });
    if (told !== null && own !== null && wants("save")) await writeDifferences(sql, { id, own, told, by });
    if (wants("uncover")) await uncover(sql, hostKey(id));
    const quiet = step.audit === "installation.created" || step.audit === "installation.restored";
    const covered = wants("cover")
      ? await cover(sql, { installation: id, account, by }, told?.repositories ?? [], quiet)
      : { unsure: [], commits: [] };
    const stopped = wants("cancel") ? await cancelBuilds(sql, "installation = $1", [hostKey(id)], clock.now()) : [];
    const late = await cancelOf(sql, replaced);
    await mark(sql, [...covered.commits, ...stopped, ...late]);
    return {
      kind: "taken",
      before,
      after: step.next,
      effects: step.effects,
      canceled: stopped.length,
      replaced: replaced.flatMap(({ key }) => parseHostKey(key) ?? []),
      unsure: covered.unsure,
    };
  }

  /** As if its end had been told, which it was not. */
  async function endInstallation(sql: Sql, { key, login }: Recorded, by: By): Promise<void> {
    await setState(sql, key, "removed");
    await uncover(sql, key);
    const id = parseHostKey(key);
    if (id === null) throw new Error(`installation ${key} is called by no key`);
    await write(sql, "installation.removed", { id, login, by, facts: { because: "its account installed anew" } });
  }

  async function cancelOf(sql: Sql, ended: readonly Recorded[]): Promise<readonly Commit[]> {
    const commits: Commit[] = [];
    for (const { key } of ended) commits.push(...(await cancelBuilds(sql, "installation = $1", [key], clock.now())));
    return commits;
  }

  async function setState(sql: Sql, key: string, state: InstallationStanding): Promise<void> {
    await sql.query("UPDATE installations SET state = $2, removed_at = $3 WHERE key = $1", [
      key,
      state,
      state === "removed" ? clock.now() : null,
    ]);
  }

  async function save(
    sql: Sql,
    id: HostId,
    { account, permissions }: NonNullable<InstallationHeard["told"]>,
    state: InstallationStanding,
  ): Promise<void> {
    await sql.query(SAVE, [
      hostKey(id),
      id.provider,
      id.host,
      id.id,
      account.id,
      account.login,
      account.kind,
      state,
      JSON.stringify(permissions),
      state === "removed" ? clock.now() : null,
    ]);
  }

  function write(
    sql: Sql,
    action: AuditAction,
    {
      id,
      login,
      by,
      facts,
    }: {
      readonly id: HostId;
      readonly login: string;
      readonly by: By;
      readonly facts: Readonly<Record<string, string>>;
    },
  ): Promise<void> {
    return writeAudit(sql, clock, { by, action, installation: id, subject: login, facts });
  }

  async function writeDifferences(
    sql: Sql,
    {
      id,
      own,
      told,
      by,
    }: {
      readonly id: HostId;
      readonly own: Recorded;
      readonly told: NonNullable<InstallationHeard["told"]>;
      readonly by: By;
    },
  ): Promise<void> {
    const { login } = told.account;
    if (login !== own.login) await write(sql, "installation.renamed", { id, login, by, facts: { from: own.login } });
    const [from, to] = [own.permissions, told.permissions].map(permissionText);
    if (from !== to) {
      const facts = { from: from ?? "", to: to ?? "" };
      await write(sql, "installation.permissions-changed", { id, login, by, facts });
    }
  }

  async function cover(
    sql: Sql,
    teller: Parameters<typeof hearRepositories>[2],
    listed: readonly RepositoryName[],
    quiet: boolean,
  ): Promise<RepositoryChanges> {
    const beside = await coveredBeside(sql, teller.installation, listed);
    const heard = [
      ...listed.map((repository) => ({ news: "listed" as const, repository })),
      ...beside.map((repository) => ({ news: "found-gone" as const, repository })),
    ];
    return hearRepositories(sql, clock, teller, heard, { quiet });
  }
}

async function uncover(sql: Sql, installation: string): Promise<void> {
  await sql.query("UPDATE repositories SET linked = FALSE WHERE installation = $1 AND linked", [installation]);
}

/** All of its account, this one among them if it is recorded; the oldest first. */
async function lockRows(sql: Sql, id: HostId, account: Account | null): Promise<readonly Recorded[]> {
  // There may be no row to lock, and two events that each make one must see each other's.
  if (account !== null) await sql.lock(`account ${hostKey(account)}`);
  const rows = await sql.query(
    `SELECT seq, key, state, account_id, account_login, permissions FROM installations
     WHERE key = $1 OR (provider = $2 AND host = $3 AND account_id = $4) ORDER BY key FOR NO KEY UPDATE`,
    [hostKey(id), id.provider, id.host, account?.id ?? ""],
  );
  return rows.toSorted((a, b) => Number(a["seq"]) - Number(b["seq"])).map(toRecorded);
}

function toRecorded(row: Row): Recorded {
  return {
    key: text(row, "key"),
    // Written here only.
    state: text(row, "state") as Recorded["state"],
    account: text(row, "account_id"),
    login: text(row, "account_login"),
    permissions: json(row, "permissions"),
  };
}

function standingOf(recorded: RecordedState, others: readonly Recorded[]): InstallationStanding {
  if (recorded !== null) return recorded;
  if (others.length === 0) return "unknown";
  return others.every(({ state }) => state === "removed") ? "returning" : "beside";
}

function factsOf({ told }: InstallationHeard): Readonly<Record<string, string>> {
  if (told === null) return {};
  const { account, repositories } = told;
  return {
    account: hostKey(account),
    ...(repositories !== null && { repositories: String(repositories.length) }),
  };
}

/** `checks: write, contents: read`, in one order. */
function permissionText(permissions: Readonly<Record<string, string>>): string {
  return Object.entries(permissions)
    .map(([name, level]) => `${name}: ${level}`)
    .sort()
    .join(", ");
}

const SAVE = `
  INSERT INTO installations (key, provider, host, id, account_id, account_login, account_kind, state, permissions, removed_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
  ON CONFLICT (key) DO UPDATE SET account_login = excluded.account_login, account_kind = excluded.account_kind,
    state = excluded.state, permissions = excluded.permissions, removed_at = excluded.removed_at`;
