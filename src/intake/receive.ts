import type { IncomingMessage, ServerResponse } from "node:http";
import type { Acceptance, Inbox } from "../engine/inbox.ts";
import type { Answer, Entrance, Logger, Opening } from "../engine/ports.ts";
import { problem, send, sendAndClose } from "./answer.ts";
import { type BodyFailure, readBody } from "./body.ts";
import { createBudget } from "./budget.ts";
import { INTAKE_LIMITS, type IntakeLimits } from "./limits.ts";

export { serverLimits } from "./limits.ts";

export interface IntakeOptions {
  readonly entrances: readonly Entrance[];
  readonly inbox: Pick<Inbox, "accept">;
  readonly limits?: Partial<IntakeLimits>;
  readonly log?: Logger;
  /** Called for every answer, with the milliseconds since the request's head was read. */
  readonly onAnswer?: (path: string, status: number, ms: number) => void;
}

export interface Intake {
  /** Takes the request if an entrance wants its path and answers true; otherwise leaves it untouched. */
  handle(req: IncomingMessage, res: ServerResponse): boolean;
}

/** Opening that wants the body. */
type Door = Exclude<Opening, { readonly answer: Answer }>;

/**
 * Receives webhooks before any framework sees them: the body is capped, timed and verified while it arrives, and a 2xx is
 * sent only after the delivery is durable.
 */
export function createIntake(options: IntakeOptions): Intake {
  const { entrances, inbox, log, onAnswer } = options;
  const limits: IntakeLimits = { ...INTAKE_LIMITS, ...options.limits };
  const budget = createBudget(limits.maxInFlightBytes);

  async function receive(
    req: IncomingMessage,
    res: ServerResponse,
    opened: Opening | Promise<Opening>,
  ): Promise<number | null> {
    // Nothing of the body is read, nor lost, until somebody listens.
    const opening = "then" in opened ? await opened : opened;
    if ("answer" in opening) {
      sendAndClose(req, res, opening.answer, limits.lingerMs);
      return opening.answer.status;
    }
    const share = budget.open();
    try {
      const { maxBytes } = opening;
      const update = (chunk: Buffer) => opening.update(chunk);
      const body = await readBody(req, { maxBytes, bodyMs: limits.bodyMs, share, update });
      if (typeof body === "string") return refuse(req, res, body, maxBytes);
      const answer = await judge(opening, body);
      send(res, answer);
      return answer.status;
    } finally {
      share.release();
    }
  }

  function refuse(req: IncomingMessage, res: ServerResponse, why: BodyFailure, maxBytes: number): number | null {
    if (why === "gone") {
      res.destroy();
      return null;
    }
    const answer = refusals[why](maxBytes);
    // Whoever was too slow for the body is not waited for a second time.
    sendAndClose(req, res, answer, why === "too-slow" ? 0 : limits.lingerMs);
    return answer.status;
  }

  async function judge(door: Door, body: Buffer): Promise<Answer> {
    const delivery = door.close(body);
    return "answer" in delivery ? delivery.answer : acceptances[await inbox.accept(delivery)];
  }

  return {
    handle(req, res) {
      const started = performance.now();
      const path = pathOf(req.url ?? "/");
      const opening = openFirst(entrances, {
        method: req.method ?? "",
        path,
        url: req.url ?? "/",
        headers: req.headers,
      });
      if (opening === null) return false;
      receive(req, res, opening)
        .catch((error: unknown) => {
          // A bug in an entrance. The host may send the delivery again; we must not have said that we have it.
          log?.error({ err: error, path }, "a webhook could not be received");
          if (res.headersSent) res.destroy();
          else sendAndClose(req, res, problem(500, "internal", "This is our fault."), limits.lingerMs);
          return 500;
        })
        .then((status) => {
          if (status !== null) onAnswer?.(path, status, performance.now() - started);
        })
        .catch((error: unknown) => log?.error({ err: error, path }, "an answer could not be counted"));
      return true;
    },
  };
}

function openFirst(
  entrances: readonly Entrance[],
  head: Parameters<Entrance["open"]>[0],
): ReturnType<Entrance["open"]> {
  for (const entrance of entrances) {
    const opening = entrance.open(head);
    if (opening !== null) return opening;
  }
  return null;
}

function pathOf(url: string): string {
  const query = url.indexOf("?");
  return query === -1 ? url : url.slice(0, query);
}

/** Seconds after which a sender that was turned away may come back. */
const RETRY_AFTER = { "retry-after": "10" };

const refusals: Readonly<Record<Exclude<BodyFailure, "gone">, (maxBytes: number) => Answer>> = {
  "too-large": (maxBytes) => problem(413, "too-large", `A body here has at most ${maxBytes} bytes.`),
  "too-slow": () => problem(408, "too-slow", "The body did not arrive in time."),
  overloaded: () => problem(503, "overloaded", "Too much is arriving at once; send it again later.", RETRY_AFTER),
};

const acceptances: Readonly<Record<Acceptance, Answer>> = {
  stored: { status: 202, body: { stored: true } },
  known: { status: 200, body: { known: true } },
  overloaded: problem(503, "overloaded", "Too many deliveries are waiting; send it again later.", RETRY_AFTER),
  late: problem(503, "late", "The delivery could not be stored in time; send it again later.", RETRY_AFTER),
  failed: problem(503, "not-stored", "The delivery could not be stored; send it again later.", RETRY_AFTER),
};
