/** What the suites about pull requests and held builds do again and again. */
import type { Build, Hold } from "../../src/core/model.ts";
import type { BuildResult, ClaimedBuild, Delivery, PlanRecord, Store } from "../../src/engine/store-port.ts";
import { delivery, held, pull, record, recordCovered, sha, skip } from "./store.samples.ts";

export const LEASE = { worker: "w", leaseMs: 15_000 };
export const ANN = { id: "42", login: "ann" };
export const BRAKE: Hold = { reason: "brake", detail: "too many" };
export const GOOD: BuildResult = { state: "succeeded", digest: null, failure: null, steps: [] };
export const STOPPED: BuildResult = { ...GOOD, state: "canceled" };

let counter = 0;

export async function journal(store: Store): Promise<string> {
  counter += 1;
  await store.append([delivery(`pull-${counter}`)]);
  return (await store.findDelivery(`pull-${counter}`))?.id ?? "";
}

export async function plan(store: Store, what: PlanRecord): Promise<readonly string[]> {
  return (await recordCovered(store, await journal(store), what)).map(({ id }) => id);
}

/** Plans it and gives the delivery back as it is kept. */
export async function planned(store: Store, what: PlanRecord): Promise<Delivery> {
  const id = await journal(store);
  await recordCovered(store, id, what);
  const found = await store.getDelivery(id);
  if (found === null) throw new Error("the delivery is there");
  return found;
}

/** One fork's pull request with one held build; answers its id. */
export async function holdOne(store: Store, number: number, head: string): Promise<string> {
  const moved = pull(number, head);
  return (await plan(store, record([moved], [], { held: [held(moved)], report: [sha(head)] })))[0] ?? "";
}

export function closing(number: number): PlanRecord {
  const moved = pull(number, null);
  return record([moved], [], {
    cancel: [`refs/pull/${number}/head`],
    skips: [skip(moved, null, "pull-request-closed")],
  });
}

export async function buildOf(store: Store, id: string | undefined): Promise<Build> {
  const build = await store.getBuild(id ?? "");
  if (build === null) throw new Error("the build is there");
  return build;
}

export async function statesOf(store: Store, ids: readonly (string | undefined)[]): Promise<string[]> {
  return Promise.all(ids.map(async (id) => (await buildOf(store, id)).state));
}

export async function claim(store: Store): Promise<ClaimedBuild> {
  const claimed = await store.claimBuild(LEASE);
  if (claimed === null) throw new Error("no build to claim");
  return claimed;
}

/** Shows all checks that are due; answers the states they were shown with. */
export async function showChecks(store: Store, concluded: boolean): Promise<readonly (readonly string[])[]> {
  const states: (readonly string[])[] = [];
  for (;;) {
    const claimed = await store.claimChecks({ limit: 10, leaseMs: 10_000 });
    if (claimed.length === 0) return states;
    for (const check of claimed) {
      states.push(check.facts.builds.map((build) => build.state));
      await store.checkShown(check.id, check.revision, { ...check.shown, hostId: "1", uncertain: false, concluded });
    }
  }
}
