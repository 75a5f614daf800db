/** What several routes of the API answer with. Unknown is null, never left out; fields may be added, none renamed. */
import { z } from "zod";

export const TIME = z.iso.datetime().meta({ description: "ISO 8601, UTC." });
export const TIME_OR_NULL = TIME.nullable();

export const PROVIDER = z.enum(["github", "bitbucket"]);

export const HOST_ID = z
  .object({ provider: PROVIDER, host: z.string(), id: z.string() })
  .meta({ id: "HostId", description: "An installation, a repository or an account. Ids outlive names." });

export const ACTOR = z
  .object({ id: z.string(), login: z.string() })
  .meta({ id: "Actor", description: "Somebody on a host, by the id it gave them and the login they had then." });

export const BY = z
  .object({
    kind: z.enum(["operator", "person", "token", "host", "service"]),
    provider: PROVIDER.nullable(),
    host: z.string().nullable(),
    actor: ACTOR.nullable(),
  })
  .meta({
    id: "By",
    description:
      "Who made a change. Of an API token `actor` has its id and name; of an event who the host says sent it.",
  });

export const ACCOUNT = z
  .object({ id: z.string(), login: z.string(), kind: z.enum(["user", "organization", "enterprise"]) })
  .meta({ id: "Account", description: "Of the host the installation is on." });

export const OWNER = HOST_ID.extend(ACCOUNT.shape).meta({
  id: "HostAccount",
  description: "An account, with its host.",
});

export const REPOSITORY = HOST_ID.extend({ fullName: z.string() }).meta({
  id: "Repository",
  description: "As its host calls it now.",
});

export const ERROR = z
  .object({
    error: z.object({
      code: z.string().meta({ description: "For programs; codes are not renamed." }),
      message: z.string().meta({ description: "For people: what is wrong, and what to do." }),
    }),
  })
  .meta({ id: "Error", description: "An answer other than the one asked for." });

/** A page of a list, newest first. */
export function pageOf(item: z.ZodType): z.ZodType {
  const next = z.string().nullable().meta({ description: "`cursor` of the page after this one; null: there is none." });
  return z.object({ items: z.array(item), next });
}

/** A list that is always whole. */
export function listOf(item: z.ZodType): z.ZodType {
  return z.object({ items: z.array(item), next: z.null() });
}
