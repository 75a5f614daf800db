/** How long builds took, as bars: drawn here, so that it needs no script. */
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

/** Of builds as lists have them, the newest first: the oldest is on the left. Null: too few have ended to compare. */
export function durationChart(builds: readonly Build[]): ChartView | null {
  const ended = builds
    .flatMap(({ startedAt, finishedAt, ...build }) =>
      startedAt === null || finishedAt === null
        ? []
        : [{ build, ms: Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt)) }],
    )
    .toReversed();
  if (ended.length < FEWEST) return null;
  const times = ended.map(({ ms }) => ms);
  const longest = Math.max(...times);
  const middle = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
  const step = Math.min(STEP, Math.floor(WIDEST / ended.length));
  return {
    width: ended.length * step,
    height: HEIGHT,
    summary: `Of the last ${ended.length} builds here, half took ${duration(middle)} or less, the longest ${duration(longest)}.`,
    longest: duration(longest),
    bars: ended.map(({ build, ms }, index) => {
      const height = Math.max(LEAST, longest === 0 ? 0 : Math.round((ms / longest) * HEIGHT));
      return {
        x: index * step + 1,
        y: HEIGHT - height,
        width: Math.min(step - 2, 14),
        height,
        state: build.state,
        title: `${build.image}, ${STATE_TEXTS[build.state]}: ${duration(ms)}`,
      };
    }),
  };
}
