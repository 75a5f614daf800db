/** Numbers from 0 (included) to 1, the same for the same seed (xorshift32). */
export function createRandom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** What must not turn up where somebody would read it. */
export const CANARY = "canary\u001b[31m";

const HOSTILE: readonly unknown[] = [
  CANARY,
  null,
  undefined,
  true,
  false,
  0,
  -1,
  1.5,
  2 ** 53,
  Number.NaN,
  "",
  "0".repeat(40),
  "..",
  "a/b/c",
  "\u0000",
  "\ud800",
  "refs/heads/",
  "refs/tags/\u202e",
  "https://user:password@github.com/",
  "javascript:alert(1)",
  "x".repeat(5_000),
  [],
  [null],
  {},
  { id: "1" },
  "{}",
  "{00000000-0000-0000-0000-00000000000g}",
  JSON.parse('{"__proto__":{"polluted":true},"constructor":1}'),
];

/** The value with one to three of its parts replaced, dropped or doubled, anywhere in its depth. */
export function mutate(value: unknown, random: () => number): unknown {
  let result = value;
  const times = 1 + Math.floor(random() * 3);
  for (let count = 0; count < times; count += 1) result = mutateOnce(result, random);
  return result;
}

function mutateOnce(value: unknown, random: () => number): unknown {
  if (typeof value !== "object" || value === null || random() < 0.02) return pick(HOSTILE, random);
  const keys = Object.keys(value);
  const key = pick(keys, random);
  if (key === undefined) return pick(HOSTILE, random);
  const entries = Object.entries(value).flatMap(([name, item]): [string, unknown][] => {
    if (name !== key) return [[name, item]];
    const dice = random();
    if (dice < 0.1) return [];
    if (dice < 0.15) return [[`${name}_`, item]];
    return [[name, mutateOnce(item, random)]];
  });
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
}

function pick<T>(items: readonly T[], random: () => number): T | undefined {
  return items[Math.floor(random() * items.length)];
}
