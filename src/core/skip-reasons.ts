import type { SkipReason } from "./model.ts";

/** What each reason means, for the documents: a sentence or two for people who read one on a check. */
export const SKIP_REASONS: Readonly<Record<SkipReason, string>> = {
  "no-match": "No rule of the image is for this branch, tag or pull request.",
  "paths-unchanged": "The image has `paths`, and none of the changed files counts.",
  "ref-deleted": "The branch or tag was deleted.",
  "skip-requested": "The head commit's message asks for no build.",
  "not-linked": "The app is not installed for this repository, or not any more.",
  "no-namespace":
    "The installation has no namespace in the registry yet. The sentence says what it waits for, and who decides; what " +
    "was pushed meanwhile is built once it has one.",
  "image-not-owned":
    "Another repository of the installation owns the image. Use another name, or have an owner share it.",
  "tag-not-granted": "The file on the default branch grants none of these tags to this branch or tag.",
  paused: "Builds of this repository, or of the whole installation, are paused.",
  suspended: "The installation is suspended at its host.",
  archived: "The repository is archived at its host. It is built again once it is not.",
  "config-missing": "There is no `.wharfinger.yml` at this commit.",
  "config-invalid": "The file has errors; the check shows each at its line.",
  "untrusted-fork": "The pull request comes from a fork, and the file or the installation lets none of those be built.",
  "awaiting-approval":
    "The pull request comes from a fork. It is built once somebody who may push here has approved this commit.",
  draft: "The pull request is a draft. It is built once it is ready for review.",
  "invalid-tag": "No tag of the rule can be published: what it is made of is empty, or not legal in a tag.",
  "tag-collision": "Another build of the same push already publishes the tag.",
  superseded: "Something newer has taken its place before it was built.",
  duplicate: "The same work was asked for before, and nothing has changed since.",
  "older-than-published": "Each of its tags has something newer: tags do not move backwards.",
  "merge-queue": "This is a branch of the merge queue. What it holds is built as the queue asks for it.",
  brake: "The push asks for more builds than the installation lets run without a click.",
  "pull-request-closed": "The pull request was closed. What waited or ran for it was stopped.",
  "pull-requests-only":
    "The installation builds branches through pull requests only; the default branch and tags always.",
  "unsupported-event": "The event moves no branch and no tag, and is about no pull request.",
  "no-commits": "There is no commit to build: the source is gone, or the event does not name it in full.",
};
