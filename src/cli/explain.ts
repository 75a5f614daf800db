import { FOUND } from "../core/found.ts";
import { foundWords } from "../core/found-words.ts";
import { oneLine } from "../core/markdown.ts";
import { missedText } from "../core/missed.ts";
import type { Build, Verdict } from "../core/model.ts";
import { tracedDeliveryJson } from "../engine/shapes.ts";
import type { Decision, Delivery } from "../engine/store-port.ts";
import type { CliStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

/**
 * `wharfinger explain DELIVERY`: what arrived, what was decided for each ref and image, and of each rule by what. 1: no
 * such delivery.
 */
export async function explain(
  id: string,
  { json }: { readonly json: boolean },
  store: CliStore,
  terminal: Terminal,
): Promise<ExitCode> {
  const delivery = await store.findDelivery(id);
  if (delivery === null) {
    terminal.err(
      `explain: no delivery ${JSON.stringify(id)} is known here. Give our number or the host's id (GitHub: the ` +
        "X-GitHub-Delivery shown under the app's Advanced settings). If the host says it was sent and answered with " +
        "another status than 200 or 202, it was never stored; it may also be past RETENTION_DELIVERIES_DAYS.\n",
    );
    return 1;
  }
  if (json) {
    terminal.out(`${JSON.stringify(tracedDeliveryJson(delivery), null, 2)}\n`);
    return 0;
  }
  const { items } = await store.listBuilds({ limit: 100, cursor: null, deliveryId: delivery.id });
  terminal.out(`${explanation(delivery, items).join("\n")}\n`);
  return 0;
}

/** Everything of the delivery came from outside: each text is made one line without terminal sequences. */
function explanation(delivery: Delivery, builds: readonly Build[]): string[] {
  const { event, action, repositoryName, provider, host } = delivery;
  const found = event === FOUND;
  const from = `${found ? "on" : "from"} ${host === "default" ? provider : `${provider} (${host})`}`;
  return [
    `delivery  ${delivery.id} (${oneLine(delivery.deliveryId)})`,
    `event     ${oneLine(action === null ? event : `${event}.${action}`)} ${from}`,
    ...(repositoryName === null ? [] : [`about     ${oneLine(repositoryName)}`]),
    `received  ${delivery.receivedAt}`,
    ...(found ? [`found     ${foundWords(provider)}`] : []),
    ...(delivery.missed === undefined
      ? []
      : [`fetched   ${missedText(provider, delivery.missed, delivery.receivedAt)}`]),
    `outcome   ${delivery.outcome}${delivery.note === null ? "" : `: ${oneLine(delivery.note)}`}`,
    "",
    ...decisionLines(delivery, new Map(builds.map((build) => [build.id, build]))),
    ...traceLines(delivery),
  ];
}

function decisionLines(delivery: Delivery, builds: ReadonlyMap<string, Build>): string[] {
  if (delivery.decisions.length > 0) {
    return delivery.decisions.flatMap((decision) => decisionText(decision, builds));
  }
  return [delivery.outcome === "pending" ? "It waits to be processed." : "It led to nothing."];
}

/** Every rule that was looked at, the ones that did not match as well. */
function traceLines({ trace }: Delivery): string[] {
  return trace.length === 0 ? [] : ["", "Every rule that was looked at:", ...trace.flatMap(verdictText)];
}

function verdictText({ ref, image, rule, verdict, reason, facts, detail }: Verdict): string[] {
  const subject = [ref, image, rule].filter((part) => part !== null).join("  ");
  const answer = reason === null ? verdict : `${verdict}: ${reason}`;
  const seen = Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
  return [
    oneLine(`${subject === "" ? "everything" : subject}  →  ${answer}`),
    `    ${oneLine(detail)}`,
    ...(seen.length === 0 ? [] : [`    ${oneLine(`by ${seen.join("; ")}`)}`]),
  ];
}

function decisionText(decision: Decision, builds: ReadonlyMap<string, Build>): string[] {
  const { ref, image, rule, build, reason } = decision;
  const subject = [ref, image].filter((part) => part !== null).join("  ");
  const state = build === null ? undefined : builds.get(build)?.state;
  const approval = state === "held" ? [`    To let it run: wharfinger approve ${build}`] : [];
  const answer =
    build === null ? `not built: ${reason ?? "no reason recorded"}` : `build ${build}${state ? ` (${state})` : ""}`;
  const before = reason !== null && state !== undefined && state !== "held" ? "It was held: " : "";
  return [
    oneLine(`${subject === "" ? "everything" : subject}  →  ${answer}`),
    `    ${oneLine(`${before}${decision.detail}${rule === null ? "" : ` (${rule})`}`)}`,
    ...approval,
  ];
}
