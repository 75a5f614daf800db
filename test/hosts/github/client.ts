/** A bare client for the stand-in's own tests: it sends exactly what it is told to, good or bad. */
import { createSign } from "node:crypto";
import { isObject, type JsonObject, textAt } from "../json.ts";
import type { GithubHost, HostInstallation } from "./contract.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON body; `{}` when it is empty or a list. */
  readonly body: JsonObject;
  readonly list: readonly unknown[];
}

export interface CallOptions {
  readonly body?: unknown;
  /** Null leaves a header out. */
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** `operation`: `GET /app`. */
export async function call(
  host: GithubHost,
  credential: string | null,
  operation: string,
  { body, headers = {} }: CallOptions = {},
): Promise<Answer> {
  const [method = "", path = ""] = operation.split(" ");
  const all: Record<string, string | null> = {
    accept: "application/vnd.github+json",
    "user-agent": "stand-in-test",
    "x-github-api-version": "2022-11-28",
    authorization: credential === null ? null : `Bearer ${credential}`,
    "content-type": body === undefined ? null : "application/json",
    ...headers,
  };
  const given = Object.entries(all).flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, value]],
  );
  const response = await fetch(host.apiUrl + path, {
    method,
    headers: given,
    redirect: "manual",
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const parsed: unknown = text === "" ? {} : JSON.parse(text);
  return {
    status: response.status,
    headers: response.headers,
    body: isObject(parsed) ? parsed : {},
    list: Array.isArray(parsed) ? parsed : [],
  };
}

/** A JWT of the app; `claims` replace the good ones. */
export function appJwt(
  host: GithubHost,
  claims: Readonly<Record<string, unknown>> = {},
  more: { readonly header?: object; readonly key?: string } = {},
): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = part(more.header ?? { alg: "RS256", typ: "JWT" });
  const text = `${header}.${part({ iss: host.appId, iat: now - 30, exp: now + 540, ...claims })}`;
  return `${text}.${createSign("RSA-SHA256")
    .update(text)
    .sign(more.key ?? host.privateKey, "base64url")}`;
}

/** Mints a token and answers it; throws when GitHub would refuse. */
export async function mint(host: GithubHost, installation: HostInstallation, body?: object): Promise<string> {
  const path = `/app/installations/${installation.id}/access_tokens`;
  const answer = await call(host, appJwt(host), `POST ${path}`, body === undefined ? {} : { body });
  const token = textAt(answer.body, "token");
  if (token === null) throw new Error(`no token: ${answer.status} ${JSON.stringify(answer.body)}`);
  return token;
}
