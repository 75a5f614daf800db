/** Conditional requests: whoever has the answer already gets a 304, which costs nothing of the hourly allowance. */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { ApiAnswer } from "./operation.ts";

const VARY = ["authorization", "accept"] as const;

/**
 * The answer with its ETag, or the 304 in its place. The tag is also of the headers the answer varies with: an
 * installation's new token does not get a 304 for what the old one read.
 */
export function conditional(method: string, headers: IncomingHttpHeaders, answer: ApiAnswer): ApiAnswer {
  if (method !== "GET" || answer.status !== 200) return answer;
  const digest = createHash("sha256").update(JSON.stringify([VARY.map((name) => headers[name] ?? ""), answer.body]));
  const tag = `"${digest.digest("hex")}"`;
  const more: Readonly<Record<string, string>> = {
    ...answer.headers,
    etag: `W/${tag}`,
    vary: "Accept, Authorization, Cookie, X-GitHub-OTP",
  };
  if (!mentions(headers["if-none-match"], tag)) return { ...answer, headers: more };
  // The list of pages is not repeated: whoever keeps an answer must keep its links too.
  const { link: _, ...kept } = more;
  return { status: 304, headers: kept };
}

/** Compared weakly, as is right for reading: `W/"x"` and `"x"` are the same. */
function mentions(header: string | undefined, tag: string): boolean {
  const given = (header ?? "").split(",").map((item) => item.trim().replace(/^W\//, ""));
  return given.includes(tag) || given.includes("*");
}
