/** What became of asking a Git host, as far as git's words tell. */
export type Trouble =
  | "commit-gone"
  | "internal-error"
  | "unreachable"
  | "not-let-in"
  | "not-there"
  | "redirected"
  | "unsafe"
  | "disk-full";

/** Matched in this order. */
const WORDS: readonly (readonly [Trouble, RegExp])[] = [
  ["commit-gone", /not our ref|unadvertised object|couldn't find remote ref|remote error: .*no such/i],
  ["internal-error", /requested URL returned error: 5\d\d|error: RPC failed; HTTP 5\d\d/i],
  [
    "unreachable",
    /could not resolve host|failed to connect|couldn't connect|connection (?:refused|reset|timed out)|timed out|early EOF|unexpected disconnect|transfer closed|operation too slow|returned error: 429/i,
  ],
  ["not-let-in", /authentication failed|could not read username|returned error: 40[13]/i],
  ["not-there", /repository .*not found|returned error: 404/i],
  ["redirected", /returned error: 3\d\d|unable to update url base from redirection/i],
  ["unsafe", /fsck error|fsck-objects|invalid path|unable to create file/i],
  ["disk-full", /no space left on device/i],
];

/** Null: it says nothing that is known. */
export function troubleIn(said: string): Trouble | null {
  const [trouble] = WORDS.find(([, words]) => words.test(said)) ?? [];
  return trouble ?? null;
}
