import { oneLine } from "../core/markdown.ts";
import { hostKey, type Installation } from "../core/model.ts";
import { POLICY_SETTINGS, type PolicySetting, parsePolicyArguments, policyArguments } from "../core/policy-settings.ts";
import { installationJson } from "../engine/shapes.ts";
import { accountName, allInstallations, findInstallation, unknownAccount } from "./accounts.ts";
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
  if (account === null) {
    const all = await allInstallations(store);
    terminal.out(json ? jsonLine({ items: all.map(installationJson), next: null }) : list(all));
    return 0;
  }
  const found = await findInstallation(store, account);
  if (!found.ok) {
    terminal.err(`policy: ${found.why}\n`);
    return 1;
  }
  const only = found.installation;
  const changed =
    settings.length === 0 ? only.policy : await store.setPolicy(only, parsed.policy, { kind: "operator" });
  if (changed === null) {
    terminal.err(`policy: ${unknownAccount(account)}\n`);
    return 1;
  }
  const now = { ...only, policy: changed };
  terminal.out(json ? jsonLine(installationJson(now)) : description(now));
  return 0;
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
  const { account, state, namespace, claim } = installation;
  const none = claim === undefined ? "no namespace" : `waits for a namespace (claim ${claim.id})`;
  const where = namespace === null ? none : `namespace ${namespace}`;
  return oneLine(
    `${accountName({ ...installation, login: account.login })} (${hostKey(installation)}): ${state}, ${where}`,
  );
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
