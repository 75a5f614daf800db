import { createHmac } from "node:crypto";
import { qshOf, signJwt } from "../src/bitbucket/jwt.ts";
import type { LoadOrder } from "./intake.ts";
import { CLIENT_KEY, CONNECTION, type Payload, SECRET } from "./intake-payloads.ts";

/** Who sends it, through which door. */
export type RequestKind = "github" | "signed" | "connect";

export const GITHUB_PATH = "/webhooks/github";
/** What Bitbucket believes to be our address. */
export const BASE_URL = "http://localhost";

export function requestOf(kind: RequestKind, payload: Payload): Pick<LoadOrder, "path" | "headers" | "ids"> {
  return { github, signed, connect }[kind](payload);
}

function hmac(body: Buffer): string {
  return `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`;
}

function github({ event, body }: Payload): ReturnType<typeof requestOf> {
  return {
    path: GITHUB_PATH,
    headers: ["User-Agent: GitHub-Hookshot/bench", `X-GitHub-Event: ${event}`, `X-Hub-Signature-256: ${hmac(body)}`],
    ids: { header: "X-GitHub-Delivery", version: 1 },
  };
}

function bitbucket(event: string): { readonly headers: readonly string[]; readonly ids: LoadOrder["ids"] } {
  return {
    headers: ["User-Agent: Bitbucket-Webhooks/2.0", `X-Event-Key: ${event}`, "X-Attempt-Number: 1"],
    ids: { header: "X-Request-UUID", version: 4 },
  };
}

function signed({ event, body }: Payload): ReturnType<typeof requestOf> {
  const { headers, ids } = bitbucket(event);
  return { path: `/webhooks/bitbucket/${CONNECTION}`, headers: [...headers, `X-Hub-Signature: ${hmac(body)}`], ids };
}

function connect({ event }: Payload): ReturnType<typeof requestOf> {
  const { headers, ids } = bitbucket(event);
  const path = "/bitbucket/webhooks";
  const iat = Math.floor(Date.now() / 1_000);
  const claims = { iss: CLIENT_KEY, aud: CLIENT_KEY, iat, exp: iat + 3_600, qsh: qshOf("POST", path, BASE_URL) };
  return { path, headers: [...headers, `Authorization: JWT ${signJwt({ key: SECRET, claims })}`], ids };
}
