import { z } from "zod";

/**
 * The fields of GitHub's payloads and answers that this program reads, and nothing else: whatever GitHub adds or drops
 * elsewhere must not stop a build. Ids are positive integers on the wire and strings inside.
 */

const numericId = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const id = numericId.transform(String);

/** A numeric id as text; null if it is anything but a positive, exactly represented integer. */
export function parseId(value: unknown): string | null {
  const result = numericId.safeParse(value);
  return result.success ? String(result.data) : null;
}

/** `owner/name`. These characters are all GitHub allows; a part of dots alone would change the path of an API call. */
const fullName = z.string().regex(/^(?!\.{1,2}\/)[\w.-]{1,100}\/(?!\.{1,2}$)[\w.-]{1,100}$/, "not owner/name");

/** A web address without credentials. */
const address = z.string().max(2_000).refine(isPlainAddress, { message: "not an http(s) address without credentials" });

function isPlainAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
}

const person = z.object({ id, login: z.string().min(1).max(255) });

export const senderSchema = z.object({ sender: person.nullish() });

export const repositorySchema = z.object({
  id,
  full_name: fullName,
  private: z.boolean(),
  default_branch: z.string().nullish(),
  clone_url: address,
  html_url: address,
});

export const repositoryNameSchema = z.object({ id, full_name: fullName, private: z.boolean() });

/** An enterprise has a slug and no login. */
export const accountSchema = z.union([
  z.object({ id, login: z.string().min(1).max(255), type: z.string().nullish() }),
  z.object({ id, slug: z.string().min(1).max(255) }),
]);

export const installationSchema = z.object({
  id,
  account: accountSchema,
  permissions: z.record(z.string(), z.string()).nullish(),
  suspended_at: z.string().nullish(),
});

const installationRef = z.object({ id });

const hash = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, "not a full commit hash");

// Git forbids control characters and spaces in refs; everything else, odd as it may look, is a name.
const refName = z
  .string()
  .min(1)
  .max(1_024)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
  .regex(/^[^\u0000-\u0020\u007f]+$/, "not a ref");

/** The short name out of `refs/heads/…`. */
const branchRef = refName.regex(/^refs\/heads\/./, "not a branch").transform((ref) => ref.slice("refs/heads/".length));

export const pushSchema = z.object({
  ref: refName,
  before: hash,
  after: hash,
  forced: z.boolean().nullish(),
  head_commit: z.object({ id: hash, message: z.string().nullish(), timestamp: z.string().nullish() }).nullish(),
  // Not documented, and not always there: of a tag, the branch it was made on.
  base_ref: z.string().nullish(),
  repository: repositorySchema,
  installation: installationRef.nullish(),
});

/** Refs are short here, unlike everywhere else. */
export const pullRequestSchema = z.object({
  action: z.string(),
  /** Of `synchronize` only: its head until then. */
  before: hash.nullish(),
  pull_request: z.object({
    number: numericId,
    draft: z.boolean().nullish(),
    merged: z.boolean().nullish(),
    /** `repo`: null when the fork is gone. */
    head: z.object({ ref: refName, sha: hash, repo: repositoryNameSchema.nullish() }),
    base: z.object({ ref: refName, sha: hash }),
  }),
  repository: repositorySchema,
  installation: installationRef.nullish(),
});

/** What `edited` says has changed; it is also sent for titles and descriptions. */
export const retargetedSchema = z.object({ changes: z.object({ base: z.object({}) }) });

export const mergeGroupSchema = z.object({
  action: z.string(),
  /** Of `destroyed` only: `merged`, `invalidated` or `dequeued`. */
  reason: z.string().nullish(),
  merge_group: z.object({ head_sha: hash, head_ref: branchRef, base_sha: hash, base_ref: branchRef }),
  repository: repositorySchema,
  installation: installationRef.nullish(),
});

export const installationEventSchema = z.object({
  action: z.string(),
  installation: installationSchema,
  repositories: z.array(repositoryNameSchema).nullish(),
});

export const installationRepositoriesSchema = z.object({
  action: z.string(),
  installation: installationSchema,
  repositories_added: z.array(repositoryNameSchema),
  repositories_removed: z.array(repositoryNameSchema),
});

export const repositoryEventSchema = z.object({
  repository: repositoryNameSchema,
  installation: installationRef.nullish(),
});

/** The installation is named by its id alone. */
export const installationTargetSchema = z.object({ account: accountSchema, installation: installationRef });

/** Of a repository as the API describes it. Older servers do not say of all whether they are archived. */
export const repositoryNowSchema = repositorySchema.extend({ archived: z.boolean().nullish() });

/** Most events are about one repository. */
export const aboutRepositorySchema = z.object({ repository: repositoryNameSchema });

export const actionSchema = z.object({ action: z.string().nullish() });

const app = z.object({ id: numericId });

/** Which of a check's buttons was pressed. */
export const requestedActionSchema = z.object({ requested_action: z.object({ identifier: z.string() }) });

/** Enough to tell our own check runs from those of others. */
export const checkRunOwnerSchema = z.object({ check_run: z.object({ app: app.nullish() }) });
export const checkSuiteOwnerSchema = z.object({ check_suite: z.object({ app: app.nullish() }) });

export const checkRunRequestSchema = z.object({
  check_run: z.object({ name: z.string().min(1), head_sha: hash }),
  repository: repositorySchema,
  installation: installationRef,
});

export const checkSuiteRerequestedSchema = z.object({
  check_suite: z.object({ head_sha: hash }),
  repository: repositorySchema,
  installation: installationRef,
});

// ---------------------------------------------------------------------------------------------- answers of the API

export const tokenSchema = z.object({
  /** Opaque: 40 characters once, about 520 with two dots today. */
  token: z.string().min(1).max(10_000),
  expires_at: z.iso.datetime({ offset: true }),
});

export const contentSchema = z.object({
  type: z.string(),
  size: z.number().nullish(),
  encoding: z.string().nullish(),
  content: z.string().nullish(),
});

export const listingSchema = z.array(z.object({ name: z.string(), type: z.string() }));

export const compareSchema = z.object({
  status: z.string(),
  files: z
    .array(
      z.object({
        filename: z.string(),
        previous_filename: z.string().nullish(),
        patch: z.string().nullish().catch(null),
      }),
    )
    .nullish(),
});

/** Whoever makes a commit writes its date: it may be no date at all. */
export const gitCommitSchema = z.object({
  message: z.string(),
  committer: z.object({ date: z.string().nullish() }).nullish(),
});

/** Of a commit that was asked for by the name of a ref. */
export const namedCommitSchema = z.object({ sha: z.string(), commit: gitCommitSchema });

/** `permission` is one of the old four words also for custom roles, which `role_name` would name. */
/** Of somebody in an organization. */
export const membershipSchema = z.object({
  state: z.string(),
  role: z.string(),
  user: z.object({ id }).nullish(),
  organization: z.object({ id }),
});

/** `organization.member_removed`. */
export const memberRemovedSchema = z.object({ membership: z.object({ user: z.object({ id }) }) });

/** Whoever a token is of. */
export const ownUserSchema = z.object({ id, login: z.string().min(1) });

/** Installations somebody's own token is shown. */
export const ownInstallationsSchema = z.object({ installations: z.array(z.object({ id, app_id: z.number() })) });

export const permissionSchema = z.object({ permission: z.string(), user: z.object({ id }).nullish() });

export const refsSchema = z.array(z.object({ ref: z.string() }));

/** Of a repository as the API describes it. */
export const defaultBranchSchema = z.object({ default_branch: z.string() });

/** `mode` is git's, as text. `type`: `blob`, `tree`, or `commit` of a submodule. */
export const treeSchema = z.object({
  tree: z.array(z.object({ path: z.string(), mode: z.string(), type: z.string() })),
  truncated: z.boolean(),
});

export const installationRepositoriesAnswerSchema = z.object({ repositories: z.array(repositoryNameSchema) });

export const checkRunSchema = z.object({
  id,
  external_id: z.string().nullish(),
  output: z.object({ annotations_count: z.number().nullish() }).nullish(),
});

export const checkRunsSchema = z.object({ check_runs: z.array(checkRunSchema) });

/** Above 2^53 since February 2026 (octokit/request.js #797); read with `largeIds`. */
const attemptId = z.union([id, z.string().regex(/^[1-9]\d{15,19}$/, "not an id")]);
const guid = z.string().regex(/^[ -~]{1,200}$/, "not the id of a delivery");

/** `status_code` 0: there was no answer. */
export const attemptsSchema = z.array(
  z.object({
    id: attemptId,
    guid,
    delivered_at: z.iso.datetime({ offset: true }),
    status_code: z.number(),
    event: z.string(),
    action: z.string().nullish(),
  }),
);

export const missedSchema = z.object({
  guid,
  event: z.string().regex(/^[a-z0-9_]{1,64}$/, "not the name of an event"),
  request: z.object({ payload: z.record(z.string(), z.unknown()) }),
});

export const errorSchema = z.object({
  message: z.string(),
  errors: z
    .array(z.object({ code: z.string().nullish(), message: z.string().nullish() }))
    .nullish()
    .catch(null),
});
