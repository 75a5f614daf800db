/** The parts of Bitbucket's answers about people that are read. */
import { z } from "zod";
import { repositoryNameSchema } from "./payloads.ts";

const { uuid } = repositoryNameSchema.shape;

const name = z.string().max(255).nullish().catch(null);

/** Somebody, with what people call them. */
export const personSchema = z.object({ uuid, nickname: name, display_name: name });

/** Their id where Bitbucket tells of no name. */
export function nameOf({ uuid: id, nickname, display_name }: z.infer<typeof personSchema>): string {
  return nickname || display_name || id;
}

/** A page of who may do what in a workspace. */
export const membershipsSchema = z.object({
  values: z.array(
    z.object({
      permission: z.string(),
      user: personSchema,
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
