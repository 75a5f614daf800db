import type { Command } from "commander";
import type { By } from "../core/audit.ts";
import { oneLine } from "../core/markdown.ts";
import type { VariableKind } from "../core/variables.ts";
import type { FurtherRepositoryStore } from "../engine/further-repositories-port.ts";
import type { Store } from "../engine/store-port.ts";
import { setVariable, variableJson } from "../engine/variables.ts";
import type { ShownVariable, VariablePlace, VariableStore } from "../engine/variables-port.ts";
import { findInstallation } from "./accounts.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig, withStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export type VariableCliStore = Pick<VariableStore, "listVariables" | "saveVariable" | "removeVariable"> &
  Pick<FurtherRepositoryStore, "findRepositories"> &
  Pick<Store, "listInstallations">;

const OPERATOR: By = { kind: "operator" };

interface Named {
  readonly kind: VariableKind;
  /** ACCOUNT, or OWNER/NAME of a repository. */
  readonly target: string;
}

/** `wharfinger variable list TARGET`, and of secrets. 1: no such installation or repository. */
export async function list(
  { kind, target, json }: Named & { readonly json: boolean },
  store: VariableCliStore,
  terminal: Terminal,
): Promise<ExitCode> {
  const found = await findPlace(target, store);
  if (!found.ok) return refuse(kind, 1, found.why, terminal);
  const all = (await store.listVariables(found.place)).filter((one) => one.kind === kind);
  if (json) {
    terminal.out(`${JSON.stringify({ items: all.map(variableJson), next: null }, null, 2)}\n`);
    return 0;
  }
  const none = `There are no ${kind}s of ${found.name}. Set one: wharfinger ${kind} set ${target} NAME\n`;
  terminal.out(all.map((one) => `${line(one)}\n`).join("") || none);
  return 0;
}

export interface SetOptions extends Named {
  readonly name: string;
  /** Null: of the file. */
  readonly value: string | null;
  /** Null: of standard input, without the line feed at its end. */
  readonly file: string | null;
}

/**
 * `wharfinger variable set TARGET NAME`, and of secrets. 1: no such installation or repository, or it can not be kept there;
 * 2: a name or value that can not be, or a file that can not be read. Nothing was changed then.
 */
export async function set(options: SetOptions, store: VariableCliStore, terminal: Terminal): Promise<ExitCode> {
  const { kind, target, name } = options;
  const found = await findPlace(target, store);
  if (!found.ok) return refuse(kind, 1, found.why, terminal);
  const value = await readValue(options, terminal);
  if (value === null) return refuse(kind, 2, `can not read ${options.file}`, terminal);
  const done = await setVariable(store, found.place, { kind, name, value }, OPERATOR);
  if (done.kind === "refused") return refuse(kind, done.code === "bad-variable" ? 2 : 1, done.why, terminal);
  terminal.out(`saved   ${kind} ${name} of ${found.name}, fingerprint ${done.variable.fingerprint}\n`);
  return 0;
}

/** `wharfinger variable remove TARGET NAME`, and of secrets. 1: there is none. */
export async function remove(
  { kind, target, name }: Named & { readonly name: string },
  store: VariableCliStore,
  terminal: Terminal,
): Promise<ExitCode> {
  const found = await findPlace(target, store);
  if (!found.ok) return refuse(kind, 1, found.why, terminal);
  if (!(await store.removeVariable(found.place, { kind, name }, OPERATOR))) {
    return refuse(kind, 1, `there is no ${kind} ${JSON.stringify(name)} of ${found.name}`, terminal);
  }
  terminal.out(`removed ${kind} ${oneLine(name)} of ${found.name}\n`);
  return 0;
}

function line({ name, value, fingerprint, savedAt }: ShownVariable): string {
  if (value === null) return `${name}  fingerprint ${fingerprint}  saved ${savedAt.slice(0, 10)}`;
  return `${name}=${oneLine(value) === value ? value : JSON.stringify(value)}`;
}

async function readValue({ value, file }: SetOptions, terminal: Terminal): Promise<string | null> {
  if (value !== null) return value;
  if (file === null) return (await terminal.stdin()).replace(/\r?\n$/, "");
  return await terminal.readFile(file).catch(() => null);
}

type Found =
  | { readonly ok: true; readonly place: VariablePlace; readonly name: string }
  | { readonly ok: false; readonly why: string };

/** No account has a slash in its name. What is saved is for the one id a name stands for. */
async function findPlace(target: string, store: VariableCliStore): Promise<Found> {
  if (!target.includes("/")) {
    const found = await findInstallation(store, target);
    if (!found.ok) return found;
    const { installation } = found;
    const name = `all repositories of ${oneLine(installation.account.login)}`;
    return { ok: true, place: { installation, repository: null }, name };
  }
  const [only, ...others] = await store.findRepositories(target);
  if (only === undefined) return { ok: false, why: `no repository ${JSON.stringify(target)} is known here` };
  if (others.length > 0) {
    return {
      ok: false,
      why: `${JSON.stringify(target)} stands for several repositories; name it by its id, over the API`,
    };
  }
  return { ok: true, place: { installation: only.installation, repository: only }, name: oneLine(only.fullName) };
}

function refuse(kind: VariableKind, code: 1 | 2, why: string, terminal: Terminal): ExitCode {
  terminal.err(`${kind}: ${why}\n`);
  return code;
}

const WORDS: Readonly<Record<VariableKind, { readonly about: string; readonly value: string }>> = {
  variable: {
    about: "build arguments that all trusted builds of an account's repositories get, or those of one repository",
    value: "its value is read from standard input, unless it is given",
  },
  secret: {
    about: "secrets that trusted builds mount (RUN --mount=type=secret,id=NAME); nobody can see one again",
    value: "its value is read from standard input, or from a file",
  },
};

/** `wharfinger variable …` and `wharfinger secret …`. */
export function addVariableCommands<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  for (const kind of ["variable", "secret"] as const) addCommands(program, kind, parts, done);
}

function addCommands<C>(
  program: Command,
  kind: VariableKind,
  parts: CliParts<C>,
  done: (code: ExitCode) => void,
): void {
  const { terminal } = parts;
  const inStore = async (command: (store: VariableCliStore) => Promise<ExitCode>) =>
    done(await withConfig(parts, (config) => withStore(parts, config, command)));
  const group = program.command(kind).description(WORDS[kind].about);
  const target = ["<target>", "ACCOUNT as with `policy`, or OWNER/NAME of a repository"] as const;
  group
    .command("list")
    .description(`the ${kind}s of an account, or of one repository alone`)
    .argument(...target)
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples(`${kind} list acme`, `${kind} list acme/api --json`))
    .action((name: string, { json }: { json: boolean }) =>
      inStore((store) => list({ kind, target: name, json }, store, terminal)),
    );
  const setCommand = group
    .command("set")
    .description(`set a ${kind}; ${WORDS[kind].value}`)
    .argument(...target)
    .argument("<name>", "letters, digits and _")
    .option("--file <file>", "take the value from a file, as it is");
  // A secret would be seen in the list of processes, and kept in the shell's history.
  if (kind === "variable") setCommand.option("--value <value>", "the value itself");
  setCommand
    .addHelpText("after", examples(...SET_EXAMPLES[kind]))
    .action((where: string, name: string, flags: { file?: string; value?: string }) => {
      const options = { kind, target: where, name, value: flags.value ?? null, file: flags.file ?? null };
      return inStore((store) => set(options, store, terminal));
    });
  group
    .command("remove")
    .description(`remove a ${kind}; builds that have it already keep it`)
    .argument(...target)
    .argument("<name>")
    .addHelpText("after", examples(`${kind} remove acme/api ${kind === "secret" ? "npm-token" : "GO_VERSION"}`))
    .action((where: string, name: string) =>
      inStore((store) => remove({ kind, target: where, name }, store, terminal)),
    );
}

const SET_EXAMPLES: Readonly<Record<VariableKind, readonly string[]>> = {
  variable: ["variable set acme GOPROXY --value https://proxy.example.com", "variable set acme/api NOTES < notes.txt"],
  secret: ["secret set acme npm-token < token.txt", "secret set acme/api deploy-key --file id_ed25519"],
};
