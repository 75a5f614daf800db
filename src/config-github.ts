/** The part of the configuration that names GitHub hosts: the one of the variables, and those of `GITHUB_HOSTS_FILE`. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { load, YAMLException } from "js-yaml";
import { z } from "zod";
import { type Environment, isSet, privateKey, VARIABLES, type Values, type VariableName } from "./config-table.ts";
import { apiUrlOf } from "./github/manifest.ts";

/** A GitHub App on one GitHub host. */
export interface GithubConfig {
  /** `default`, or the name the file gives it. */
  readonly host: string;
  readonly appId: number;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
  /** The file it is from; null: the environment has it. */
  readonly privateKeyPath: string | null;
  /** The current one first. */
  readonly webhookSecrets: readonly string[];
  readonly clientId: string | null;
  readonly clientSecret: string | null;
  readonly url: string;
  readonly apiUrl: string;
}

/** `todo`: left out: what the table says of the variable. */
type Report = (name: VariableName, wrong: string, todo?: string) => void;

const APP = ["APP_ID", "PRIVATE_KEY", "PRIVATE_KEY_PATH", "WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS"] as const;

/** Whether anything of an App on the default host is set. */
export function namesGithub(env: Environment): boolean {
  return APP.some((name) => isSet(env, name));
}

/** Path of a host's webhook, below PUBLIC_URL. */
export function githubWebhookPath(host: string): string {
  return host === "default" ? "/webhooks/github" : `/webhooks/github/${host}`;
}

/** The default host's; null: nothing of it is set, or what is wrong went to `report`. */
export function githubOf(values: Partial<Values>, env: Environment, report: Report): GithubConfig | null {
  if (!namesGithub(env)) return null;
  const key = keyOf(values, env, report);
  for (const name of ["APP_ID", "WEBHOOK_SECRET"] as const) {
    if (!isSet(env, name)) report(name, "is not set, but other parts of the GitHub App are");
  }
  const { APP_ID: appId, WEBHOOK_SECRET: secret, GITHUB_URL: url, GITHUB_API_URL: apiUrl } = values;
  if (!appId || !secret || !key || !url || !apiUrl) return null;
  return {
    host: "default",
    appId,
    privateKey: key,
    privateKeyPath: values.PRIVATE_KEY_PATH ?? null,
    webhookSecrets: [secret, ...(values.WEBHOOK_SECRET_PREVIOUS ? [values.WEBHOOK_SECRET_PREVIOUS] : [])],
    clientId: values.GITHUB_CLIENT_ID ?? null,
    clientSecret: values.GITHUB_CLIENT_SECRET ?? null,
    url,
    apiUrl,
  };
}

function keyOf(values: Partial<Values>, env: Environment, report: Report): string | null {
  const path = values.PRIVATE_KEY_PATH ?? null;
  if (path === null) {
    if (!isSet(env, "PRIVATE_KEY")) report("PRIVATE_KEY", "is not set, but other parts of the GitHub App are");
    return values.PRIVATE_KEY ?? null;
  }
  if (isSet(env, "PRIVATE_KEY")) {
    report("PRIVATE_KEY_PATH", "is set beside PRIVATE_KEY", "keep one of the two");
    return null;
  }
  const read = readText(path);
  if ("why" in read) {
    report("PRIVATE_KEY_PATH", `names a file that ${read.why}`);
    return null;
  }
  const parsed = privateKey.safeParse(read.text);
  if (parsed.success) return parsed.data;
  report("PRIVATE_KEY_PATH", `names a file that ${parsed.error.issues[0]?.message ?? "is no key"}`);
  return null;
}

/** Names that paths below `/auth/github` and `/setup/github` have already, or that mean the host without a name. */
const TAKEN = ["default", "callback"];
const NAME = /^[a-z][a-z0-9-]{0,30}$/;

const text = z.string({ error: ({ input }) => (input === undefined ? "is not set" : "must be text") });
const path = text.min(1, "must be a path");
const number = z
  .union([z.string(), z.number()], { error: ({ input }) => (input === undefined ? "is not set" : "must be a number") })
  .transform(String);
const NO_LIST = "has no list of hosts";
const entrySchema = z.strictObject({
  name: text,
  url: text,
  api_url: text.optional(),
  app_id: number,
  private_key_path: path,
  webhook_secret_path: path,
  webhook_secret_previous_path: path.optional(),
  client_id: text.optional(),
  client_secret_path: path.optional(),
});
const fileSchema = z.strictObject({ hosts: z.array(entrySchema, NO_LIST).min(1, "is empty") }, NO_LIST);
type Entry = z.infer<typeof entrySchema>;

/**
 * Those of `GITHUB_HOSTS_FILE`; secrets are in files of their own, whose paths count from its folder. What is wrong goes to
 * `report`, each thing by its place in the file; nothing of a secret is in it.
 */
export function githubHostsOf(
  file: string | null,
  first: GithubConfig | null,
  report: Report,
): readonly GithubConfig[] {
  if (file === null) return [];
  const wrong = (what: string) => report("GITHUB_HOSTS_FILE", `names a file ${what}`);
  const read = readText(file);
  if ("why" in read) {
    wrong(`that ${read.why}`);
    return [];
  }
  const parsed = parseEntries(read.text);
  if (!Array.isArray(parsed)) {
    for (const problem of parsed.problems) wrong(`with a problem: ${problem}`);
    return [];
  }
  const hosts: GithubConfig[] = [];
  for (const [index, entry] of parsed.entries()) {
    const problems: string[] = [];
    const host = hostOf(entry, dirname(resolve(file)), (key, why) => problems.push(`hosts[${index}].${key} ${why}`));
    if (host !== null) {
      const others = first === null ? hosts : [first, ...hosts];
      problems.push(...clashes(host, others).map(([key, why]) => `hosts[${index}].${key} ${why}`));
      hosts.push(host);
    }
    for (const problem of problems) wrong(`with a problem: ${problem}`);
  }
  return hosts;
}

function parseEntries(text: string): Entry[] | { readonly problems: readonly string[] } {
  let document: unknown;
  try {
    document = load(text);
  } catch (error) {
    // Without the lines around it, which the whole message quotes.
    const { mark, reason } = error instanceof YAMLException ? error : { mark: null, reason: "it can not be read" };
    return { problems: [mark ? `line ${mark.line + 1}: ${reason}` : reason] };
  }
  const parsed = fileSchema.safeParse(document);
  if (parsed.success) return parsed.data.hosts;
  return { problems: parsed.error.issues.map((issue) => `${placeOf(issue.path)} ${wordsOf(issue)}`) };
}

function wordsOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") return `has ${issue.keys.join(", ")}, which is no key here`;
  return issue.message;
}

function placeOf(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return text === "" ? "the file" : text.slice(1);
}

/** Null: something is wrong with it, and was said. */
function hostOf(entry: Entry, folder: string, wrong: (key: keyof Entry, why: string) => void): GithubConfig | null {
  let good = true;
  const judge = <T>(key: keyof Entry, type: z.ZodType<T>, text: string): T | null => {
    const parsed = type.safeParse(text);
    if (parsed.success) return parsed.data;
    good = false;
    wrong(key, parsed.error.issues[0]?.message ?? "is not valid");
    return null;
  };
  const judgeFile = <T>(key: keyof Entry, type: z.ZodType<T>, file: string | undefined): T | null => {
    if (file === undefined) return null;
    const read = readText(resolve(folder, file));
    if ("text" in read) return judge(key, type, read.text.trim());
    good = false;
    wrong(key, `names a file that ${read.why}`);
    return null;
  };
  if (!NAME.test(entry.name) || TAKEN.includes(entry.name)) {
    good = false;
    const why = `must be lowercase letters, digits and hyphens, begin with a letter, and be none of ${TAKEN.join(", ")}`;
    wrong("name", why);
  }
  const url = judge("url", VARIABLES.GITHUB_URL.type, entry.url);
  const derived = entry.api_url ?? (url === null ? null : apiUrlOf(url));
  const apiUrl = derived === null ? null : judge("api_url", VARIABLES.GITHUB_API_URL.type, derived);
  const appId = judge("app_id", VARIABLES.APP_ID.type, entry.app_id);
  const key = judgeFile("private_key_path", privateKey, entry.private_key_path);
  const secret = judgeFile("webhook_secret_path", VARIABLES.WEBHOOK_SECRET.type, entry.webhook_secret_path);
  const { type: secretType } = VARIABLES.WEBHOOK_SECRET_PREVIOUS;
  const previous = judgeFile("webhook_secret_previous_path", secretType, entry.webhook_secret_previous_path);
  if ((entry.client_id === undefined) !== (entry.client_secret_path === undefined)) {
    good = false;
    wrong(entry.client_id === undefined ? "client_id" : "client_secret_path", "is not set, but its other half is");
  }
  const { type: idType } = VARIABLES.GITHUB_CLIENT_ID;
  const clientId = entry.client_id === undefined ? null : judge("client_id", idType, entry.client_id);
  const clientSecret = judgeFile("client_secret_path", VARIABLES.GITHUB_CLIENT_SECRET.type, entry.client_secret_path);
  if (!good || !url || !apiUrl || !appId || !key || !secret) return null;
  return {
    host: entry.name,
    appId,
    privateKey: key,
    privateKeyPath: resolve(folder, entry.private_key_path),
    webhookSecrets: [secret, ...(previous ? [previous] : [])],
    clientId,
    clientSecret,
    url,
    apiUrl,
  };
}

/** What two hosts must not share: accounts would be somebody else's, and one host could speak for the other. */
function clashes(host: GithubConfig, others: readonly GithubConfig[]): readonly (readonly [keyof Entry, string])[] {
  return others.flatMap((other) => {
    const whose = other.host === "default" ? "of the GitHub of the variables" : `of ${other.host}`;
    return [
      ...(other.host === host.host ? [["name", "is there twice"] as const] : []),
      ...(sameSite(other.url, host.url) ? [["url", `is that ${whose}`] as const] : []),
      ...(sameSite(other.apiUrl, host.apiUrl) ? [["api_url", `is that ${whose}`] as const] : []),
      ...(host.webhookSecrets.some((secret) => other.webhookSecrets.includes(secret))
        ? [["webhook_secret_path", `has a secret ${whose}: each could speak for the other`] as const]
        : []),
    ];
  });
}

function sameSite(one: string, other: string): boolean {
  const plain = (text: string) => new URL(text).href.replace(/\/+$/, "");
  return plain(one) === plain(other);
}

function readText(file: string): { readonly text: string } | { readonly why: string } {
  try {
    return { text: readFileSync(file, "utf8") };
  } catch (error) {
    const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : null;
    return { why: `can not be read (${code ?? "unknown error"})` };
  }
}
