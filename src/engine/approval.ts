import type { Actor, Build, Installation } from "../core/model.ts";
import type { Store } from "./store-port.ts";

export type Approving =
  | { readonly kind: "approved"; readonly builds: readonly string[] }
  | { readonly kind: "unknown" }
  /** `why`: a sentence for whoever tried. */
  | { readonly kind: "refused"; readonly why: string };

/**
 * Lets a held build run, and with it what its delivery holds for the same reason; says why not otherwise. Who may do so
 * is the caller's to know. `actor`: null is the operator.
 */
export async function approveHeld(
  store: Pick<Store, "getBuild" | "approveBuild" | "getInstallation">,
  id: string,
  actor: Actor | null,
): Promise<Approving> {
  if ((await store.getBuild(id)) === null) return { kind: "unknown" };
  // Not judged by what was read: somebody else may approve, cancel or replace it meanwhile.
  const builds = await store.approveBuild(id, actor);
  if (builds.length > 0) return { kind: "approved", builds };
  const build = await store.getBuild(id);
  if (build === null) return { kind: "unknown" };
  const installation = await store.getInstallation(build.installation);
  return { kind: "refused", why: whyNot(build, installation) };
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
