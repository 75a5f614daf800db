import { access } from "node:fs/promises";
import type { Vault } from "../engine/ports.ts";
import type { SettingStore, StoredSettings } from "../engine/settings-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import { isPostgres, openDatabase, type Sql, sqlitePath } from "./database.ts";
import { text, time } from "./rows.ts";
import { createSecrets, SECRETS_LOCK, type Secrets } from "./secrets.ts";

/** The one row of the table `setup`. */
const THE_SETUP = 1;

export function createSettings({ database, clock }: StoreParts, vault: Vault | undefined): SettingStore {
  const secrets = createSecrets(vault);

  return {
    storedSettings: () => database.reading((sql) => readSettings(sql, secrets)),

    saveSettings(changes, { by, setup }) {
      return database.transaction(async (sql) => {
        await sql.lock(SECRETS_LOCK);
        if (setup && (await finishedAt(sql)) !== null) return false;
        for (const [name, value] of Object.entries(changes)) await change(sql, name, value);
        const subject = Object.keys(changes).sort().join(" ");
        await writeAudit(sql, clock, { by, action: "settings.changed", installation: null, subject, facts: {} });
        return true;
      });
    },

    finishSetup(by) {
      return database.transaction(async (sql) => {
        await sql.lock(SECRETS_LOCK);
        if ((await finishedAt(sql)) !== null) return false;
        await sql.query("INSERT INTO setup (id, finished_at) VALUES ($1, $2)", [THE_SETUP, clock.now()]);
        await writeAudit(sql, clock, {
          by,
          action: "setup.finished",
          installation: null,
          subject: "setup",
          facts: {},
        });
        return true;
      });
    },
  };

  async function change(sql: Sql, name: string, value: string | null): Promise<void> {
    if (value === null) {
      await sql.query("DELETE FROM settings WHERE name = $1", [name]);
      await secrets.erase(sql, [keptAs(name)]);
      return;
    }
    await secrets.keep(sql, keptAs(name), value);
    await sql.query(
      `INSERT INTO settings (name, secret, saved_at) VALUES ($1, $2, $3)
       ON CONFLICT (name) DO UPDATE SET saved_at = excluded.saved_at`,
      [name, keptAs(name), clock.now()],
    );
  }
}

const NOTHING: StoredSettings = { values: {}, finishedAt: null, connected: false };

/**
 * The same of a database that may not be there yet, or has another schema than this program's: what is kept there says
 * how to start, so it is read before anything is migrated. `vault` is asked for where something is sealed. Rejects when
 * the database does not open, or what it holds does not.
 */
export async function peekSettings(url: string, vault: () => Vault): Promise<StoredSettings> {
  // Opening would make the file.
  if (!isPostgres(url) && !(await isThere(sqlitePath(url)))) return NOTHING;
  const database = await openDatabase(url);
  try {
    return await database.reading(async (sql) => {
      const [table] = await sql.query(SETTINGS_TABLE[database.dialect]);
      if (table === undefined) return NOTHING;
      const [any] = await sql.query("SELECT name FROM settings LIMIT 1");
      return readSettings(sql, createSecrets(any === undefined ? undefined : vault()));
    });
  } finally {
    await database.close();
  }
}

const SETTINGS_TABLE = {
  sqlite: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'settings'",
  postgres:
    "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'settings'",
};

async function readSettings(sql: Sql, secrets: Secrets): Promise<StoredSettings> {
  const rows = await sql.query(
    "SELECT t.name, t.secret, s.sealed FROM settings t LEFT JOIN secrets s ON s.name = t.secret ORDER BY t.name",
  );
  const values = rows.map((row): [string, string] => [text(row, "name"), secrets.open(row, "secret", "sealed") ?? ""]);
  const connections = await sql.query("SELECT id FROM connections LIMIT 1");
  return {
    values: Object.fromEntries(values),
    finishedAt: await finishedAt(sql),
    connected: connections.length > 0,
  };
}

async function finishedAt(sql: Sql): Promise<string | null> {
  const [row] = await sql.query("SELECT finished_at FROM setup WHERE id = $1", [THE_SETUP]);
  return row === undefined ? null : time(row, "finished_at");
}

/** Names of secrets are one space: connections, registries and variables have theirs. */
function keptAs(name: string): string {
  return `setting:${name}`;
}

async function isThere(path: string): Promise<boolean> {
  if (path === ":memory:") return false;
  return access(path).then(
    () => true,
    () => false,
  );
}
