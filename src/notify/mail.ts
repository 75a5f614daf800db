/** E-mail by SMTP. */
import { createTransport, type SendMailOptions } from "nodemailer";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { Notifier } from "../engine/notices-port.ts";

export interface MailOptions {
  /** `smtp://` (STARTTLS where the server offers it) or `smtps://`, with user name and password. */
  readonly url: string;
  /** `Wharfinger <builds@acme.example>` or a bare address. */
  readonly from: string;
  readonly timeoutMs?: number;
}

export interface MailNotifier extends Notifier {
  /** Whether the server lets us in. */
  verify(): Promise<Outcome<true>>;
}

/** Text only: nothing of a log is ever markup. */
export function createMailNotifier({ url, from, timeoutMs = 10_000 }: MailOptions): MailNotifier {
  const domain = /@([^\s>@]+)>?$/.exec(from)?.[1] ?? "wharfinger.invalid";
  const transport = createTransport({
    url,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    // Messages name no files and no addresses of ours to read.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    kind: "email",
    check: async () => ok(true),
    async verify() {
      try {
        await transport.verify();
        return ok(true);
      } catch (error) {
        return refusal(error);
      }
    },
    async send(address, { subject, text }, id) {
      const message: SendMailOptions = {
        from,
        // An object: a text would be read as a list of addresses.
        to: { name: "", address },
        subject,
        text,
        messageId: `<${id}@${domain}>`,
        // RFC 3834: nobody's holiday notice answers it.
        headers: { "Auto-Submitted": "auto-generated" },
      };
      try {
        await transport.sendMail(message);
        return ok(true);
      } catch (error) {
        return refusal(error);
      }
    },
  };
}

/** SMTP says with its code whether it is of any use to try again: 4xx later, 5xx never. Its words may hold addresses. */
function refusal(error: unknown): Outcome<never> {
  const code = field(error, "responseCode");
  if (typeof code === "number") {
    return failed(`The mail server answered ${code}.`, { retryable: code < 500 });
  }
  const name = field(error, "code");
  return failed(`The mail server could not be reached (${typeof name === "string" ? name : "no reason given"}).`, {
    retryable: true,
  });
}

function field(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined;
}
