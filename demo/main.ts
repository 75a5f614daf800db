/**
 * The whole path on one machine: a registry, a stand-in for GitHub, and the real program, configured by environment
 * as an operator would. `--exit` ends after the summary instead of leaving the pages up.
 */
import { createInterface } from "node:readline";
import { createDemo } from "./demo.ts";
import { createScreen } from "./screen.ts";

const leave = process.argv.includes("--exit");
const unknown = process.argv.slice(2).filter((word) => word !== "--exit");
if (unknown.length > 0) {
  console.error(`demo: unknown option ${unknown.join(" ")} (there is one: --exit)`);
  process.exit(2);
}

const screen = createScreen();
const demo = createDemo(screen);
let ending: Promise<void> | null = null;

/** Everything the demo started ends with it, whichever way it ends. */
function end(code: number): Promise<void> {
  ending ??= demo.stop().finally(() => process.exit(code));
  return ending;
}
process.on("SIGINT", () => void end(130));
process.on("SIGTERM", () => void end(143));

/** Builds of the demo take seconds: too few to open a browser. Ends with the input. */
async function pushOnEnter(): Promise<void> {
  const ask = "Press Enter to push once more: a build of twenty seconds, to be watched while it runs.";
  screen.note(ask);
  // Not a terminal to readline: Ctrl-C stays a signal.
  for await (const _line of createInterface({ input: process.stdin, terminal: false })) {
    await demo.again();
    screen.note(ask);
  }
}

try {
  const good = await demo.run();
  if (leave || !good) {
    await end(good ? 0 : 1);
  } else {
    screen.note("The pages stay up until you press Ctrl-C.");
    if (process.stdin.isTTY) await pushOnEnter();
  }
} catch (error) {
  // Once it is being stopped, something failing is no news.
  if (ending === null) screen.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  await end(1);
}
