/** What GitHub could not deliver to the App: it keeps it for three days, an Enterprise Server for seven. */
import { failed, type Outcome, ok } from "../core/model.ts";
import type { DeliveryAttempt, DeliverySource } from "../engine/missed-port.ts";
import type { Clock } from "../engine/ports.ts";
import type { GithubAccess } from "./access.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, nextPage, refusal } from "./api.ts";
import { describeDelivery } from "./entrance.ts";
import { attemptsSchema, missedSchema } from "./payloads.ts";

const DELIVERIES = ["app", "hook", "deliveries"] as const;
const FIRST = apiPath(DELIVERIES, { per_page: "100" });

export function createMissedDeliveries(access: Pick<GithubAccess, "host" | "asApp">, clock: Clock): DeliverySource {
  const { host } = access;
  return {
    provider: "github",
    host,

    async list(page) {
      // Without GitHub's own filter by status: an attempt that got no answer is neither a success nor a failure there.
      const request: ApiRequest = { method: "GET", path: page ?? FIRST, largeIds: true };
      const answer = await access.asApp(request);
      if (!answer.ok) return answer;
      if (answer.value.status !== 200) return refusal(answer.value);
      const listed = attemptsSchema.safeParse(answer.value.body);
      if (!listed.success) return misshapen(answer.value);
      const next = nextPage(answer.value)?.path ?? null;
      if (next === request.path) return failed("GitHub's list of deliveries leads in a circle.", { retryable: true });
      return ok({ attempts: listed.data.map(toAttempt), next });
    },

    async fetch({ id, deliveryId }) {
      const answer = await access.asApp({ method: "GET", path: apiPath([...DELIVERIES, id]) });
      if (!answer.ok) return answer;
      if (answer.value.status !== 200) return unfetched(answer.value);
      const found = missedSchema.safeParse(answer.value.body);
      if (!found.success || found.data.guid !== deliveryId) return misshapen(answer.value);
      const { event, request } = found.data;
      // GitHub vouches for it by answering: there is no signature to check, and the bytes are not the ones it signed.
      const body = Buffer.from(JSON.stringify(request.payload), "utf8");
      return ok(describeDelivery(request.payload, { event, deliveryId, host, receivedAt: clock.now(), body }));
    },
  };
}

/** Only what is gone is gone: any other refusal is of the App, for which the list was open a moment ago, and may pass. */
function unfetched(answer: ApiAnswer): Outcome<never> {
  const refused = refusal(answer);
  if (refused.ok || answer.status === 404 || answer.status === 410) return refused;
  return { ...refused, retryable: true };
}

function toAttempt(item: (typeof attemptsSchema)["_output"][number]): DeliveryAttempt {
  const { id, guid, event, action, delivered_at, status_code } = item;
  return {
    id,
    deliveryId: guid,
    sentAt: Date.parse(delivered_at),
    status: status_code === 0 ? null : status_code,
    wanted: !isOfNoUse(event, action ?? null),
  };
}

/**
 * The App's own checks told back to it, which the entrance does not journal either (those of other Apps lead to nothing); and
 * the question whether the webhook can be reached, which is answered.
 */
function isOfNoUse(event: string, action: string | null): boolean {
  if (event === "ping") return true;
  return event === "check_run" && (action === "created" || action === "completed");
}
