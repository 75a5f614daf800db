import type { Command } from "commander";
import { oneLine } from "../core/markdown.ts";
import { hostKey } from "../core/model.ts";
import type { BuildActions, BuildOrder, Starting } from "../engine/build-actions.ts";
import type { Delivery, Store } from "../engine/store-port.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

/** The database and the hosts. */
export interface OpenBuilds extends BuildActions, Pick<Store, "findRepositories" | "getBuild"> {
  close(): Promise<void>;
}

/** As the command line: whoever has the database. */
const BY = { kind: "operator" } as const;

/** How long `trigger` waits for a server to plan what it ordered. */
const PLANNED_MS = 5_000;

interface TriggerFlags {
  readonly ref?: string;
  readonly image?: string;
  readonly json: boolean;
}

/** `trigger`, `retry` and `cancel`: they change the database; a server that runs sees it within a second. */
export function addBuildCommands<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const run = async (command: (builds: OpenBuilds) => Promise<ExitCode>) =>
    done(
      await withConfig(parts, async (config) => {
        const builds = await parts.openBuilds(config);
        try {
          return await command(builds);
        } finally {
          await builds.close();
        }
      }),
    );
  program
    .command("trigger")
    .description("build a branch or tag as it is now, like a push of it; the commit gets no check")
    .argument("<repository>", "OWNER/NAME, or PROVIDER:HOST:ID where several are called so")
    .option(
      "--ref <ref>",
      "a branch or tag, refs/heads/… or refs/tags/… where both are called so (default: the default branch)",
    )
    .option("--image <name>", "only this image of the file")
    .option("--json", "print one JSON object", false)
    .addHelpText(
      "after",
      examples("trigger acme/api", "trigger acme/api --ref v1.2.0", "trigger acme/api --ref release/2 --image worker"),
    )
    .addHelpText("after", "\nExit codes: 0 something is built or waits to be planned, 1 nothing is.")
    .action((name: string, flags: TriggerFlags) => run((builds) => trigger(name, flags, builds, terminal)));
  program
    .command("retry")
    .description("do the work of a build again that has failed, was canceled or ran out of time")
    .argument("<build>", "its id")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("retry 01234567-89ab-7def-8123-456789abcdef"))
    .action((id: string, { json }: { json: boolean }) => run((builds) => retry(id, json, builds, terminal)));
  program
    .command("cancel")
    .description("cancel a build; one that runs stops within seconds")
    .argument("<build>", "its id")
    .option("--json", "print one JSON object", false)
    .addHelpText("after", examples("cancel 01234567-89ab-7def-8123-456789abcdef"))
    .action((id: string, { json }: { json: boolean }) => run((builds) => cancel(id, json, builds, terminal)));
}

/** 1: nothing is built, and it says why. */
export async function trigger(
  name: string,
  { ref, image, json }: TriggerFlags,
  builds: OpenBuilds,
  terminal: Terminal,
): Promise<ExitCode> {
  const refuse = (why: string): ExitCode => {
    terminal.err(`trigger: ${oneLine(why)}\n`);
    return 1;
  };
  const [only, other] = await builds.findRepositories(name);
  if (only === undefined) return refuse(`No repository that an installation covers is called ${JSON.stringify(name)}.`);
  if (other !== undefined) return refuse(`Several are called so: say ${hostKey(only)} or ${hostKey(other)}.`);
  const { provider, host, id } = only;
  const order: BuildOrder = { repository: { provider, host, id }, ref: ref ?? null, image: image ?? null };
  const started = await builds.start(order, BY);
  if (started.kind !== "started") return refuse(whyNot(started));
  const delivery = await builds.planned(started.delivery, PLANNED_MS);
  tell(started.delivery, delivery, json, terminal);
  return delivery === null || delivery.outcome === "pending" || delivery.builds.length > 0 ? 0 : 1;
}

function whyNot(starting: Exclude<Starting, { readonly kind: "started" }>): string {
  return starting.kind === "no-repository" ? "No installation covers this repository (any more)." : starting.why;
}

function tell(id: string, delivery: Delivery | null, json: boolean, terminal: Terminal): void {
  const outcome = delivery?.outcome ?? "pending";
  const { note = null, builds = [], decisions = [] } = delivery ?? {};
  if (json) {
    terminal.out(`${JSON.stringify({ delivery: id, outcome, note, builds, decisions }, null, 2)}\n`);
    return;
  }
  const lines = decisions.map(({ build, image, detail }) => {
    const what = build === null ? `not built  ${image ?? "—"}` : `build      ${build}`;
    return `${what}  ${oneLine(detail)}`;
  });
  if (outcome === "pending") lines.push(`A server that runs plans it; then: wharfinger explain ${id}`);
  else if (decisions.length === 0) lines.push(oneLine(note ?? "Nothing to build."));
  terminal.out(`${[`delivery   ${id}`, ...lines].join("\n")}\n`);
}

/** 1: there is no such build, or it can not be done again. */
export async function retry(id: string, json: boolean, builds: OpenBuilds, terminal: Terminal): Promise<ExitCode> {
  const answer = await builds.retry(id, BY);
  switch (answer.kind) {
    case "queued":
    case "held": {
      const { build, kind: state } = answer;
      const held = state === "held" ? `\nIt waits for approval: wharfinger approve ${build}` : "";
      terminal.out(json ? `${JSON.stringify({ build, state }, null, 2)}\n` : `${state}  ${build}${held}\n`);
      return 0;
    }
    case "no-build":
      return noBuild("retry", id, terminal);
    case "refused":
      terminal.err(`retry: ${oneLine(answer.why)}\n`);
      return 1;
  }
}

/** 1: there is no such build, or it has ended. */
export async function cancel(id: string, json: boolean, builds: OpenBuilds, terminal: Terminal): Promise<ExitCode> {
  const answer = await builds.cancel(id, BY);
  switch (answer.kind) {
    case "canceled":
    case "canceling": {
      const text = answer.kind === "canceled" ? `canceled  ${id}` : `stopping  ${id}`;
      terminal.out(json ? `${JSON.stringify({ build: id, state: answer.kind }, null, 2)}\n` : `${text}\n`);
      return 0;
    }
    case "no-build":
      return noBuild("cancel", id, terminal);
    case "final":
      terminal.err(`cancel: ${oneLine(answer.why)}\n`);
      return 1;
  }
}

function noBuild(command: string, id: string, terminal: Terminal): ExitCode {
  terminal.err(
    `${command}: there is no build ${JSON.stringify(id)} here; its id is on its page and in wharfinger explain DELIVERY\n`,
  );
  return 1;
}
