/** Incoming webhooks of Slack, and of what speaks like it: Mattermost, Rocket.Chat, Discord's /slack addresses. */
import { failed, type Outcome, ok } from "../core/model.ts";
import type { Notifier } from "../engine/notices-port.ts";
import { createOutgoing, type Outgoing, type OutgoingOptions } from "./outgoing.ts";

export function createChatNotifier(options: OutgoingOptions & { readonly outgoing?: Outgoing }): Notifier {
  const outgoing = options.outgoing ?? createOutgoing(options);
  return {
    kind: "webhook",
    check: (address) => outgoing.check(address),
    async send(address, { chat }, id) {
      const answer = await outgoing.post(address, { text: chat }, { "x-wharfinger-notice": id });
      return answer.ok ? judge(answer.value) : answer;
    },
  };
}

function judge({ status, retryAfter }: { readonly status: number; readonly retryAfter: number | null }): Outcome<true> {
  if (status >= 200 && status < 300) return ok(true);
  // The address is gone, or was never one; everything else may be better later.
  const gone = [400, 401, 403, 404, 405, 410].includes(status);
  return failed(`The address answered ${status}.`, { retryable: !gone, retryAfter });
}
