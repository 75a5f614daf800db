import type { IncomingMessage, ServerResponse } from "node:http";
import type { Answer } from "../engine/ports.ts";

/** Bytes of a refused body we read and throw away before we close. */
const LINGER_BYTES = 1024 * 1024;

/** Answers a request whose body was read; the connection stays open for the next one. */
export function send(res: ServerResponse, answer: Answer): void {
  const text = writeHead(res, answer, {});
  res.end(text);
}

/**
 * Answers before the body was read to its end, then closes. Closing at once would reset the connection while the sender is
 * still writing, and a reset may overtake the answer; so the rest is read and thrown away, within limits.
 */
export function sendAndClose(req: IncomingMessage, res: ServerResponse, answer: Answer, lingerMs: number): void {
  const text = writeHead(res, answer, { connection: "close" });
  if (req.complete) {
    res.end(text);
    return;
  }
  res.write(text);
  let ignored = 0;
  const timer = setTimeout(finish, lingerMs);
  function finish(): void {
    clearTimeout(timer);
    res.end();
    req.off("data", ignore);
  }
  function ignore(chunk: Buffer): void {
    ignored += chunk.length;
    if (ignored > LINGER_BYTES) finish();
  }
  req.on("data", ignore).once("end", finish).once("close", finish);
  // As in readBody: whoever was refused may hang up as they like.
  req.on("error", finish);
  req.resume();
}

function writeHead(res: ServerResponse, answer: Answer, more: Readonly<Record<string, string>>): string {
  const text = JSON.stringify(answer.body);
  res.writeHead(answer.status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    ...answer.headers,
    ...more,
  });
  return text;
}

export function problem(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { status, body: { error: { code, message } }, headers };
}
