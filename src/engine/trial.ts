/** What would be built of a ref if it were pushed now. Nothing is recorded. */
import { kindOfRef, refsCalled } from "../core/build-order.ts";
import {
  type BuildPlan,
  failed,
  type HostId,
  type Installation,
  type LinkState,
  type Outcome,
  ok,
  type RefChange,
  type Repository,
  type Sha,
} from "../core/model.ts";
import { unpaused } from "../core/pause.ts";
import { planBuilds } from "../core/plan.ts";
import { closedGate } from "../core/refusals.ts";
import { gather } from "./gather.ts";
import { isoTime } from "./loop.ts";
import { type OrderHost, withoutPaths } from "./orders.ts";
import type { Pauses } from "./pauses.ts";
import type { Clock, Host, RepositoryNow } from "./ports.ts";
import { refNow } from "./ref-now.ts";
import type { Store } from "./store-port.ts";

/** Who may ask is the caller's to know. A failure's message is a sentence for people. */
export interface Trials {
  /** Of a branch or tag that is there: a full ref, or a short name that only one of them has. */
  ofRef(repository: HostId, ref: string): Promise<Outcome<Trial>>;
  /** Of a branch or tag that need not be there, as if it were made now of the tip of the default branch. */
  ofName(repository: HostId, kind: "branch" | "tag", name: string): Promise<Outcome<Trial>>;
}

export interface Trial {
  /** As its host tells of it now. */
  readonly repository: Repository;
  /** In full. */
  readonly ref: string;
  /** The commit that would be built. */
  readonly sha: Sha | null;
  /** Whether `.wharfinger.yml` was there. */
  readonly hasFile: boolean;
  /**
   * By the one planner, as if nothing were paused and its account had its namespace. Without a push nothing is known of changed paths, so that filters by
   * path let everything through.
   */
  readonly plan: BuildPlan;
}

export interface TrialParts {
  readonly store: Pick<Store, "repositoryOf" | "getInstallation" | "imageOwners">;
  readonly hosts: readonly (OrderHost & Pick<Host, "provider" | "host">)[];
  readonly pauses: Pauses;
  readonly clock: Clock;
}

/** Stands for the namespace of an installation that waits for one; no namespace can be called so. */
const LATER = "";

/** A repository whose host may be asked about it. */
interface Place {
  readonly host: OrderHost;
  readonly installation: Installation;
  readonly link: LinkState;
}

export function createTrials({ store, hosts, pauses, clock }: TrialParts): Trials {
  async function placeOf(id: HostId): Promise<Outcome<Place>> {
    const recorded = await store.repositoryOf(id);
    const known = recorded === null ? null : await store.getInstallation(recorded.installation);
    const host = hosts.find((one) => one.provider === id.provider && one.host === id.host);
    if (recorded === null || known === null || host === undefined) return no("There is no such repository.");
    const { installation, link } = unpaused(
      { ...known, namespace: known.namespace ?? LATER },
      recorded.repository.link,
    );
    const closed = closedGate({ installation, link });
    if (closed !== null) return no(`Nothing of it is built: ${closed.why}.`);
    const left = pauses.left(installation);
    if (left > 0) return failed("Its host asked us to wait.", { retryable: true, retryAfter: Math.ceil(left / 1_000) });
    return ok({ host, installation, link });
  }

  async function tried(place: Place, now: RepositoryNow, change: RefChange): Promise<Outcome<Trial>> {
    const { host, installation, link } = place;
    const { archived, ...repository } = now;
    const stands = { installation, link: archived ? ("archived" as const) : link };
    const event = { type: "push", repository, installation, actor: null, changes: [change] } as const;
    const { namespace, policy } = installation;
    const gathered = await gather(withoutPaths(host), event, { ...stands, attempts: 0 }, async (images) =>
      namespace === null || namespace === LATER ? new Map() : store.imageOwners(namespace, repository, images),
    );
    if (!gathered.ok) return gathered;
    const plan = planBuilds({ ...stands, ...gathered.value, repository, policy, now: isoTime(clock.now()) });
    const kinds = gathered.value.changes.map(({ config }) => config.kind);
    const hasFile = kinds.some((kind) => kind === "read" || kind === "unreadable");
    return ok({ repository, ref: change.ref, sha: change.commit, hasFile, plan });
  }

  /** Remembers that the host wants us to wait. */
  function heeding<T>({ installation }: Place, outcome: Outcome<T>): Outcome<T> {
    if (!outcome.ok && outcome.retryAfter !== null) pauses.begin(installation, outcome.retryAfter);
    return outcome;
  }

  async function ofRef(place: Place, id: HostId, name: string | null, as?: string): Promise<Outcome<Trial>> {
    const now = await refNow(place.host, place.installation, id, name);
    if (!now.ok) return now;
    if (now.value.kind === "no-repository") return no("The installation does not cover this repository any more.");
    if (now.value.kind === "no-ref") return no(now.value.why);
    const { repository, change } = now.value;
    if (as === undefined) return tried(place, repository, change);
    return tried(place, repository, { ...change, ...kindOfRef(as), ref: as });
  }

  return {
    async ofRef(id, ref) {
      const place = await placeOf(id);
      return place.ok ? heeding(place.value, await ofRef(place.value, id, ref)) : place;
    },
    async ofName(id, kind, name) {
      const [ref] = refsCalled(`refs/${kind === "branch" ? "heads" : "tags"}/${name}`);
      if (ref === undefined) return no(`No ${kind} can be called so.`);
      const place = await placeOf(id);
      return place.ok ? heeding(place.value, await ofRef(place.value, id, null, ref)) : place;
    },
  };
}

function no(why: string): Outcome<never> {
  return failed(why, { retryable: false });
}
