import { type Command, Option } from "commander";
import { approve } from "./approve.ts";
import { audit } from "./audit.ts";
import { explain } from "./explain.ts";
import { examples } from "./help.ts";
import { image } from "./image.ts";
import { type CliParts, type CliStore, withConfig, withStore } from "./parts.ts";
import { type OpenPausing, pause, resume } from "./pause.ts";
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
    .option("--actor <id:login>", "for this person, if their host says that they may; left out: as the operator")
    .option("--json", "print one JSON object", false)
    .addHelpText(
      "after",
      examples(
        "approve 01234567-89ab-7def-8123-456789abcdef",
        "approve 01234567-89ab-7def-8123-456789abcdef --actor 583231:octocat",
      ),
    )
    .action(async (id: string, { actor, json }: { actor?: string; json: boolean }) => {
      const options = { actor: actor ?? null, json };
      const command = (config: C) =>
        withStore(parts, config, (store) => approve(id, options, store, terminal, () => parts.openAuthorizer(config)));
      done(await withConfig(parts, command));
    });
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
  addPauseCommands(program, parts, done);
  program
    .command("image")
    .description("say whose an image is and where its tags point; share it, or open it to anybody")
    .argument("<name>", "with its namespace: acme/api")
    .option("--share <repository...>", "let other repositories publish it too (OWNER/NAME)", [])
    .option("--unshare <repository...>", "take that back", [])
    .option("--give <repository>", "make it another repository's, whoever published it until now")
    .addOption(new Option("--public", "let anybody pull it").conflicts("private"))
    .addOption(new Option("--private", "take that back"))
    .addHelpText(
      "after",
      examples(
        "image acme/api",
        "image acme/api --share acme/web",
        "image acme/base --public",
        "image acme/api --give acme/service",
      ),
    )
    .action((name: string, flags: ImageFlags) => {
      const open = flags.public === true ? true : flags.private === true ? false : null;
      const options = { share: flags.share, unshare: flags.unshare, give: flags.give ?? null, public: open };
      return inStore((store) => image(name, options, store, terminal));
    });
}

interface PauseFlags {
  readonly instance: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

function addPauseCommands<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const run = async (command: (pausing: OpenPausing) => Promise<ExitCode>) =>
    done(
      await withConfig(parts, async (config) => {
        const pausing = await parts.openPausing(config);
        try {
          return await command(pausing);
        } finally {
          await pausing.close();
        }
      }),
    );
  const what = "ACCOUNT as with `policy`, or OWNER/NAME of a repository";
  program
    .command("pause")
    .description("begin no more builds of an installation, a repository or everything; without a name: what is paused")
    .argument("[name]", what)
    .option("--instance", "everything: nothing is built, published or reported any more", false)
    .option("--stop", "stop what is being built, too; it waits in the queue", false)
    .option("--dry-run", "only say what would become of what runs and waits", false)
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("pause", "pause acme --dry-run", "pause acme/api", "pause --instance --stop"))
    .action((name: string | undefined, flags: PauseFlags & { stop: boolean }) =>
      run((pausing) => pause({ ...flags, target: name ?? null }, pausing, terminal)),
    );
  program
    .command("resume")
    .description("end a pause, and build the newest of each branch, tag and pull request that waited")
    .argument("[name]", what)
    .option("--instance", "the pause of everything", false)
    .option("--dry-run", "only say what would be built; the hosts are asked", false)
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("resume acme --dry-run", "resume acme", "resume acme/api", "resume --instance"))
    .action((name: string | undefined, flags: PauseFlags) =>
      run((pausing) => resume({ ...flags, target: name ?? null }, pausing, terminal)),
    );
}

interface ImageFlags {
  readonly share: readonly string[];
  readonly unshare: readonly string[];
  readonly give?: string;
  readonly public?: true;
  readonly private?: true;
}
