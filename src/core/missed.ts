/** Words for a delivery that its host could not deliver, and that was fetched from it afterwards. */
import type { Provider } from "./model.ts";
import { PROVIDER_NAMES } from "./provider-names.ts";

/** Of a delivery that was fetched. */
export interface Missed {
  /** When its host tried to deliver it, by the host's clock. ISO 8601, UTC. */
  readonly sentAt: string;
  /** HTTP status the host saw; null: no answer. */
  readonly status: number | null;
}

/** `GitHub could not deliver it (503), and it was fetched 4 min later.` */
export function missedText(provider: Provider, { sentAt, status }: Missed, fetchedAt: string): string {
  const late = lateness(Date.parse(fetchedAt) - Date.parse(sentAt));
  return `${PROVIDER_NAMES[provider]} could not deliver it (${status ?? "no answer"}), and it was fetched ${late} later.`;
}

function lateness(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  if (minutes < 1) return "less than a minute";
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}
