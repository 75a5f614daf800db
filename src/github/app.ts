import type { Probot } from "probot";
import type { HostEvent } from "../core/events.ts";
import { parseGithub } from "./parse.ts";
import type { ParseContext } from "./words.ts";

/** Events this App acts on. All others are recorded, so that "why did nothing happen" has an answer. */
const HANDLED = [
  "push",
  "pull_request",
  "merge_group",
  "installation",
  "installation_repositories",
  "installation_target",
  "repository",
  "check_run",
  "check_suite",
  "github_app_authorization",
  "organization",
  "ping",
] as const;

const isHandled: ReadonlySet<string> = new Set(HANDLED);

/** The Probot app: hands each event, in the project's words, to `handle`, and decides nothing. */
export function githubApp(
  handle: (deliveryId: string, event: HostEvent) => Promise<void>,
  context: ParseContext,
): (app: Probot) => void {
  async function translate(delivery: { id: string; name: string; payload: unknown }): Promise<void> {
    const result = parseGithub(delivery.name, delivery.payload, context);
    // Signed by GitHub and yet not usable: nothing to do now, nor when asked again.
    const event: HostEvent = result.ok
      ? result.event
      : { type: "ignored", reason: "unsupported-event", detail: result.message };
    await handle(delivery.id, event);
  }

  return (app) => {
    app.on([...HANDLED], translate);
    app.onAny((delivery) => (isHandled.has(delivery.name) ? undefined : translate(delivery)));
  };
}
