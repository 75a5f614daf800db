/**
 * What an operator says of a registry, as the command line and the API take it. Everything is checked here; whether the
 * registry is there and takes the credentials is somebody else's question (engine/registry-desk.ts).
 */
import { X509Certificate } from "node:crypto";
import type { Account } from "./model.ts";
import { namespaceFor } from "./namespaces.ts";

/**
 * How builds and the service get in. `token`: the registry trusts our token service. `basic`: it has accounts of its own
 * (Docker Hub, GHCR, Quay, Harbor, GitLab …), and we have a user name and password or token of one.
 */
export type RegistryKind = "token" | "basic";

/** How tokens name their key; see registry/token-keys.ts. */
export const KID_FORMATS = ["libtrust", "rfc7638", "x5c"] as const;

export interface RegistrySettings {
  /** Scheme, host and port: `https://registry.example.com`. */
  readonly url: string;
  readonly kind: RegistryKind;
  /** PEM of certificates that are trusted there besides the machine's own; null: none. */
  readonly ca: string | null;
  /** True: plain http, or https with whatever certificate. */
  readonly insecure: boolean;
  /** Name of the namespace a new account gets; `{account}` and `{host}` stand for the account's and its host's name. */
  readonly namespaces: string;
  /** Repository builds push to; `{build}` stands for the build's id, `{namespace}` for the image's namespace. */
  readonly staging: string;
  /** Hosts whose new accounts get their namespaces here: `github:default`. */
  readonly accounts: readonly string[];
  /** Service named in tokens; null: the registry's host. */
  readonly tokenService: string | null;
  readonly tokenKid: (typeof KID_FORMATS)[number];
}

/** What a setting is, when it is left out of a registry that is added. `url` and `kind` have to be said. */
export const DEFAULT_REGISTRY_SETTINGS: Omit<RegistrySettings, "url" | "kind"> = {
  ca: null,
  insecure: false,
  namespaces: "{account}",
  staging: "staging/{build}",
  accounts: [],
  tokenService: null,
  tokenKid: "libtrust",
};

/** Of the registry the environment configures. */
export const DEFAULT_REGISTRY = "default";

const NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const MAX_NAME = 40;

/** Null: a name an operator may give to a registry; else what is wrong with it. */
export function registryNameProblem(name: string): string | null {
  if (name === DEFAULT_REGISTRY) {
    return `\`${DEFAULT_REGISTRY}\` is the registry of REGISTRY_URL, which the environment configures. Give another name`;
  }
  if (NAME.test(name) && name.length <= MAX_NAME) return null;
  return `${quoted(name)} is no name for a registry: lower-case letters, digits and single hyphens, at most ${MAX_NAME} characters`;
}

export type ParsedRegistry =
  | { readonly ok: true; readonly settings: RegistrySettings }
  /** Sentences without a full stop, each of one setting. */
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads the settings in `given` (a JSON object, whatever it holds); what it leaves out is as in `base`, or at its default
 * where there is none.
 */
export function parseRegistrySettings(given: unknown, base: RegistrySettings | null): ParsedRegistry {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return { ok: false, problems: ["give an object with the registry's settings"] };
  }
  const problems = Object.keys(given)
    .filter((name) => !Object.hasOwn(READERS, name))
    .map((name) => `${quoted(name)} is no setting of a registry; there are ${Object.keys(READERS).join(", ")}`);
  const read: Record<string, unknown> = { ...(base ?? DEFAULT_REGISTRY_SETTINGS) };
  for (const [name, reader] of Object.entries(READERS)) {
    if (!Object.hasOwn(given, name)) continue;
    const value = reader((given as Readonly<Record<string, unknown>>)[name]);
    if ("problem" in value) problems.push(`${name}: ${value.problem}`);
    else read[name] = value.value;
  }
  for (const name of ["url", "kind"]) {
    if (read[name] === undefined && !Object.hasOwn(given, name))
      problems.push(`${name}: ${MISSING[name] ?? "is missing"}`);
  }
  if (problems.length > 0) return { ok: false, problems };
  // Every reader was asked or had a value of this shape before.
  const settings = read as unknown as RegistrySettings;
  const together = contradictions(settings);
  return together.length > 0 ? { ok: false, problems: together } : { ok: true, settings };
}

type Read = { readonly value: unknown } | { readonly problem: string };

const MISSING: Readonly<Record<string, string>> = {
  url: "say where the registry is, e.g. https://registry.example.com",
  kind: "say `token` where the registry trusts this program's tokens, `basic` where it has user names and passwords",
};

const READERS: Readonly<Record<keyof RegistrySettings, (value: unknown) => Read>> = {
  url: readUrl,
  kind: oneOf(["token", "basic"]),
  ca: (value) => (value === null || value === "" ? { value: null } : readCertificates(value)),
  insecure: (value) =>
    typeof value === "boolean" ? { value } : { problem: `must be true or false, not ${JSON.stringify(value)}` },
  namespaces: readNamespaces,
  staging: readStaging,
  accounts: readAccounts,
  tokenService: (value) =>
    value === null || (typeof value === "string" && /^[\x21-\x7e]{1,200}$/.test(value))
      ? { value }
      : { problem: "must be one word: what the registry's configuration calls `auth.token.service`" },
  tokenKid: oneOf(KID_FORMATS),
};

function oneOf(words: readonly string[]): (value: unknown) => Read {
  return (value) =>
    words.some((word) => word === value)
      ? { value }
      : { problem: `must be ${words.map((word) => `\`${word}\``).join(" or ")}, not ${JSON.stringify(value)}` };
}

function readUrl(value: unknown): Read {
  const wrong = { problem: `${JSON.stringify(value)} is not an address such as https://registry.example.com` };
  if (typeof value !== "string" || !/^https?:\/\/[^/]/.test(value) || !URL.canParse(value)) return wrong;
  const url = new URL(value);
  if (url.username !== "" || url.password !== "") {
    return { problem: "holds a user name or password; give them as the registry's credential" };
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || value.includes("?") || value.includes("#")) {
    return {
      problem: "must be a scheme, a host and a port, without a path: registries are reached at /v2/ of their host",
    };
  }
  return { value: url.origin };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const MAX_PEM = 256 * 1024;
const MAX_CERTIFICATES = 50;

/** Kept as the blocks alone: what else stands in such files is for people. */
function readCertificates(value: unknown): Read {
  if (typeof value !== "string" || value.length > MAX_PEM) {
    return { problem: "must be certificates in PEM form, at most 256 kB" };
  }
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(value)) {
    return {
      problem: "holds a private key. Give the certificate of the authority only, and keep its key where it was",
    };
  }
  const blocks = value.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) return { problem: "holds no certificate (-----BEGIN CERTIFICATE-----)" };
  if (blocks.length > MAX_CERTIFICATES) return { problem: `holds more than ${MAX_CERTIFICATES} certificates` };
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block);
    } catch {
      return { problem: `its certificate ${index + 1} of ${blocks.length} can not be read` };
    }
  }
  return { value: `${blocks.join("\n")}\n` };
}

/** A legal one stays legal whatever legal names it is filled with, so trying short ones is enough. */
function readNamespaces(value: unknown): Read {
  const example = "e.g. {account}, {host}-{account} or ci-{account}";
  if (typeof value !== "string" || value.length > 60) return { problem: `must be a short text, ${example}` };
  const unknown = placeholders(value).find((name) => !["account", "host"].includes(name));
  if (unknown !== undefined) return { problem: `{${unknown}} means nothing there; {account} and {host} do` };
  if (!value.includes("{account}")) {
    return {
      problem: `has no {account}, so that every account would get the same namespace; ${example}. One account can be given any name by hand`,
    };
  }
  const filled = fill(value, { account: "a", host: "h" });
  if (namespaceFor({ login: filled }) === filled) return { value };
  return {
    problem: `${quoted(filled)}, which an account \`a\` would get, is no legal first part of an image's name; ${example}`,
  };
}

const COMPONENT = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;

/** Null: legal. Of the environment's REGISTRY_STAGING as well. */
export function stagingProblem(value: unknown): string | null {
  const example = "e.g. staging/{build}, or {namespace}/wharfinger-staging";
  if (typeof value !== "string" || value.length > 100) return `must be a short repository name, ${example}`;
  const unknown = placeholders(value).find((name) => !["build", "namespace"].includes(name));
  if (unknown !== undefined) return `{${unknown}} means nothing there; {build} and {namespace} do`;
  if (/\{namespace\}/.test(value.slice(1)) || (value.includes("{namespace}") && !/^\{namespace\}\/./.test(value))) {
    return `{namespace} can only be the first part of the name, with others behind it, ${example}`;
  }
  const legal = fill(value, { build: "b", namespace: "n" })
    .split("/")
    .every((part) => COMPONENT.test(part));
  return legal ? null : `${quoted(value)} is no repository name in lower case, ${example}`;
}

function readStaging(value: unknown): Read {
  const problem = stagingProblem(value);
  return problem === null ? { value } : { problem };
}

function readAccounts(value: unknown): Read {
  const problem = 'must be a list of hosts, e.g. ["github:default", "bitbucket:default"]';
  if (!Array.isArray(value) || value.length > 50) return { problem };
  const bad = value.find(
    (one) => typeof one !== "string" || !/^(?:github|bitbucket):[a-z0-9][a-z0-9.-]{0,60}$/.test(one),
  );
  return bad === undefined ? { value: [...new Set(value)] } : { problem: `${problem}; ${JSON.stringify(bad)} is none` };
}

/** What is legal by itself, but not together. */
function contradictions({ url, kind, ca, insecure, staging }: RegistrySettings): readonly string[] {
  const problems: string[] = [];
  const plain = url.startsWith("http:");
  if (plain && !insecure) {
    problems.push(
      "url: is http://, where images and passwords can be read and changed on their way. Use https://, or say insecure where that is wanted",
    );
  }
  if (plain && ca !== null) problems.push("ca: certificates mean nothing to an http:// address");
  if (!plain && insecure && ca !== null) {
    problems.push("insecure: takes any certificate, so that `ca` would mean nothing. Give one of the two");
  }
  if (kind === "token" && !staging.includes("{build}")) {
    problems.push("staging: has no {build}, without which tokens can not keep builds apart");
  }
  if (kind === "token" && staging.includes("{namespace}")) {
    problems.push("staging: {namespace} is for registries of kind basic; tokens keep builds apart by {build}");
  }
  return problems;
}

/** The namespace an account gets by a template; null: none, its name makes no legal or free one. */
export function namespaceByTemplate(
  template: string,
  { provider, host, login }: Pick<Account, "provider" | "host" | "login">,
): string | null {
  return namespaceFor({ login: fill(template, { account: login, host: host === "default" ? provider : host }) });
}

/**
 * The registry's name in image names: host and port. Docker Hub's is `docker.io`, whatever address it is reached at.
 */
export function imageHost(url: string): string {
  const { host } = new URL(url);
  return DOCKER_HUB.includes(host) ? "docker.io" : host;
}

const DOCKER_HUB: readonly string[] = [
  "docker.io",
  "index.docker.io",
  "registry-1.docker.io",
  "registry.hub.docker.com",
];

/** `acme` of `acme/api`. */
export function namespaceOf(image: string): string {
  return image.slice(0, image.includes("/") ? image.indexOf("/") : undefined);
}

function placeholders(text: string): readonly string[] {
  return [...text.matchAll(/\{([^{}]*)\}/g)].map(([, name = ""]) => name);
}

function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{([^{}]*)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** For people; a name may be anything. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
