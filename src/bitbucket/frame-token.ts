/**
 * What a form in Bitbucket's frame carries. Bitbucket signs the address of a page and nothing that is sent from it, and
 * browsers keep cookies from frames: so the page hands out who looks at it, sealed for a short while, and the form brings it
 * back. It says who, and not what they may: that is asked anew.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { ConnectClient } from "../engine/grants-port.ts";
import { type ConnectClients, secretsOf } from "./clients.ts";

export interface FrameVisitor {
  readonly client: ConnectClient;
  /** UUID of the person, as Bitbucket filled it in. */
  readonly user: string;
  /** When Bitbucket signed the address they came by. Milliseconds since 1970. */
  readonly since: number;
}

/** A page that lies open for longer is opened again. */
const LIFE_MS = 15 * 60_000;
/** However often forms are sent: then Bitbucket has to say again who it is. */
const VISIT_MS = 60 * 60_000;
const MAX_LENGTH = 1_000;

const claims = z.strictObject({
  clientKey: z.string().max(200),
  user: z.string().max(64),
  since: z.int(),
  until: z.int(),
});

/** Null: the client's install has no secret that counts. */
export function makeFrameToken({ client, user, since }: FrameVisitor, appSecret: string | null, now: number) {
  const [secret] = secretsOf(client, appSecret);
  if (secret === undefined) return null;
  const until = Math.min(now + LIFE_MS, since + VISIT_MS);
  const body = Buffer.from(JSON.stringify({ clientKey: client.clientKey, user, since, until })).toString("base64url");
  return `${body}.${seal(secret, body).toString("base64url")}`;
}

/** Who sends it; null: nobody, or too late, or the install is over. */
export async function readFrameToken(
  text: string,
  { clients, appSecret, now }: { clients: Pick<ConnectClients, "find">; appSecret: string | null; now: number },
): Promise<FrameVisitor | null> {
  const [body = "", mark = "", ...more] = text.length > MAX_LENGTH ? [] : text.split(".");
  const told = more.length === 0 ? read(body) : null;
  const client = told === null ? null : await clients.find(told.clientKey);
  if (told === null || client === null) return null;
  const given = Buffer.from(mark, "base64url");
  const genuine = secretsOf(client, appSecret).some((secret) => {
    const expected = seal(secret, body);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  return genuine && told.until > now ? { client, user: told.user, since: told.since } : null;
}

/** By a key of its own: nothing else that is signed with the install's secret passes for one of these. */
function seal(secret: string, body: string): Buffer {
  const key = createHmac("sha256", secret).update("wharfinger: form in a frame, 1").digest();
  return createHmac("sha256", key).update(body).digest();
}

function read(body: string): z.infer<typeof claims> | null {
  try {
    const parsed = claims.safeParse(JSON.parse(Buffer.from(body, "base64url").toString()));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
