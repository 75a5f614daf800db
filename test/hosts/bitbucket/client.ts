/** A bare client for the stand-in's own tests: it sends exactly what it is told to, good or bad. */
import { isObject, type JsonObject, listAt, textAt } from "../json.ts";
import type { BitbucketHost, HostInstall } from "./contract.ts";
import { queryStringHash, signJwt } from "./jwt.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON body; `{}` when it is something else. */
  readonly body: JsonObject;
  /** Of a page, or of a body that is a list. */
  readonly values: readonly JsonObject[];
}

/**
 * `operation`: `GET /repositories/acme/api`, without `/2.0`, or with a whole address. `authorization` is a token, or what
 * stands in the header when there is a space in it; null: none.
 */
export async function call(
  host: BitbucketHost,
  authorization: string | null,
  operation: string,
  body?: unknown,
): Promise<Answer> {
  const [method = "", path = ""] = operation.split(" ");
  const response = await fetch(path.startsWith("http") ? path : `${host.apiUrl}/2.0${path}`, {
    method,
    redirect: "manual",
    headers: {
      ...(authorization === null
        ? {}
        : { authorization: authorization.includes(" ") ? authorization : `Bearer ${authorization}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = response.headers.get("content-type")?.startsWith("application/json; charset") === true;
  const parsed: unknown = json ? JSON.parse(text) : null;
  const list = Array.isArray(parsed) ? parsed : listAt(parsed, "values");
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isObject(parsed) ? parsed : {},
    values: list.filter(isObject),
  };
}

/** What a refusal says. */
export function messageOf({ body }: Answer): string {
  const error = isObject(body["error"]) ? body["error"] : body;
  return textAt(error, "message") ?? "";
}

/** A JWT as an installed app makes it. */
export function appJwt(
  { clientKey, appKey, secret }: Pick<HostInstall, "clientKey" | "appKey" | "secret">,
  method: string,
  address: string,
): string {
  const { origin } = new URL(address);
  const now = Math.floor(Date.now() / 1000);
  const qsh = queryStringHash(method, new URL(address), origin);
  return signJwt(secret, { iss: appKey, sub: clientKey, iat: now, exp: now + 180, qsh });
}

/** Exchanges a JWT for a token; throws when the host would not. */
export async function connectToken(
  host: BitbucketHost,
  install: HostInstall,
  form: Readonly<Record<string, string>> = {},
): Promise<string> {
  const address = `${host.url}/site/oauth2/access_token`;
  const response = await fetch(address, {
    method: "POST",
    headers: { authorization: `JWT ${appJwt(install, "POST", address)}` },
    body: new URLSearchParams({ grant_type: "urn:bitbucket:oauth2:jwt", ...form }),
  });
  const text = await response.text();
  const token = textAt(JSON.parse(text), "access_token");
  if (token === null) throw new Error(`no token: ${response.status} ${text}`);
  return token;
}
