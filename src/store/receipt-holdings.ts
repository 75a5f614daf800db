import { type HostId, hostKey } from "../core/model.ts";
import type { Holdings } from "../core/receipt.ts";
import type { Sql } from "./database.ts";
import { integer, json, type Row, text, textOrNull } from "./rows.ts";

/** Everything that is there of an installation, and what the audit log says became of the rest since it was removed. */
export async function readHoldings(sql: Pick<Sql, "query">, installation: HostId): Promise<Holdings> {
  const key = hostKey(installation);
  const [own] = await sql.query("SELECT account_id, removed_at FROM installations WHERE key = $1", [key]);
  if (own === undefined) throw new Error(`there is no installation ${key}`);
  const account = [installation.provider, installation.host, text(own, "account_id")];
  const since = own["removed_at"] === null ? 0 : integer(own, "removed_at");
  const ended = await sql.query(
    "SELECT action, subject, facts FROM audit WHERE installation = $1 AND at >= $2 ORDER BY id",
    [key, since],
  );
  const connections = await sql.query(CONNECTIONS, [key]);
  const [counts] = await sql.query(COUNTS, [key, ...account, since]);
  if (counts === undefined) throw new Error("counts answer one row");
  const { namespace, sharedWith } = await readNamespace(sql, account);
  const of = (column: string) => integer(counts, column);
  const told = (action: string) => ended.filter((row) => text(row, "action") === action);
  const variables = told("variable.removed").map((row) => ({ row, facts: json<Facts>(row, "facts") }));
  return {
    canceled: of("canceled"),
    running: of("running"),
    staging: of("staging"),
    erasedSecrets: variables.filter(({ facts }) => facts["kind"] === "secret").map(named),
    erasedVariables: variables.filter(({ facts }) => facts["kind"] !== "secret").map(named),
    revokedTokens: told("token.revoked").map((row) => json<Facts>(row, "facts")["name"] ?? text(row, "subject")),
    erasedCredentials: told("credential.removed").map(
      (row) => `${json<Facts>(row, "facts")["username"] ?? ""} at ${json<Facts>(row, "facts")["registry"] ?? ""}`,
    ),
    erasedNotifications: told("notification.removed").map((row) => text(row, "subject")),
    disallowed: told("access.disallowed").length,
    withdrawnClaims: told("claim.withdrawn").length,
    webhooks: connections.flatMap((row) => webhookOf(row)),
    left: {
      variables: of("variables"),
      notifications: of("notifications"),
      tokens: of("tokens"),
      credentials: of("credentials"),
      connections: of("connections"),
    },
    tombstone: of("clients") > 0,
    namespace,
    sharedWith,
    images: of("images"),
    paused: of("pauses") > 0,
    builds: of("builds"),
    repositories: of("repositories"),
  };
}

type Facts = Readonly<Record<string, string | undefined>>;

function named({ row, facts }: { readonly row: Row; readonly facts: Facts }): string {
  const repository = facts["repository"];
  const place = repository === undefined ? "" : ` of ${repository}`;
  return `${text(row, "subject")}${place} (${facts["fingerprint"] ?? "unknown"})`;
}

/** What a connection's end said of its webhook; nothing where the webhook was not this program's to delete. */
function webhookOf(row: Row): Holdings["webhooks"] {
  const { webhook, connection } = json<Facts>(row, "facts");
  if (webhook === undefined) return [];
  return [{ connection: connection ?? text(row, "subject"), deleted: webhook === "deleted", detail: webhook }];
}

async function readNamespace(
  sql: Pick<Sql, "query">,
  account: readonly string[],
): Promise<Pick<Holdings, "namespace" | "sharedWith">> {
  const rows = await sql.query(
    `SELECT g.namespace, o.account_login AS other FROM namespace_grants g
     LEFT JOIN namespace_grants o ON o.namespace = g.namespace
       AND NOT (o.provider = g.provider AND o.host = g.host AND o.account_id = g.account_id)
     WHERE g.provider = $1 AND g.host = $2 AND g.account_id = $3 ORDER BY o.since`,
    account,
  );
  const sharedWith = rows.map((row) => textOrNull(row, "other")).filter((login) => login !== null);
  return { namespace: rows[0] === undefined ? null : text(rows[0], "namespace"), sharedWith };
}

/** Connections end before their workspace counts as removed: all that did since it was installed. */
const CONNECTIONS = `SELECT subject, facts FROM audit WHERE installation = $1 AND action = 'connection.removed' AND id > COALESCE(
    (SELECT MAX(id) FROM audit WHERE installation = $1 AND action IN ('installation.created', 'installation.restored')), 0)
  ORDER BY id`;

/** $1: the installation; $2 to $4: its account; $5: when it was removed. A workspace's id is that of its connections. */
const COUNTS = `
  SELECT
    (SELECT COUNT(*) FROM builds WHERE installation = $1 AND state = 'canceled' AND finished_at >= $5) AS canceled,
    (SELECT COUNT(*) FROM builds WHERE installation = $1 AND state IN ('queued', 'held', 'running')) AS running,
    (SELECT COUNT(*) FROM builds WHERE installation = $1 AND staging = 'used') AS staging,
    (SELECT COUNT(*) FROM builds WHERE installation = $1) AS builds,
    (SELECT COUNT(*) FROM repositories WHERE installation = $1) AS repositories,
    (SELECT COUNT(*) FROM variables WHERE installation = $1) AS variables,
    (SELECT COUNT(*) FROM notice_targets WHERE installation = $1) AS notifications,
    (SELECT COUNT(*) FROM pauses WHERE kind = 'installation' AND key = $1) AS pauses,
    (SELECT COUNT(*) FROM images m JOIN repositories r ON r.key = m.repository WHERE r.installation = $1) AS images,
    (SELECT COUNT(*) FROM access_tokens
      WHERE provider = $2 AND host = $3 AND account_id = $4 AND revoked_at IS NULL AND expires_at > $5)
      + (SELECT COUNT(*) FROM api_tokens WHERE installation = $1 AND revoked_at IS NULL AND expires_at > $5) AS tokens,
    (SELECT COUNT(*) FROM registry_credentials c
      WHERE c.namespace IN (SELECT g.namespace FROM namespace_grants g
          WHERE g.provider = $2 AND g.host = $3 AND g.account_id = $4)
        AND NOT EXISTS (SELECT 1 FROM namespace_grants o
          JOIN installations i ON i.provider = o.provider AND i.host = o.host AND i.account_id = o.account_id
          WHERE o.namespace = c.namespace AND i.state <> 'removed')) AS credentials,
    (SELECT COUNT(*) FROM connections WHERE $2 = 'bitbucket' AND workspace = $4) AS connections,
    (SELECT COUNT(*) FROM connect_clients WHERE $2 = 'bitbucket' AND workspace = $4 AND secret IS NOT NULL) AS clients`;
