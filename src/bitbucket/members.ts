/** The parts of Bitbucket's answers about people that are read. */
import { z } from "zod";
import { repositoryNameSchema } from "./payloads.ts";

const { uuid } = repositoryNameSchema.shape;

/** A page of who may do what in a workspace. */
export const membershipsSchema = z.object({
  values: z.array(
    z.object({
      permission: z.string(),
      user: z.object({ uuid }),
      workspace: z.object({ uuid }).nullish(),
    }),
  ),
});

/** A page of what people may do in one repository, however they came to it. */
export const repositoryPermissionsSchema = z.object({
  values: z.array(
    z.object({
      /** Of a word that is not known nothing follows. */
      permission: z.enum(["admin", "write", "read"]).nullable().catch(null),
      user: z.object({ uuid }),
      repository: z.object({ uuid }).nullish(),
    }),
  ),
});

/** Whose token it is: `type` is `user` for a person. */
export const accountSchema = z.object({ type: z.string(), uuid });
