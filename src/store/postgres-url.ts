import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";

/** What a `postgres://` address says. A host that begins with `/` is the folder of a Unix socket. */
export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Null: none, or the one in ~/.pgpass. */
  readonly password: string | null;
  readonly database: string;
  /** False: the connection is not encrypted. */
  readonly ssl: false | ConnectionOptions;
}

/**
 * `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?host=SOCKET_FOLDER][&sslmode=MODE][&sslrootcert=FILE]`. Throws a
 * sentence for people, without the password. What is not understood is refused: a misspelt `sslmode` would otherwise send
 * everything in the clear.
 */
export function parsePostgresUrl(address: string): PostgresAddress {
  const url = URL.canParse(address) ? new URL(address) : refuse("is no address");
  const { host, sslmode, sslrootcert, ...rest } = Object.fromEntries(url.searchParams);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) refuse(`has the parameter "${unknown}", which is not known here`);
  return {
    host: host ?? (decode(url.hostname.replace(/^\[(.*)\]$/, "$1")) || refuse("names no host")),
    port: url.port === "" ? 5432 : Number(url.port),
    user: decode(url.username) || refuse("names no user"),
    password: url.password === "" ? null : decode(url.password),
    database: decode(url.pathname.slice(1)) || refuse("names no database"),
    ssl: sslOf(sslmode, sslrootcert),
  };
}

/** The address without its password, for logs and people. Addresses of other databases hold none. */
export function withoutPassword(address: string): string {
  if (!/^postgres(?:ql)?:/.test(address)) return address;
  const { host, port, user, database } = parsePostgresUrl(address);
  return `postgres: ${database} on ${host}:${port} as ${user}`;
}

/** The modes of PostgreSQL's own tools; those that would fall back to clear text without a word are left out. */
function sslOf(mode: string | undefined, rootFile: string | undefined): PostgresAddress["ssl"] {
  const ca = rootFile === undefined ? {} : { ca: readFileSync(rootFile, "utf8") };
  switch (mode) {
    case undefined:
    case "disable":
      return rootFile === undefined ? false : refuse("has sslrootcert, but no sslmode that uses it");
    case "require":
      // As everywhere: encrypted, and the certificate looked at only when there is something to hold it to.
      return rootFile === undefined ? { rejectUnauthorized: false } : { ...ca, checkServerIdentity: () => undefined };
    case "verify-ca":
      return { ...ca, checkServerIdentity: () => undefined };
    case "verify-full":
      return ca;
    default:
      return refuse("has an sslmode other than disable, require, verify-ca and verify-full");
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return refuse("has a % that encodes nothing");
  }
}

function refuse(why: string): never {
  throw new Error(`DATABASE_URL ${why}; it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE.`);
}
