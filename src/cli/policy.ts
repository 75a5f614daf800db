import { oneLine } from "../core/markdown.ts";
import { hostKey, type Installation } from "../core/model.ts";
import { POLICY_SETTINGS, type PolicySetting, parsePolicyArguments, policyArguments } from "../core/policy-settings.ts";
import { installationJson } from "../engine/shapes.ts";
import type { CliStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export interface PolicyOptions {
  /** Null: all installations. */
  readonly account: string | null;
  /** `NAME=VALUE`; empty: nothing is changed. */
  readonly settings: readonly string[];
  readonly json: boolean;
}

/**
 * `wharfinger policy [ACCOUNT] [NAME=VALUE ...]`: what installations allow. 1: no such installation, or the name stands
 * for several; 2: a name or value that does not exist. Nothing was changed then.
 */
export async function policy(options: PolicyOptions, store: CliStore, terminal: Terminal): Promise<ExitCode> {
  const { account, settings, json } = options;
  if (account?.includes("=")) {
    terminal.err(`policy: give the account first: wharfinger policy ACCOUNT ${[account, ...settings].join(" ")}\n`);
    return 2;
  }
  const parsed = parsePolicyArguments(settings);
  if (!parsed.ok) {
    terminal.err(`policy: ${parsed.message}\n`);
    return 2;
  }
  const all = await installations(store);
  if (account === null) {
    terminal.out(json ? jsonLine({ items: all.map(installationJson), next: null }) : list(all));
    return 0;
  }
  const found = named(all, account);
  const [only] = found;
  if (only === undefined || found.length > 1) {
    terminal.err(`policy: ${only === undefined ? unknown(account) : ambiguous(account, found)}\n`);
    return 1;
  }
  const changed = settings.length === 0 ? only.policy : await store.setPolicy(only, parsed.policy);
  if (changed === null) {
    terminal.err(`policy: ${unknown(account)}\n`);
    return 1;
  }
  const now = { ...only, policy: changed };
  terminal.out(json ? jsonLine(installationJson(now)) : description(now));
  return 0;
}

async function installations(store: CliStore): Promise<readonly Installation[]> {
  const all: Installation[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = await store.listInstallations({ limit: 100, cursor });
    all.push(...page.items);
    if (page.next === null) return all;
    cursor = page.next;
  }
}

/**
 * Ids are exact, and `provider:host:id` is always one. Hosts compare logins without case, and who installs the app anew
 * gets another id: what was removed is only meant where its id is given.
 */
function named(all: readonly Installation[], account: string): readonly Installation[] {
  const exact = all.filter((one) => hostKey(one) === account);
  if (exact.length > 0) return exact;
  const login = account.toLowerCase();
  return all.filter((one) => {
    const name = one.account.login.toLowerCase();
    const byLogin = one.state !== "removed" && [name, `${one.provider}:${name}`].includes(login);
    return byLogin || one.id === account;
  });
}

function unknown(account: string): string {
  return `no installation ${JSON.stringify(account)} is known here. All of them: wharfinger policy`;
}

function ambiguous(account: string, found: readonly Installation[]): string {
  return `${JSON.stringify(account)} stands for ${found.map(hostKey).map(oneLine).join(" and ")}; give one of these`;
}

function list(all: readonly Installation[]): string {
  if (all.length === 0) return "There are no installations yet. Installing the app makes one.\n";
  return all.map((one) => `${heading(one)}\n    ${policyArguments(one.policy).join(" ")}\n`).join("");
}

function description(installation: Installation): string {
  const values = policyArguments(installation.policy);
  const width = Math.max(...values.map((value) => value.length));
  const rows = POLICY_SETTINGS.map((setting, index) => row((values[index] ?? "").padEnd(width), setting));
  return `${[heading(installation), "", ...rows].join("\n")}\n`;
}

/** The settings, for the command's help. */
export function settingsHelp(): string {
  const width = Math.max(...POLICY_SETTINGS.map(({ name }) => name.length));
  return `\nSettings:\n${POLICY_SETTINGS.map(({ name, ...setting }) => `${row(name.padEnd(width), setting)}\n`).join("")}`.trimEnd();
}

function row(first: string, { meaning, allowed }: Pick<PolicySetting, "meaning" | "allowed">): string {
  return `  ${first}  ${meaning} (${allowed})`;
}

function heading(installation: Installation): string {
  const { provider, account, state, namespace } = installation;
  const where = namespace === null ? "no namespace" : `namespace ${namespace}`;
  return oneLine(`${provider}:${account.login} (${hostKey(installation)}): ${state}, ${where}`);
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
