import type { Command } from "commander";
import { parseTokenWish, shownTokenId, TOKEN_DAYS } from "../core/access-tokens.ts";
import type { By } from "../core/audit.ts";
import { hostKey } from "../core/model.ts";
import { type AccessTokens, accessTokenJson, type MadeToken, madeTokenJson, works } from "../engine/access-tokens.ts";
import type { AccessToken } from "../engine/access-tokens-port.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export interface OpenTokens extends AccessTokens {
  close(): Promise<void>;
}

const OPERATOR: By = { kind: "operator" };

export interface CreateOptions {
  readonly name: string;
  readonly push: boolean;
  /** As typed. */
  readonly days: string;
  readonly account: string | null;
  readonly json: boolean;
}

/** `wharfinger token create NAMESPACE`: prints the token, once. 1: there is no such namespace, or it may not have it. */
export async function createToken(
  namespace: string,
  { name, push, days, account, json }: CreateOptions,
  tokens: AccessTokens,
  terminal: Terminal,
): Promise<ExitCode> {
  const wish = { name, access: push ? "push" : "pull", days: /^[0-9]{1,4}$/.test(days) ? Number(days) : days, account };
  const parsed = parseTokenWish(wish);
  if (!parsed.ok) {
    terminal.err(`token: ${parsed.message}\n`);
    return 2;
  }
  const made = await tokens.make(namespace, parsed.wish, OPERATOR);
  if (made.kind === "refused") {
    terminal.err(`token: ${made.why}\n`);
    return 1;
  }
  terminal.out(json ? jsonLine(madeTokenJson(made)) : shown(made));
  return 0;
}

/** `wharfinger token list NAMESPACE`: all there ever were, newest first. 1: nobody has the namespace. */
export async function listTokens(
  namespace: string,
  { json }: { readonly json: boolean },
  { tokens, now }: { readonly tokens: AccessTokens; readonly now: number },
  terminal: Terminal,
): Promise<ExitCode> {
  const all: AccessToken[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = await tokens.list(namespace, { limit: 100, cursor });
    if (page === null) {
      terminal.err(`token: nobody has the namespace ${JSON.stringify(namespace)}. All: wharfinger namespaces\n`);
      return 1;
    }
    all.push(...page.items);
    if (page.next === null) break;
    cursor = page.next;
  }
  const lines = all.map((token) => `${line(token, now)}\n`).join("");
  const none = `${namespace} has no tokens. Make one: wharfinger token create ${namespace} --name NAME\n`;
  terminal.out(json ? jsonLine({ items: all.map(accessTokenJson), next: null }) : lines || none);
  return 0;
}

/** `wharfinger token revoke NAMESPACE TOKEN`: by its name or id. 1: there is none. */
export async function revokeToken(
  namespace: string,
  which: string,
  { json }: { readonly json: boolean },
  tokens: AccessTokens,
  terminal: Terminal,
): Promise<ExitCode> {
  const revoked = await tokens.revoke(namespace, which, OPERATOR);
  if (revoked === null) {
    terminal.err(
      `token: ${JSON.stringify(namespace)} has no token ${JSON.stringify(hidden(which))} that works. All: wharfinger token list NAMESPACE\n`,
    );
    return 1;
  }
  const text = `revoked  ${revoked.name} (${shownTokenId(revoked.id)}). Nobody signs in with it from now on; what it opened before ends within 6 minutes.\n`;
  terminal.out(json ? jsonLine(accessTokenJson(revoked)) : text);
  return 0;
}

/** Somebody may give the whole token: its secret is not repeated. */
function hidden(which: string): string {
  return which.replace(/^(whf_[a-z2-7]{16})_.*$/s, "$1_…");
}

function line(token: AccessToken, now: number): string {
  const { revokedAt, expiresAt, lastUsedAt, access } = token;
  const state = works(token, now)
    ? `until ${minute(expiresAt)}`
    : revokedAt === null
      ? `expired ${minute(expiresAt)}`
      : `revoked ${minute(revokedAt)}`;
  const used = lastUsedAt === null ? "never used" : `last used ${minute(lastUsedAt)}`;
  return `${shownTokenId(token.id)}  ${token.name}  ${MAY[access]}  ${state}  ${used}  for ${hostKey(token.account)}`;
}

const MAY = { pull: "pull", push: "pull and push" } as const;

function minute(iso: string): string {
  return `${iso.slice(0, 16)}Z`;
}

/** Commands that keep the token out of lists of processes and the shell's history. Only bash and zsh have `read -s`. */
function shown({ token, secret, registry }: MadeToken): string {
  const { namespace, name, access, id, expiresAt } = token;
  const pushes = access === "push" ? ", pushes to images there that no repository owns" : "";
  // Names of Kubernetes objects have neither dots at their ends nor underscores.
  const kept = `wharfinger-${namespace.replace(/[^a-z0-9]+/g, "-")}`;
  const entry = JSON.stringify({ auths: { [registry]: { username: namespace, password: "$TOKEN" } } });
  return `made     ${name} (${shownTokenId(id)}): pulls ${namespace}/…${pushes}, until ${minute(expiresAt)}
token    ${secret}

It is shown this once. To sign in, paste it where nothing is echoed:

read -rs TOKEN && printf %s "$TOKEN" | docker login ${registry} --username ${namespace} --password-stdin

For Kubernetes, the same way:

read -rs TOKEN && kubectl create -f - <<EOF
apiVersion: v1
kind: Secret
metadata: { name: ${kept} }
type: kubernetes.io/dockerconfigjson
stringData: { .dockerconfigjson: '${entry}' }
EOF

and in the pods, or in their service account:

imagePullSecrets: [{ name: ${kept} }]
`;
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

export function addToken<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const withTokens = async (command: (tokens: AccessTokens) => Promise<ExitCode>) =>
    done(
      await withConfig(parts, async (config) => {
        const open = await parts.openTokens(config);
        try {
          return await command(open);
        } finally {
          await open.close();
        }
      }),
    );
  const group = program.command("token").description("access tokens of a namespace: docker login, imagePullSecrets");
  group
    .command("create")
    .description("make a token and print it, once, with what to do with it")
    .argument("<namespace>", "the first part of image names: acme")
    .requiredOption("--name <name>", "what it is for")
    .option("--push", "also push, to images no repository owns", false)
    .option("--days <days>", `how long it works: ${TOKEN_DAYS.least} to ${TOKEN_DAYS.most}`, String(TOKEN_DAYS.usual))
    .option("--account <key>", "PROVIDER:HOST:ID it is made for, where several may write to the namespace")
    .option("--json", "print one JSON object", false)
    .addHelpText(
      "after",
      examples("token create acme --name cluster-eu", "token create acme --name ci --push --days 30"),
    )
    .action((namespace: string, { account, ...flags }: Omit<CreateOptions, "account"> & { account?: string }) =>
      withTokens((tokens) => createToken(namespace, { ...flags, account: account ?? null }, tokens, terminal)),
    );
  group
    .command("list")
    .description("a namespace's tokens: what they may, until when, when they were used last")
    .argument("<namespace>")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("token list acme"))
    .action((namespace: string, flags: { json: boolean }) =>
      withTokens((tokens) => listTokens(namespace, flags, { tokens, now: Date.now() }, terminal)),
    );
  group
    .command("revoke")
    .description("end a token for good")
    .argument("<namespace>")
    .argument("<token>", "its name, or its id (whf_…)")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("token revoke acme cluster-eu", "token revoke acme whf_aaaqeayeaudaoch7"))
    .action((namespace: string, which: string, flags: { json: boolean }) =>
      withTokens((tokens) => revokeToken(namespace, which, flags, tokens, terminal)),
    );
}
