import type { ApiTokenStore } from "../engine/api-tokens-port.ts";
import type { OpenConnections } from "../engine/connections-port.ts";
import type { Store } from "../engine/store-port.ts";
import type { VariableStore } from "../engine/variables-port.ts";
import type { OpenAuthorizer } from "./approve.ts";
import type { OpenBuilds } from "./builds.ts";
import type { OpenNamespaces } from "./namespace.ts";
import type { OpenNotices } from "./notify.ts";
import type { OpenPausing } from "./pause.ts";
import type { PayloadParsers } from "./plan.ts";
import type { OpenRegistryDesk } from "./registry.ts";
import type { Rotation } from "./rotate.ts";
import type { OpenSettings } from "./settings.ts";
import type { ExitCode, Terminal } from "./terminal.ts";
import type { OpenTokens } from "./token.ts";

/** What commands are given; `C` is the configuration, which they only hand on. */
export interface CliParts<C> {
  readonly version: string;
  readonly terminal: Terminal;
  config(): ConfigRead<C> | Promise<ConfigRead<C>>;
  /** What is missing for `start` in particular. */
  startProblems(): readonly ConfigProblem[] | Promise<readonly ConfigProblem[]>;
  /** Null: this is no first run; else serves the setup wizard, and once it is finished goes on as {@link start} does. */
  firstRun(): Promise<(() => Promise<ExitCode>) | null>;
  /** Variables of the environment and of the database; rejects as {@link openStore} does. */
  openSettings(): Promise<OpenSettings>;
  /** First words for who starts it for the first time. */
  startHelp(): string;
  /** Serves and builds until told to stop; `serve` and `work` are its halves. */
  start(config: C): Promise<ExitCode>;
  serve(config: C): Promise<ExitCode>;
  work(config: C): Promise<ExitCode>;
  /** Whether the database is one that several processes may work on. */
  severalProcesses(config: C): boolean;
  /** Rejects with an error that says what to do, e.g. when the schema is not current. */
  openStore(config: C): Promise<CliStore>;
  /** Connections to Bitbucket; rejects as {@link openStore} does. */
  openConnections(config: C): Promise<OpenConnections>;
  /** Registries and what opens them; rejects as {@link openStore} does. */
  openRegistries(config: C): Promise<OpenRegistryDesk>;
  /** The database, and the hosts to ask what would be built; rejects as {@link openStore} does. */
  openPausing(config: C): Promise<OpenPausing>;
  /** The database, and the hosts to ask where refs are; rejects as {@link openStore} does. */
  openBuilds(config: C): Promise<OpenBuilds>;
  /** Namespaces and who may write them; rejects as {@link openStore} does. */
  openNamespaces(config: C): Promise<OpenNamespaces>;
  /** Access tokens of namespaces; rejects as {@link openStore} does. */
  openTokens(config: C): Promise<OpenTokens>;
  /** Who is told of builds, and the ways to tell them; rejects as {@link openStore} does. */
  openNotices(config: C): Promise<OpenNotices>;
  /** Asks the configured hosts what people may do; rejects as {@link openStore} does. */
  openAuthorizer(config: C): ReturnType<OpenAuthorizer>;
  /** Brings the schema up to date; answers the names of what was applied. */
  migrate(config: C): Promise<readonly string[]>;
  /** Secrets and keys that can be changed. */
  rotations(config: C): readonly Rotation[];
  /** Every dependency and credential that can be tried. */
  checks(config: C): readonly DoctorCheck[] | Promise<readonly DoctorCheck[]>;
  /** Where browsers reach the service. */
  publicUrl(config: C): string;
  readonly parsers: PayloadParsers;
}

export type CliStore = Pick<
  Store,
  | "findDelivery"
  | "deliveryBody"
  | "listBuilds"
  | "getBuild"
  | "approveBuild"
  | "getInstallation"
  | "listInstallations"
  | "setPolicy"
  | "auditAfter"
  | "publishedImage"
  | "repositoriesNamed"
  | "shareImage"
  | "unshareImage"
  | "setImagePublic"
  | "giveImage"
  | "allowAccess"
  | "disallowAccess"
  | "listAccess"
  | "findRepositories"
  | "badgeFacts"
  | "badgeKey"
  | "receipt"
  | "listReceipts"
  | keyof ApiTokenStore
  | "close"
> &
  Pick<VariableStore, "listVariables" | "saveVariable" | "removeVariable">;

export type ConfigRead<C> =
  | { readonly ok: true; readonly config: C; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

export interface ConfigProblem {
  readonly variable: string;
  readonly wrong: string;
  readonly todo: string;
}

export interface DoctorCheck {
  readonly name: string;
  run(): Promise<CheckResult>;
}

/** `todo` is what to do about a problem, one line each; empty when all is well. */
export interface CheckResult {
  readonly ok: boolean;
  readonly detail: string;
  readonly todo: string;
}

/** Exit code for a configuration that can not be used: EX_CONFIG of sysexits.h. */
export const EX_CONFIG = 78;

/** All problems, one paragraph each. */
export function problemLines(problems: readonly ConfigProblem[]): string {
  return problems.map(({ variable, wrong, todo }) => `  ${variable} ${wrong}\n      → ${todo}\n`).join("");
}

/** Runs a command that needs the configuration; prints its warnings, or its problems and answers 78. */
export async function withConfig<C>(parts: CliParts<C>, command: (config: C) => Promise<ExitCode>): Promise<ExitCode> {
  const read = await parts.config();
  if (!read.ok) {
    const count = read.problems.length;
    parts.terminal.err(`The configuration has ${count === 1 ? "a problem" : `${count} problems`}:\n\n`);
    parts.terminal.err(problemLines(read.problems));
    return EX_CONFIG;
  }
  for (const warning of read.warnings) {
    parts.terminal.err(`warning: ${warning}\n`);
  }
  return command(read.config);
}

/** Runs a command on the open database; closes it in any case. */
export async function withStore<C>(
  parts: CliParts<C>,
  config: C,
  command: (store: CliStore) => Promise<ExitCode>,
): Promise<ExitCode> {
  const store = await parts.openStore(config);
  try {
    return await command(store);
  } finally {
    await store.close();
  }
}
