import type { Command } from "commander";
import type { By } from "../core/audit.ts";
import { oneLine } from "../core/markdown.ts";
import { hostKey } from "../core/model.ts";
import { accessJson } from "../engine/further-repositories.ts";
import type { AllowedAccess, FurtherRepositoryStore, NamedRepository } from "../engine/further-repositories-port.ts";
import type { Store } from "../engine/store-port.ts";
import { allInstallations, findInstallation } from "./accounts.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig, withStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export type AccessCliStore = FurtherAccessStore & Pick<Store, "listInstallations">;

type FurtherAccessStore = Pick<
  FurtherRepositoryStore,
  "allowAccess" | "disallowAccess" | "listAccess" | "findRepositories"
>;

const OPERATOR: By = { kind: "operator" };

/** `wharfinger access list [ACCOUNT]`: which repositories builds of others may read. 1: no such installation. */
export async function listAccess(
  account: string | null,
  { json }: { readonly json: boolean },
  store: AccessCliStore,
  terminal: Terminal,
): Promise<ExitCode> {
  const found = account === null ? null : await findInstallation(store, account);
  if (found !== null && !found.ok) {
    terminal.err(`access: ${found.why}\n`);
    return 1;
  }
  const all: AllowedAccess[] = [];
  for (const installation of found === null ? await allInstallations(store) : [found.installation]) {
    for (let cursor: string | null = null; ; ) {
      const page = await store.listAccess({ installation, limit: 100, cursor });
      all.push(...page.items);
      if (page.next === null) break;
      cursor = page.next;
    }
  }
  terminal.out(json ? jsonLine({ items: all.map(accessJson), next: null }) : all.map(line).join("") || NONE);
  return 0;
}

const NONE = "Builds read nothing but their own repository and what is public. Allow more: wharfinger access allow\n";

function line({ repository, reads, since, covered }: AllowedAccess): string {
  const lost = covered ? "" : ", but the installation does not cover both any more";
  return `${oneLine(repository.fullName)} reads ${oneLine(reads.fullName)} (${hostKey(reads)}) since ${since.slice(0, 10)}${lost}\n`;
}

/**
 * `wharfinger access allow|disallow REPOSITORY READS...`. 1: one of them is not known, or they are not of one installation;
 * nothing was changed then.
 */
export async function changeAccess(
  action: "allow" | "disallow",
  names: { readonly repository: string; readonly reads: readonly string[] },
  store: AccessCliStore,
  terminal: Terminal,
): Promise<ExitCode> {
  const [repository, ...reads] = await Promise.all([names.repository, ...names.reads].map((name) => find(name, store)));
  const wrong = [repository, ...reads].find((one) => one !== undefined && !one.ok);
  if (wrong !== undefined && !wrong.ok) {
    terminal.err(`access: ${wrong.why}\n`);
    return 1;
  }
  if (repository === undefined || !repository.ok) throw new Error("a repository is looked for");
  const others = reads.flatMap((one) => (one.ok ? [one] : []));
  const { installation } = repository.id;
  const stranger = others.find(
    ({ id, key }) => key === repository.key || hostKey(id.installation) !== hostKey(installation),
  );
  if (stranger !== undefined && action === "allow") {
    const why = stranger.key === repository.key ? "is the same repository" : "belongs to another installation";
    terminal.err(`access: ${stranger.name} ${why}: builds read further repositories of their own installation only\n`);
    return 1;
  }
  for (const one of others) {
    const access = { installation, repository: repository.id, reads: one.id };
    if (action === "disallow") {
      const was = await store.disallowAccess(access, OPERATOR);
      terminal.out(
        `${repository.name} ${was ? "does not read" : "did not read"} ${one.name}${was ? " any more" : ""}\n`,
      );
      continue;
    }
    if ((await store.allowAccess(access, OPERATOR)) === "not-covered") {
      terminal.err(`access: the installation does not cover ${repository.name} and ${one.name} (any more)\n`);
      return 1;
    }
    terminal.out(`${repository.name} reads ${one.name} where its file names it under \`repositories\`\n`);
  }
  return 0;
}

type Found =
  | { readonly ok: true; readonly id: NamedRepository; readonly key: string; readonly name: string }
  | { readonly ok: false; readonly why: string };

/** Names are for people and may have been used twice; what is recorded is the one id they stand for. */
async function find(name: string, store: FurtherAccessStore): Promise<Found> {
  const known = await store.findRepositories(name);
  const [only, ...others] = known;
  if (only === undefined) {
    return { ok: false, why: `no repository ${JSON.stringify(name)} is known here. Give it as OWNER/NAME` };
  }
  if (others.length > 0) {
    return {
      ok: false,
      why: `${JSON.stringify(name)} stands for ${known.map(hostKey).join(" and ")}; give one of these`,
    };
  }
  return { ok: true, id: only, key: hostKey(only), name: oneLine(only.fullName) };
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

export function addAccess<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const inStore = async (command: (store: AccessCliStore) => Promise<ExitCode>) =>
    done(await withConfig(parts, (config) => withStore(parts, config, command)));
  const group = program
    .command("access")
    .description("which repositories of their installation builds read besides their own: submodules, dependencies");
  group
    .command("list")
    .description("what is allowed")
    .argument("[account]", "LOGIN, PROVIDER:LOGIN or the installation's id; left out: all of them")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("access list", "access list acme --json"))
    .action((account: string | undefined, flags: { json: boolean }) =>
      inStore((store) => listAccess(account ?? null, flags, store, terminal)),
    );
  for (const [action, description] of [
    ["allow", "let builds of a repository read others of its installation, where its file asks for them"],
    ["disallow", "take that back; a build that is running keeps what it has"],
  ] as const) {
    group
      .command(action)
      .description(description)
      .argument("<repository>", "whose builds: OWNER/NAME, or PROVIDER:HOST:ID")
      .argument("<reads...>", "what they read, the same way")
      .addHelpText("after", examples(`access ${action} acme/api acme/shared acme/protocols`))
      .action((repository: string, reads: string[]) =>
        inStore((store) => changeAccess(action, { repository, reads }, store, terminal)),
      );
  }
}
