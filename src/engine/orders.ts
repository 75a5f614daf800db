/** Plans what somebody has ordered: like a push of that branch or tag as it is when the order's turn has come. */
import { type BuildOrder, parseOrder } from "../core/build-order.ts";
import type { PushEvent } from "../core/events.ts";
import {
  DEFAULT_POLICY,
  type HostId,
  type Installation,
  type LinkState,
  type Outcome,
  ok,
  type RefChange,
  type Repository,
  type Skip,
} from "../core/model.ts";
import { type ChangeFacts, planBuilds, planOfSkip } from "../core/plan.ts";
import { closedGate } from "../core/refusals.ts";
import { CONFIG_FILE } from "../core/repo-config/config.ts";
import { isDefaultBranch } from "../core/trust.ts";
import { zeroConfig } from "../core/zero-config.ts";
import { resolveRepositories } from "./further-repositories.ts";
import { digestsOf, gather } from "./gather.ts";
import type { Installations } from "./installations.ts";
import { isoTime } from "./loop.ts";
import type { Clock, Host } from "./ports.ts";
import { refNow } from "./ref-now.ts";
import type { ClaimedDelivery, PlanRecord, RequestWriter, Store } from "./store-port.ts";

export interface OrderParts {
  readonly store: Pick<Store, "repositoryOf" | "pausesOf" | "imageOwners" | "coveredRepositories">;
  readonly installations: Pick<Installations, "known">;
  readonly clock: Clock;
  readonly write: RequestWriter;
}

export type OrderHost = Pick<Host, "repository" | "tip" | "file" | "tags" | "head">;

export type PlannedOrder =
  | { readonly kind: "planned"; readonly record: PlanRecord }
  | { readonly kind: "ignored"; readonly note: string };

type Reason = Pick<Skip, "reason"> & { readonly why: string };

/** Fails where the host is away; then the order waits. */
export async function planOrder(
  { store, installations, clock, write }: OrderParts,
  host: Host,
  { delivery, body }: ClaimedDelivery,
): Promise<Outcome<PlannedOrder>> {
  const order = parseOrder(body.toString("utf8"));
  const recorded = order === null ? null : await store.repositoryOf(order.repository);
  if (order === null || recorded === null || delivery.installationId === null) {
    return ok({ kind: "ignored", note: "its repository is not known here (any more)" });
  }
  const installation: HostId = { provider: host.provider, host: host.host, id: delivery.installationId };
  const known = await installations.known(host, installation);
  if (!known.ok) return known;
  // Another installation's by now: whoever ordered this may be nobody there.
  const link = recorded.installation.id === installation.id ? recorded.repository.link : "unlinked";
  const record = (repository: Repository, plan: PlanRecord["plan"], config: PlanRecord["configDigests"] = new Map()) =>
    ok<PlannedOrder>({
      kind: "planned",
      record: {
        repository,
        installation,
        namespace: known.value?.namespace ?? null,
        trigger: "manual",
        // Nothing has moved.
        changes: [],
        cancel: [],
        plan,
        actor: order.actor?.id ?? null,
        configDigests: config,
        write,
        report: [],
      },
    });
  const refuse = (repository: Repository, { reason, why }: Reason) =>
    record(
      repository,
      planOfSkip({ ref: order.ref, sha: null, image: null, rule: null, reason, detail: `not built: ${why}` }),
    );

  const about = { installation, repository: recorded.repository };
  const [pause] = known.value?.state === "paused" || link === "paused" ? await store.pausesOf(about) : [];
  const closed = closedGate({ installation: known.value, link, pause: pause ?? null });
  if (closed !== null) return refuse(recorded.repository, closed);
  const now = await refNow(host, installation, order.repository, order.ref);
  if (!now.ok) return now;
  if (now.value.kind === "no-repository") {
    return refuse(recorded.repository, {
      reason: "not-linked",
      why: "the installation does not cover this repository",
    });
  }
  if (now.value.kind === "no-ref") {
    return refuse(now.value.repository, { reason: "ref-deleted", why: `${order.ref} is not there any more` });
  }
  const { repository, change } = now.value;
  const standing: Standing = { installation: known.value, link: repository.archived ? "archived" : link };
  const event: PushEvent = { type: "push", repository, installation, actor: order.actor, changes: [change] };
  const gathered = await gather(withoutPaths(host), event, { ...standing, attempts: 0 }, async (images) => {
    const namespace = known.value?.namespace ?? null;
    return namespace === null ? new Map() : store.imageOwners(namespace, repository, images);
  });
  if (!gathered.ok) return gathered;
  const { changes, imageOwners } = gathered.value;
  const ordered = changes.map((facts) => asOrdered(facts, repository, order));
  const policy = known.value?.policy ?? DEFAULT_POLICY;
  const plan = planBuilds({
    repository,
    ...standing,
    policy,
    imageOwners,
    changes: ordered,
    now: isoTime(clock.now()),
  });
  if (order.image !== null && hasNoImages(ordered) && !hasNoImages(changes)) {
    const why = `${CONFIG_FILE} at this commit names no image ${order.image}`;
    return record(
      repository,
      planOfSkip({ ...placeOf(change), image: order.image, reason: "no-match", detail: `not built: ${why}` }),
    );
  }
  return record(repository, await resolveRepositories(store, event, plan), digestsOf(changes));
}

interface Standing {
  readonly installation: Installation | null;
  readonly link: LinkState;
}

/** Without a push nobody knows what changed; what is ordered is built. */
export function withoutPaths<H extends OrderHost>(host: H): H & Pick<Host, "changedPaths"> {
  return { ...host, changedPaths: async () => ok(null) };
}

function placeOf({ ref, commit }: RefChange): Pick<Skip, "ref" | "sha" | "rule"> {
  return { ref, sha: commit, rule: null };
}

/**
 * The one image, if one was named. And without a file the root Dockerfile as zero-config has it, whatever the policy says
 * of pushes: somebody has asked for it.
 */
function asOrdered(facts: ChangeFacts, repository: Repository, { image }: BuildOrder): ChangeFacts {
  const { defaultBranch } = repository;
  const config =
    facts.config.kind === "missing" && defaultBranch !== null && isDefaultBranch(facts.change, defaultBranch)
      ? ({ kind: "read", parsed: zeroConfig(repository, defaultBranch) } as const)
      : facts.config;
  if (image === null || config.kind !== "read" || config.parsed.config === null) return { ...facts, config };
  const images = config.parsed.config.images.filter(({ name }) => name === image);
  return { ...facts, config: { ...config, parsed: { ...config.parsed, config: { ...config.parsed.config, images } } } };
}

function hasNoImages(changes: readonly ChangeFacts[]): boolean {
  return changes.some(({ config }) => config.kind === "read" && config.parsed.config?.images.length === 0);
}
