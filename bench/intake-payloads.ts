import { createRequire } from "node:module";

export interface Payload {
  readonly name: string;
  /** As `X-GitHub-Event` or `X-Event-Key` says it. */
  readonly event: string;
  readonly body: Buffer;
}

interface Example {
  readonly name: string;
  readonly examples: readonly unknown[];
}

const BYTES_OF_A_LARGE_ONE = 25_000;

/** Of the workspace that pushes, in the payload and in what the doors know. */
export const WORKSPACE = "{0c5d6a3e-6a0f-4b7e-9f5c-3d0f6f7e2a11}";
export const CLIENT_KEY = "connection:1";
export const CONNECTION = "0198e3c2-7f1a-7c33-8a55-1d2f6b0c9e44";

/**
 * GitHub's largest example of a `push` (7 KB), its `pull_request` nearest to 25 KB (no push comes near), and a push of
 * five commits as Bitbucket sends it, once as it is and once in Connect's envelope.
 */
export function payloads(): readonly Payload[] {
  const examples = createRequire(import.meta.url)("@octokit/webhooks-examples") as readonly Example[];
  const bodies = (event: string) =>
    (examples.find(({ name }) => name === event)?.examples ?? []).map((one) => Buffer.from(JSON.stringify(one)));
  const nearest = (event: string, bytes: number): Payload => {
    const distance = (body: Buffer) => Math.abs(body.length - bytes);
    const body = bodies(event).toSorted((a, b) => distance(a) - distance(b))[0];
    if (body === undefined) throw new Error(`there is no example of ${event}`);
    return { name: event, event, body };
  };
  const data = bitbucketPush();
  return [
    nearest("push", Number.MAX_SAFE_INTEGER),
    nearest("pull_request", BYTES_OF_A_LARGE_ONE),
    { name: "repo:push", event: "repo:push", body: Buffer.from(JSON.stringify(data)) },
    {
      name: "repo:push in an envelope",
      event: "repo:push",
      body: Buffer.from(JSON.stringify({ event: "repo:push", data })),
    },
  ];
}

function bitbucketPush(): object {
  const api = "https://api.bitbucket.org/2.0/repositories/acme/api";
  const web = "https://bitbucket.org/acme/api";
  const links = (path: string) => ({ self: { href: `${api}/${path}` }, html: { href: `${web}/${path}` } });
  const person = {
    type: "user",
    display_name: "Ada",
    nickname: "ada",
    uuid: "{7d1f0c7a-3b0e-4f55-9c12-54f0e0a4b001}",
    account_id: "557058:c0b72ad0-1cb5-4018-9cdc-0cde8492c443",
    links: { self: { href: "https://api.bitbucket.org/2.0/users/ada" } },
  };
  const commit = (n: number) => {
    const hash = n.toString(16).padStart(40, "0");
    return {
      type: "commit",
      hash,
      date: "2026-11-20T10:00:00+00:00",
      message: `Change number ${n}\n\nWhat it is about, in a line or two of words.\n`,
      author: { type: "author", raw: "Ada <ada@example.com>", user: person },
      parents: [{ type: "commit", hash: (n - 1).toString(16).padStart(40, "0"), links: links(`commit/${n - 1}`) }],
      links: { ...links(`commit/${hash}`), diff: { href: `${api}/diff/${hash}` } },
      rendered: {},
      properties: {},
    };
  };
  const branch = (n: number) => ({ type: "branch", name: "main", target: commit(n), links: links("branch/main") });
  return {
    push: {
      changes: [
        {
          old: branch(4),
          new: branch(9),
          created: false,
          closed: false,
          forced: false,
          truncated: false,
          commits: [9, 8, 7, 6, 5].map(commit),
          links: links("branches/compare"),
        },
      ],
    },
    actor: person,
    repository: {
      type: "repository",
      uuid: "{52d4a1f7-5be2-4b6f-8a09-3b7d0b4b9d21}",
      full_name: "acme/api",
      name: "api",
      scm: "git",
      is_private: true,
      workspace: { type: "workspace", uuid: WORKSPACE, slug: "acme", name: "Acme" },
      owner: { type: "team", uuid: WORKSPACE, display_name: "Acme" },
      links: links(""),
    },
  };
}

export const SECRET = "a benchmark's secret of 32 bytes";
