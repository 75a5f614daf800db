/** GitHub counts attempts at deliveries above 2^53, where JavaScript's numbers and its JSON end. */

const FIRST = 3_804_004_623_172_239_367n;

/** The id as it is on the wire, of a number of the host's own count. */
export function deliveryIdOf(count: number): string {
  return String(FIRST + BigInt(count));
}

/** The other way round. */
export function countOf(id: string): number {
  return Number(BigInt(id) - FIRST);
}

/** Writes ids into the JSON of deliveries, where counts stand. */
export function withDeliveryIds(json: string): string {
  return json.replace(/"id":(\d+),"guid":/g, (_, count: string) => `"id":${deliveryIdOf(Number(count))},"guid":`);
}
