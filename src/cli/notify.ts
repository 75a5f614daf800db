import type { Command } from "commander";
import { oneLine } from "../core/markdown.ts";
import { NOTICE_EVENTS, type NoticeKind, parseNoticeEvents } from "../core/notices.ts";
import { type NoticeDesk, targetJson } from "../engine/notices.ts";
import type { NoticeTarget } from "../engine/notices-port.ts";
import type { Store } from "../engine/store-port.ts";
import { findInstallation } from "./accounts.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

/** The open database and what is set up to tell people. */
export interface OpenNotices extends NoticeDesk, Pick<Store, "listInstallations"> {
  close(): Promise<void>;
}

interface Flags {
  readonly json: boolean;
}

/** `wharfinger notify list ACCOUNT`. 1: no such installation. */
async function list(account: string, { json }: Flags, desk: OpenNotices, terminal: Terminal): Promise<ExitCode> {
  const found = await installationOf(account, desk, terminal);
  if (found === null) return 1;
  const all = await desk.list(found);
  const none = `Nobody is told of ${account}'s builds. Change it: wharfinger notify add ${account} --email ADDRESS\n`;
  if (json) terminal.out(jsonLine({ items: all.map(targetJson), next: null }));
  else terminal.out(all.length === 0 ? none : all.map((one) => `${line(one)}\n`).join(""));
  return 0;
}

interface AddFlags extends Flags {
  readonly email?: string;
  readonly webhook: boolean;
  readonly on: string;
}

/** `wharfinger notify add ACCOUNT`. 1: it is not added. 2: misspelled. */
async function add(account: string, flags: AddFlags, desk: OpenNotices, terminal: Terminal): Promise<ExitCode> {
  const { email, webhook, json } = flags;
  const events = parseNoticeEvents(flags.on);
  if (!events.ok) return refuse(2, `--on: ${events.message}`, terminal);
  if ((email === undefined) !== webhook) return refuse(2, "give either --email ADDRESS or --webhook", terminal);
  const kind: NoticeKind = webhook ? "webhook" : "email";
  // Not an argument: whoever has the address of a webhook can write there, and lists of processes show arguments.
  const address = email ?? (await terminal.stdin()).trim();
  const found = await installationOf(account, desk, terminal);
  if (found === null) return 1;
  const added = await desk.add({ installation: found, kind, address, events: events.events }, { kind: "operator" });
  if (added.kind === "refused") return refuse(1, added.why, terminal);
  const { target } = added;
  const tried = `Try it: wharfinger notify test ${account} ${target.id}\n`;
  terminal.out(json ? jsonLine(targetJson(target)) : `added    ${line(target)}\n${tried}`);
  return 0;
}

/** `wharfinger notify remove ACCOUNT ID`. 1: there is none. */
async function remove(account: string, id: string, desk: OpenNotices, terminal: Terminal): Promise<ExitCode> {
  const found = await installationOf(account, desk, terminal);
  if (found === null) return 1;
  if (!(await desk.remove(found, id, { kind: "operator" }))) return refuse(1, noneOf(id, account), terminal);
  terminal.out("removed\n");
  return 0;
}

/** `wharfinger notify test ACCOUNT ID`. 1: it was not taken. */
async function test(account: string, id: string, desk: OpenNotices, terminal: Terminal): Promise<ExitCode> {
  const found = await installationOf(account, desk, terminal);
  if (found === null) return 1;
  const tried = await desk.test(found, id);
  if (tried === null) return refuse(1, noneOf(id, account), terminal);
  if (!tried.ok) return refuse(1, tried.why, terminal);
  terminal.out("sent\n");
  return 0;
}

function noneOf(id: string, account: string): string {
  return `${account} has no notification ${JSON.stringify(id)}. All of them: wharfinger notify list ${account}`;
}

async function installationOf(account: string, desk: OpenNotices, terminal: Terminal) {
  const found = await findInstallation(desk, account);
  if (found.ok) return found.installation;
  terminal.err(`notify: ${found.why}\n`);
  return null;
}

function refuse(code: ExitCode, why: string, terminal: Terminal): ExitCode {
  terminal.err(`notify: ${why}\n`);
  return code;
}

function line({ id, kind, shown, events, toldAt, problem }: NoticeTarget): string {
  const last = toldAt === null ? "nothing told yet" : `last told ${toldAt.slice(0, 16)}Z`;
  const trouble = problem === null ? "" : `  given up ${problem.at.slice(0, 16)}Z: ${oneLine(problem.why)}`;
  return `${id}  ${kind}  ${shown}  ${events.join(",")}  ${last}${trouble}`;
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

export function addNotify<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const withDesk = async (command: (desk: OpenNotices) => Promise<ExitCode>) =>
    done(
      await withConfig(parts, async (config) => {
        const open = await parts.openNotices(config);
        try {
          return await command(open);
        } finally {
          await open.close();
        }
      }),
    );
  const account = "LOGIN, PROVIDER:LOGIN or the installation's id";
  const group = program.command("notify").description("tell people of failed and fixed builds, by e-mail or chat");
  group
    .command("list")
    .description("who is told of an account's builds, and whether that works")
    .argument("<account>", account)
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("notify list acme"))
    .action((name: string, flags: Flags) => withDesk((desk) => list(name, flags, desk, terminal)));
  group
    .command("add")
    .description("tell an e-mail address, or a chat by its incoming webhook (Slack, Mattermost …)")
    .argument("<account>", account)
    .option("--email <address>", "whom to tell")
    .option("--webhook", "a webhook, whose address is read from standard input", false)
    .option("--on <events>", "of what: failed, fixed", NOTICE_EVENTS.join(","))
    .option("--json", "print one JSON object", false)
    .addHelpText(
      "after",
      examples("notify add acme --email team@acme.example", "notify add acme --webhook --on failed < address.txt"),
    )
    .action((name: string, flags: AddFlags) => withDesk((desk) => add(name, flags, desk, terminal)));
  group
    .command("remove")
    .description("tell an address nothing any more")
    .argument("<account>", account)
    .argument("<id>", "as notify list shows it")
    .action((name: string, id: string) => withDesk((desk) => remove(name, id, desk, terminal)));
  group
    .command("test")
    .description("send a test to an address")
    .argument("<account>", account)
    .argument("<id>", "as notify list shows it")
    .action((name: string, id: string) => withDesk((desk) => test(name, id, desk, terminal)));
}
