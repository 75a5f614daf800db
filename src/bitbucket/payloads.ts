import { z } from "zod";
import { parseUuid } from "./uuid.ts";

/**
 * The fields of Bitbucket's payloads that this program reads, and nothing else: whatever Bitbucket adds or drops elsewhere
 * must not stop a build. Payloads nest one repository in many places, with fewer fields the deeper it stands.
 */

const uuid = z.string().transform((text, context) => {
  const parsed = parseUuid(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: "custom", message: "not a uuid" });
  return z.NEVER;
});

/** `workspace/repository`. A part of dots alone would change the path of an address. */
const fullName = z
  .string()
  .regex(/^(?!\.{1,2}\/)[\w.-]{1,100}\/(?!\.{1,2}$)[\w.-]{1,100}$/, "not workspace/repository");

/** Who caused it: a person, a workspace or an app. Only the uuid is theirs for good. */
export const actorSchema = z.object({
  actor: z.object({
    uuid,
    nickname: z.string().max(255).nullish(),
    display_name: z.string().max(255).nullish(),
  }),
});

export const repositoryNameSchema = z.object({ uuid, full_name: fullName, is_private: z.boolean().nullish() });

/** Read only where the door has not said whose delivery it is; what is no uuid there is then found missing. */
const account = z.object({ uuid: z.unknown() }).nullish().catch(null);

export const repositorySchema = repositoryNameSchema.extend({ workspace: account, owner: account });

/** Most events are about one repository. */
export const aboutRepositorySchema = z.object({ repository: repositoryNameSchema });

// Git forbids control characters and spaces in refs; everything else, odd as it may look, is a name.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const REF_NAME = /^[^\u0000-\u0020\u007f]{1,1000}$/;

const refName = z.string().regex(REF_NAME, "not the name of a ref");

/** Kinds of refs that this program knows, as `type` names them. */
export const refKindSchema = z.enum(["branch", "tag"]);

const text = z.string().nullish().catch(null);

/** One side of a change. Of kinds we do not know nothing is asked; a commit that is not there is found missing later. */
const refSchema = z
  .object({
    type: z.string(),
    name: text,
    target: z.object({ hash: text, message: text, date: text }).nullish().catch(null),
  })
  .refine(({ type, name }) => !refKindSchema.safeParse(type).success || refName.safeParse(name).success, {
    path: ["name"],
    message: "not the name of a ref",
  });

const changeSchema = z.object({
  /** Null: the ref was created. */
  old: refSchema.nullish(),
  /** Null: the ref was deleted. */
  new: refSchema.nullish(),
  forced: z.boolean().nullish(),
});

/**
 * Bitbucket sends at most 256 KB, which holds some 400 changes. A workspace that makes up more of them would have each of
 * them looked up, and others wait.
 */
const MAX_CHANGES = 500;

export const pushSchema = z.object({
  push: z.object({ changes: z.array(changeSchema).max(MAX_CHANGES, `more than ${MAX_CHANGES} changes`) }),
  repository: repositorySchema,
});

/** Twelve digits where payloads abbreviate, which those of pull requests do. */
const someHash = z.string().regex(/^[0-9a-f]{7,64}$/, "not a commit hash");

const endFields = {
  branch: z.object({ name: refName }),
  /** Null, like the repository, when the fork it was in is gone. */
  commit: z.object({ hash: someHash }).nullish(),
};

export const pullRequestSchema = z.object({
  pullrequest: z.object({
    id: z.number().int().positive().max(Number.MAX_SAFE_INTEGER),
    source: z.object({ ...endFields, repository: repositoryNameSchema.nullish() }),
    destination: z.object({ ...endFields, repository: z.object({ uuid }).nullish() }),
    draft: z.boolean().nullish(),
    /** `OPEN`, `MERGED`, `DECLINED` or `SUPERSEDED`. */
    state: text,
  }),
  repository: repositorySchema,
});

export const repositoryEventSchema = z.object({ repository: repositorySchema });

const replaced = z.object({ old: z.unknown(), new: z.unknown() }).nullish().catch(null);

/** What changed of a repository: each field that did, with both values. */
export const repositoryChangesSchema = z.object({ changes: z.object({ full_name: replaced, name: replaced }) });

/** Our own deliveries about the life of an installation; see lifecycle-delivery.ts. */
export const lifecycleSchema = z.object({
  workspace: z.object({
    uuid,
    slug: z.string().min(1).max(255),
    kind: z.enum(["user", "organization", "enterprise"]),
  }),
});
