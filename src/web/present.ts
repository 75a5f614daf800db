import { BUILD_ORDER } from "../core/build-order.ts";
import { FOUND } from "../core/found.ts";
import { foundWords } from "../core/found-words.ts";
import { missedText } from "../core/missed.ts";
import { type Build, type BuildState, isFinal, type Provider, shownTags } from "../core/model.ts";
import type { Decision, Delivery } from "../engine/store-port.ts";
import { buildAddress, deliveryAddress } from "./addresses.ts";

/** What templates show: texts, ready but for escaping, which the templates' engine does. */
export interface BuildView {
  readonly id: string;
  readonly href: string;
  readonly state: BuildState;
  readonly stateText: string;
  readonly final: boolean;
  readonly repository: string;
  readonly repositoryUrl: string | null;
  readonly ref: string;
  readonly kind: string;
  readonly sha: string;
  readonly commitUrl: string | null;
  readonly image: string;
  /** Null: of a branch or tag that was pushed. */
  readonly pullRequest: PullRequestView | null;
  /** False: it is built and tested, and its tags are only names. */
  readonly publishes: boolean;
  /** Of what is published; empty where nothing is. */
  readonly tags: readonly string[];
  /** Empty while it has not begun. */
  readonly duration: string;
  readonly elapsed: number | null;
  readonly created: TimeView;
}

/** How long something took, or takes. */
export interface TookView {
  readonly duration: string;
  /** Seconds so far of what still runs; null: it does not. */
  readonly elapsed: number | null;
}

export interface PullRequestView {
  readonly number: number;
  /** Its page on the host. */
  readonly url: string | null;
  readonly target: string;
  readonly fork: boolean;
}

export interface TimeView {
  readonly iso: string;
  /** `2026-11-20 11:50:00 UTC`. */
  readonly text: string;
  readonly ago: string;
}

export const STATE_TEXTS: Readonly<Record<BuildState, string>> = {
  queued: "queued",
  running: "running",
  succeeded: "succeeded",
  failed: "failed",
  canceled: "canceled",
  superseded: "superseded",
  timed_out: "timed out",
  held: "held",
};

export function buildView(build: Build, now: number): BuildView {
  const { planned, repository } = build;
  const webUrl = webLink(repository.webUrl);
  return {
    id: build.id,
    href: buildAddress(build.id),
    state: build.state,
    stateText: STATE_TEXTS[build.state],
    final: isFinal(build.state),
    repository: repository.fullName,
    repositoryUrl: webUrl,
    ref: shortRef(planned.ref),
    kind: planned.kind,
    sha: planned.sha.slice(0, 7),
    commitUrl: webUrl === null ? null : commitUrl(build, webUrl),
    image: build.image,
    pullRequest: planned.pull === undefined ? null : pullRequestView(planned.pull, repository.provider, webUrl),
    publishes: planned.push,
    tags: planned.push ? shownTags(build) : [],
    ...(build.startedAt === null ? { duration: "", elapsed: null } : took(build.startedAt, build.finishedAt, now)),
    created: timeView(build.createdAt, now),
  };
}

function commitUrl({ repository, planned }: Build, webUrl: string): string | null {
  if (repository.provider === "github") return `${webUrl}/commit/${planned.sha}`;
  // A fork's commits are not to be seen in the repository itself; GitHub shows them in both.
  return planned.pull?.fork === true ? null : `${webUrl}/commits/${planned.sha}`;
}

function pullRequestView(
  { number, target, fork }: NonNullable<Build["planned"]["pull"]>,
  provider: Provider,
  webUrl: string | null,
): PullRequestView {
  const place = provider === "github" ? "pull" : "pull-requests";
  return { number, url: webUrl === null ? null : `${webUrl}/${place}/${number}`, target, fork };
}

/** The parts of a build with how long each took. One that was cut off ended with its build. */
export function stepViews(
  { steps, finishedAt }: Pick<Build, "steps" | "finishedAt">,
  now: number,
): readonly ({ readonly name: string } & TookView)[] {
  return steps.map((step) => ({ name: step.name, ...took(step.startedAt, step.finishedAt ?? finishedAt, now) }));
}

/** The command that fetches exactly what was pushed; null: nothing was, or its registry is not known any more. */
export function pullCommand(build: Build, registryHost: string | null): string | null {
  if (build.digest === null || registryHost === null) return null;
  return `docker pull ${registryHost}/${build.image}@${build.digest}`;
}

export interface DeliveryView {
  readonly id: string;
  readonly href: string;
  readonly event: string;
  readonly repository: string | null;
  readonly outcome: Delivery["outcome"];
  readonly received: TimeView;
  /** What it led to, in a few words. */
  readonly result: string;
  /** A sentence, of what was fetched; null: it was received. */
  readonly missed: string | null;
  /** Sentences, of what was found; null: it was told, or ordered. */
  readonly found: string | null;
}

export function deliveryView(delivery: Delivery, now: number): DeliveryView {
  return {
    id: delivery.id,
    href: deliveryAddress(delivery.id),
    event: eventText(delivery),
    repository: delivery.repositoryName,
    outcome: delivery.outcome,
    received: timeView(delivery.receivedAt, now),
    result: resultOf(delivery),
    missed: delivery.missed === undefined ? null : missedText(delivery.provider, delivery.missed, delivery.receivedAt),
    found: delivery.event === FOUND ? foundWords(delivery.provider) : null,
  };
}

/** What was ordered or found here came from no host, and has no name of one. */
function eventText({ event, action }: Delivery): string {
  if (event === BUILD_ORDER) return "started by hand";
  if (event === FOUND) return "changes found";
  return action === null ? event : `${event}.${action}`;
}

function resultOf(delivery: Delivery): string {
  const built = delivery.builds.length;
  const skipped = delivery.decisions.filter((decision) => decision.build === null);
  if (delivery.outcome === "pending") {
    return "Waits to be processed.";
  }
  if (built > 0) {
    const held = delivery.decisions.filter((decision) => decision.build !== null && decision.reason !== null).length;
    const approval = held === 0 ? "" : `, ${held === built ? "" : `${held} of them `}only after approval`;
    const more = skipped.length > 0 ? `, ${skipped.length} not built` : "";
    return `${built} ${built === 1 ? "build" : "builds"}${approval}${more}`;
  }
  const [first] = skipped;
  return delivery.note ?? first?.detail ?? "Nothing to build.";
}

export interface DecisionView {
  readonly ref: string | null;
  readonly image: string | null;
  readonly rule: string | null;
  readonly reason: string | null;
  readonly detail: string;
  /** The build it led to, with its state now, where it is still known. */
  readonly build: { readonly href: string; readonly state: string; readonly stateText: string } | null;
}

export function decisionView(decision: Decision, builds: ReadonlyMap<string, Build>): DecisionView {
  const { ref, image, rule, reason, detail, build: id } = decision;
  const build = id === null ? undefined : builds.get(id);
  const wasHeld = reason !== null && build !== undefined && build.state !== "held";
  return {
    ref: ref === null ? null : shortRef(ref),
    image,
    rule,
    reason,
    detail: wasHeld ? `It was held: ${detail}` : detail,
    build:
      id === null
        ? null
        : {
            href: buildAddress(id),
            state: build?.state ?? "queued",
            stateText: build === undefined ? "build" : STATE_TEXTS[build.state],
          },
  };
}

export function timeView(iso: string, now: number): TimeView {
  const text = iso.replace(/^(\S+)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/, "$1 $2 UTC");
  return { iso, text, ago: ago(now - Date.parse(iso)) };
}

/** `refs/heads/main` as `main`; the pill beside it says whether it is a branch or a tag. */
export function shortRef(ref: string): string {
  return ref.replace(/^refs\/(?:heads|tags)\//, "");
}

/** Addresses come from payloads: only those a browser opens as pages become links. */
export function webLink(url: string): string | null {
  return URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol) ? url : null;
}

function took(from: string, to: string | null, now: number): TookView {
  const ms = Math.max(0, (to === null ? now : Date.parse(to)) - Date.parse(from));
  return { duration: duration(ms), elapsed: to === null ? Math.round(ms / 1000) : null };
}

export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) {
    return `${hours} h ${minutes} min`;
  }
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function ago(ms: number): string {
  if (ms < MINUTE) {
    return "just now";
  }
  if (ms < HOUR) {
    return `${Math.floor(ms / MINUTE)} min ago`;
  }
  if (ms < DAY) {
    return `${Math.floor(ms / HOUR)} h ago`;
  }
  const days = Math.floor(ms / DAY);
  return days === 1 ? "yesterday" : `${days} days ago`;
}
