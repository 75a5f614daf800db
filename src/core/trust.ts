/**
 * Who may publish what. Everybody who can push can write anything into the file of a branch, so that file says how to
 * build; the file on the default branch says which tags may come of it.
 */
import type { Change } from "./model.ts";
import { CONFIG_FILE, type ConfigFact, type RepoConfig } from "./repo-config/config.ts";
import { judgeRule, subjectOf } from "./rules.ts";
import { sanitizeTag } from "./tags/grammar.ts";
import { ruleTags } from "./tags/rule-tags.ts";
import type { VersionHistory } from "./tags/semver.ts";

/**
 * How an image stands towards the repository that wants to publish it. `free`: nobody published it yet; `shared`: it is
 * another's, whose owner lets this one publish it too. `other`: the repository it belongs to. Its name is for logs and
 * owners; who reads the check of one repository may not be one who knows of the other. `pushed`: people push to it with
 * access tokens, and no repository may.
 */
export type ImageOwner = "free" | "own" | "shared" | "pushed" | { readonly other: string };

/** By image name without namespace; an image that is not in here is free. */
export type ImageOwners = ReadonlyMap<string, ImageOwner>;

/** Null: the repository may publish the image. Else why not: a clause for people. */
export function ownershipRefusal(image: string, owners: ImageOwners): string | null {
  const owner = owners.get(image);
  if (owner === "pushed") {
    return `the image ${image} is one that people push to with access tokens; use another name, or have the operator give it to this repository`;
  }
  return typeof owner === "object"
    ? `the image ${image} belongs to another repository of this installation; use another name, or have an owner share it`
    : null;
}

/** What one change may publish. */
export type Grants =
  | { readonly kind: "all" }
  /** Image to its tags, each with the version it moves by, or null. */
  | { readonly kind: "file"; readonly images: ReadonlyMap<string, ReadonlyMap<string, string | null>> }
  /** Tags that say no more than where they come from. `because`: why there are no others. */
  | { readonly kind: "own"; readonly tags: ReadonlySet<string>; readonly because: string; readonly remedy: string };

export interface GrantFacts {
  readonly change: Change;
  readonly defaultBranch: string | null;
  /** Not looked at for the default branch. */
  readonly defaultBranchConfig: ConfigFact;
  readonly history: VersionHistory;
  /** ISO 8601. */
  readonly now: string;
}

/** A tag of that name is not that branch. */
export function isDefaultBranch(change: Pick<Change, "kind" | "name">, defaultBranch: string | null): boolean {
  return change.kind === "branch" && change.name === defaultBranch;
}

/** Whether the file that says how to build the change is the default branch's, the one that grants. */
export function hasGrantingFile(change: Change, defaultBranch: string | null): boolean {
  return change.kind === "pull_request" ? change.pull.target === defaultBranch : isDefaultBranch(change, defaultBranch);
}

export function grantsFor(facts: GrantFacts): Grants {
  const { change, defaultBranch, defaultBranchConfig: file } = facts;
  if (hasGrantingFile(change, defaultBranch)) {
    return { kind: "all" };
  }
  const place = `${CONFIG_FILE} on ${defaultBranch ?? "the default branch"}`;
  if (defaultBranch === null) {
    return own(
      change,
      "the repository has no default branch that could grant tags",
      `make one that has ${CONFIG_FILE}`,
    );
  }
  switch (file.kind) {
    case "read":
      return file.parsed.config === null
        ? own(change, `${place} has errors and grants nothing`, "correct it; wharfinger lint shows the errors")
        : { kind: "file", images: imagesOf(file.parsed.config, facts) };
    case "missing":
    case "gone":
      return own(change, `there is no ${place} that could grant tags`, "put the file there first");
    case "unreadable":
      return own(change, `${place} can not be read (${file.why}) and grants nothing`, "put a readable file there");
    case "not-asked":
      // Nobody should come here without having looked; whoever does gets no more for it.
      return own(change, `${place} was not looked for`, "push again");
  }
}

function imagesOf(config: RepoConfig, { change, defaultBranch, history, now }: GrantFacts) {
  const images = new Map<string, Map<string, string | null>>();
  for (const image of config.images) {
    const granted = images.get(image.name) ?? new Map<string, string | null>();
    images.set(image.name, granted);
    for (const rule of image.rules) {
      const match = judgeRule(rule, change);
      if (!match.matches || !rule.push) {
        continue;
      }
      const { tags, versions } = ruleTags(match, { image, change, defaultBranch, history, now });
      for (const tag of tags) {
        // What one rule lets follow pushes does not move by version, whatever another says of it.
        granted.set(tag, granted.get(tag) === null ? null : (versions.get(tag) ?? null));
      }
    }
  }
  return images;
}

/** Nobody would take one of these for something else; `latest` everybody would, even if it is a branch's name. */
function own(change: Change, because: string, remedy: string): Grants {
  const { commit } = change;
  const name = change.kind === "pull_request" ? `pr-${change.name}` : change.name;
  const hashes = commit === null ? [] : [commit, commit.slice(0, 7)];
  const texts = [name, ...hashes, ...hashes.map((hash) => `sha-${hash}`), ...hashes.map((hash) => `${name}-${hash}`)];
  const tags = new Set(texts.flatMap((text) => sanitizeTag(text) ?? []));
  tags.delete("latest");
  return { kind: "own", tags, because, remedy };
}

export interface GrantedTags {
  /** In the order they were asked for. */
  readonly tags: readonly string[];
  /** Of these, each that moves by version, and the version. */
  readonly versions: ReadonlyMap<string, string>;
  readonly refused: readonly string[];
}

/**
 * `wanted`: what the pushed commit's own file gives. Where another file grants a tag it also says whether the tag moves
 * by version: a branch's file that left that out could otherwise move it backwards.
 */
export function judgeTags(
  grants: Exclude<Grants, { readonly kind: "all" }>,
  image: string,
  wanted: Pick<GrantedTags, "tags" | "versions">,
): GrantedTags {
  const file = grants.kind === "file" ? grants.images.get(image) : undefined;
  const tags: string[] = [];
  const versions = new Map<string, string>();
  const refused: string[] = [];
  for (const tag of wanted.tags) {
    const granted = grants.kind === "own" ? grants.tags.has(tag) : file?.has(tag) === true;
    if (!granted) {
      refused.push(tag);
      continue;
    }
    tags.push(tag);
    const version = (grants.kind === "own" ? wanted.versions : file)?.get(tag) ?? null;
    if (version !== null) {
      versions.set(tag, version);
    }
  }
  return { tags, versions, refused };
}

/** Tags that a sentence bears. */
const TOLD_TAGS = 10;

/** Why `refused` are not published and what to add to which file: a clause for people. */
export function grantRefusal(
  grants: Exclude<Grants, { readonly kind: "all" }>,
  image: string,
  refused: readonly string[],
  { change, defaultBranch }: Pick<GrantFacts, "change" | "defaultBranch">,
): string {
  const ref = subjectOf(change);
  const more = refused.length - TOLD_TAGS;
  const tags = `${refused.slice(0, TOLD_TAGS).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  const rule = `a rule for ${ref} that gives ${tags}`;
  if (grants.kind === "own") {
    const allowed = [...grants.tags].filter((tag) => tag.length < 40).slice(0, 3);
    return `${ref} may not publish ${tags}: ${grants.because}, so only tags made of its own name or hash may be published (${allowed.join(", ")}); ${grants.remedy}, with ${rule}`;
  }
  const file = `${CONFIG_FILE} on ${defaultBranch}`;
  return grants.images.has(image)
    ? `${ref} may not publish ${tags}: ${file} does not grant it; add ${rule} to the image ${image} there`
    : `${ref} may not publish ${tags}: ${file} has no image ${image}; add it there, with ${rule}`;
}
