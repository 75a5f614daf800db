import type { Command } from "commander";
import type { By } from "../core/audit.ts";
import { oneLine } from "../core/markdown.ts";
import { type HostId, hostKey } from "../core/model.ts";
import type { Claim, Grant, Ledger, NamespaceSummary } from "../engine/claims-store-port.ts";
import type { Decided, NamespaceDesk } from "../engine/namespace-desk.ts";
import { claimJson, ledgerJson, namespaceJson } from "../engine/namespace-shapes.ts";
import type { Page, PageQuery, Store } from "../engine/store-port.ts";
import { accountName, findInstallation } from "./accounts.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export interface OpenNamespaces extends NamespaceDesk, Pick<Store, "listInstallations"> {
  close(): Promise<void>;
}

const OPERATOR: By = { kind: "operator" };

interface Json {
  readonly json: boolean;
}

interface Insists {
  readonly share: boolean;
  readonly anyway: boolean;
}

/** `wharfinger namespaces`: every namespace and who may write it. */
async function list({ json }: Json, open: OpenNamespaces, terminal: Terminal): Promise<ExitCode> {
  const all = await everything((query) => open.namespaces(query));
  if (json) terminal.out(jsonLine({ items: all.map(namespaceJson), next: null }));
  else if (all.length === 0) terminal.out("Nobody owns a namespace yet. Who asks for one: wharfinger claims\n");
  else terminal.out(all.map((one) => `${one.name}  ${writersOf(one)}\n`).join(""));
  return 0;
}

/** `wharfinger namespace NAME`: who may write it, since when, why, by whom; what is in it. 1: nobody ever owned it. */
async function show(name: string, { json }: Json, open: OpenNamespaces, terminal: Terminal): Promise<ExitCode> {
  const ledger = await open.ledger(name);
  if (ledger === null) {
    return refuse(`nobody ever owned ${JSON.stringify(name)}. All of them: wharfinger namespaces`, terminal);
  }
  terminal.out(json ? jsonLine(ledgerJson(ledger)) : `${description(ledger).join("\n")}\n`);
  return 0;
}

/** `wharfinger claims`: who waits for a namespace, and why. */
async function claims({ json, all }: Json & { all: boolean }, open: OpenNamespaces, terminal: Terminal) {
  const found = await everything((query) => open.claims({ ...query, waiting: !all }));
  if (json) terminal.out(jsonLine({ items: found.map(claimJson), next: null }));
  else if (found.length === 0) terminal.out("Nobody waits for a namespace.\n");
  else terminal.out(found.map((one) => `${claimLine(one)}\n`).join(""));
  return 0 as const;
}

async function approve(
  id: string,
  { as, ...insists }: Insists & { as?: string },
  open: OpenNamespaces,
  terminal: Terminal,
): Promise<ExitCode> {
  const decided = await open.approve(id, { ...insists, as: as ?? null }, OPERATOR);
  return told(decided, ({ namespace }) => `granted  ${namespace}; what waited for it is built now`, terminal);
}

async function refuseClaim(id: string, open: OpenNamespaces, terminal: Terminal): Promise<ExitCode> {
  return told(
    await open.refuse(id, OPERATOR),
    () => "refused  the account is not asked about again for this name",
    terminal,
  );
}

async function grant(name: string, account: string, insists: Insists, open: OpenNamespaces, terminal: Terminal) {
  return withInstallation(account, open, terminal, async (id) => {
    return told(await open.grant(name, id, insists, OPERATOR), () => `granted  ${name}`, terminal);
  });
}

async function revoke(name: string, account: string, open: OpenNamespaces, terminal: Terminal) {
  return withInstallation(account, open, terminal, async (id) => {
    const decided = await open.revoke(name, id, OPERATOR);
    return told(decided, ({ canceled }) => `revoked  ${name}; builds canceled: ${canceled}; its images stay`, terminal);
  });
}

async function code(name: string, account: string | null, open: OpenNamespaces, terminal: Terminal) {
  const made = async (from: HostId | null) => {
    const decided = await open.code(name, from, OPERATOR);
    return told(
      decided,
      ({ code: made, until }) =>
        `code     ${made}\nuntil    ${until}, once\n` +
        `enter    wharfinger namespace join ${name} ACCOUNT   # the code on standard input`,
      terminal,
    );
  };
  return account === null ? made(null) : withInstallation(account, open, terminal, made);
}

/** The code comes from standard input: arguments can be seen by everybody on the machine. */
async function join(name: string, account: string, open: OpenNamespaces, terminal: Terminal): Promise<ExitCode> {
  return withInstallation(account, open, terminal, async (id) => {
    const typed = (await terminal.stdin()).trim();
    if (typed === "") {
      terminal.err(
        `namespace: give the code on standard input: echo CODE | wharfinger namespace join ${name} ${account}\n`,
      );
      return 2;
    }
    return told(await open.join(name, typed, id, OPERATOR), () => `joined   ${name}`, terminal);
  });
}

async function withInstallation(
  account: string,
  open: OpenNamespaces,
  terminal: Terminal,
  command: (id: HostId) => Promise<ExitCode>,
): Promise<ExitCode> {
  const found = await findInstallation(open, account);
  return found.ok ? command(found.installation) : refuse(found.why, terminal);
}

function told<T extends object>(decided: Decided<T>, words: (done: T) => string, terminal: Terminal): ExitCode {
  if (decided.kind !== "done") return refuse(decided.why, terminal);
  terminal.out(`${words(decided)}\n`);
  return 0;
}

function refuse(why: string, terminal: Terminal): ExitCode {
  terminal.err(`namespace: ${why}\n`);
  return 1;
}

async function everything<T>(page: (query: PageQuery) => Promise<Page<T>>): Promise<readonly T[]> {
  const all: T[] = [];
  for (let cursor: string | null = null; ; ) {
    const { items, next } = await page({ limit: 100, cursor });
    all.push(...items);
    if (next === null) return all;
    cursor = next;
  }
}

/** Names are whatever somebody has called themselves. */
function nameOf(account: HostId, login: string): string {
  return oneLine(`${accountName({ ...account, login })} (${hostKey(account)})`);
}

function writersOf({ writers }: NamespaceSummary): string {
  if (writers.length === 0) return "nobody any more";
  return writers.map(({ account, login }) => nameOf(account, login)).join(", ");
}

function claimLine({ id, account, namespace, state, why }: Claim): string {
  const what = namespace === null ? "a namespace" : namespace;
  return `${id}  ${what}  ${nameOf(account, account.login)}  ${state}: ${why}`;
}

function description(ledger: Ledger): string[] {
  const { name, registry, createdAt, writers, images, codeUntil } = ledger;
  return [
    `namespace  ${name}`,
    `registry   ${registry}`,
    `since      ${createdAt}`,
    ...(writers.length === 0 ? ["written by nobody any more"] : writers.flatMap(writerLines)),
    ...(codeUntil === null ? [] : [`code       one is open until ${codeUntil}`]),
    ...ledger.claims.map((claim) => `claim      ${claimLine(claim)}`),
    ...(images.length === 0 ? ["", "It has no images."] : [""]),
    ...images.map((image) => {
      const { fullName } = image.repository;
      return `${image.name}  of ${oneLine(fullName)} (${hostKey(image.repository)})${image.public ? ", public" : ""}`;
    }),
  ];
}

function writerLines({ account, login, since, why, by, installations }: Grant): string[] {
  const installed = installations.map((one) => `${one.id} (${one.state})`).join(", ");
  return [
    `written by ${nameOf(account, login)} since ${since}`,
    `           why: ${oneLine(why)}; by ${byText(by)}; installed: ${installed === "" ? "never" : installed}`,
  ];
}

function byText(by: By): string {
  if (by.kind === "operator") return "the operator";
  if (by.kind === "service") return "the policy";
  if (by.kind === "token") return `the API token ${oneLine(by.name)} (${by.id})`;
  return by.actor === null ? by.provider : `${oneLine(by.actor.login)} (${by.provider}:${by.host}:${by.actor.id})`;
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Who may publish where: what there is, who asks, and what is decided. */
export function addNamespaceCommands<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const opened = async (command: (open: OpenNamespaces) => Promise<ExitCode>) =>
    done(
      await withConfig(parts, async (config) => {
        const open = await parts.openNamespaces(config);
        try {
          return await command(open);
        } finally {
          await open.close();
        }
      }),
    );
  const share = ["--share", "also where others write it already, who go on to"] as const;
  const anyway = ["--anyway", "also where it looks like another, was somebody's, or has images already"] as const;
  program
    .command("namespaces")
    .description("list the namespaces, and which accounts may write each")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("namespaces", "namespaces --json"))
    .action((flags: Json) => opened((open) => list(flags, open, terminal)));
  program
    .command("claims")
    .description("list the accounts that wait for a namespace, and why")
    .option("--all", "also those that were decided", false)
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("claims", "claims --all --json"))
    .action((flags: Json & { all: boolean }) => opened((open) => claims(flags, open, terminal)));
  const claim = program.command("claim").description("decide about a claim");
  claim
    .command("approve")
    .description("give the account the namespace it asks for; what waited for that is built")
    .argument("<id>", "of the claim: wharfinger claims")
    .option("--as <name>", "give it another one")
    .option(...share, false)
    .option(...anyway, false)
    .addHelpText("after", examples("claim approve 4", "claim approve 4 --as acme-labs"))
    .action((id: string, flags: Insists & { as?: string }) => opened((open) => approve(id, flags, open, terminal)));
  claim
    .command("refuse")
    .description("refuse the account this name; it is not asked about again")
    .argument("<id>", "of the claim: wharfinger claims")
    .addHelpText("after", examples("claim refuse 4"))
    .action((id: string) => opened((open) => refuseClaim(id, open, terminal)));
  const namespace = program
    .command("namespace")
    .description("say who may write a namespace, since when and why; grant it, revoke it, let others in");
  namespace
    .command("show", { isDefault: true })
    .description("who may write it, and what is in it; `namespace NAME` for short")
    .argument("<name>", "the first part of image names: acme")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("namespace acme", "namespace show acme --json"))
    .action((name: string, flags: Json) => opened((open) => show(name, flags, open, terminal)));
  namespace
    .command("grant")
    .description("let an installation's account write a namespace")
    .argument("<name>")
    .argument("<account>", "LOGIN, PROVIDER:LOGIN or the installation's id")
    .option(...share, false)
    .option(...anyway, false)
    .addHelpText("after", examples("namespace grant acme github:acme", "namespace grant acme bitbucket:acme --share"))
    .action((name: string, account: string, flags: Insists) =>
      opened((open) => grant(name, account, flags, open, terminal)),
    );
  namespace
    .command("revoke")
    .description("take a namespace from an account: its builds are canceled, its images stay")
    .argument("<name>")
    .argument("<account>", "LOGIN, PROVIDER:LOGIN or the installation's id")
    .addHelpText("after", examples("namespace revoke acme bitbucket:acme"))
    .action((name: string, account: string) => opened((open) => revoke(name, account, open, terminal)));
  namespace
    .command("code")
    .description("make a one-time code that lets one more account in; an hour, once")
    .argument("<name>")
    .argument("[account]", "whose owner hands it on: LOGIN, PROVIDER:LOGIN or the installation's id")
    .addHelpText("after", examples("namespace code acme", "namespace code acme github:acme"))
    .action((name: string, account: string | undefined) =>
      opened((open) => code(name, account ?? null, open, terminal)),
    );
  namespace
    .command("join")
    .description("enter a one-time code for an account, from standard input")
    .argument("<name>")
    .argument("<account>", "who gets in: LOGIN, PROVIDER:LOGIN or the installation's id")
    .addHelpText("after", examples("namespace join acme bitbucket:acme < code"))
    .action((name: string, account: string) => opened((open) => join(name, account, open, terminal)));
}
