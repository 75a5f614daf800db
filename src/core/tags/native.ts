import type { SemVer } from "semver";
import type { Change } from "../model.ts";
import { isLegalTag, sanitizeTag } from "./grammar.ts";
import { versionText } from "./semver.ts";

/** What placeholders stand for in one rule that matched one change. */
export type TagValues = ReadonlyMap<string, string>;

export type Rendered =
  /** `written`: before it was made legal; equal to `tag` when nothing had to change. */
  | { readonly ok: true; readonly tag: string; readonly written: string }
  /** `why`: a clause for people, to stand after "no tag from {template}: ". */
  | { readonly ok: false; readonly why: string };

/**
 * `{name}`, `{1}` and Docker Hub's spelling of the latter, `{\1}`. Which names there are is not its business: the file's
 * checks refuse what has no value, and a name without one gives no tag.
 */
const PLACEHOLDER = /\{(?:\\(?=\d+\}))?([^{}]*)\}/g;

/** Names in a template, in order: `1`, `branch`, … */
export function placeholders(template: string): readonly string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name = ""]) => name);
}

/** What of a template is there whatever the placeholders stand for. */
export function withoutPlaceholders(template: string): string {
  return template.replace(PLACEHOLDER, "");
}

/** Placeholders that name one version, ref or commit: a tag with one of them never has to move. */
const FIXED: readonly string[] = ["version", "tag", "sourceref", "sha", "sha7"];

/** True: whether the tag may be published depends on which other versions there are. */
export function isMoving(template: string): boolean {
  return !placeholders(template).some((name) => FIXED.includes(name));
}

/**
 * A group of the rule's `/regex/` wins over a built-in name, of which the file's checks warn.
 * `now` is ISO 8601; when it is not a moment, `{date}` has no value.
 */
export function tagValues(
  change: Pick<Change, "kind" | "name" | "ref" | "commit">,
  match: { readonly captures: Readonly<Record<string, string>>; readonly version: SemVer | null },
  now: string,
): TagValues {
  const { name } = change;
  // A pull request's own name is its number; `refs/heads/` goes, as it does where its branch is pushed.
  const pull = change.kind === "pull_request" ? { branch: change.ref.replace(/^refs\/heads\//, "") } : null;
  const values = new Map<string, string>(
    pull === null
      ? [
          ["sourceref", name],
          [change.kind, name],
        ]
      : [
          ["sourceref", pull.branch],
          ["branch", pull.branch],
          ["pr", name],
        ],
  );
  if (change.commit !== null) {
    values.set("sha", change.commit);
    values.set("sha7", change.commit.slice(0, 7));
  }
  const moment = new Date(now);
  if (!Number.isNaN(moment.getTime())) {
    values.set("date", moment.toISOString().slice(0, 10).replaceAll("-", ""));
  }
  const { version } = match;
  if (version !== null) {
    values.set("version", versionText(version));
    values.set("major", String(version.major));
    values.set("minor", String(version.minor));
    values.set("patch", String(version.patch));
  }
  for (const [name, value] of Object.entries(match.captures)) {
    values.set(name, value);
  }
  return values;
}

/**
 * The tag a template gives. A placeholder without a value gives no tag at all rather than a shorter one: `{1}-slim`
 * with an empty capture is not `slim`. And `latest` comes only from a template that says so: a branch that happens to be
 * called `latest` must not move what everybody pulls.
 */
export function renderTag(template: string, values: TagValues): Rendered {
  const empty = placeholders(template).find((name) => (values.get(name) ?? "") === "");
  if (empty !== undefined) {
    return { ok: false, why: `{${empty}} is empty here` };
  }
  const written = template.replace(PLACEHOLDER, (_, name: string) => values.get(name) ?? "");
  const tag = isLegalTag(written) ? written : sanitizeTag(written);
  if (tag === null) {
    return { ok: false, why: "nothing of it is legal in an image tag (A-Z a-z 0-9 _ . -)" };
  }
  if (tag === "latest" && template !== "latest") {
    return { ok: false, why: "it would be latest by accident; write latest among the tags if that is meant" };
  }
  return { ok: true, tag, written };
}
