import { createHash } from "node:crypto";
import { DEFAULT_REGISTRY, type RegistrySettings } from "../core/registry-settings.ts";
import type { Vault } from "../engine/ports.ts";
import type { RegistryStore, StoredCredential } from "../engine/registries-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { bytesOrNull, integer, json, text, time } from "./rows.ts";
import { createSecrets, SECRETS_LOCK } from "./secrets.ts";

/** How a credential of the whole registry is kept: no namespace is called so. */
const WHOLE = "";

export function createRegistries({ database, clock }: StoreParts, vault: Vault | undefined): RegistryStore {
  const secrets = createSecrets(vault);

  /** Changes take turns, because secrets are written or erased with most of them. */
  function changing<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return database.transaction(async (sql) => {
      await sql.lock(SECRETS_LOCK);
      return work(sql);
    });
  }

  return {
    registryRecords() {
      return database.reading(async (sql) => {
        const rows = await sql.query("SELECT name, settings, created_at FROM registries ORDER BY name");
        const credentials = await sql.query(
          `SELECT c.*, s.sealed FROM registry_credentials c LEFT JOIN secrets s ON s.name = c.password
           ORDER BY c.registry, c.namespace`,
        );
        return {
          registries: rows.map((row) => ({
            name: text(row, "name"),
            settings: json<RegistrySettings>(row, "settings"),
            createdAt: time(row, "created_at"),
          })),
          credentials: credentials.map((row): StoredCredential => {
            const namespace = text(row, "namespace");
            const password = secrets.open(row, "password", "sealed");
            if (password === null)
              throw new Error(`the credential of registry ${text(row, "registry")} has no password`);
            return {
              registry: text(row, "registry"),
              namespace: namespace === WHOLE ? null : namespace,
              username: text(row, "username"),
              password,
              createdAt: time(row, "created_at"),
            };
          }),
        };
      });
    },

    saveRegistry(name, settings, by) {
      return changing(async (sql) => {
        await sql.query(
          `INSERT INTO registries (name, settings, created_at) VALUES ($1, $2, $3)
           ON CONFLICT (name) DO UPDATE SET settings = excluded.settings`,
          [name, JSON.stringify(settings), clock.now()],
        );
        const { url, kind, insecure, ca, namespaces, staging, accounts } = settings;
        const facts = {
          url,
          kind,
          insecure: String(insecure),
          ca: ca === null ? "none" : fingerprint(Buffer.from(ca)),
          namespaces,
          staging,
          accounts: accounts.join(" "),
        };
        await writeAudit(sql, clock, { by, action: "registry.saved", installation: null, subject: name, facts });
      });
    },

    removeRegistry(name, by) {
      return changing(async (sql) => {
        const [there] = await sql.query("SELECT name FROM registries WHERE name = $1 FOR UPDATE", [name]);
        if (there === undefined) return null;
        const namespaces = await sql.query("SELECT name FROM namespaces WHERE registry = $1 ORDER BY name LIMIT 10", [
          name,
        ]);
        const [count] = await sql.query(
          `SELECT COUNT(*) AS builds FROM builds
           WHERE registry = $1 AND (staging = 'used' OR state IN ('queued', 'held', 'running'))`,
          [name],
        );
        const builds = count === undefined ? 0 : integer(count, "builds");
        if (namespaces.length > 0 || builds > 0) {
          return { namespaces: namespaces.map((row) => text(row, "name")), builds };
        }
        const credentials = await sql.query("DELETE FROM registry_credentials WHERE registry = $1 RETURNING password", [
          name,
        ]);
        await secrets.erase(
          sql,
          credentials.map((row) => text(row, "password")),
        );
        await sql.query("DELETE FROM registries WHERE name = $1", [name]);
        const facts = { credentials: String(credentials.length) };
        await writeAudit(sql, clock, { by, action: "registry.removed", installation: null, subject: name, facts });
        return null;
      });
    },

    saveRegistryCredential({ registry, namespace, username, password }, by) {
      return changing(async (sql) => {
        const kept = await secrets.keep(sql, secretName(registry, namespace), password);
        await sql.query(
          `INSERT INTO registry_credentials (registry, namespace, username, password, created_at)
           VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (registry, namespace) DO UPDATE SET username = excluded.username, created_at = excluded.created_at`,
          [registry, namespace ?? WHOLE, username, kept, clock.now()],
        );
        const subject = subjectOf(registry, namespace);
        const [row] = await sql.query("SELECT sealed FROM secrets WHERE name = $1", [kept]);
        const facts = { username, password: fingerprint(row === undefined ? null : bytesOrNull(row, "sealed")) };
        await writeAudit(sql, clock, { by, action: "credential.saved", installation: null, subject, facts });
      });
    },

    removeRegistryCredential(registry, namespace, by) {
      return changing(async (sql) => {
        const [row] = await sql.query(
          "DELETE FROM registry_credentials WHERE registry = $1 AND namespace = $2 RETURNING username, password",
          [registry, namespace ?? WHOLE],
        );
        if (row === undefined) return false;
        await secrets.erase(sql, [text(row, "password")]);
        const subject = subjectOf(registry, namespace);
        const facts = { username: text(row, "username") };
        await writeAudit(sql, clock, { by, action: "credential.removed", installation: null, subject, facts });
        return true;
      });
    },

    async registryOf(namespace) {
      const [row] = await database.query("SELECT registry FROM namespaces WHERE name = $1", [namespace]);
      return row === undefined ? null : text(row, "registry");
    },

    async namespacesIn(registry, limit) {
      const rows = await database.query("SELECT name FROM namespaces WHERE registry = $1 ORDER BY name LIMIT $2", [
        registry,
        limit,
      ]);
      return rows.map((row) => text(row, "name"));
    },

    moveNamespace(namespace, registry, by) {
      return database.transaction(async (sql) => {
        // Whoever removes the registry waits for us, and finds it used.
        const [to] = await sql.query("SELECT name FROM registries WHERE name = $1 FOR SHARE", [registry]);
        if (to === undefined && registry !== DEFAULT_REGISTRY) return false;
        const [row] = await sql.query("SELECT registry FROM namespaces WHERE name = $1 FOR UPDATE", [namespace]);
        if (row === undefined) return false;
        const from = text(row, "registry");
        if (from === registry) return true;
        await sql.query("UPDATE namespaces SET registry = $2 WHERE name = $1", [namespace, registry]);
        const facts = { from, to: registry };
        await writeAudit(sql, clock, { by, action: "namespace.moved", installation: null, subject: namespace, facts });
        return true;
      });
    },
  };
}

/** No name of a registry or namespace holds a colon. */
function secretName(registry: string, namespace: string | null): string {
  return `registry:${registry}:${namespace ?? WHOLE}:password`;
}

function subjectOf(registry: string, namespace: string | null): string {
  return namespace === null ? registry : `${registry}: ${namespace}`;
}

/**
 * Of a secret as it is sealed: people choose passwords, and what was made of one alone could be guessed until it fits. So
 * it tells one saving from another, even of the same password.
 */
function fingerprint(bytes: Buffer | null): string {
  return createHash("sha256")
    .update(bytes ?? "")
    .digest("hex")
    .slice(0, 16);
}
