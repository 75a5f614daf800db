import { type Command, Option } from "commander";
import { approve } from "./approve.ts";
import { audit } from "./audit.ts";
import { explain } from "./explain.ts";
import { examples } from "./help.ts";
import { image } from "./image.ts";
import { type CliParts, type CliStore, withConfig, withStore } from "./parts.ts";
import { policy, settingsHelp } from "./policy.ts";
import type { ExitCode } from "./terminal.ts";

/** What the operator looks up and decides, in the database itself. */
export function addOperatorCommands<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const inStore = async (command: (store: CliStore) => Promise<ExitCode>) =>
    done(await withConfig(parts, (config) => withStore(parts, config, command)));
  program
    .command("explain")
    .description("say what a delivery led to, and why: every rule that was looked at")
    .argument("<delivery>", "our number of it, or the host's id")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("explain 42", "explain 0b989ba4-242f-11e5-81e1-c7b6966d2516 --json"))
    .action((id: string, flags: { json: boolean }) => inStore((store) => explain(id, flags, store, terminal)));
  program
    .command("approve")
    .description("let a held build run, and with it what its delivery holds for the same reason")
    .argument("<build>", "its id")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("approve 01234567-89ab-7def-8123-456789abcdef"))
    .action((id: string, flags: { json: boolean }) => inStore((store) => approve(id, flags, store, terminal)));
  program
    .command("policy")
    .description("show or set what an installation allows: forks, publishing of pull requests, the brake …")
    .argument("[account]", "LOGIN, PROVIDER:LOGIN or the installation's id; left out: all of them")
    .argument("[settings...]", "NAME=VALUE: what to change")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", settingsHelp())
    .addHelpText("after", examples("policy", "policy acme", "policy github:acme forks=never brake=50"))
    .action((account: string | undefined, settings: string[], { json }: { json: boolean }) =>
      inStore((store) => policy({ account: account ?? null, settings, json }, store, terminal)),
    );
  program
    .command("audit")
    .description("what was changed, when and by whom, oldest first: policies, namespaces, approvals, credentials …")
    .argument("[account]", "LOGIN, PROVIDER:LOGIN or the installation's id; left out: everything")
    .option("--since <time>", "nothing older: 2026-11-20, or 2026-11-20T10:00:00Z")
    .option("--json", "print one JSON object a line", false)
    .addHelpText("after", examples("audit", "audit acme --since 2026-11-01", "audit --json > audit.ndjson"))
    .action((account: string | undefined, { since, json }: { since?: string; json: boolean }) =>
      inStore((store) => audit({ account: account ?? null, since: since ?? null, json }, store, terminal)),
    );
  program
    .command("image")
    .description("say whose an image is and where its tags point; share it, or open it to anybody")
    .argument("<name>", "with its namespace: acme/api")
    .option("--share <repository...>", "let other repositories publish it too (OWNER/NAME)", [])
    .option("--unshare <repository...>", "take that back", [])
    .addOption(new Option("--public", "let anybody pull it").conflicts("private"))
    .addOption(new Option("--private", "take that back"))
    .addHelpText("after", examples("image acme/api", "image acme/api --share acme/web", "image acme/base --public"))
    .action((name: string, flags: ImageFlags) => {
      const open = flags.public === true ? true : flags.private === true ? false : null;
      const options = { share: flags.share, unshare: flags.unshare, public: open };
      return inStore((store) => image(name, options, store, terminal));
    });
}

interface ImageFlags {
  readonly share: readonly string[];
  readonly unshare: readonly string[];
  readonly public?: true;
  readonly private?: true;
}
