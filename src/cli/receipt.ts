import type { Command } from "commander";
import { oneLine } from "../core/markdown.ts";
import { hostKey } from "../core/model.ts";
import type { Receipt } from "../core/receipt.ts";
import { receiptJson, receiptStanding } from "../engine/receipt-shapes.ts";
import type { ReceiptStore } from "../engine/receipts-port.ts";
import { accountName, accountNames } from "./accounts.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig, withStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export type ReceiptsStore = Pick<ReceiptStore, "receipt" | "listReceipts">;

/** `wharfinger receipt [ACCOUNT]`: what became of what an uninstalled account had here. 1: there is no such receipt. */
export async function receipt(
  { account, json }: { readonly account: string | null; readonly json: boolean },
  store: ReceiptsStore,
  terminal: Terminal,
): Promise<ExitCode> {
  if (account === null) {
    const all = await allReceipts(store);
    terminal.out(json ? jsonLine({ items: all.map(receiptJson), next: null }) : list(all));
    return 0;
  }
  const found = await receiptOf(account, store);
  if (found === null) {
    terminal.err(
      `receipt: ${JSON.stringify(account)} has none: it was never removed, or is not known. All of them: wharfinger receipt\n`,
    );
    return 1;
  }
  terminal.out(json ? jsonLine(receiptJson(found)) : description(found));
  return 0;
}

/** The newest of those meant: an id, `PROVIDER:HOST:ID`, or a login, which removed accounts may share. */
async function receiptOf(account: string, store: ReceiptsStore): Promise<Receipt | null> {
  const login = account.toLowerCase();
  const means = ({ installation, account: owner }: Receipt) =>
    [hostKey(installation), installation.id].includes(account) || accountNames(owner).includes(login);
  return (await allReceipts(store)).find(means) ?? null;
}

async function allReceipts(store: ReceiptsStore): Promise<readonly Receipt[]> {
  const all: Receipt[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = await store.listReceipts({ limit: 100, cursor });
    all.push(...page.items);
    if (page.next === null) return all;
    cursor = page.next;
  }
}

function list(all: readonly Receipt[]): string {
  if (all.length === 0) return "No account has uninstalled the app yet.\n";
  return all.map((one) => `${heading(one)}\n    ${receiptStanding(one)}\n`).join("");
}

function heading({
  account,
  installation,
  removedAt,
}: Pick<Receipt, "account" | "installation" | "removedAt">): string {
  return oneLine(`${accountName(account)} (${hostKey(installation)}): removed ${removedAt}`);
}

function description(one: Receipt): string {
  const width = Math.max(0, ...one.items.map(({ what }) => what.length));
  const rows = one.items.map(
    ({ what, state, count, detail }) => `  ${state.padEnd(7)}  ${what.padEnd(width)}  ${count}  ${oneLine(detail)}`,
  );
  return `${[heading(one), receiptStanding(one), ...(rows.length === 0 ? [] : ["", ...rows])].join("\n")}\n`;
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

export function addReceipt<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  program
    .command("receipt")
    .description("say what became of everything an uninstalled account had here")
    .argument("[account]", "LOGIN, PROVIDER:LOGIN or the installation's id; left out: all of them")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("receipt", "receipt acme", "receipt github:default:4711 --json"))
    .action((account: string | undefined, { json }: { json: boolean }) =>
      withConfig(parts, (config) =>
        withStore(parts, config, (store) => receipt({ account: account ?? null, json }, store, parts.terminal)),
      ).then(done),
    );
}
