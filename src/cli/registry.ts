import type { Command } from "commander";
import type { By } from "../core/audit.ts";
import { oneLine } from "../core/markdown.ts";
import type { Done, RegistryDesk, ShownRegistry, Trial } from "../engine/registry-desk.ts";
import { registryJson } from "../engine/shapes.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

/** The desk on the configured database. */
export interface OpenRegistryDesk extends RegistryDesk {
  close(): Promise<void>;
}

const OPERATOR: By = { kind: "operator" };

export interface SettingFlags {
  readonly url?: string;
  readonly kind?: string;
  /** A file. */
  readonly ca?: string;
  readonly noCa?: true;
  readonly insecure?: boolean;
  readonly namespaces?: string;
  readonly staging?: string;
  /** Separated by commas. */
  readonly accounts?: string;
  readonly tokenService?: string;
  readonly tokenKid?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly json: boolean;
}

type Run = (work: (desk: RegistryDesk) => Promise<ExitCode>) => Promise<void>;

/** `wharfinger registry …`: where images may go besides the registry the environment names. */
export function addRegistryCommands<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const run: Run = async (work) =>
    done(
      await withConfig(parts, async (config) => {
        const desk = await parts.openRegistries(config);
        try {
          return await work(desk);
        } finally {
          await desk.close();
        }
      }),
    );
  const group = program.command("registry").description("add, change, try and remove registries, and what opens them");
  addLooks(group, run, terminal);
  addChanges(group, run, terminal);
  addCredentials(group, run, terminal);
}

function addLooks(group: Command, run: Run, terminal: Terminal): void {
  group
    .command("list")
    .description("all registries, who signs in there, and which namespaces are in them")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("registry list"))
    .action(({ json }: { json: boolean }) => run((desk) => listRegistries(desk, json, terminal)));
  group
    .command("test")
    .description("sign in with every credential of a registry, and begin a push with it")
    .argument("<name>", "as registry list shows it")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("registry test default", "registry test hub"))
    .action((name: string, { json }: { json: boolean }) => run((desk) => testRegistry(name, desk, json, terminal)));
}

function addChanges(group: Command, run: Run, terminal: Terminal): void {
  const settings = (command: Command) =>
    command
      .option("--url <url>", "scheme, host and port: https://registry.example.com")
      .option("--kind <kind>", "token: it trusts this program's tokens; basic: it has user names and passwords")
      .option("--ca <file>", "certificates (PEM) to trust there besides the usual ones")
      .option("--no-ca", "trust the usual ones only")
      .option("--insecure", "plain http, or whatever certificate it has")
      .option("--no-insecure", "take that back")
      .option("--namespaces <template>", "namespace of a new account: {account}, {host}-{account}, ci-{account}")
      .option("--staging <template>", "where builds push to: staging/{build}, {namespace}/wharfinger-staging")
      .option("--accounts <hosts>", "hosts whose new accounts go here: github:default,bitbucket:default")
      .option("--token-service <name>", "its auth.token.service; default: its host")
      .option("--token-kid <format>", "how tokens name their key: libtrust, rfc7638, x5c")
      .option("--username <name>", "sign in as this user; the password comes from standard input")
      .option("--password-file <file>", "read the password from a file instead")
      .option("--json", "print one JSON object", false);
  settings(group.command("add").description("add a registry, once it takes what it is given").argument("<name>"))
    .addHelpText(
      "after",
      examples(
        "registry add hub --url https://docker.io --kind basic --staging {namespace}/staging --username acme < token",
        "registry add second --url https://registry.example.com --kind token --ca ca.pem",
      ),
    )
    .action((name: string, flags: SettingFlags) =>
      run(async (desk) => {
        const there = (await desk.list()).some((one) => one.name === name);
        if (there)
          return refuse(terminal, 1, `${name} is there already. To change it: wharfinger registry set ${name}`);
        return await saveRegistry(name, flags, desk, terminal);
      }),
    );
  settings(group.command("set").description("change what is given of a registry, once it takes it").argument("<name>"))
    .addHelpText("after", examples("registry set second --ca new-ca.pem", "registry set second --no-ca"))
    .action((name: string, flags: SettingFlags) =>
      run(async (desk) => {
        const there = (await desk.list()).some((one) => one.name === name);
        if (!there) return refuse(terminal, 1, `there is no registry ${JSON.stringify(name)} to change`);
        return await saveRegistry(name, flags, desk, terminal);
      }),
    );
  group
    .command("remove")
    .description("remove a registry that nothing is in any more, and erase its credentials")
    .argument("<name>")
    .addHelpText("after", examples("registry remove second"))
    .action((name: string) =>
      run(async (desk) => told(await desk.remove(name, OPERATOR), `${name} is removed.`, terminal)),
    );
  group
    .command("use")
    .description("publish the images of a namespace there from now on; what was published stays where it is")
    .argument("<name>", "the registry")
    .argument("<namespace>")
    .addHelpText("after", examples("registry use hub acme", "registry use default acme"))
    .action((name: string, namespace: string) =>
      run(async (desk) => {
        const text = `Images of ${namespace} that are planned from now on go to ${name}.`;
        return told(await desk.use(name, namespace, OPERATOR), text, terminal);
      }),
    );
}

function addCredentials(group: Command, run: Run, terminal: Terminal): void {
  const credentials = group.command("credential").description("what opens a registry, or one namespace of it");
  credentials
    .command("set")
    .description("keep a user name and password, once the registry takes them")
    .argument("<registry>")
    .requiredOption("--username <name>", "the password comes from standard input")
    .option("--password-file <file>", "read the password from a file instead")
    .option("--namespace <name>", "for this namespace only")
    .addHelpText(
      "after",
      examples(
        "registry credential set hub --username acme < token",
        "registry credential set harbor --namespace acme …",
      ),
    )
    .action((name: string, flags: { username: string; passwordFile?: string; namespace?: string }) =>
      run(async (desk) => {
        const password = await readPassword(flags.passwordFile ?? "-", terminal);
        if (typeof password !== "string") return refuse(terminal, 2, password.problem);
        const credential = { username: flags.username, password };
        const answer = await desk.setCredential(name, flags.namespace ?? null, credential, OPERATOR);
        return told(answer, "The registry takes it. It is kept, sealed.", terminal);
      }),
    );
  credentials
    .command("remove")
    .description("erase a credential")
    .argument("<registry>")
    .option("--namespace <name>", "that of this namespace")
    .addHelpText("after", examples("registry credential remove hub", "registry credential remove hub --namespace acme"))
    .action((name: string, { namespace }: { namespace?: string }) =>
      run(async (desk) =>
        told(await desk.removeCredential(name, namespace ?? null, OPERATOR), "It is erased.", terminal),
      ),
    );
}

async function saveRegistry(
  name: string,
  flags: SettingFlags,
  desk: RegistryDesk,
  terminal: Terminal,
): Promise<ExitCode> {
  const { username, passwordFile, accounts, ca: caFile, noCa: _, json, ...plain } = flags;
  // `--no-ca` arrives as `ca: false`.
  const ca = (caFile as string | false | undefined) ?? undefined;
  const given: Record<string, unknown> = { ...plain };
  if (accounts !== undefined)
    given["accounts"] = accounts
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== "");
  if (ca === false) given["ca"] = null;
  if (typeof ca === "string") {
    const text = await readFile(ca, terminal);
    if (typeof text !== "string") return refuse(terminal, 2, text.problem);
    given["ca"] = text;
  }
  let credential = null;
  if (username !== undefined) {
    const password = await readPassword(passwordFile ?? "-", terminal);
    if (typeof password !== "string") return refuse(terminal, 2, password.problem);
    credential = { username, password };
  } else if (passwordFile !== undefined) {
    return refuse(terminal, 2, "--password-file goes together with --username");
  }
  const saved = await desk.save(name, given, credential, OPERATOR);
  if (!saved.ok) return refuse(terminal, saved.kind === "bad" ? 2 : 1, saved.message);
  terminal.out(json ? `${JSON.stringify(registryJson(saved.value), null, 2)}\n` : description(saved.value));
  return 0;
}

async function listRegistries(desk: RegistryDesk, json: boolean, terminal: Terminal): Promise<ExitCode> {
  const all = await desk.list();
  const document = { items: all.map(registryJson), next: null };
  terminal.out(json ? `${JSON.stringify(document, null, 2)}\n` : all.map(description).join("\n"));
  return 0;
}

async function testRegistry(name: string, desk: RegistryDesk, json: boolean, terminal: Terminal): Promise<ExitCode> {
  const tested = await desk.test(name);
  if (!tested.ok) return refuse(terminal, 1, tested.message);
  const good = tested.value.every((one) => one.ok);
  terminal.out(
    json ? `${JSON.stringify({ ok: good, trials: tested.value }, null, 2)}\n` : tested.value.map(trialLine).join(""),
  );
  return good ? 0 : 1;
}

function trialLine({ what, ok, detail, todo }: Trial): string {
  const line = `${ok ? "ok     " : "problem"}  ${oneLine(what)}: ${oneLine(detail)}\n`;
  return ok ? line : `${line}         → ${oneLine(todo)}\n`;
}

function description({ name, host, settings, username, credentials, namespaces }: ShownRegistry): string {
  const { kind, url, insecure, ca, staging, accounts } = settings;
  const trust = insecure ? "not checked" : ca === null ? "as usual" : "certificates of its own";
  const opens = kind === "token" ? "this program's tokens" : oneLine(username ?? "nobody");
  const lines = [
    `${name}  ${url} (${kind})`,
    `  images      ${host}/NAMESPACE/…`,
    `  trusted     ${trust}`,
    `  signs in    ${opens}`,
    ...credentials.map((one) => `              ${one.namespace}: ${oneLine(one.username)}`),
    ...(kind === "token" ? [`  service     ${settings.tokenService ?? host}`] : []),
    `  staging     ${staging}`,
    `  namespaces  ${settings.namespaces}${accounts.length === 0 ? "" : `, of new accounts of ${accounts.join(", ")}`}`,
    `  holds       ${namespaces.length === 0 ? "none" : namespaces.join(", ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

function told(answer: Done<true>, text: string, terminal: Terminal): ExitCode {
  if (!answer.ok) return refuse(terminal, answer.kind === "bad" ? 2 : 1, answer.message);
  terminal.out(`${text}\n`);
  return 0;
}

function refuse(terminal: Terminal, code: 1 | 2, message: string): ExitCode {
  terminal.err(`registry: ${oneLine(message)}\n`);
  return code;
}

/** One line end after it is the editor's or the shell's, not the password's. */
async function readPassword(file: string, terminal: Terminal): Promise<string | { readonly problem: string }> {
  if (file === "-") terminal.err("Reading the password from standard input …\n");
  const text = file === "-" ? await terminal.stdin() : await readFile(file, terminal);
  if (typeof text !== "string") return text;
  const password = text.replace(/\r?\n$/, "");
  const good = password !== "" && password.length <= 8_192 && !/[\p{Cc}]/u.test(password);
  return good ? password : { problem: `${file === "-" ? "standard input" : file} does not hold one password` };
}

async function readFile(path: string, terminal: Terminal): Promise<string | { readonly problem: string }> {
  try {
    return await terminal.readFile(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    return { problem: `${JSON.stringify(path)} can not be read (${code})` };
  }
}
