import type { Clock } from "../engine/ports.ts";

/** What changes behind a look-up, in another process say, is seen after so many milliseconds. */
export const LOOKUP_MS = 5_000;
/** Of keys that lead to something and keys that do not: strangers can ask for as many as they like. */
const MAX_KEYS = 1_000;

export interface Lookups<T> {
  /** The answer where it is at hand, else a promise. One that rejects is not remembered. */
  find(key: string): T | Promise<T>;
  /** Something was done to it here: the next look is a fresh one. */
  forget(key: string): void;
}

interface Lookup<T> {
  readonly askedAt: number;
  readonly promise: Promise<T>;
  /** Null: not yet. */
  answer: { readonly value: T } | null;
}

/** Asks for each key once in {@link LOOKUP_MS}: a burst of deliveries costs one question. */
export function createLookups<T>({
  ask,
  clock,
}: {
  readonly ask: (key: string) => Promise<T>;
  readonly clock: Clock;
}): Lookups<T> {
  const known = new Map<string, Lookup<T>>();

  /** What was forgotten, and asked again since, is not this one any more. */
  function drop(key: string, one: Lookup<T>): void {
    if (known.get(key) === one) known.delete(key);
  }

  function begin(key: string): Lookup<T> {
    known.delete(key);
    for (const oldest of known.keys()) {
      if (known.size < MAX_KEYS) break;
      known.delete(oldest);
    }
    // The age is that of the question: what changes while it is being answered may be missing in the answer.
    const one: Lookup<T> = { askedAt: clock.now(), promise: ask(key), answer: null };
    known.set(key, one);
    return one;
  }

  async function settle(key: string, one: Lookup<T>): Promise<T> {
    try {
      const value = await one.promise;
      one.answer = { value };
      return value;
    } catch (error) {
      drop(key, one);
      throw error;
    }
  }

  return {
    find(key) {
      const remembered = known.get(key);
      // A clock that was set back makes nothing fresh for longer.
      const age = remembered === undefined ? -1 : clock.now() - remembered.askedAt;
      const one = remembered !== undefined && age >= 0 && age < LOOKUP_MS ? remembered : begin(key);
      return one.answer === null ? settle(key, one) : one.answer.value;
    },
    forget(key) {
      known.delete(key);
    },
  };
}
