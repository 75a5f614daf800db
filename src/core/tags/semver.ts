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

/** One way to see a version in a tag name. Equal keys read alike. */
export interface Reading {
  readonly key: string;
  /** Upper estimate for a name of this length, in steps of 20 ns. */
  cost(length: number): number;
  parse(tagName: string): SemVer | null;
}

export interface NamedVersion {
  readonly name: string;
  readonly version: SemVer;
}

/** What the repository's tag names say about versions. One serves all images and rules of a change. */
export interface VersionHistory {
  /** False: the tags are not known, and the pushed one counts as the only one. */
  readonly known: boolean;
  /** The highest release above `version` in the same line and in one of `ranges`; null: there is none. */
  newer(
    version: SemVer,
    options: { readonly prefix: string | null; readonly line: Line; readonly ranges: readonly string[] },
  ): SemVer | null;
  /** Another tag name that carries the very same version, e.g. `1.0.0` beside `v1.0.0`; null: none. */
  twin(tagName: string, prefix: string | null): string | null;
  /** Tags above `version`, highest first, pre-releases among them; null: more work than {@link MAX_WORK} to find out. */
  above(version: SemVer, reading: Reading): readonly NamedVersion[] | null;
  /** False: the work done for this history has reached {@link MAX_WORK}; the caller then leaves its tag where it is. */
  afford(work: number): boolean;
}

/**
 * Steps one history takes at most: a release looked at, or compared with one part of a range (`1.x || 2.x` has four).
 * Each costs about a microsecond, and a hostile file may hold thousands of tags and ranges beside thousands of releases.
 * When they are used up `newer` answers with the highest release it has not judged, so that a moving tag stays.
 */
const MAX_STEPS = 300_000;

/** In steps of 20 ns, so that a hostile file takes half a second; a thousand tags in ten images need a fifth of it. */
const MAX_WORK = 25_000_000;

/** All versions under one prefix. */
interface Versions {
  /** Without pre-releases, highest first. */
  readonly releases: readonly SemVer[];
  readonly namesByVersion: ReadonlyMap<string, readonly string[]>;
}

export function createHistory(tagNames: readonly string[] | null): VersionHistory {
  const byPrefix = new Map<string | null, Versions>();
  const compiled = new Map<string, { readonly range: Range | null; readonly parts: number }>();
  const byReading = new Map<string, readonly NamedVersion[]>();
  let steps = 0;
  let work = 0;

  function afford(more: number): boolean {
    work += more;
    return work <= MAX_WORK;
  }

  function read(reading: Reading): readonly NamedVersion[] | null {
    const known = byReading.get(reading.key);
    if (known !== undefined) {
      return known;
    }
    const named: NamedVersion[] = [];
    for (const name of tagNames ?? []) {
      if (!afford(reading.cost(name.length))) {
        return null;
      }
      const version = reading.parse(name);
      if (version !== null) {
        named.push({ name, version });
      }
    }
    named.sort((a, b) => b.version.compare(a.version));
    byReading.set(reading.key, named);
    return named;
  }

  function versions(prefix: string | null): Versions {
    const known = byPrefix.get(prefix);
    if (known !== undefined) {
      return known;
    }
    const read = readVersions(tagNames ?? [], prefix);
    byPrefix.set(prefix, read);
    return read;
  }

  function compile(text: string): { readonly range: Range | null; readonly parts: number } {
    const known = compiled.get(text);
    if (known !== undefined) {
      return known;
    }
    const range = parseRange(text);
    const made = { range, parts: range?.set.reduce((sum, comparators) => sum + comparators.length, 0) ?? 0 };
    compiled.set(text, made);
    return made;
  }

  /** True also when the steps are used up. */
  function includesAny(ranges: readonly string[], version: SemVer): boolean {
    return ranges.some((text) => {
      const { range, parts } = compile(text);
      steps += 1 + parts;
      return steps > MAX_STEPS || range?.test(version) === true;
    });
  }

  return {
    known: tagNames !== null,
    newer(version, { prefix, line, ranges }) {
      for (const other of versions(prefix).releases) {
        if (other.compare(version) <= 0) {
          return null;
        }
        steps += 1;
        if (steps > MAX_STEPS || (sameLine(version, other, line) && includesAny(ranges, other))) {
          return other;
        }
      }
      return null;
    },
    twin(tagName, prefix) {
      const version = parseVersion(tagName, prefix);
      const names = version === null ? [] : (versions(prefix).namesByVersion.get(versionText(version)) ?? []);
      return names.find((name) => name !== tagName) ?? null;
    },
    above(version, reading) {
      const named = read(reading);
      const end = named?.findIndex((other) => other.version.compare(version) <= 0) ?? -1;
      return end === -1 ? named : (named?.slice(0, end) ?? null);
    },
    afford,
  };
}

function readVersions(tagNames: readonly string[], prefix: string | null): Versions {
  const releases: SemVer[] = [];
  const namesByVersion = new Map<string, string[]>();
  for (const name of tagNames) {
    const version = parseVersion(name, prefix);
    if (version === null) {
      continue;
    }
    if (!isPrerelease(version)) {
      releases.push(version);
    }
    const text = versionText(version);
    const names = namesByVersion.get(text);
    if (names === undefined) {
      namesByVersion.set(text, [name]);
    } else {
      names.push(name);
    }
  }
  return { releases: releases.sort((a, b) => b.compare(a)), namesByVersion };
}

function sameLine(a: SemVer, b: SemVer, line: Line): boolean {
  return (
    (!line.major || a.major === b.major) && (!line.minor || a.minor === b.minor) && (!line.patch || a.patch === b.patch)
  );
}
