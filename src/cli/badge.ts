import type { Command } from "commander";
import { oneLine } from "../core/markdown.ts";
import { hostKey } from "../core/model.ts";
import { createBadges } from "../engine/badges.ts";
import type { BadgeStore } from "../engine/badges-port.ts";
import type { FurtherRepositoryStore } from "../engine/further-repositories-port.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig, withStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export type BadgeCliStore = BadgeStore & Pick<FurtherRepositoryStore, "findRepositories">;

/** `wharfinger badge REPOSITORY`: Markdown for its README. 1: no such repository, or several. */
export async function badge(
  name: string,
  publicUrl: string,
  store: BadgeCliStore,
  terminal: Terminal,
): Promise<ExitCode> {
  const [found, ...others] = await store.findRepositories(name);
  const facts = found === undefined ? null : await store.badgeFacts({ ...found, branch: null, image: null });
  if (found === undefined || facts === null) {
    terminal.err(`badge: no repository ${JSON.stringify(name)} is covered here. Give it as OWNER/NAME\n`);
    return 1;
  }
  if (others.length > 0) {
    const keys = [found, ...others].map(hostKey).join(" and ");
    terminal.err(`badge: ${JSON.stringify(name)} stands for ${keys}; give one of these\n`);
    return 1;
  }
  const { repository } = facts;
  const badges = createBadges({ store, publicUrl });
  terminal.out(`${oneLine(await badges.markdown({ ...repository, private: facts.private }))}\n`);
  return 0;
}

export function addBadge<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  program
    .command("badge")
    .description("print the Markdown of a repository's badge, for its README")
    .argument("<repository>", "OWNER/NAME, or PROVIDER:HOST:ID")
    .addHelpText("after", examples("badge acme/api", "badge github:default:186853002"))
    .action(async (name: string) =>
      done(
        await withConfig(parts, (config) =>
          withStore(parts, config, (store) => badge(name, parts.publicUrl(config), store, parts.terminal)),
        ),
      ),
    );
}
