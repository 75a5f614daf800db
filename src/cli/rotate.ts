import type { Command } from "commander";
import type { Outcome } from "../core/model.ts";
import { examples } from "./help.ts";
import { type CliParts, withConfig } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

/** A secret that can be changed. */
export interface Rotation {
  readonly name: string;
  /** A clause for people: what it is. */
  readonly about: string;
  /** The next step of the change; `finish`: the last. A failure says why nothing was changed, and what to do. */
  rotate(options: { readonly finish: boolean; readonly file: string | null }): Promise<Outcome<Rotated>>;
}

export interface Rotated {
  /** What is true now, in sentences; a new secret that somebody has to put somewhere is a line of its own. */
  readonly done: readonly string[];
  /** What is left to do, in order. */
  readonly todo: readonly string[];
}

export interface RotateOptions {
  /** Null: what there is is listed. */
  readonly what: string | null;
  readonly finish: boolean;
  readonly file: string | null;
}

/** `wharfinger rotate [WHAT]`. 1: it could not be changed; 2: there is no such secret. */
export async function rotate(
  { what, ...options }: RotateOptions,
  rotations: readonly Rotation[],
  terminal: Terminal,
): Promise<ExitCode> {
  if (what === null) {
    const width = Math.max(...rotations.map(({ name }) => name.length));
    terminal.out(rotations.map(({ name, about }) => `${name.padEnd(width)}  ${about}\n`).join(""));
    return 0;
  }
  const rotation = rotations.find(({ name }) => name === what);
  if (rotation === undefined) {
    const names = rotations.map(({ name }) => name).join(", ");
    terminal.err(`rotate: there is no ${JSON.stringify(what)}; known: ${names}\n`);
    return 2;
  }
  const rotated = await rotation.rotate(options);
  if (!rotated.ok) {
    terminal.err(`rotate: ${rotated.message}\n`);
    return 1;
  }
  const { done, todo } = rotated.value;
  terminal.out(done.map((line) => `${line}\n`).join(""));
  if (todo.length > 0) {
    terminal.out(`\nWhat is left to do:\n${todo.map((line, index) => `  ${index + 1}. ${line}\n`).join("")}`);
  }
  return 0;
}

export function addRotate<C>(program: Command, parts: CliParts<C>, done: (code: ExitCode) => void): void {
  program
    .command("rotate")
    .description("change a secret or key of this instance, step by step, while it runs")
    .argument("[what]", "left out: what there is")
    .option("--finish", "the last step: the former one counts no more", false)
    .option("--file <file>", "the new key, where somebody else makes it")
    .addHelpText(
      "after",
      examples("rotate", "rotate secret-key", "rotate secret-key --finish", "rotate app-key --file new.pem"),
    )
    .action((what: string | undefined, { finish, file }: { finish: boolean; file?: string }) =>
      withConfig(parts, (config) =>
        rotate({ what: what ?? null, finish, file: file ?? null }, parts.rotations(config), parts.terminal),
      ).then(done),
    );
}
