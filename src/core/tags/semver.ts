import semver, { type Range, type SemVer } from "semver";

/**
 * The version a tag name carries, or null. Without a `prefix` a leading `v` is optional; with one it must be there. The
 * rest must be a whole version: the semver package also takes blanks and a leading `=` or `v`, which no rule asked for.
 */
export function parseVersion(tagName: string, prefix: string | null): SemVer | null {
  const rest =
    prefix === null ? tagName.replace(/^v/, "") : tagName.startsWith(prefix) ? tagName.slice(prefix.length) : "";
  return /^[0-9]\S*$/.test(rest) ? semver.parse(rest) : null;
}

/** With build metadata, which the package's own `version` leaves out. */
export function versionText(version: SemVer): string {
  return version.build.length === 0 ? version.version : `${version.version}+${version.build.join(".")}`;
}

export function isPrerelease(version: SemVer): boolean {
  return version.prerelease.length > 0;
}

/**
 * A compiled range, or null when it is none: such a rule matches nothing. Pre-releases are compared by precedence like
 * any other version; what they may publish is decided by tag, not here.
 */
export function parseRange(range: string): Range | null {
  try {
    return new semver.Range(range, { includePrerelease: true });
  } catch {
    // The constructor's only complaint is the text itself, and the config file's checks have already shown it.
    return null;
  }
}

/** The part of a version a moving tag stands for: `{major}.{minor}` moves within one minor line, a literal within all. */
export interface Line {
  readonly major: boolean;
  readonly minor: boolean;
  readonly patch: boolean;
}

/** What the repository's tag names say about versions. */
export interface VersionHistory {
  /** False: the tags are not known, and the pushed one counts as the only one. */
  readonly known: boolean;
  /** The highest release above `version` in the same line and in one of `ranges`; null: there is none. */
  newer(version: SemVer, options: { prefix: string | null; line: Line; ranges: readonly Range[] }): SemVer | null;
  /** Another tag name that carries the very same version, e.g. `1.0.0` beside `v1.0.0`; null: none. */
  twin(tagName: string, prefix: string | null): string | null;
}

/**
 * Range tests in one history. One takes about 4 microseconds, and a hostile file may hold thousands of ranges beside ten
 * thousands of tags; past this bound `newer` throws no work away but answers with the highest release it has not tested,
 * so that a moving tag stays where it is.
 */
const MAX_RANGE_TESTS = 100_000;

export function createHistory(tagNames: readonly string[] | null): VersionHistory {
  const byPrefix = new Map<string | null, readonly SemVer[]>();
  let tests = 0;

  /** Releases, highest first. */
  function releases(prefix: string | null): readonly SemVer[] {
    let found = byPrefix.get(prefix);
    if (found === undefined) {
      found = (tagNames ?? [])
        .map((name) => parseVersion(name, prefix))
        .filter((version) => version !== null)
        .filter((version) => !isPrerelease(version))
        .sort((a, b) => b.compare(a));
      byPrefix.set(prefix, found);
    }
    return found;
  }

  return {
    known: tagNames !== null,
    newer(version, { prefix, line, ranges }) {
      for (const other of releases(prefix)) {
        if (other.compare(version) <= 0) {
          return null;
        }
        if (sameLine(version, other, line) && ranges.some((range) => ++tests > MAX_RANGE_TESTS || range.test(other))) {
          return other;
        }
      }
      return null;
    },
    twin(tagName, prefix) {
      const version = parseVersion(tagName, prefix);
      if (version === null) {
        return null;
      }
      const text = versionText(version);
      const isTwin = (name: string): boolean => {
        const other = name === tagName ? null : parseVersion(name, prefix);
        return other !== null && versionText(other) === text;
      };
      return tagNames?.find(isTwin) ?? null;
    },
  };
}

function sameLine(a: SemVer, b: SemVer, line: Line): boolean {
  return (
    (!line.major || a.major === b.major) && (!line.minor || a.minor === b.minor) && (!line.patch || a.patch === b.patch)
  );
}
