/** Nothing is built until somebody resumes. A pause is ours: whatever its host says of an installation, it stays. */
import type { By } from "./audit.ts";
import type { HostId, Installation, LinkState } from "./model.ts";

/** What is paused, resumed, and looked through for what waits. */
export type Scope =
  | { readonly kind: "instance" }
  | { readonly kind: "installation"; readonly id: HostId }
  | { readonly kind: "repository"; readonly id: HostId };

export interface Pause {
  readonly kind: Scope["kind"];
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly by: By;
  /** What was being built when it began was stopped, and what is built all the same is stopped, too. */
  readonly stops: boolean;
}

const WHAT: Readonly<Record<Scope["kind"], string>> = {
  instance: "this whole instance",
  installation: "this installation",
  repository: "this repository",
};

/** A clause for people: `builds of this repository are paused since 2026-11-20 10:00 UTC, by the operator`. */
export function pauseText({ kind, since, by }: Pick<Pause, "kind" | "since" | "by">): string {
  return `builds of ${WHAT[kind]} are paused since ${minuteOf(since)}, by ${whoIs(by)}`;
}

/** What becomes of what is pushed meanwhile, and what to do. */
export function pauseAdvice({ kind }: Pick<Pause, "kind">): string {
  const how = kind === "instance" ? "wharfinger resume --instance" : "wharfinger resume";
  return `when they are resumed (${how}), the newest of each branch, tag and pull request is built`;
}

/** `2026-11-20 10:00 UTC`. */
function minuteOf(iso: string): string {
  return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}

/** For people: names as they were then. */
export function whoIs(by: By): string {
  switch (by.kind) {
    case "operator":
      return "the operator";
    case "service":
      return "this service itself";
    case "person":
      return by.actor.login;
    case "token":
      return `the API token ${by.name}`;
    case "host":
      return by.actor?.login ?? "its host";
  }
}

/** How an installation and its repository would stand without any pause. */
export function unpaused<T extends Pick<Installation, "state">>(
  installation: T,
  link: LinkState,
): { readonly installation: T; readonly link: LinkState } {
  return {
    // Nothing but an active installation shows as paused.
    installation: installation.state === "paused" ? { ...installation, state: "active" } : installation,
    link: link === "paused" ? "linked" : link,
  };
}
