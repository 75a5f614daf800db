import {
  type Account,
  DEFAULT_POLICY,
  type HostId,
  hostKey,
  type Installation,
  type InstallationState,
  type LinkState,
  type Policy,
  parseHostKey,
} from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { HostState, Store } from "../engine/store-port.ts";
import { writeAudit } from "./audit.ts";
import { REPOSITORY_COLUMNS, toRepository } from "./build-rows.ts";
import type { Database, Sql } from "./database.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { INSTANCE_IS_PAUSED, inheritPause } from "./pause-rows.ts";
import { flag, integer, json, key, marks, type Row, text, textOrNull, type Value } from "./rows.ts";

type Installations = Pick<
  Store,
  | "saveInstallation"
  | "setInstallationState"
  | "setPolicy"
  | "getInstallation"
  | "listInstallations"
  | "linkRepositories"
  | "unlinkRepositories"
  | "repositoriesOf"
  | "repositoryOf"
  | "countRepositories"
  | "linkState"
>;

const IS_PAUSED = `(${INSTANCE_IS_PAUSED} OR i.key IN (SELECT key FROM pauses WHERE kind = 'installation'))`;

/** A namespace is its account's, not the installation's: installing anew gives it back, to that account only. */
const SELECT = `SELECT i.*, ${IS_PAUSED} AS paused, g.namespace, c.why AS waits_why, c.id AS claim FROM installations i
  LEFT JOIN namespace_grants g ON g.provider = i.provider AND g.host = i.host AND g.account_id = i.account_id
  LEFT JOIN claims c
    ON c.provider = i.provider AND c.host = i.host AND c.account_id = i.account_id AND c.state = 'pending'`;

export function createInstallations(database: Database, clock: Clock): Installations {
  return {
    saveInstallation({ id, account, state, permissions }) {
      return database.transaction(async (sql) => {
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
        ]);
        await inheritPause(sql, id, account);
        const saved = await readInstallation(sql, id);
        if (saved === null) throw new Error(`installation ${hostKey(id)} was not saved`);
        return saved;
      });
    },

    async setInstallationState(id, state) {
      await database.query("UPDATE installations SET state = $2 WHERE key = $1", [hostKey(id), state]);
    },

    setPolicy(id, changes, by) {
      return database.transaction(async (sql) => {
        // Two who change different things at a time: neither undoes the other's.
        const rows = await sql.query(
          "SELECT policy, account_login FROM installations WHERE key = $1 FOR NO KEY UPDATE",
          [hostKey(id)],
        );
        if (rows[0] === undefined) return null;
        const given = Object.entries(changes).filter(([, value]) => value !== undefined);
        // What an older or newer program keeps there besides stays.
        const policy = { ...json<Partial<Policy>>(rows[0], "policy"), ...Object.fromEntries(given) };
        await sql.query("UPDATE installations SET policy = $2 WHERE key = $1", [hostKey(id), JSON.stringify(policy)]);
        const facts = differences(policyOf(json(rows[0], "policy")), policyOf(policy));
        if (Object.keys(facts).length > 0) {
          const subject = text(rows[0], "account_login");
          await writeAudit(sql, clock, { by, action: "policy.changed", installation: id, subject, facts });
        }
        return policyOf(policy);
      });
    },

    getInstallation: (id) => database.reading((sql) => readInstallation(sql, id)),

    async listInstallations(query) {
      const bind: Value[] = [afterKey("installations", query.cursor), rowsWanted(query)];
      const named =
        query.login === undefined
          ? ""
          : `AND LOWER(i.account_login) LIKE $${bind.push(containing(query.login))} ESCAPE '!'`;
      const rows = await database.query(`${SELECT} WHERE i.seq < $1 ${named} ORDER BY i.seq DESC LIMIT $2`, bind);
      const listed = page("installations", query, rows, (row) => integer(row, "seq"));
      return { items: listed.items.map(toInstallation), next: listed.next };
    },

    async linkRepositories(installation, repositories, { complete }) {
      await database.transaction(async (sql) => {
        // Two complete lists at a time would leave what is on either.
        await sql.query("SELECT key FROM installations WHERE key = $1 FOR NO KEY UPDATE", [hostKey(installation)]);
        if (complete) {
          await sql.query("UPDATE repositories SET linked = FALSE WHERE installation = $1", [hostKey(installation)]);
        }
        for (const repository of byKey(repositories)) {
          await sql.query(LINK, [
            hostKey(repository),
            repository.provider,
            repository.host,
            repository.id,
            repository.fullName,
            repository.private,
            hostKey(installation),
          ]);
        }
      });
    },

    async unlinkRepositories(installation, repositories) {
      await database.transaction(async (sql) => {
        for (const repository of byKey(repositories)) {
          // A repository that moved on to another installation stays that one's.
          await sql.query("UPDATE repositories SET linked = FALSE WHERE key = $1 AND installation = $2", [
            hostKey(repository),
            hostKey(installation),
          ]);
        }
      });
    },

    async repositoriesOf(installation, limit, offset = 0) {
      const rows = await database.query(
        `SELECT ${REPOSITORY_COLUMNS}, r.linked, r.archived, ${REPOSITORY_IS_PAUSED} AS paused FROM repositories r WHERE r.installation = $1
         ORDER BY r.full_name, r.key LIMIT $2 OFFSET $3`,
        [hostKey(installation), limit, offset],
      );
      return rows.map((row) => ({ ...toRepository(row), link: linkOf(row) }));
    },

    async countRepositories(installations) {
      if (installations.length === 0) return new Map();
      const rows = await database.query(
        `SELECT installation, COUNT(*) AS covered FROM repositories
         WHERE linked AND installation IN (${marks(1, installations.length)}) GROUP BY installation`,
        installations.map(hostKey),
      );
      return new Map(rows.map((row) => [text(row, "installation"), integer(row, "covered")]));
    },

    async repositoryOf(id) {
      const rows = await database.query(
        `SELECT ${REPOSITORY_COLUMNS}, r.installation, r.linked, r.archived, ${REPOSITORY_IS_PAUSED} AS paused
         FROM repositories r WHERE r.key = $1 AND r.installation IS NOT NULL`,
        [hostKey(id)],
      );
      const installation = rows[0] === undefined ? null : parseHostKey(text(rows[0], "installation"));
      if (rows[0] === undefined || installation === null) return null;
      return { repository: { ...toRepository(rows[0]), link: linkOf(rows[0]) }, installation };
    },

    linkState: (installation, repository) => readLink(database, installation, repository),
  };
}

/** For LIKE with `!` as its escape. */
function containing(text: string): string {
  return `%${text.toLowerCase().replace(/[!%_]/g, "!$&")}%`;
}

function byKey<T extends HostId>(repositories: readonly T[]): readonly T[] {
  return repositories.toSorted((a, b) => (hostKey(a) < hostKey(b) ? -1 : 1));
}

const SAVE = `
  INSERT INTO installations (key, provider, host, id, account_id, account_login, account_kind, state, permissions)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
  ON CONFLICT (key) DO UPDATE SET account_id = excluded.account_id, account_login = excluded.account_login,
    account_kind = excluded.account_kind, state = excluded.state, permissions = excluded.permissions`;

const LINK = `
  INSERT INTO repositories (key, provider, host, id, full_name, private, installation, linked)
  VALUES ($1, $2, $3, $4, $5, $6, $7, TRUE)
  ON CONFLICT (key) DO UPDATE SET full_name = excluded.full_name, private = excluded.private,
    installation = excluded.installation, linked = TRUE`;

export async function readLink(sql: Pick<Sql, "query">, installation: HostId, repository: HostId): Promise<LinkState> {
  const rows = await sql.query(
    `SELECT r.archived, ${REPOSITORY_IS_PAUSED} AS paused FROM repositories r WHERE r.key = $1 AND r.installation = $2 AND r.linked`,
    [hostKey(repository), hostKey(installation)],
  );
  return rows[0] === undefined ? "unlinked" : linkOf({ ...rows[0], linked: true });
}

const REPOSITORY_IS_PAUSED = "r.key IN (SELECT key FROM pauses WHERE kind = 'repository')";

function linkOf(row: Row): LinkState {
  if (!flag(row, "linked")) return "unlinked";
  if (flag(row, "archived")) return "archived";
  return flag(row, "paused") ? "paused" : "linked";
}

export async function readInstallation(sql: Sql, id: HostId): Promise<Installation | null> {
  const rows = await sql.query(`${SELECT} WHERE i.key = $1`, [hostKey(id)]);
  return rows[0] === undefined ? null : toInstallation(rows[0]);
}

function toInstallation(row: Row): Installation {
  // Written by saveInstallation only.
  const provider = text(row, "provider") as Installation["provider"];
  const host = text(row, "host");
  return {
    provider,
    host,
    id: text(row, "id"),
    account: {
      provider,
      host,
      id: text(row, "account_id"),
      login: text(row, "account_login"),
      kind: text(row, "account_kind") as Account["kind"],
    },
    state: effectiveState(text(row, "state") as HostState, flag(row, "paused")),
    namespace: textOrNull(row, "namespace"),
    ...(row["claim"] !== null && { claim: { id: key(row, "claim"), why: text(row, "waits_why") } }),
    permissions: json(row, "permissions"),
    policy: policyOf(json(row, "policy")),
  };
}

/** What its host forbids counts before what we do not do. */
function effectiveState(state: HostState, paused: boolean): InstallationState {
  return state === "active" && paused ? "paused" : state;
}

/** What is another value now, by setting, with the one before. */
function differences(before: Policy, after: Policy): Readonly<Record<string, string>> {
  const changed = Object.entries(after).filter(([name, value]) => before[name as keyof Policy] !== value);
  return Object.fromEntries(
    changed.flatMap(([name, value]) => [
      [name, String(value)],
      [`${name}.before`, String(before[name as keyof Policy])],
    ]),
  );
}

function policyOf(stored: Partial<Policy>): Policy {
  const { forks, publishPullRequests, onlyPullRequests, zeroConfig, brake } = { ...DEFAULT_POLICY, ...stored };
  return { forks, publishPullRequests, onlyPullRequests, zeroConfig, brake };
}
