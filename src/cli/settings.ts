import type { Command } from "commander";
import { examples } from "./help.ts";
import type { CliParts } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

/** A variable that is set somewhere. */
export interface ShownSetting {
  readonly name: string;
  readonly from: "environment" | "database";
  /** The variable of the environment because of which what the database holds of it does not count; null: none. */
  readonly overruledBy: string | null;
  /** Null: a secret. */
  readonly value: string | null;
}

export interface OpenSettings {
  list(): Promise<readonly ShownSetting[]>;
  /** Keeps it in the database. Null: done; else why not, as a sentence that does not repeat the value. */
  set(name: string, value: string): Promise<string | null>;
  /** Takes it out of the database. False: it is not there. */
  remove(name: string): Promise<boolean>;
  close(): Promise<void>;
}

interface JsonFlag {
  readonly json: boolean;
}

/** `wharfinger settings`: which variables are set, and where; those the database holds can be changed. */
export function addSettings<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  const { terminal } = parts;
  const opened = async (command: (settings: OpenSettings) => Promise<ExitCode>) => {
    const settings = await parts.openSettings();
    try {
      done(await command(settings));
    } finally {
      await settings.close();
    }
  };
  const group = program
    .command("settings")
    .description("list which variables are set and where, and change those kept in the database")
    .addHelpText(
      "after",
      examples("settings", "settings set REGISTRY_PASSWORD < password", "settings remove PUBLIC_URL"),
    );
  group
    .command("list", { isDefault: true })
    .description("names, where each is from, and what it is; secrets are never shown")
    .option("--json", "print one JSON object", false)
    .action(({ json }: JsonFlag) => opened((settings) => list(settings, json, terminal)));
  group
    .command("set")
    .description("keep a variable in the database, sealed; its value comes from standard input")
    .argument("<name>")
    .action((name: string) => opened((settings) => set(settings, name, terminal)));
  group
    .command("remove")
    .description("take a variable out of the database")
    .argument("<name>")
    .action((name: string) => opened((settings) => remove(settings, name, terminal)));
}

async function list(settings: OpenSettings, json: boolean, terminal: Terminal): Promise<ExitCode> {
  const all = await settings.list();
  if (json) {
    terminal.out(`${JSON.stringify({ items: all }, null, 2)}\n`);
    return 0;
  }
  if (all.length === 0) {
    terminal.out("Nothing is set. `wharfinger start` shows how to set it up.\n");
    return 0;
  }
  const width = Math.max(...all.map(({ name }) => name.length));
  for (const { name, from, overruledBy, value } of all) {
    const note =
      overruledBy === null
        ? ""
        : overruledBy === name
          ? "  (the database has one, too, which does not count)"
          : `  (does not count: the environment sets ${overruledBy})`;
    // Keys have several lines.
    const shown = value === null ? "(set, not shown)" : JSON.stringify(value).slice(1, -1);
    terminal.out(`${name.padEnd(width)}  ${from.padEnd(11)}  ${shown}${note}\n`);
  }
  return 0;
}

async function set(settings: OpenSettings, name: string, terminal: Terminal): Promise<ExitCode> {
  terminal.err(`Reading ${name} from standard input …\n`);
  // The newline an editor or `echo` leaves at the end belongs to no variable.
  const value = (await terminal.stdin()).replace(/\r?\n$/, "");
  const wrong = await settings.set(name, value);
  if (wrong !== null) {
    terminal.err(`settings: ${wrong}\n`);
    return 2;
  }
  terminal.out(`${name} is kept in the database. Restart every process of this instance.\n`);
  return 0;
}

async function remove(settings: OpenSettings, name: string, terminal: Terminal): Promise<ExitCode> {
  if (await settings.remove(name)) {
    terminal.out(`${name} is gone from the database. Restart every process of this instance.\n`);
    return 0;
  }
  terminal.err(`settings: the database does not hold ${JSON.stringify(name)}. What it holds: wharfinger settings\n`);
  return 1;
}
