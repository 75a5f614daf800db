/** A bare client for the stand-in's own tests: it sends exactly what it is told to, good or bad. */
import { isObject, type JsonObject, listAt } from "../json.ts";
import type { BitbucketHost } from "./contract.ts";

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
  const error = isObject(body["error"]) ? body["error"] : {};
  return String(error["message"] ?? "");
}
