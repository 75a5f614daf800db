import { oneLine } from "../core/markdown.ts";
import { approveHeld } from "../engine/approval.ts";
import type { CliStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

/**
 * `wharfinger approve BUILD`: lets a held build run, as the operator, and with it what its delivery holds for the same
 * reason. A server that runs sees it within a second. 1: there is no such build, or it is not held.
 */
export async function approve(
  id: string,
  { json }: { readonly json: boolean },
  store: CliStore,
  terminal: Terminal,
): Promise<ExitCode> {
  const approving = await approveHeld(store, id, null);
  if (approving.kind === "approved") {
    const { builds } = approving;
    const others = builds.filter((build) => build !== id);
    const lines = [`approved  ${id}`, ...(others.length === 0 ? [] : [`with it   ${others.join(", ")}`])];
    terminal.out(json ? `${JSON.stringify({ builds }, null, 2)}\n` : `${lines.join("\n")}\n`);
    return 0;
  }
  const why =
    approving.kind === "unknown"
      ? "There is no such build here. Builds that wait are marked held on the pages, and in: wharfinger explain DELIVERY"
      : approving.why;
  terminal.err(`approve: ${JSON.stringify(id)}: ${oneLine(why)}\n`);
  return 1;
}
