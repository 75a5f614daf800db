/** What moved in a repository without its host telling anybody. */
import type { Sha } from "./model.ts";
import { isMergeQueue } from "./rules.ts";

/** Where a branch or tag is. */
export interface RefTip {
  /** As a push of it is told: on GitHub of an annotated tag the tag object. */
  readonly object: Sha;
  /** The commit it leads to. */
  readonly commit: Sha;
}

/** All branches and tags of a repository, by full ref. */
export type Refs = ReadonlyMap<string, RefTip>;

/** A change that nothing has told of yet: what does may be on its way. */
export interface Suspect {
  readonly ref: string;
  /** Where it is; null: gone. */
  readonly object: Sha | null;
  /** When it was seen first. Milliseconds since 1970. */
  readonly since: number;
  /** Its host was asked for the commit there, and knew none: a tag may be of something else, or has just gone. */
  readonly noCommit?: true;
}

/** Where a lane is as far as was told (or found). */
export interface ToldPlace {
  readonly before: Sha | null;
  /** Null: it was told that it is gone. */
  readonly after: Sha | null;
  /**
   * Where it was when it was last judged which images a change of it concerns; null: it never was. What was pushed while
   * nothing could be built is judged afterwards, and of several pushes the newest stands for all.
   */
  readonly judged: Sha | null;
  /** One of its moves was found, not told: what tells of it may still come, after all that followed. */
  readonly found: boolean;
}

/** One that nobody told of in all this time. */
export interface Untold {
  readonly ref: string;
  /** Null: it was not there. */
  readonly before: Sha | null;
  /** Null: it is gone. */
  readonly tip: RefTip | null;
  /** What it was suspected as. */
  readonly suspect: Suspect;
}

/** What a host tells comes within seconds mostly; it usually has this long before we say that it does not. */
export const GRACE_MS = 2 * 60_000;

/** Handed on at once: each is asked about, and one push of more is hardly ever meant. The others come after it. */
export const MAX_AT_ONCE = 50;

export interface Compared {
  /** At most {@link MAX_AT_ONCE}. */
  readonly untold: readonly Untold[];
  /** Those that may yet be told, and those that were too many. */
  readonly suspects: readonly Suspect[];
}

/**
 * Refs that are not where they were, and that nothing has told of. What a push has told is known by `told`: a ref that is
 * where its last push brought it needs no other explanation.
 */
export function compareRefs(
  before: Refs,
  now: Refs,
  known: {
    readonly told: ReadonlyMap<string, ToldPlace>;
    readonly suspects: readonly Suspect[];
    /** Milliseconds since 1970. */
    readonly at: number;
    readonly graceMs: number;
  },
): Compared {
  const suspected = new Map(known.suspects.map((one) => [`${one.ref} ${one.object}`, one]));
  const untold: Untold[] = [];
  const suspects: Suspect[] = [];
  for (const ref of movedRefs(before, now)) {
    const tip = now.get(ref) ?? null;
    const place = known.told.get(ref);
    if (isWhere(place, tip)) continue;
    const object = tip?.object ?? null;
    const suspect = suspected.get(`${ref} ${object}`) ?? { ref, object, since: known.at };
    if (known.at - suspect.since < known.graceMs || untold.length === MAX_AT_ONCE) {
      suspects.push(suspect);
    } else {
      const was = place === undefined ? (before.get(ref)?.object ?? null) : place.after;
      untold.push({ ref, before: was, tip, suspect });
    }
  }
  return { untold, suspects };
}

/** Full refs, in the order of their names. Branches of a merge queue are told as what they are to be merged with. */
export function movedRefs(before: Refs, now: Refs): readonly string[] {
  const moved = [...now].filter(([ref, tip]) => before.get(ref)?.object !== tip.object).map(([ref]) => ref);
  const gone = [...before.keys()].filter((ref) => !now.has(ref));
  return [...moved, ...gone].filter((ref) => !isMergeQueue({ ref })).sort();
}

/** Whether what was told of a ref last explains where it is. Hosts tell either hash of an annotated tag. */
export function isWhere(place: Pick<ToldPlace, "after"> | undefined, tip: RefTip | null): boolean {
  // What nobody has told of may go without a word.
  if (place === undefined) return tip === null;
  return tip === null ? place.after === null : place.after === tip.object || place.after === tip.commit;
}

/** What is remembered for the next time: what may yet be told is left as it was. */
export function settledRefs(before: Refs, now: Refs, open: readonly { readonly ref: string }[]): Refs {
  const refs = new Map(now);
  for (const { ref } of open) {
    const was = before.get(ref);
    if (was === undefined) refs.delete(ref);
    else refs.set(ref, was);
  }
  return refs;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Between two looks at a repository that has used this service lately, once, and never. */
export const LOOK_EVERY_MS = { busy: 10 * MINUTE_MS, quiet: HOUR_MS, unused: DAY_MS } as const;
/** A repository is busy for this long after its last build or push. */
export const BUSY_MS = 14 * DAY_MS;
/** After a push that was told: what was pushed with it is looked for. */
export const AFTER_PUSH_MS = 30_000;

/**
 * When a repository is to be looked at again: for what is suspected as soon as it can be judged; after failures ever
 * later; else by how much it is used. `spread`: 0 to 1, so that not all of them come at the same moment.
 */
export function nextLook(stands: {
  readonly now: number;
  readonly lastUsedAt: number | null;
  readonly suspects: readonly Suspect[];
  /** In a row. */
  readonly failures: number;
  readonly spread: number;
  readonly graceMs: number;
}): number {
  const { now, lastUsedAt, suspects, failures, spread, graceMs } = stands;
  const usual = usualGap(now, lastUsedAt) * (1 + spread / 5);
  if (failures > 0) return now + Math.min(DAY_MS, Math.max(usual, MINUTE_MS * 2 ** Math.min(failures, 20)));
  const judged = Math.min(...suspects.map(({ since }) => Math.max(now, since + graceMs)));
  return Math.round(Math.min(now + usual, judged));
}

function usualGap(now: number, lastUsedAt: number | null): number {
  if (lastUsedAt === null) return LOOK_EVERY_MS.unused;
  return now - lastUsedAt < BUSY_MS ? LOOK_EVERY_MS.busy : LOOK_EVERY_MS.quiet;
}
