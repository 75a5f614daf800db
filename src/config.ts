import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import { type BitbucketConfig, bitbucketOf, overridesOfConnect, servesConnect } from "./config-bitbucket.ts";
import { type GithubConfig, githubHostsOf, githubOf, namesGithub } from "./config-github.ts";
import { namespacePolicyOf } from "./config-namespaces.ts";
import { type Environment, isSet, TABLE, VARIABLES, type Values, type VariableName } from "./config-table.ts";
import type { NamespacePolicy } from "./core/lifecycle/claim.ts";
import { isLoopback } from "./core/loopback.ts";
import { ensureKeyFile, readKeyFile } from "./keys.ts";

/** The whole configuration, read and checked. Null: not set. */
export interface Config {
  readonly port: number;
  readonly host: string;
  /** Without a trailing slash. */
  readonly publicUrl: string;
  /** Absolute. */
  readonly dataDir: string;
  /** `sqlite:PATH` or `postgres://…`. */
  readonly databaseUrl: string;
  /** Null: {@link ensureSecretKey} has it. */
  readonly secretKey: Buffer | null;
  readonly secretKeyPrevious: Buffer | null;
  readonly adminToken: string | null;
  /** Requests a minute of one API token. */
  readonly apiRate: number;
  /** People who are operators, by `hostKey`. */
  readonly operators: readonly string[];
  /** The default host's App. Null: nothing of it is set. */
  readonly github: GithubConfig | null;
  /** Further ones. */
  readonly githubHosts: readonly GithubConfig[];
  /** Signed webhooks need nothing of it: a connection in the database is enough. */
  readonly bitbucket: BitbucketConfig;
  readonly registry: RegistryConfig | null;
  readonly namespaces: NamespacePolicy;
  readonly builder: "buildah" | "webhook";
  /** Null: the builder is another. */
  readonly httpBuilders: HttpBuildersConfig | null;
  readonly builds: {
    readonly concurrency: number;
    readonly network: "none" | "internet" | "host";
    readonly timeoutSeconds: number;
    readonly memoryBytes: number;
    readonly logBytes: number;
    /** Null: all there are. */
    readonly cpus: number | null;
    readonly diskBytes: number;
    /** IPv4 address; null: the machine's own. */
    readonly resolver: string | null;
  };
  readonly retention: {
    readonly bodiesDays: number;
    readonly deliveriesDays: number;
    readonly uninstalledDays: number;
  };
  readonly notices: {
    /** Null: nobody is told by e-mail. */
    readonly mail: { readonly url: string; readonly from: string } | null;
    readonly network: "internet" | "host";
  };
  readonly log: { readonly level: "debug" | "info" | "warn" | "error"; readonly format: "pretty" | "json" | null };
}

export interface HttpBuildersConfig {
  /** Opens `/builder/v1/claim`. */
  readonly token: string;
  readonly urls: readonly string[];
  /** Sign offers; the current one first. Empty only without addresses. */
  readonly webhookSecrets: readonly string[];
}

export interface RegistryConfig {
  readonly url: string;
  /** Host and port as image names carry it. */
  readonly name: string;
  /** True: plain HTTP. */
  readonly insecure: boolean;
  /** Null: no credentials are needed. */
  readonly credentials: { readonly username: string; readonly password: string } | null;
  /** Where builds push to; `{build}` stands for the build's id. Without it builds share it, each under a tag of its own. */
  readonly staging: string;
  /** How tokens are made for a registry that trusts ours. Service null: the registry's host. */
  readonly tokens: {
    readonly issuer: string;
    readonly service: string | null;
    readonly kid: "libtrust" | "rfc7638" | "x5c";
  };
  /** Null: notifications of the registry are not taken. */
  readonly eventsSecret: string | null;
}

export type { Environment, GithubConfig };

/** Every App on a GitHub host, the default one's first. */
export function githubApps({ github, githubHosts: further }: Pick<Config, "github" | "githubHosts">) {
  return github === null ? further : [github, ...further];
}

/** Something to put right: the variable, what is wrong with it, what to do (and where to get it). Holds no secret. */
export interface Problem {
  readonly variable: string;
  readonly wrong: string;
  readonly todo: string;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads every variable and reports all problems at once. What only `start` needs is {@link startProblems}' business. */
export function parseConfig(env: Environment): ConfigResult {
  const { values, problems } = readValues(env);
  const warnings: string[] = [];
  const report = (name: VariableName, wrong: string, todo = VARIABLES[name].todo) => {
    problems.push({ variable: name, wrong, todo });
  };
  checkAddressPair(env, ["GITHUB_URL", "GITHUB_API_URL"], problems);
  if (namesGithub(env)) checkClientPair(env, ["GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"], problems);
  const github = githubOf(values, env, report);
  const githubHosts = githubHostsOf(values.GITHUB_HOSTS_FILE ?? null, github, report);
  checkAddressPair(env, ["BITBUCKET_URL", "BITBUCKET_API_URL"], problems);
  checkClientPair(env, ["BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET"], problems);
  const registry = readRegistry(values, problems, warnings);
  const httpBuilders = readHttpBuilders(values, env, problems);
  const further = githubHosts.map(({ host }) => host);
  const namespaces = namespacePolicyOf(values, { env, further }, report);
  for (const person of values.OPERATORS ?? []) {
    const [, host = ""] = person.split(":");
    if (!["default", ...further].includes(host)) {
      report("OPERATORS", `has one on ${host}, which is no GitHub host of GITHUB_HOSTS_FILE`);
    }
  }
  if ((values.RETENTION_DELIVERIES_DAYS ?? 0) < (values.RETENTION_BODIES_DAYS ?? 0)) {
    problems.push(problem("RETENTION_DELIVERIES_DAYS", "is less than RETENTION_BODIES_DAYS"));
  }
  // One without the other, as it is set and not as it was read: a value that is wrong is told of already.
  if (env["SMTP_URL"] && !env["MAIL_FROM"]) problems.push(problem("MAIL_FROM", "is not set, but SMTP_URL is"));
  if (env["MAIL_FROM"] && !env["SMTP_URL"]) problems.push(problem("SMTP_URL", "is not set, but MAIL_FROM is"));
  if (values.PORT === 0 && values.PUBLIC_URL === null) {
    warnings.push("PORT is 0 and PUBLIC_URL is not set: links in checks will lead nowhere.");
  }
  if (problems.length > 0) {
    return { ok: false, problems };
  }
  // Without problems every variable was read.
  const bitbucket = bitbucketOf(values as Values, env);
  const publicUrl = values.PUBLIC_URL ? new URL(values.PUBLIC_URL) : null;
  if (bitbucket.connect && publicUrl?.protocol === "http:" && !isLoopback(publicUrl.href)) {
    warnings.push("PUBLIC_URL is http://: Bitbucket installs the add-on from https:// only.");
  }
  return {
    ok: true,
    config: assemble(values as Values, { github, githubHosts, bitbucket, registry, namespaces, httpBuilders }),
    warnings,
  };
}

/**
 * What is missing to start serving, beyond what {@link parseConfig} checks. `connected`: Bitbucket sends signed webhooks
 * here, which is a host to hear from.
 */
export function startProblems(
  env: Environment,
  { connected }: { readonly connected: boolean } = { connected: false },
): readonly Problem[] {
  const problems: Problem[] = [];
  const github = (["APP_ID", "PRIVATE_KEY", "PRIVATE_KEY_PATH", "GITHUB_HOSTS_FILE"] as const).some((name) =>
    isSet(env, name),
  );
  if (!github && !connected && !servesConnect(env)) {
    for (const name of ["APP_ID", "PRIVATE_KEY"] as const) {
      problems.push(problem(name, "is not set"));
    }
    if (!isSet(env, "WEBHOOK_SECRET")) {
      problems.push(problem("WEBHOOK_SECRET", "is not set"));
    }
  }
  if (!isSet(env, "REGISTRY_URL")) {
    problems.push(problem("REGISTRY_URL", "is not set"));
  }
  if (servesConnect(env)) problems.push(...overridesOfConnect(env));
  return problems;
}

/** The first words for somebody who starts this for the first time; the problems are listed after it. */
export function startHelp(): string {
  return [
    "Wharfinger needs GitHub or Bitbucket Cloud to hear from and a Docker registry to push to.",
    "",
    "  1. GitHub: register an app: GitHub → Settings → Developer settings → GitHub Apps → New GitHub App.",
    "     Webhook URL: PUBLIC_URL followed by /webhooks/github. Permissions and events: see app.yml.",
    "     Bitbucket alone: set BITBUCKET_APP_KEY=wharfinger, and once it runs: wharfinger connect bitbucket",
    "     (docs/bitbucket.md). Both together work as well.",
    "  2. Copy .env.example to .env and fill in what is named below (docs/configuration.md has every word).",
    "  3. Try it: wharfinger doctor",
    "",
    "With none of the variables of GitHub, Bitbucket and the registry set, `wharfinger start` asks for all of this on a page.",
  ].join("\n");
}

/** Every variable with its value for logs and `doctor`. Secrets say only whether they are set. */
export function describeConfig(env: Environment): Readonly<Record<string, string>> {
  const described: Record<string, string> = {};
  for (const [name, variable] of TABLE) {
    const text = env[name];
    if (isSet(env, name) && text !== undefined) {
      // Addresses may hold credentials by mistake; such a value is refused, and must not be shown on the way.
      described[name] = variable.secret || /\/\/[^/]*@/.test(text) ? "(set, not shown)" : text;
    } else {
      described[name] = `(not set; default: ${variable.fallbackText ?? variable.fallback ?? "none"})`;
    }
  }
  return described;
}

export const SECRET_KEY_FILE = "secret.key";
/** What sealed before the last change of the key; until `wharfinger rotate secret-key --finish`. */
export const PREVIOUS_KEY_FILE = "secret.previous.key";

/** 32 random bytes, as a file or `SECRET_KEY` has them. */
export function newSecretKey(): string {
  return randomBytes(32).toString("base64");
}

/** The 32 bytes that seal secrets, from `secret.key` in the folder. Throws an error that says what to do. */
export function ensureSecretKey(dataDir: string): Buffer {
  const text = ensureKeyFile(dataDir, SECRET_KEY_FILE, () => `${newSecretKey()}\n`);
  return parseKeyFile(text, join(dataDir, SECRET_KEY_FILE));
}

/**
 * The keys secrets may be sealed with, the one that seals first; of files those there are now. Throws as
 * {@link ensureSecretKey} does.
 */
export function secretKeys(config: Pick<Config, "dataDir" | "secretKey" | "secretKeyPrevious">): readonly Buffer[] {
  const { dataDir, secretKey, secretKeyPrevious } = config;
  const former = secretKeyPrevious === null ? [] : [secretKeyPrevious];
  if (secretKey !== null) return [secretKey, ...former];
  const current = ensureSecretKey(dataDir);
  const previous = readKeyFile(dataDir, PREVIOUS_KEY_FILE);
  const path = join(dataDir, PREVIOUS_KEY_FILE);
  return [current, ...(previous === null ? [] : [parseKeyFile(previous, path)]), ...former];
}

function parseKeyFile(text: string, path: string): Buffer {
  const parsed = VARIABLES.SECRET_KEY.type.safeParse(text.trim());
  if (parsed.success && parsed.data !== null) return parsed.data;
  throw new Error(`${path} does not hold 32 bytes in base64. Restore it from a backup, or set SECRET_KEY.`);
}

function readValues(env: Environment): { values: Partial<Values>; problems: Problem[] } {
  const problems: Problem[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, variable] of TABLE) {
    const text = isSet(env, name) ? env[name] : variable.fallback;
    if (text === null || text === undefined) {
      values[name] = null;
      continue;
    }
    const parsed = variable.type.safeParse(text);
    if (parsed.success) {
      values[name] = parsed.data;
    } else {
      problems.push(problem(name, parsed.error.issues[0]?.message ?? "is not valid"));
    }
  }
  return { values, problems };
}

/** One without the other would send one host's credentials to another, e.g. an Enterprise Server's to github.com. */
function checkAddressPair(
  env: Environment,
  pair: readonly [web: VariableName, api: VariableName],
  problems: Problem[],
): void {
  const missing = pair.filter((name) => !isSet(env, name));
  const there = pair.find((name) => isSet(env, name));
  const [only] = missing;
  if (missing.length !== 1 || only === undefined || there === undefined) return;
  problems.push(problem(only, `is not set, but ${there} is; they go together`));
}

/** Nobody can sign in with half of it. */
function checkClientPair(env: Environment, pair: readonly [VariableName, VariableName], problems: Problem[]): void {
  const [missing, ...more] = pair.filter((name) => !isSet(env, name));
  if (missing === undefined || more.length > 0) return;
  const there = pair.find((name) => name !== missing) ?? missing;
  problems.push(problem(missing, `is not set, but ${there} is`));
}

function readRegistry(values: Partial<Values>, problems: Problem[], warnings: string[]): RegistryConfig | null {
  const { REGISTRY_URL: url, REGISTRY_USERNAME: username, REGISTRY_PASSWORD: password } = values;
  if (username && password === null) {
    problems.push(problem("REGISTRY_PASSWORD", "is not set, but REGISTRY_USERNAME is"));
  }
  if (password && username === null) {
    problems.push(problem("REGISTRY_USERNAME", "is not set, but REGISTRY_PASSWORD is"));
  }
  if (!url) {
    return null;
  }
  const { protocol, host } = new URL(url);
  const insecure = protocol === "http:";
  if (insecure && !isLoopback(url)) {
    warnings.push("REGISTRY_URL is http://: images and the registry's password travel unencrypted.");
  }
  const credentials = username && password ? { username, password } : null;
  if (credentials === null && values.REGISTRY_STAGING?.includes("{build}") === false) {
    problems.push(problem("REGISTRY_STAGING", "has no {build}, without which tokens can not keep builds apart"));
  }
  return {
    url,
    name: host,
    insecure,
    credentials,
    staging: values.REGISTRY_STAGING ?? "staging/{build}",
    tokens: {
      issuer: values.REGISTRY_TOKEN_ISSUER ?? "wharfinger",
      service: values.REGISTRY_TOKEN_SERVICE ?? null,
      kid: values.REGISTRY_TOKEN_KID ?? "libtrust",
    },
    eventsSecret: values.REGISTRY_EVENTS_SECRET ?? null,
  };
}

function readHttpBuilders(values: Partial<Values>, env: Environment, problems: Problem[]): HttpBuildersConfig | null {
  if (values.BUILDER !== "webhook") return null;
  if (!isSet(env, "BUILDER_TOKEN")) problems.push(problem("BUILDER_TOKEN", "is not set, but BUILDER is webhook"));
  if (isSet(env, "BUILDER_URLS") && !isSet(env, "BUILDER_WEBHOOK_SECRET")) {
    problems.push(problem("BUILDER_WEBHOOK_SECRET", "is not set, but BUILDER_URLS is"));
  }
  if (isSet(env, "REGISTRY_USERNAME")) {
    problems.push({
      variable: "REGISTRY_USERNAME",
      wrong: "is set, but no HTTP builder is given credentials that open the whole registry",
      todo: "let the registry trust Wharfinger's tokens (docs/operations.md) and leave it out, or set BUILDER=buildah",
    });
  }
  const { BUILDER_TOKEN: token, BUILDER_URLS: urls } = values;
  const secrets = [values.BUILDER_WEBHOOK_SECRET, values.BUILDER_WEBHOOK_SECRET_PREVIOUS];
  return token ? { token, urls: urls ?? [], webhookSecrets: secrets.filter((one) => typeof one === "string") } : null;
}

function assemble(
  values: Values,
  parts: Pick<Config, "github" | "githubHosts" | "bitbucket" | "registry" | "namespaces" | "httpBuilders">,
): Config {
  // Absolute: tools are run in other folders than this one.
  const dataDir = resolve(values.DATA_DIR);
  return {
    port: values.PORT,
    host: values.HOST,
    publicUrl: values.PUBLIC_URL ?? `http://localhost:${values.PORT}`,
    dataDir,
    databaseUrl: values.DATABASE_URL ?? `sqlite:${join(dataDir, "wharfinger.db")}`,
    secretKey: values.SECRET_KEY,
    secretKeyPrevious: values.SECRET_KEY_PREVIOUS,
    adminToken: values.ADMIN_TOKEN,
    apiRate: values.API_RATE,
    operators: values.OPERATORS ?? [],
    ...parts,
    builder: values.BUILDER,
    builds: {
      concurrency: values.BUILD_CONCURRENCY,
      network: values.BUILD_NETWORK,
      timeoutSeconds: values.BUILD_TIMEOUT,
      memoryBytes: values.BUILD_MEMORY,
      logBytes: values.BUILD_LOG_LIMIT,
      cpus: values.BUILD_CPUS,
      diskBytes: values.BUILD_DISK,
      resolver: values.BUILD_DNS,
    },
    retention: {
      bodiesDays: values.RETENTION_BODIES_DAYS,
      deliveriesDays: values.RETENTION_DELIVERIES_DAYS,
      uninstalledDays: values.RETENTION_UNINSTALLED_DAYS,
    },
    notices: {
      mail:
        values.SMTP_URL === null || values.MAIL_FROM === null ? null : { url: values.SMTP_URL, from: values.MAIL_FROM },
      network: values.NOTIFY_NETWORK,
    },
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT },
  };
}

function problem(name: VariableName, wrong: string): Problem {
  return { variable: name, wrong, todo: VARIABLES[name].todo };
}
