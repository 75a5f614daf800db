import { createPrivateKey } from "node:crypto";
import { availableParallelism } from "node:os";
import { z } from "zod";
import type { Provider } from "./core/model.ts";
import { isEmail } from "./core/notices.ts";

/**
 * Every variable the program reads, once: how it is read, what it stands for, where to get it. The configuration page
 * and `.env.example` are made from this table. A variable that is set to nothing counts as not set.
 */
export interface Variable<T> {
  readonly group: Group;
  readonly type: z.ZodType<T, string>;
  /** Read in the variable's place when it is not set; null: then the value is null. */
  readonly fallback: string | null;
  /** The default in words, where `fallback` does not say it. */
  readonly fallbackText?: string;
  /** Never printed, logged or shown. */
  readonly secret: boolean;
  /** One or two sentences for the configuration page. */
  readonly about: string;
  /** What to do when it is missing or wrong: where to get it, how to make it. */
  readonly todo: string;
  /** Never a usable secret. */
  readonly example: string;
}

type Group =
  | "Addresses"
  | "Data and keys"
  | "GitHub"
  | "Bitbucket Cloud"
  | "Registry"
  | "Builds"
  | "Notifications"
  | "Retention"
  | "Log";

type Details = Pick<Variable<unknown>, "about" | "todo" | "example"> &
  Partial<Pick<Variable<unknown>, "secret" | "fallbackText">>;

function optional<T>(group: Group, type: z.ZodType<T, string>, details: Details): Variable<T | null> {
  return { secret: false, ...details, group, type, fallback: null };
}

function defaulting<T>(group: Group, type: z.ZodType<T, string>, fallback: string, details: Details): Variable<T> {
  return { secret: false, ...details, group, type, fallback };
}

const line = z.string().regex(/^\P{Cc}+$/u, "contains control characters or line breaks");

/** What exactly a PostgreSQL address may say is the store's business; it is tried at the start and by `doctor`. */
const databaseUrl = line.refine(
  (text) => /^sqlite:./.test(text) || (/^postgres(?:ql)?:\/\/./.test(text) && URL.canParse(text)),
  "is neither sqlite:PATH nor postgres://…",
);

const MIN_SECRET = 32;
/** A secret somebody else chose: taken as it is. */
const foreignSecret = line.refine((text) => text.trim() === text, "has spaces around it");
/** A secret this installation's operator chose. */
const ownSecret = z
  .string()
  .min(MIN_SECRET, `is too short: secrets have at least ${MIN_SECRET} characters`)
  .regex(/^[\x21-\x7e]*$/, "contains spaces, line breaks or characters outside ASCII");

/** Never quoted in messages: people put passwords into addresses. */
const address = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  const wrong =
    url === null || !["http:", "https:"].includes(url.protocol)
      ? "is not an http:// or https:// address"
      : url.username !== "" || url.password !== ""
        ? "holds a user name or password, which addresses must not"
        : url.search !== "" || url.hash !== ""
          ? "holds a ? or # part"
          : null;
  if (url === null || wrong !== null) {
    context.addIssue({ code: "custom", message: wrong ?? "" });
    return z.NEVER;
  }
  return url.href.replace(/\/+$/, "");
});

/** The scheme, host and port alone: our routes and image names can not live below a path. */
const origin = address.refine((text) => new URL(text).pathname === "/", "has a path; only scheme, host and port count");

const REPOSITORY = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;
const stagingName = z
  .string()
  .max(128, "is too long")
  .refine((text) => REPOSITORY.test(text.replaceAll("{build}", "x")), "is no repository name");

function whole(min: number, max: number): z.ZodType<number, string> {
  const message = `is not a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes: `512m`, `4g`, `4GiB`, `1048576`. */
function size(min: number, max: number): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const match = /^(\d{1,15}) ?([kmg]?)(?:i?b)?$/i.exec(text);
    const bytes = Number(match?.[1]) * (UNITS[match?.[2]?.toLowerCase() ?? ""] ?? 1);
    if (match === null || bytes < min || bytes > max) {
      const range = `${min / 1024 ** 2}m to ${max / 1024 ** 3}g`;
      context.addIssue({ code: "custom", message: `is not a size such as 512m or 4g (allowed: ${range})` });
      return z.NEVER;
    }
    return bytes;
  });
}

function choice<const T extends string>(...values: readonly T[]): z.ZodType<T, string> {
  const message = `is not one of ${values.join(", ")}`;
  return z.string().transform((text, context): T => {
    const value = values.find((candidate) => candidate === text);
    if (value === undefined) {
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
    return value;
  });
}

/** Never quoted: it holds a password. */
const smtpUrl = line.refine((text) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && ["smtp:", "smtps:"].includes(url.protocol) && url.hostname !== "" && url.search === "";
}, "is not smtp://… or smtps://… with a host, or has a ? part");

const mailFrom = line.refine(
  (text) => isEmail(/^[^<>]*<([^<>]+)>$/.exec(text)?.[1] ?? text),
  "is neither ADDRESS nor NAME <ADDRESS>",
);

/** Of Standard Webhooks: 24 to 64 bytes. */
const webhookSecret = z.string().refine((text) => {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const length = Buffer.from(base64 ?? "", "base64").length;
  return length >= 24 && length <= 64;
}, "is not whsec_ and 24 to 64 bytes in base64");

const addresses = z.string().transform((text, context) => {
  const read = text.split(",").map((part) => address.safeParse(part.trim()));
  const wrong = read.find((one) => !one.success);
  if (wrong !== undefined) {
    context.addIssue({ code: "custom", message: `has one that ${wrong.error.issues[0]?.message ?? "is none"}` });
    return z.NEVER;
  }
  return read.flatMap((one) => (one.success ? [one.data] : []));
});

/** Ids of people, as `hostKey` writes them. */
const people = z.string().transform((text, context) => {
  const read = text.split(",").map((part) => {
    const [, github, bitbucket] =
      /^(?:(github:[a-z][a-z0-9-]{0,30}:[1-9]\d{0,15})|bitbucket:default:\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?)$/i.exec(
        part.trim(),
      ) ?? [];
    if (github !== undefined) return github.toLowerCase();
    return bitbucket === undefined ? null : `bitbucket:default:{${bitbucket.toLowerCase()}}`;
  });
  if (read.includes(null)) {
    context.addIssue({ code: "custom", message: "has one that is no id of a person" });
    return z.NEVER;
  }
  return read.flatMap((one) => one ?? []);
});

const key32 = z.string().transform((text, context) => {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== 32 || bytes.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, "")) {
    context.addIssue({ code: "custom", message: "is not 32 bytes in base64" });
    return z.NEVER;
  }
  return bytes;
});

/** PEM, as PKCS #8. Line breaks may be the two characters `\n`, and the whole may be base64: one-line variables. */
export const privateKey: z.ZodType<string, string> = z.string().transform((text, context) => {
  const decoded = text.includes("-----BEGIN") ? text : Buffer.from(text, "base64").toString("utf8");
  try {
    const key = createPrivateKey(decoded.replaceAll("\\n", "\n"));
    if (key.asymmetricKeyType === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) {
      return key.export({ type: "pkcs8", format: "pem" }).toString();
    }
    context.addIssue({ code: "custom", message: "is not an RSA key of at least 2048 bits" });
  } catch {
    // The reason names nothing a person could act on, and may quote the key.
    context.addIssue({ code: "custom", message: "is not a private key that can be read" });
  }
  return z.NEVER;
});

/** `github:default`: a provider and one of its hosts, as accounts' ids begin. */
const accountHost = z.string().transform((text, context): { provider: Provider; host: string } => {
  const [, provider, host] = /^(github|bitbucket):([a-z0-9][a-z0-9.-]*)$/.exec(text) ?? [];
  if (host === undefined) {
    context.addIssue({ code: "custom", message: "is not PROVIDER:HOST, such as github:default" });
    return z.NEVER;
  }
  return { provider: provider === "github" ? "github" : "bitbucket", host };
});

const appPage = "GitHub → Settings → Developer settings → GitHub Apps → your app → General";
const developApps = "Bitbucket → workspace settings → Develop apps";
const random = "make one with: openssl rand -hex 32";
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export const VARIABLES = {
  PORT: defaulting("Addresses", whole(0, 65_535), "3000", {
    about: "Port to listen on; `0` takes a free one.",
    todo: "give a free port",
    example: "3000",
  }),
  HOST: defaulting("Addresses", line, "127.0.0.1", {
    about: "Address to listen on. `0.0.0.0` or `::` lets other machines in; put a proxy with TLS before it.",
    todo: "give an IP address or host name of this machine",
    example: "127.0.0.1",
  }),
  PUBLIC_URL: optional("Addresses", origin, {
    fallbackText: "`http://localhost:$PORT`",
    about: "How GitHub, Bitbucket and browsers reach this server. Links in checks start with it.",
    todo: "give scheme, host and port, e.g. https://builds.example.com",
    example: "https://builds.example.com",
  }),
  API_RATE: defaulting("Addresses", whole(1, 1_000_000), "600", {
    about: "How many requests a minute each API token may send (docs/api.md). The operator's token is not limited.",
    todo: "give a whole number of requests",
    example: "600",
  }),
  DATA_DIR: defaulting("Data and keys", line, "data", {
    about: "Folder for the SQLite file, keys and build logs. Back it up.",
    todo: "give a folder this user can write to",
    example: "/var/lib/wharfinger",
  }),
  DATABASE_URL: optional("Data and keys", databaseUrl, {
    fallbackText: "`sqlite:$DATA_DIR/wharfinger.db`",
    secret: true,
    about:
      "The database: `sqlite:PATH` for one process, `postgres://USER:PASSWORD@HOST/DATABASE` (14 or later) for several. " +
      "`?sslmode=verify-full&sslrootcert=FILE` encrypts the connection.",
    todo: "leave it out, or give sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE",
    example: "sqlite:/var/lib/wharfinger/wharfinger.db",
  }),
  SECRET_KEY: optional("Data and keys", key32, {
    fallbackText: "made on first start as `$DATA_DIR/secret.key`",
    secret: true,
    about: "32 bytes in base64. Encrypts the secrets in the database.",
    todo: "leave it out to have one made, or make one with: openssl rand -base64 32",
    example: "(openssl rand -base64 32)",
  }),
  SECRET_KEY_PREVIOUS: optional("Data and keys", key32, {
    secret: true,
    about: "The key before `SECRET_KEY` was changed; still opens what it sealed.",
    todo: "give the former SECRET_KEY, or leave it out",
    example: "(the former SECRET_KEY)",
  }),
  ADMIN_TOKEN: optional("Data and keys", ownSecret, {
    secret: true,
    about: "The operator's token for the pages and `/api`. Without it both stay closed, also for this machine.",
    todo: random,
    example: "(openssl rand -hex 32)",
  }),
  OPERATORS: optional("Data and keys", people, {
    about:
      "People who may do everything here once they have signed in with their host, by id and separated by commas. Names " +
      "are not taken: they change hands. See docs/sign-in.md.",
    todo: "give ids such as github:default:583231,bitbucket:default:{9484702e-c663-4afd-aefb-c93a8cd31c28}",
    example: "github:default:583231",
  }),
  APP_ID: optional("GitHub", whole(1, Number.MAX_SAFE_INTEGER), {
    about: "Number of the GitHub App.",
    todo: `copy the App ID from ${appPage} (a number, not the client id)`,
    example: "123456",
  }),
  PRIVATE_KEY: optional("GitHub", privateKey, {
    secret: true,
    about: "The app's private key (PEM). Line breaks may be written as `\\n`; base64 of the file works too.",
    todo: `generate one at ${appPage} → Private keys, or use PRIVATE_KEY_PATH with the downloaded .pem file`,
    example: "-----BEGIN RSA PRIVATE KEY-----\\n…",
  }),
  PRIVATE_KEY_PATH: optional("GitHub", line, {
    about: "File with the app's private key, instead of `PRIVATE_KEY`.",
    todo: `download the .pem file from ${appPage} → Private keys and give its path`,
    example: "/etc/wharfinger/app.pem",
  }),
  WEBHOOK_SECRET: optional("GitHub", ownSecret, {
    secret: true,
    about: "Signs GitHub's deliveries; the same text as in the app's settings.",
    todo: `${random}, and put the same text at ${appPage} → Webhook secret`,
    example: "(openssl rand -hex 32)",
  }),
  WEBHOOK_SECRET_PREVIOUS: optional("GitHub", ownSecret, {
    secret: true,
    about: "The secret before `WEBHOOK_SECRET` was changed; still accepted, so that changing it loses no delivery.",
    todo: "give the former WEBHOOK_SECRET, or leave it out",
    example: "(the former WEBHOOK_SECRET)",
  }),
  GITHUB_CLIENT_ID: optional("GitHub", line, {
    about: "Client id of the app: people sign in with their GitHub accounts (docs/sign-in.md). Goes with its secret.",
    todo: `copy the Client ID from ${appPage}`,
    example: "Iv23li…",
  }),
  GITHUB_CLIENT_SECRET: optional("GitHub", foreignSecret, {
    secret: true,
    about: "Client secret of the app.",
    todo: `generate one at ${appPage} → Client secrets`,
    example: "(from GitHub)",
  }),
  GITHUB_URL: defaulting("GitHub", address, "https://github.com", {
    about: "Address of GitHub: GitHub Enterprise Server, ghe.com or an emulator. Goes together with `GITHUB_API_URL`.",
    todo: "give the address people open, e.g. https://ghe.example.com",
    example: "https://ghe.example.com",
  }),
  GITHUB_API_URL: defaulting("GitHub", address, "https://api.github.com", {
    about: "Address of GitHub's REST API. Goes together with `GITHUB_URL`.",
    todo: "give https://HOST/api/v3 (Enterprise Server) or https://api.SUBDOMAIN.ghe.com",
    example: "https://ghe.example.com/api/v3",
  }),
  GITHUB_HOSTS_FILE: optional("GitHub", line, {
    about:
      "A YAML file with further GitHub hosts, such as an Enterprise Server beside github.com; each has an App and a webhook " +
      "path of its own (docs/github-hosts.md). Read at the start.",
    todo: "put it right as docs/github-hosts.md says, or leave it out",
    example: "/etc/wharfinger/github-hosts.yml",
  }),
  BITBUCKET_URL: defaulting("Bitbucket Cloud", address, "https://bitbucket.org", {
    about:
      "Address of Bitbucket Cloud, or of an emulator. Goes together with `BITBUCKET_API_URL`. Setting any of the first four " +
      "of this table also serves the Connect add-on; signed webhooks (`wharfinger connect bitbucket`) need none of them.",
    todo: "give the address people open, e.g. https://bitbucket.org, or leave both addresses out",
    example: "https://bitbucket.org",
  }),
  BITBUCKET_API_URL: defaulting("Bitbucket Cloud", address, "https://api.bitbucket.org", {
    about: "Address of Bitbucket's REST API, without `/2.0`. Goes together with `BITBUCKET_URL`.",
    todo: "give the address of the API, e.g. https://api.bitbucket.org, or leave both addresses out",
    example: "https://api.bitbucket.org",
  }),
  BITBUCKET_APP_KEY: defaulting(
    "Bitbucket Cloud",
    z.string().regex(/^[A-Za-z0-9._-]+$/, "has characters other than letters, digits, dots, dashes and underscores"),
    "wharfinger",
    {
      about:
        "Key of the Connect add-on. New Connect apps can not be registered or installed since 2 February 2026, and " +
        "Connect's support ends in December 2026: without an app registered before, use `wharfinger connect bitbucket`.",
      todo: `copy the key of an app registered at ${developApps}, or leave it out and use: wharfinger connect bitbucket`,
      example: "wharfinger",
    },
  ),
  BITBUCKET_APP_SECRET: optional("Bitbucket Cloud", foreignSecret, {
    secret: true,
    about:
      "Secret of the registered Connect app, where Bitbucket signs with one for all workspaces. Without it each " +
      "install brings its own.",
    todo: `copy the secret of the app from ${developApps}, or leave it out`,
    example: "(from Bitbucket)",
  }),
  BITBUCKET_CLIENT_ID: optional("Bitbucket Cloud", line, {
    about: "Key of the OAuth consumer people sign in with (docs/sign-in.md). Goes with its secret.",
    todo: "copy the key from Bitbucket → workspace settings → OAuth consumers, or leave both out",
    example: "(from Bitbucket)",
  }),
  BITBUCKET_CLIENT_SECRET: optional("Bitbucket Cloud", foreignSecret, {
    secret: true,
    about: "Secret of the OAuth consumer.",
    todo: "copy the secret from Bitbucket → workspace settings → OAuth consumers, or leave both out",
    example: "(from Bitbucket)",
  }),
  REGISTRY_URL: optional("Registry", origin, {
    about: "The Docker registry images are pushed to. `http://` means a registry without TLS.",
    todo: "give the registry's address, e.g. https://registry.example.com",
    example: "https://registry.example.com",
  }),
  REGISTRY_USERNAME: optional("Registry", line, {
    about:
      "Who pushes and publishes. Without it the registry trusts this program's own tokens (see docs/operations.md), or asks nobody.",
    todo: "give a user that may push to every namespace; it goes together with REGISTRY_PASSWORD",
    example: "wharfinger",
  }),
  REGISTRY_PASSWORD: optional("Registry", foreignSecret, {
    secret: true,
    about:
      "Password or access token of `REGISTRY_USERNAME`. May be shorter than our own secrets: the registry made it.",
    todo: "give the password or access token of REGISTRY_USERNAME",
    example: "(from the registry)",
  }),
  REGISTRY_STAGING: defaulting("Registry", stagingName, "staging/{build}", {
    about:
      "Repository builds push to before the service publishes their image; `{build}` stands for the build's id. " +
      "A registry that allows one account only, such as Docker Hub, needs a name below it, e.g. `acme/staging`.",
    todo: "give a repository name in lower case, e.g. staging/{build}",
    example: "staging/{build}",
  }),
  REGISTRY_TOKEN_ISSUER: defaulting("Registry", line, "wharfinger", {
    about: "Issuer named in registry tokens: `auth.token.issuer` of the registry's configuration.",
    todo: "give what the registry's configuration has, or leave it out",
    example: "wharfinger",
  }),
  REGISTRY_TOKEN_SERVICE: optional("Registry", line, {
    fallbackText: "host of `REGISTRY_URL`",
    about: "Service named in registry tokens: `auth.token.service` of the registry's configuration.",
    todo: "give what the registry's configuration has, or leave it out",
    example: "registry.example.com",
  }),
  REGISTRY_TOKEN_KID: defaulting("Registry", z.enum(["libtrust", "rfc7638", "x5c"]), "libtrust", {
    about:
      "How registry tokens name their key: `libtrust` for Distribution 2, `rfc7638` or `x5c` (the certificate itself) for later ones.",
    todo: "give libtrust, rfc7638 or x5c",
    example: "libtrust",
  }),
  REGISTRY_EVENTS_SECRET: optional("Registry", ownSecret, {
    secret: true,
    about: "Bearer token of the registry's notifications to `POST /registry/events`. Without it they are not taken.",
    todo: random,
    example: "(openssl rand -hex 32)",
  }),
  NAMESPACE_POLICY: defaulting("Registry", choice("approve", "automatic", "fixed"), "approve", {
    about:
      "Who gets a namespace when an account installs: `approve`, whom the operator confirms; `automatic`, accounts of " +
      "`NAMESPACE_HOST` theirs by name where it is free; `fixed`, whom `NAMESPACE_MAP_FILE` lists. See docs/namespaces.md.",
    todo: "set approve, automatic or fixed, or leave it out",
    example: "approve",
  }),
  NAMESPACE_HOST: optional("Registry", accountHost, {
    fallbackText: "the only configured host",
    about: "The one host whose accounts get namespaces by themselves with `NAMESPACE_POLICY=automatic`.",
    todo: "give github:default or bitbucket:default",
    example: "github:default",
  }),
  NAMESPACE_MAP_FILE: optional("Registry", line, {
    about:
      "With `NAMESPACE_POLICY=fixed`: a YAML file that lists the accounts of each namespace by id. Read at the start.",
    todo: "give a file with lines such as `acme: [github:default:186853002]` (docs/namespaces.md)",
    example: "/etc/wharfinger/namespaces.yml",
  }),
  BUILDER: defaulting("Builds", choice("buildah", "webhook"), "buildah", {
    about:
      "What builds images: `buildah` on this machine, or builders elsewhere that claim builds over HTTP (`webhook`, see docs/http-builder.md).",
    todo: "set buildah or webhook, or leave it out",
    example: "buildah",
  }),
  BUILDER_TOKEN: optional("Builds", ownSecret, {
    secret: true,
    about: "Bearer token with which HTTP builders claim builds. Whoever has it can read what is built.",
    todo: random,
    example: "(openssl rand -hex 32)",
  }),
  BUILDER_URLS: optional("Builds", addresses, {
    about: "Addresses, separated by commas, that are told when builds wait. Builders may also just ask.",
    todo: "give https:// addresses separated by commas, or leave it out",
    example: "https://builder.example.com/offers",
  }),
  BUILDER_WEBHOOK_SECRET: optional("Builds", webhookSecret, {
    secret: true,
    about: "Signs what `BUILDER_URLS` are told, as Standard Webhooks has it.",
    todo: "make one with: echo whsec_$(openssl rand -base64 32)",
    example: "(echo whsec_$(openssl rand -base64 32))",
  }),
  BUILDER_WEBHOOK_SECRET_PREVIOUS: optional("Builds", webhookSecret, {
    secret: true,
    about: "The secret before `BUILDER_WEBHOOK_SECRET` was changed; still signs, too.",
    todo: "give the former BUILDER_WEBHOOK_SECRET, or leave it out",
    example: "(the former BUILDER_WEBHOOK_SECRET)",
  }),
  BUILD_CONCURRENCY: defaulting("Builds", whole(1, 256), String(availableParallelism()), {
    fallbackText: "number of CPU cores",
    about: "How many builds run at once.",
    todo: "give a number of builds this machine can hold",
    example: "2",
  }),
  BUILD_NETWORK: defaulting("Builds", choice("none", "internet", "host"), "internet", {
    about:
      "What builds reach, `FROM` and `ADD` included, besides the registry. `internet`: public addresses, nothing private " +
      "and nothing of this machine. `none`: nothing. `host`: all that this machine reaches, internal services included; " +
      "only for repositories you trust.",
    todo: "set internet, none, or host if all who can push may reach what this machine reaches",
    example: "internet",
  }),
  BUILD_TIMEOUT: defaulting("Builds", whole(10, 86_400), "3600", {
    about: "Seconds after which a build is stopped.",
    todo: "give seconds",
    example: "3600",
  }),
  BUILD_MEMORY: defaulting("Builds", size(64 * MIB, 1024 * GIB), "4GiB", {
    about: "Memory of one build. `512m`, `4g` and `4GiB` are understood.",
    todo: "give a size such as 4g",
    example: "4GiB",
  }),
  BUILD_CPUS: optional("Builds", whole(1, 1024), {
    fallbackText: "all there are",
    about: "Processors one build may use.",
    todo: "give a number of processors, or leave it out",
    example: "2",
  }),
  BUILD_DISK: defaulting("Builds", size(256 * MIB, 16 * 1024 * GIB), "20GiB", {
    about: "What one build may write, layers and caches included.",
    todo: "give a size such as 20g",
    example: "20GiB",
  }),
  BUILD_DNS: optional("Builds", z.ipv4("is not an IPv4 address"), {
    fallbackText: "the machine's",
    about:
      "Name server of builds that have a network. The machine's own may tell them internal names (not reach them).",
    todo: "give the IPv4 address of a public name server, or leave it out",
    example: "9.9.9.9",
  }),
  BUILD_LOG_LIMIT: defaulting("Builds", size(MIB / 16, GIB), "16MiB", {
    about: "Longest log of one build; what comes after is dropped with a note.",
    todo: "give a size such as 16m",
    example: "16MiB",
  }),
  RETENTION_BODIES_DAYS: defaulting("Retention", whole(1, 36_500), "30", {
    about: "Days the raw bodies of deliveries are kept. They hold commit messages and e-mail addresses.",
    todo: "give days",
    example: "30",
  }),
  RETENTION_DELIVERIES_DAYS: defaulting("Retention", whole(1, 36_500), "400", {
    about: "Days deliveries and their decisions are kept.",
    todo: "give days, at least RETENTION_BODIES_DAYS",
    example: "400",
  }),
  RETENTION_UNINSTALLED_DAYS: defaulting("Retention", whole(1, 36_500), "30", {
    about:
      "Days builds, logs and deliveries of an uninstalled account wait for it to come back, before they are purged.",
    todo: "give days",
    example: "30",
  }),
  SMTP_URL: optional("Notifications", smtpUrl, {
    secret: true,
    about:
      "The mail server that sends notifications. `smtps://` encrypts from the beginning, `smtp://` where the server offers " +
      "it. Without it nobody is told by e-mail.",
    todo: "give smtps://USER:PASSWORD@HOST:PORT, with %40 for an @ in the user name or password",
    example: "smtps://wharfinger:password@mail.acme.example:465",
  }),
  MAIL_FROM: optional("Notifications", mailFrom, {
    about: "Whom notifications come from. Needed with `SMTP_URL`.",
    todo: "give an address, or a name and an address in angle brackets",
    example: "Wharfinger <builds@acme.example>",
  }),
  NOTIFY_NETWORK: defaulting("Notifications", choice("internet", "host"), "internet", {
    about:
      "Where webhooks of notifications may lead, which owners of accounts give. `internet`: public addresses only. `host`: " +
      "all that this machine reaches, for a chat server of your own; owners can then have requests sent to any of it.",
    todo: "set internet, or host if all owners may have requests sent into this machine's network",
    example: "internet",
  }),
  LOG_LEVEL: defaulting("Log", choice("debug", "info", "warn", "error"), "info", {
    about: "Least severe messages to log: `debug`, `info`, `warn`, `error`.",
    todo: "set debug, info, warn or error",
    example: "info",
  }),
  LOG_FORMAT: optional("Log", choice("pretty", "json"), {
    fallbackText: "`pretty` on a terminal, else `json`",
    about: "`pretty` for people, `json` (one object a line) for machines.",
    todo: "set pretty or json",
    example: "json",
  }),
} as const;

export type VariableName = keyof typeof VARIABLES;

export type Values = {
  readonly [N in VariableName]: (typeof VARIABLES)[N] extends Variable<infer T> ? T : never;
};

/** Table of all variables in the order of their definition, by name. */
export const TABLE: readonly (readonly [VariableName, Variable<unknown>])[] = Object.entries(VARIABLES) as [
  VariableName,
  Variable<unknown>,
][];

export type Environment = Readonly<Record<string, string | undefined>>;

export function isSet(env: Environment, name: VariableName): boolean {
  return (env[name] ?? "") !== "";
}
