/** The parts of Bitbucket's answers that are read; whatever else is in them is left alone. */
import { z } from "zod";
import { repositoryNameSchema } from "./payloads.ts";

const { uuid, full_name } = repositoryNameSchema.shape;

/** `detail` is text, or for a missing scope what is required and what was granted. */
export const errorSchema = z.object({
  error: z.object({
    message: z.string(),
    detail: z
      .union([z.string(), z.object({ required: z.array(z.string()).nullish() })])
      .nullish()
      .catch(null),
  }),
});

/** How the token exchange refuses. */
export const oauthErrorSchema = z.object({ error: z.string(), error_description: z.string().nullish() });

/** `expires_in` is in seconds. */
export const tokenSchema = z.object({
  access_token: z.string().min(1),
  expires_in: z.number().positive(),
  token_type: z
    .string()
    .regex(/^bearer$/i)
    .nullish(),
});

/** Of a page only `values` and `next` are sure to be there. */
export const pageSchema = z.object({ next: z.string().nullish() });

const repository = { uuid, full_name, is_private: z.boolean(), workspace: z.object({ uuid }) };

/** `mainbranch` is null while a repository has no commits; that its `target` comes along is not documented. */
export const repositorySchema = z.object({
  ...repository,
  mainbranch: z
    .object({ name: z.string().min(1), target: z.object({ hash: z.string() }).nullish().catch(null) })
    .nullish(),
});

export const repositoriesSchema = z.object({ values: z.array(z.object(repository)) });

export const refSchema = z.object({
  name: z.string(),
  target: z.object({
    hash: z.string(),
    message: z.string().nullish().catch(null),
    date: z.string().nullish().catch(null),
  }),
});

export const tagsSchema = z.object({ values: z.array(z.object({ name: z.string().min(1) })) });

const side = z.object({ path: z.string().min(1) }).nullish();

/** An added file has no `old` side, a removed one no `new` side. */
export const diffstatSchema = z.object({ values: z.array(z.object({ old: side, new: side })) });

/** What a path is; `attributes` is one word in the API's description and a list in its examples. */
export const entrySchema = z.object({
  type: z.string(),
  path: z.string(),
  attributes: z.union([z.string().transform((word) => [word]), z.array(z.string())]).nullish(),
});

export const treeSchema = z.object({ values: z.array(entrySchema) });

export const listingSchema = z.object({ values: z.array(z.object({ type: z.string(), path: z.string() })) });

export const workspaceSchema = z.object({ uuid, slug: z.string().min(1), is_personal: z.boolean().nullish() });
