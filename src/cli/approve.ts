import { parseActorArgument } from "../core/actors.ts";
import { oneLine } from "../core/markdown.ts";
import { type Approving, approveFor } from "../engine/approval.ts";
import type { Authorizer } from "../engine/authorize.ts";
import type { CliStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export interface ApproveOptions {
  /** `ID:LOGIN`, as typed: on whose word. Null: the operator's. */
  readonly actor: string | null;
  readonly json: boolean;
}

/** Needs the hosts, which only some commands ask. */
export type OpenAuthorizer = () => Promise<Authorizer & { close(): Promise<void> }>;

/**
 * `wharfinger approve BUILD`: lets a held build run, and with it what its delivery holds for the same reason. As the
 * operator, or for a person whose host is asked whether they may. A server that runs sees it within a second. 1: there is
 * no such build, it is not held, or they may not; 2: nobody is called so.
 */
export async function approve(
  id: string,
  { actor: given, json }: ApproveOptions,
  store: CliStore,
  terminal: Terminal,
  openAuthorizer: OpenAuthorizer,
): Promise<ExitCode> {
  const parsed = given === null ? null : parseActorArgument(given);
  if (parsed?.ok === false) {
    terminal.err(`approve: --actor: ${parsed.message}\n`);
    return 2;
  }
  const authorizer = parsed === null ? null : await openAuthorizer();
  try {
    const approving = await approveFor({ store, authorizer: authorizer ?? NOBODY }, id, parsed?.actor ?? null);
    return tell(approving, { id, json }, terminal);
  } finally {
    await authorizer?.close();
  }
}

/** The operator needs nobody's word. */
const NOBODY: Authorizer = { may: async () => ({ kind: "refused", why: "Nobody was asked." }) };

function tell(
  approving: Approving,
  { id, json }: { readonly id: string; readonly json: boolean },
  terminal: Terminal,
): ExitCode {
  if (approving.kind === "approved") {
    const { builds } = approving;
    const others = builds.filter((build) => build !== id);
    const lines = [`approved  ${id}`, ...(others.length === 0 ? [] : [`with it   ${others.join(", ")}`])];
    terminal.out(json ? `${JSON.stringify({ builds }, null, 2)}\n` : `${lines.join("\n")}\n`);
    return 0;
  }
  const why =
    approving.kind === "no-build"
      ? "There is no such build here. Builds that wait are marked held on the pages, and in: wharfinger explain DELIVERY"
      : approving.why;
  terminal.err(`approve: ${JSON.stringify(id)}: ${oneLine(why)}\n`);
  return 1;
}
