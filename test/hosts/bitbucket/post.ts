/** Requests of the host to an app. */
import { type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";

export interface Answered {
  /** Null: no answer in time, or not reachable. */
  readonly status: number | null;
  readonly body: string;
}

/** No redirect is followed. */
export async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<Answered> {
  try {
    const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
    return { status: response.status, body: await response.text() };
  } catch {
    // Not reachable, cut off, too slow or given up: what `fetch` rejects for is an outcome here, like any status.
    return { status: null, body: "" };
  }
}

/**
 * Anybody's request, byte for byte: header names, repeated headers (as arrays) and bodies that `fetch` would not send.
 * Rejects when there is no answer.
 */
export async function sendRaw(
  url: string,
  options: {
    readonly method?: string;
    readonly headers?: OutgoingHttpHeaders;
    readonly body?: string | Uint8Array;
  } = {},
): Promise<Answered & { readonly headers: IncomingMessage["headers"] }> {
  const outgoing = request(url, { method: options.method ?? "POST", headers: options.headers ?? {}, agent: false });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve).once("error", reject);
  });
  outgoing.end(options.body ?? "");
  const response = await answered;
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(Buffer.from(chunk));
  return {
    status: response.statusCode ?? null,
    body: Buffer.concat(chunks).toString("utf8"),
    headers: response.headers,
  };
}
