import type { Host } from "./ports.ts";
import type { Store } from "./store-port.ts";

/**
 * Paths count from where the branch or tag was judged last: what nobody told of before this change is part of it, and so is
 * what was pushed while nothing could be built.
 */
export function sinceJudged<H extends Pick<Host, "changedPaths">>(store: Pick<Store, "toldPlaces">, host: H): H {
  return {
    ...host,
    async changedPaths(installation, repository, change) {
      const { kind, ref, after, before } = change;
      const place = kind === "pull_request" ? undefined : (await store.toldPlaces(repository, [ref])).get(ref);
      // What begins anew has nothing before it; the same told twice changed what it changed the first time.
      const begins = before === null && place?.after !== after;
      const asTold = place === undefined || begins || place.judged === after;
      return host.changedPaths(installation, repository, asTold ? change : { ...change, before: place.judged });
    },
  };
}
