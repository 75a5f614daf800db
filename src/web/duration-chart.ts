/** How long builds waited and took, as bars: drawn here, so that it needs no script. */
import type { Build } from "../core/model.ts";
import { duration, STATE_TEXTS } from "./present.ts";

export interface ChartView {
  readonly width: number;
  readonly height: number;
  /** In words, for who does not see it. */
  readonly summary: string;
  readonly longest: string;
  readonly bars: readonly {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly state: string;
    /** In the queue, above what the build took; height 0: not long enough to be seen. */
    readonly wait: { readonly y: number; readonly height: number };
    /** What it stands for. */
    readonly title: string;
  }[];
}

const HEIGHT = 56;
const STEP = 24;
/** Of all bars together; many are narrower. */
const WIDEST = 1_000;
/** A build of no time at all is one to see, too. */
const LEAST = 2;
/** Fewer say nothing that the table does not. */
const FEWEST = 3;

function between(from: string, to: string): number {
  return Math.max(0, Date.parse(to) - Date.parse(from));
}

function middle(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

/** Of builds as lists have them, the newest first: the oldest is on the left. Null: too few have ended to compare. */
export function durationChart(builds: readonly Build[]): ChartView | null {
  const ended = builds
    .flatMap(({ startedAt, finishedAt, ...build }) => {
      if (startedAt === null || finishedAt === null) return [];
      // Until somebody approved it, it waited for them and not for its turn.
      const queuedAt = build.approval?.at ?? build.createdAt;
      return [{ build, ms: between(startedAt, finishedAt), waited: between(queuedAt, startedAt) }];
    })
    .toReversed();
  if (ended.length < FEWEST) return null;
  const times = ended.map(({ ms }) => ms);
  const waits = ended.map(({ waited }) => waited);
  const longest = Math.max(...times);
  const highest = Math.max(...ended.map(({ ms, waited }) => ms + waited));
  const scaled = (ms: number) => (highest === 0 ? 0 : Math.round((ms / highest) * HEIGHT));
  const step = Math.min(STEP, Math.floor(WIDEST / ended.length));
  return {
    width: ended.length * step,
    height: HEIGHT,
    summary:
      `Of the last ${ended.length} builds here, half took ${duration(middle(times))} or less, the longest ${duration(longest)}; ` +
      `half waited ${duration(middle(waits))} or less for their turn, the longest ${duration(Math.max(...waits))}.`,
    longest: duration(longest),
    bars: ended.map(({ build, ms, waited }, index) => {
      const height = Math.max(LEAST, scaled(ms));
      const wait = Math.min(scaled(waited), HEIGHT - height);
      return {
        x: index * step + 1,
        y: HEIGHT - height,
        width: Math.min(step - 2, 14),
        height,
        state: build.state,
        wait: { y: HEIGHT - height - wait, height: wait },
        title: `${build.image}, ${STATE_TEXTS[build.state]}: took ${duration(ms)}, waited ${duration(waited)}`,
      };
    }),
  };
}
