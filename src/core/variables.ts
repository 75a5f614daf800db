/**
 * What owners give the builds of their repositories: variables, which are build arguments, and secrets, for
 * `RUN --mount=type=secret`. They are set for an installation or for one of its repositories, and a repository's count
 * more. Never for builds of what strangers wrote.
 */
import { isMaskable, SHORTEST_MASKED } from "./masks.ts";

export type VariableKind = "variable" | "secret";

/** By name. */
export interface Variables {
  readonly variables: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
}

/** Bytes of one value. */
export const LONGEST_VALUE: Readonly<Record<VariableKind, number>> = { variable: 4 * 1024, secret: 32 * 1024 };
/** Variables and secrets of one installation, and of one repository. */
export const MOST_VARIABLES = 100;
/** Bytes of all their values. */
export const MOST_VARIABLE_BYTES = 64 * 1024;

/** `_` first is for tools. The other is also the name of a file, and stands between commas in an argument. */
const NAMES: Readonly<Record<VariableKind, { readonly pattern: RegExp; readonly rule: string }>> = {
  variable: {
    pattern: /^[A-Za-z][A-Za-z0-9_]{0,63}$/,
    rule: "The name of a variable is a letter, then letters, digits and _, at most 64 in all",
  },
  secret: {
    pattern: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    rule: "The name of a secret is a letter or digit, then letters, digits, _, . and -, at most 64 in all",
  },
};

interface Reserved {
  readonly pattern: RegExp;
  readonly why: string;
}

const OURS: Reserved = { pattern: /^wharfinger/, why: "such names are kept for Wharfinger itself" };

/**
 * Variables are in the environment of the tool that builds, beside the registry's credential, before they are in that of
 * any RUN: whatever it, its libraries or the shell that starts it look at there is not theirs to set. Names in lower case:
 * case does not count.
 */
const RESERVED: Readonly<Record<VariableKind, readonly Reserved[]>> = {
  variable: [
    OURS,
    {
      pattern: /^(?:(?:target|build)(?:platform|os|osversion|arch|variant)|buildkit_.*)$/,
      why: "builders give it a meaning of their own",
    },
    {
      pattern: /^(?:https?|ftp|all|no)_proxy$/,
      why: "the tool that builds would use it, too; for RUN alone, set it in the file's build_args",
    },
    {
      pattern: /^(?:path|home|user|logname|shell|term|tmpdir|lang|language|lc_.*|xdg_.*|ssl_cert_(?:file|dir))$/,
      why: "the tool that builds has its own",
    },
    {
      pattern:
        /^(?:buildah_.*|build_registry_sources|containers_.*|container_(?:host|sshkey|connection|proxy)|storage_(?:driver|opts)|registr(?:y_auth_file|ies_config_path)|docker_(?:config|host|context|cert_path|tls_verify|tls|api_version|buildkit|content_trust.*)|runc_.*|git_.*|gnupghome|ssh_(?:auth_sock|askpass.*)|dbus_.*|notify_socket|listen_(?:fds|pid|fdnames))$/,
      why: "it would change how the tool that builds works",
    },
    {
      pattern:
        /^(?:ld_.*|glibc_tunables|malloc_.*|gconv_path|locpath|nlspath|hostaliases|res_options|localdomain|resolv_host_conf|tzdir|openssl_(?:conf|engines|modules)|curl_.*|go(?:debug|gc|maxprocs|memlimit|traceback|race|coverdir))$/,
      why: "it would change how programs are started",
    },
    {
      pattern:
        /^(?:bash.*|shellopts|env|ifs|ps[0-4]|pwd|oldpwd|shlvl|e?uid|ppid|groups|s?random|seconds|epoch(?:seconds|realtime)|lineno|opt(?:ind|arg|err)|dirstack|funcname|histcmd|pipestatus|comp_.*)$/,
      why: "shells give it a meaning of their own",
    },
  ],
  secret: [OURS, { pattern: /^git-credentials$/, why: "builds get the Git host's credentials under it" }],
};

/** Why no variable or secret may have this name; null: it may. Names that were good once may be reserved by now. */
export function nameProblem(kind: VariableKind, name: string): string | null {
  const { pattern, rule } = NAMES[kind];
  if (!pattern.test(name)) return `${rule}.`;
  const lower = name.toLowerCase();
  const reserved = RESERVED[kind].find((one) => one.pattern.test(lower));
  return reserved === undefined ? null : `${name} can not be the name of a ${kind}: ${reserved.why}.`;
}

/** Why this can not be kept, a sentence that does not quote the value; null: it can. */
export function variableProblem(kind: VariableKind, name: string, value: string): string | null {
  const problem = nameProblem(kind, name);
  if (problem !== null) return problem;
  const longest = LONGEST_VALUE[kind];
  if (Buffer.byteLength(value) > longest) return `The value is longer than ${longest / 1024} KiB.`;
  // What was not UTF-8 was read as U+FFFD: what is kept would not be what was meant.
  if (/[\0\ufffd\p{Cs}]/u.test(value)) {
    return "The value is not text: it has a zero byte, or is not UTF-8. Give it as base64, and decode it in the Dockerfile.";
  }
  if (kind === "secret" && !isMaskable(value)) {
    return `A secret needs a line of at least ${SHORTEST_MASKED} characters: shorter ones could not be masked in logs.`;
  }
  return null;
}

/**
 * What a build gets of what is set, and what its log is to say about the rest.
 *
 * The file's own build arguments count more than variables: they are the pushed commit's, and the signed request names
 * them. So whoever set the variable is told.
 */
export function variablesFor(
  { installation, repository }: { readonly installation: Variables; readonly repository: Variables },
  buildArgs: Readonly<Record<string, string>>,
): Variables & { readonly notes: readonly string[] } {
  const set = new Map<string, { readonly kind: VariableKind; readonly value: string }>();
  for (const { variables, secrets } of [installation, repository]) {
    for (const [name, value] of Object.entries(variables)) set.set(name, { kind: "variable", value });
    for (const [name, value] of Object.entries(secrets)) set.set(name, { kind: "secret", value });
  }
  const notes: string[] = [];
  const given: Record<VariableKind, [string, string][]> = { variable: [], secret: [] };
  for (const [name, { kind, value }] of [...set].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const problem = nameProblem(kind, name);
    if (problem !== null) {
      notes.push(`The ${kind} ${name} is left out. ${problem}`);
    } else if (kind === "variable" && Object.hasOwn(buildArgs, name)) {
      notes.push(`The variable ${name} is left out: the file's build_args set it.`);
    } else {
      given[kind].push([name, value]);
    }
  }
  return { variables: Object.fromEntries(given.variable), secrets: Object.fromEntries(given.secret), notes };
}
