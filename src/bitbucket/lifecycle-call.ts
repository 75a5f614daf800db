import { z } from "zod";
import { parseClientKey } from "./clients.ts";
import { parseUuid } from "./uuid.ts";

/** What Bitbucket says when a workspace installs or removes the app. Nothing of it is proven. */
export interface LifecycleCall {
  readonly clientKey: string;
  readonly workspace: string;
  /** Null: the secret of the app itself stands for it. */
  readonly secret: string | null;
}

export interface ExpectedCall {
  readonly event: "installed" | "uninstalled";
  readonly appKey: string;
  /** `https://bitbucket.org`. */
  readonly webUrl: string;
}

/** Control characters are in no secret, and could only confuse whoever handles it. */
const SECRET = /^[^\p{Cc}\p{Cs}]{1,1024}$/u;

/** A problem instead of a call: a sentence without anything the caller has sent. */
export function readCall(payload: object, expected: ExpectedCall): LifecycleCall | { readonly problem: string } {
  const parsed = callSchema(expected).safeParse(payload);
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join(".") ?? "";
    return { problem: `The field ${field} is missing, or not what this app is sent by its Bitbucket.` };
  }
  const { clientKey, sharedSecret, principal } = parsed.data;
  const key = parseClientKey(clientKey, expected.appKey);
  const workspace = parseUuid(principal.uuid);
  if (key === null) return { problem: "The field clientKey is not a key Bitbucket gives to this app." };
  if (workspace === null) return { problem: "The field principal.uuid is not a uuid." };
  if (key.workspace !== null && key.workspace !== workspace) {
    return { problem: "The fields clientKey and principal.uuid name different workspaces." };
  }
  // Its name is not read: no token covers it, and it decides about namespaces. Bitbucket's API is asked for that.
  return { clientKey, workspace, secret: sharedSecret ?? null };
}

function callSchema({ event, appKey, webUrl }: ExpectedCall) {
  return z.looseObject({
    key: z.literal(appKey),
    productType: z.literal("bitbucket"),
    eventType: z.literal(event),
    // Never called: the hosts that are asked are configured. Another one here means that the call is for somebody else.
    baseUrl: z.string().refine((text) => hostOf(text) === hostOf(webUrl)),
    clientKey: z.string().max(255),
    sharedSecret: z.string().regex(SECRET).nullish(),
    principal: z.looseObject({ type: z.enum(["team", "workspace", "user"]), uuid: z.string().max(64) }),
  });
}

function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).host : null;
}
