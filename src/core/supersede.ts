import semver, { type SemVer } from "semver";

/** Where a build stands among all that publish; the same for each of its tags. */
export interface PublicationPlace {
  /** `hostKey` of the repository the build is of. */
  readonly repository: string;
  /** Full ref. */
  readonly ref: string;
  /** Of the ref's change. A re-run or retry has the generation and `order` of the work it repeats. */
  readonly generation: number;
  /** Position in the journal of the delivery that told of the change; at least 1. */
  readonly order: number;
  /** Position among all builds: of two builds of the same work the later has the higher. */
  readonly build: number;
}

/** That one build published, or wants to publish, one tag of an image. */
export interface Publication extends PublicationPlace {
  /** The version this tag was computed from, where a semver rule moves it (`PlannedBuild.versions`); else null. */
  readonly version: string | null;
  /**
   * With a version: the highest `order` below this one's among all builds that were planned to publish this tag without
   * a version, whatever became of them; 0: there are none. Without a version it is not looked at.
   */
  readonly since: number;
}

export type MoveAnswer =
  | { readonly moves: true }
  /** `why`: a sentence for people, without the tag's name. */
  | { readonly moves: false; readonly why: string };

/**
 * Whether `candidate` may move a tag that `last` moved before; null: nobody did. The tag ends with the same publication
 * whichever build finishes first, because {@link compare} is a total order that is fixed when the builds are planned.
 * A publication may repeat itself, so that a promotion interrupted anywhere can be done again.
 */
export function mayMove(last: Publication | null, candidate: Publication): MoveAnswer {
  return last === null || compare(last, candidate) <= 0
    ? { moves: true }
    : { moves: false, why: whyStays(last, candidate) };
}

/**
 * Above zero when `a` outranks `b`.
 *
 * The later change of a ref wins; between refs the higher version where both have one, else what was journalled later.
 * Taken pair by pair this goes in circles where a branch and a semver rule both give `latest`: 2.0.0, then a push to
 * main, then 1.9.1. Main beats 2.0.0 and 1.9.1 beats main, being later; 2.0.0 beats 1.9.1, being higher. Then the build
 * that finishes last would decide, whatever else was remembered. So versions are compared only with those that no
 * publication without a version came between (equal `since`): who publishes a tag from a branch says that it follows
 * pushes, and begins a new line of versions. Here 1.9.1 wins, as the latest journalled.
 *
 * Letting all versions, or all branches, win instead would be an order too, but a tag that was ever published the one
 * way could then never be moved the other way again. The generations of one ref grow with the journal, so looking at
 * `order` first gives its later change the tag.
 */
function compare(a: Publication, b: Publication): number {
  const [versionA, versionB] = [versionOf(a), versionOf(b)];
  return (
    (versionA === null ? a.order : a.since) - (versionB === null ? b.order : b.since) ||
    // At one place of the journal: the publication without version that began the line, then the versions after it.
    Number(versionA !== null) - Number(versionB !== null) ||
    (versionA === null || versionB === null ? 0 : versionA.compare(versionB)) ||
    a.order - b.order ||
    a.generation - b.generation ||
    a.build - b.build
  );
}

function versionOf({ version }: Publication): SemVer | null {
  return semver.parse(version);
}

function whyStays(last: Publication, candidate: Publication): string {
  const [kept, wanted] = [versionOf(last), versionOf(candidate)];
  if (kept !== null && wanted !== null && kept.compare(wanted) > 0 && last.since === candidate.since) {
    return `It stays with ${last.version}, which is higher than ${candidate.version}.`;
  }
  if (last.repository !== candidate.repository) {
    // Who may read this repository may not be one who knows the other's branches.
    return "Another repository that publishes this image has moved it since.";
  }
  return last.ref === candidate.ref
    ? `It stays with a later build of ${last.ref}.`
    : `It stays with ${last.ref}, which was pushed later.`;
}
