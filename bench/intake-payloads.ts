import { createRequire } from "node:module";

export interface Payload {
  /** The event, as `X-GitHub-Event` says it. */
  readonly name: string;
  readonly body: Buffer;
}

interface Example {
  readonly name: string;
  readonly examples: readonly unknown[];
}

const BYTES_OF_A_LARGE_ONE = 25_000;

/** The largest `push` there is an example of (7 KB), and the `pull_request` nearest to 25 KB: no push comes near. */
export function payloads(): readonly Payload[] {
  const examples = createRequire(import.meta.url)("@octokit/webhooks-examples") as readonly Example[];
  const bodies = (event: string) =>
    (examples.find(({ name }) => name === event)?.examples ?? []).map((one) => Buffer.from(JSON.stringify(one)));
  const nearest = (event: string, bytes: number) => {
    const distance = (body: Buffer) => Math.abs(body.length - bytes);
    const body = bodies(event).toSorted((a, b) => distance(a) - distance(b))[0];
    if (body === undefined) throw new Error(`there is no example of ${event}`);
    return { name: event, body };
  };
  return [nearest("push", Number.MAX_SAFE_INTEGER), nearest("pull_request", BYTES_OF_A_LARGE_ONE)];
}

export const SECRET = "a benchmark's secret of 32 bytes";
