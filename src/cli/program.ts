import { Command, CommanderError, Option } from "commander";
import { BUILD_ORDER } from "../core/build-order.ts";
import { FOUND } from "../core/found.ts";
import type { Provider } from "../core/model.ts";
import { addAccess } from "./access.ts";
import { addApiToken } from "./api-token.ts";
import { addBadge } from "./badge.ts";
import { addBuildCommands } from "./builds.ts";
import { type ConnectFlags, connect } from "./connect.ts";
import { doctor } from "./doctor.ts";
import { examples } from "./help.ts";
import { importRules } from "./import.ts";
import { lint } from "./lint.ts";
import { migrate } from "./migrate.ts";
import { addNamespaceCommands } from "./namespace.ts";
import { addNotify } from "./notify.ts";
import { addOperatorCommands } from "./operator.ts";
import { type CliParts, type CliStore, withConfig, withStore } from "./parts.ts";
import { type PlanOptions, plan } from "./plan.ts";
import { addReceipt } from "./receipt.ts";
import { addRegistryCommands } from "./registry.ts";
import { addRotate } from "./rotate.ts";
import { addSettings } from "./settings.ts";
import { start } from "./start.ts";
import type { ExitCode } from "./terminal.ts";
import { addToken } from "./token.ts";
import { addVariableCommands } from "./variable.ts";

/**
 * Runs one command line (without the program's name) and answers its exit code: 0 done, 1 the answer is no, 2 used
 * wrongly, 78 configured wrongly. Errors of the world around (a database that does not open) are printed and 1.
 */
export async function runCli<C>(argv: readonly string[], parts: CliParts<C>): Promise<number> {
  let exit: ExitCode = 0;
  const program = createProgram(parts, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? 0 : 2;
    }
    parts.terminal.err(`wharfinger: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

/** The commands and their help; `done` is told the exit code of the one that ran. */
function createProgram<C>(parts: CliParts<C>, done: (code: ExitCode) => void): Command {
  const { terminal } = parts;
  const program = new Command("wharfinger")
    .description("Builds images from pushes: GitHub and Bitbucket events in, Docker images out.")
    .version(parts.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help of a command")
    .showHelpAfterError("Try: wharfinger --help")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      getOutHasColors: () => terminal.color,
      getErrHasColors: () => terminal.color,
    })
    .addHelpText("after", examples("start", "doctor", "lint", "plan --payload push.json", "explain 42"))
    .addHelpText("after", EXIT_CODES);
  addServerCommands(program, parts, done);
  addOperatorCommands(program, parts, done);
  addBuildCommands(program, parts, done);
  addVariableCommands(program, parts, done);
  addAccess(program, parts, done);
  addConnect(program, parts, done);
  addRegistryCommands(program, parts, done);
  addNamespaceCommands(program, parts, done);
  addReceipt(program, parts, done);
  addBadge(program, parts, done);
  addNotify(program, parts, done);
  addRotate(program, parts, done);
  addSettings(program, parts, done);
  addConfigFileCommands(program, parts, done);
  addToken(program, parts, done);
  addApiToken(program, parts, done);
  addImport(program, parts, done);
  for (const command of program.commands) {
    command.showHelpAfterError(`Try: wharfinger ${command.name()} --help`);
  }
  return program;
}

const EXIT_CODES = `
Exit codes: 0 done, 1 the answer is no, 2 used wrongly, 78 configured wrongly.`;

function addServerCommands<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  program
    .command("start")
    .description("receive webhooks, build and report, all in this process; the first time, show how to set it up")
    .addHelpText("after", examples("start", "start   # PORT=8080 in the environment or in .env"))
    .action(async () => done(await start(parts, "start")));
  program
    .command("serve")
    .description("the web half alone: receive webhooks, plan, publish, report (PostgreSQL)")
    .addHelpText("after", examples("serve"))
    .action(async () => done(await start(parts, "serve")));
  program
    .command("work")
    .description("the working half alone: build what a `serve` elsewhere has queued (PostgreSQL)")
    .addHelpText("after", examples("work", "work   # BUILD_CONCURRENCY=4 in the environment or in .env"))
    .action(async () => done(await start(parts, "work")));
  program
    .command("migrate")
    .description("bring the database's schema up to date")
    .addHelpText("after", examples("migrate"))
    .action(async () => done(await withConfig(parts, (config) => migrate(() => parts.migrate(config), terminal))));
  program
    .command("doctor")
    .description("try every dependency and credential, and say what to do")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("doctor", "doctor --json"))
    .action(async (options: { json: boolean }) => done(await doctor(options, parts)));
}

function addConnect<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const group = program.command("connect").description("connect a host whose webhooks are made one by one");
  group
    .command("bitbucket")
    .description("make a signed webhook of a Bitbucket Cloud workspace or repository, and look after it")
    .option("--workspace <slug>", "connect a whole workspace; its access token comes from standard input")
    .option("--repository <workspace/repository>", "connect one repository instead")
    .option("--token-file <file>", "read the access token from a file; - is standard input, the default")
    .option("--list", "list the connections")
    .option("--rotate <id>", "give a connection's webhook a new secret; the former one stays accepted")
    .option("--finish-rotation <id>", "accept the new secret only")
    .option("--new-token <id>", "replace a connection's access token")
    .option("--disconnect <id>", "delete the webhook, erase its secrets and the token")
    .option("--json", "print one JSON object", false)
    .addHelpText(
      "after",
      examples(
        "connect bitbucket --workspace acme < token",
        "connect bitbucket --repository acme/api --token-file token",
        "connect bitbucket --list",
        "connect bitbucket --disconnect 5f0c6d1e2b3a4958",
      ),
    )
    .showHelpAfterError("Try: wharfinger connect bitbucket --help")
    .action(async (flags: ConnectFlags) => done(await connect(flags, parts)));
}

function addImport<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const group = program
    .command("import")
    .description("make a .wharfinger.yml of another service's rules")
    .addHelpText("after", examples("import dockerhub rules.csv > .wharfinger.yml"));
  group
    .command("dockerhub")
    .description("take over Docker Hub's build rules: the file on standard output, a report on standard error")
    .argument("<file>", "the rules, a table with a header row (comma or tab) or JSON; - is standard input")
    .option("--refs <file>", "say for each of these refs which tags both give; what git ls-remote prints")
    .addHelpText(
      "after",
      examples(
        "import dockerhub rules.csv > .wharfinger.yml",
        "import dockerhub rules.csv --refs refs.txt   # after: git ls-remote > refs.txt",
        "import dockerhub - < rules.json",
      ),
    )
    .addHelpText("after", IMPORT_HELP)
    .showHelpAfterError("Try: wharfinger import dockerhub --help")
    .action(async (file: string, { refs }: { refs?: string }) => {
      done(await importRules({ file, refs: refs ?? null }, parts.terminal));
    });
}

const IMPORT_HELP = `
Columns, as Docker Hub's page calls them: Source Type, Source, Docker Tag, and where they are used Dockerfile location,
Build Context, Autobuild, Build Caching, Repository. More: docs/from-docker-hub.md

Exit codes: 0 all taken over, 1 something was not or a ref gets other tags (the file is printed), 2 unusable input.`;

/** What each host calls a push. */
const PUSH_EVENTS: Readonly<Record<Provider, string>> = { github: "push", bitbucket: "repo:push" };

interface PlanFlags {
  readonly provider: Provider;
  readonly event?: string;
  readonly payload?: string;
  readonly delivery?: string;
  readonly config?: string;
  readonly facts?: string;
  readonly json: boolean;
}

function addConfigFileCommands<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  program
    .command("lint")
    .description("check a .wharfinger.yml")
    .argument("[file]", "the file; - is standard input (default: .wharfinger.yml)")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("lint", "lint deploy/.wharfinger.yml", "lint - < .wharfinger.yml"))
    .action(async (file: string | undefined, options: { json: boolean }) => {
      done(await lint({ file: file ?? null, json: options.json }, parts.terminal));
    });
  const planCommand = program
    .command("plan")
    .description("show what the server would decide for one event, without doing it")
    .addOption(
      new Option("--provider <name>", "who sent the payload")
        .choices(["github", "bitbucket"] satisfies Provider[])
        .default("github"),
    )
    .option("--event <name>", `the event, as the host names it (default: ${Object.values(PUSH_EVENTS).join(", ")})`)
    .addOption(new Option("--payload <file>", "the event's JSON; - is standard input").conflicts("delivery"))
    .option("--delivery <id>", "a delivery this server stored, instead of --payload")
    .option("--config <file>", "the repository's .wharfinger.yml; without it there is none")
    .option("--facts <file>", "JSON: changedPaths, tags, defaultBranch, now, installation, …")
    .option("--json", "print one JSON object", false)
    .addHelpText(
      "after",
      examples(
        "plan --payload push.json --config .wharfinger.yml",
        "plan --provider github --event push --payload - --json < push.json",
        "plan --provider bitbucket --event pullrequest:created --payload pull-request.json",
        "plan --delivery 42 --config .wharfinger.yml",
      ),
    );
  planCommand.action(async (flags: PlanFlags) => {
    if (flags.payload === undefined && flags.delivery === undefined) {
      planCommand.error("error: give --payload FILE or --delivery ID", { exitCode: 2 });
    }
    done(await runPlan(flags, parts));
  });
}

async function runPlan<C>(flags: PlanFlags, parts: CliParts<C>): Promise<ExitCode> {
  const { provider, event = PUSH_EVENTS[provider], json } = flags;
  const options = { provider, event, json, config: flags.config ?? null, facts: flags.facts ?? null };
  const { delivery } = flags;
  if (delivery !== undefined) {
    return withConfig(parts, (config) =>
      withStore(parts, config, (store) => planDelivery(delivery, options, store, parts)),
    );
  }
  return plan({ ...options, payload: flags.payload ?? "-" }, parts.terminal, parts.parsers);
}

/** What no host has sent, and why nothing is planned of it without one. */
const OWN_EVENTS: ReadonlyMap<string, string> = new Map([
  [BUILD_ORDER, "was ordered here, and only its host knows where its ref is"],
  [FOUND, "was found here by comparing branches and tags, and has no payload of its host"],
]);

/** Plans a stored delivery's body: who sent it and what it is, is recorded. */
async function planDelivery<C>(
  id: string,
  options: Omit<PlanOptions, "payload">,
  store: CliStore,
  parts: CliParts<C>,
): Promise<ExitCode> {
  const delivery = await store.findDelivery(id);
  const body = delivery === null ? null : await store.deliveryBody(delivery.id);
  if (delivery === null || body === null) {
    const what = delivery === null ? "is not known here" : "is past RETENTION_BODIES_DAYS, its body is gone";
    parts.terminal.err(`plan: delivery ${JSON.stringify(id)} ${what}\n`);
    return 2;
  }
  const own = OWN_EVENTS.get(delivery.event);
  if (own !== undefined) {
    const told = `what was decided: wharfinger explain ${delivery.id}`;
    parts.terminal.err(`plan: delivery ${delivery.id} ${own}; ${told}\n`);
    return 2;
  }
  if (options.config === null) {
    parts.terminal.err(
      "plan: note: no host is asked here, so without --config the repository has no file; " +
        `what was decided when the delivery came: wharfinger explain ${delivery.id}\n`,
    );
  }
  const { provider, event, installationId } = delivery;
  const payload = { body: body.toString("utf8"), installationId };
  return plan({ ...options, provider, event, payload }, parts.terminal, parts.parsers);
}
