import type { Decider } from "../core/audit.ts";
import type { Actor, Build, Installation } from "../core/model.ts";
import type { Authorization, Authorizer } from "./authorize.ts";
import type { Store } from "./store-port.ts";

export type Approving =
  | { readonly kind: "approved"; readonly builds: readonly string[] }
  | { readonly kind: "no-build" }
  /** It can not be approved (any more), whoever tries. `why`: a sentence. */
  | { readonly kind: "not-held"; readonly why: string }
  /** They may not, or nobody knows. */
  | Exclude<Authorization, { readonly kind: "allowed" }>;

type ApprovalStore = Pick<Store, "getBuild" | "approveBuild" | "getInstallation">;

/** Approves as the operator (null), or for somebody whose host is asked first whether they may. */
export async function approveFor(
  { store, authorizer }: { readonly store: ApprovalStore; readonly authorizer: Authorizer },
  id: string,
  actor: Actor | null,
): Promise<Approving> {
  if (actor === null) return approveHeld(store, id, { kind: "operator" });
  const build = await store.getBuild(id);
  if (build === null) return { kind: "no-build" };
  const { installation, repository } = build;
  const may = await authorizer.may(actor, "build.approve", { installation, repository });
  if (may.kind !== "allowed") return may;
  const { provider, host } = installation;
  return approveHeld(store, id, { kind: "person", provider, host, actor });
}

/**
 * Lets a held build run, and with it what its delivery holds for the same reason; says why not otherwise. Whether `by` may
 * do so is the caller's to know.
 */
export async function approveHeld(store: ApprovalStore, id: string, by: Decider): Promise<Approving> {
  if ((await store.getBuild(id)) === null) return { kind: "no-build" };
  // Not judged by what was read: somebody else may approve, cancel or replace it meanwhile.
  const builds = await store.approveBuild(id, by);
  if (builds.length > 0) return { kind: "approved", builds };
  const build = await store.getBuild(id);
  if (build === null) return { kind: "no-build" };
  const installation = await store.getInstallation(build.installation);
  return { kind: "not-held", why: whyNot(build, installation) };
}

function whyNot(build: Build, installation: Installation | null): string {
  const { state, approval, hold, planned } = build;
  if (state === "held") {
    if (planned.pull?.fork === true && installation?.policy.forks === "never") {
      return "The build can not run: by now its installation's policy is never to build pull requests from forks.";
    }
    return "The build can not run now: its installation or repository is paused, suspended or removed.";
  }
  if (approval !== null) {
    return `The build was approved already, by ${approval.actor?.login ?? "the operator"} at ${approval.at}.`;
  }
  if (hold === null) return "The build was never held; there is nothing to approve.";
  if (state === "superseded") {
    return "The build is not held any more: something newer has replaced it, which has to be approved by itself.";
  }
  return `The build is not held any more: it is ${state.replace("_", " ")}.`;
}
