/** The ways to tell people of builds that are set up. */
import type { Config } from "./config.ts";
import type { Notifier } from "./engine/notices-port.ts";
import { createMailNotifier } from "./notify/mail.ts";
import { createChatNotifier } from "./notify/webhook.ts";

export function createNotifiers({ mail, network }: Config["notices"]): readonly Notifier[] {
  return [...(mail === null ? [] : [createMailNotifier(mail)]), createChatNotifier({ network })];
}
