/** Of what a list has, what somebody may see. */
import { type HostId, hostKey } from "../core/model.ts";
import type { Place } from "../engine/authorize.ts";
import type { BuildFilter } from "../engine/store-port.ts";
import { notAllowed } from "./errors.ts";
import type { Visit } from "./visit.ts";

/**
 * Those of the places somebody may see builds of. The host is asked once for each repository, for all at the same time; one
 * that does not answer makes the list fail: a shorter one would say that there is nothing. A place that is null nobody sees
 * but operators.
 */
export async function onlySeen<T>(
  visit: Pick<Visit, "viewer" | "may">,
  items: readonly T[],
  placeOf: (item: T) => Place | null,
): Promise<readonly T[]> {
  if (visit.viewer.kind === "operator") return items;
  const asked = new Map<string, ReturnType<Visit["may"]>>();
  const answers = await Promise.all(
    items.map((item) => {
      const place = placeOf(item);
      if (place === null || place.repository === null) return null;
      const key = `${hostKey(place.installation)} ${hostKey(place.repository)}`;
      const answer = asked.get(key) ?? visit.may("build.see", place);
      asked.set(key, answer);
      return answer;
    }),
  );
  for (const answer of answers) if (answer?.kind === "unknown") throw notAllowed(answer);
  return items.filter((_, index) => answers[index]?.kind === "allowed");
}

/** The installations a list is about: of operators those they ask for, of people those they were told of, or one of them. */
export function withinReach({ viewer, session }: Visit, asked: HostId | undefined): Pick<BuildFilter, "installations"> {
  if (viewer.kind === "operator") return asked === undefined ? {} : { installations: [asked] };
  const wanted = asked === undefined ? null : hostKey(asked);
  return { installations: session.reach.filter((one) => wanted === null || hostKey(one) === wanted) };
}
