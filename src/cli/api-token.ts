import type { Command } from "commander";
import { TOKEN_DAYS } from "../core/access-tokens.ts";
import { API_TOKEN_ROLES, parseApiTokenWish, shownApiTokenId } from "../core/api-tokens.ts";
import type { By } from "../core/audit.ts";
import { oneLine } from "../core/markdown.ts";
import type { HostId, Installation } from "../core/model.ts";
import {
  type ApiTokens,
  apiTokenJson,
  apiTokenWorks,
  createApiTokens,
  madeApiTokenJson,
} from "../engine/api-tokens.ts";
import type { ApiToken, ApiTokenStore } from "../engine/api-tokens-port.ts";
import type { Clock } from "../engine/ports.ts";
import type { Store } from "../engine/store-port.ts";
import { findInstallation } from "./accounts.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig, withStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export type ApiTokenCliStore = ApiTokenStore & Pick<Store, "listInstallations" | "getInstallation">;

const OPERATOR: By = { kind: "operator" };

interface Target {
  /** LOGIN, PROVIDER:LOGIN or the installation's id. */
  readonly account: string;
  readonly json: boolean;
}

interface Opened {
  readonly installation: Installation;
  readonly tokens: ApiTokens;
}

/** `wharfinger api-token make ACCOUNT`: prints the token, once. 1: it can not be; 2: what was typed makes no token. */
export async function makeToken(
  { account, json, ...typed }: Target & { readonly name: string; readonly role: string; readonly days: string },
  store: ApiTokenCliStore,
  clock: Clock,
  terminal: Terminal,
): Promise<ExitCode> {
  const { name, role } = typed;
  const days = /^[0-9]{1,4}$/.test(typed.days) ? Number(typed.days) : typed.days;
  const parsed = parseApiTokenWish({ name, role, days });
  if (!parsed.ok) return refuse(2, parsed.message, terminal);
  return withTokens({ account }, store, clock, terminal, async ({ installation, tokens }) => {
    const made = await tokens.make(idOf(installation), parsed.wish, OPERATOR);
    if (made.kind === "refused") return refuse(1, made.why, terminal);
    if (json) {
      terminal.out(jsonLine(madeApiTokenJson(made)));
      return 0;
    }
    const { token, secret } = made;
    terminal.out(`made     ${token.name} (${shownApiTokenId(token.id)}): ${token.role}, ${oneLine(installation.account.login)}, until ${minute(token.expiresAt)}
token    ${secret}

It is shown this once. A program sends it as \`Authorization: Bearer wha_…\`; docs/api.md says what it may.
`);
    return 0;
  });
}

/** `wharfinger api-token list ACCOUNT`: all there ever were, newest first. 1: there is no such installation. */
export async function listTokens(
  { account, json }: Target,
  store: ApiTokenCliStore,
  clock: Clock,
  terminal: Terminal,
): Promise<ExitCode> {
  return withTokens({ account }, store, clock, terminal, async ({ installation, tokens }) => {
    const all: ApiToken[] = [];
    for (let cursor: string | null = null; ; ) {
      const page = await tokens.list(idOf(installation), { limit: 100, cursor });
      if (page === null) return refuse(1, "the installation is gone", terminal);
      all.push(...page.items);
      if (page.next === null) break;
      cursor = page.next;
    }
    const lines = all.map((token) => `${line(token, clock.now())}\n`).join("");
    const none = `${oneLine(installation.account.login)} has no API tokens. Make one: wharfinger api-token make ${account} --name NAME\n`;
    terminal.out(json ? jsonLine({ items: all.map(apiTokenJson), next: null }) : lines || none);
    return 0;
  });
}

/** `wharfinger api-token revoke ACCOUNT TOKEN`: by its name or id. 1: there is none. */
export async function revokeToken(
  { account, token: which, json }: Target & { readonly token: string },
  store: ApiTokenCliStore,
  clock: Clock,
  terminal: Terminal,
): Promise<ExitCode> {
  return withTokens({ account }, store, clock, terminal, async ({ installation, tokens }) => {
    const revoked = await tokens.revoke(idOf(installation), which, OPERATOR);
    if (revoked === null) {
      const why = `there is no token ${JSON.stringify(hidden(which))} that works. All: wharfinger api-token list ${account}`;
      return refuse(1, why, terminal);
    }
    const text = `revoked  ${revoked.name} (${shownApiTokenId(revoked.id)}). The API answers nothing to it from now on.\n`;
    terminal.out(json ? jsonLine(apiTokenJson(revoked)) : text);
    return 0;
  });
}

async function withTokens(
  { account }: Pick<Target, "account">,
  store: ApiTokenCliStore,
  clock: Clock,
  terminal: Terminal,
  act: (opened: Opened) => Promise<ExitCode>,
): Promise<ExitCode> {
  const found = await findInstallation(store, account);
  if (!found.ok) return refuse(1, found.why, terminal);
  const log = { warn: (_fields: object, message: string) => terminal.err(`api-token: ${message}\n`) };
  return act({ installation: found.installation, tokens: createApiTokens({ store, clock, log }) });
}

function idOf({ provider, host, id }: Installation): HostId {
  return { provider, host, id };
}

/** Somebody may give the whole token: its secret is not repeated. */
function hidden(which: string): string {
  return which.replace(/^(wha_[a-z2-7]{16})_.*$/s, "$1_…");
}

function line(token: ApiToken, now: number): string {
  const { revokedAt, expiresAt, lastUsedAt, role } = token;
  const state = apiTokenWorks(token, now)
    ? `until ${minute(expiresAt)}`
    : revokedAt === null
      ? `expired ${minute(expiresAt)}`
      : `revoked ${minute(revokedAt)}`;
  const used = lastUsedAt === null ? "never used" : `last used ${minute(lastUsedAt)}`;
  return `${shownApiTokenId(token.id)}  ${token.name}  ${role}  ${state}  ${used}`;
}

function minute(iso: string): string {
  return `${iso.slice(0, 16)}Z`;
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function refuse(code: 1 | 2, why: string, terminal: Terminal): ExitCode {
  terminal.err(`api-token: ${why}\n`);
  return code;
}

export function addApiToken<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const clock: Clock = Date;
  const inStore = async (command: (store: ApiTokenCliStore) => Promise<ExitCode>) =>
    done(await withConfig(parts, (config) => withStore(parts, config, command)));
  const account = "LOGIN, PROVIDER:LOGIN or the installation's id";
  const group = program
    .command("api-token")
    .description("API tokens of an installation: what programs ask the API with");
  group
    .command("make")
    .description("make a token and print it, once")
    .argument("<account>", account)
    .requiredOption("--name <name>", "what it is for")
    .option("--role <role>", `what it may, as a person with this role: ${API_TOKEN_ROLES.join(", ")}`, "read")
    .option("--days <days>", `how long it works: ${TOKEN_DAYS.least} to ${TOKEN_DAYS.most}`, String(TOKEN_DAYS.usual))
    .option("--json", "print one JSON object", false)
    .addHelpText(
      "after",
      examples(
        "api-token make acme --name nightly-report",
        "api-token make acme --name deploys --role write --days 30",
      ),
    )
    .action((of: string, flags: { name: string; role: string; days: string; json: boolean }) =>
      inStore((store) => makeToken({ ...flags, account: of }, store, clock, terminal)),
    );
  group
    .command("list")
    .description("an installation's tokens: what they may, until when, when they were used last")
    .argument("<account>", account)
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("api-token list acme"))
    .action((of: string, flags: { json: boolean }) =>
      inStore((store) => listTokens({ ...flags, account: of }, store, clock, terminal)),
    );
  group
    .command("revoke")
    .description("end a token for good")
    .argument("<account>", account)
    .argument("<token>", "its name, or its id (wha_…)")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("api-token revoke acme nightly-report"))
    .action((of: string, token: string, flags: { json: boolean }) =>
      inStore((store) => revokeToken({ ...flags, account: of, token }, store, clock, terminal)),
    );
}
