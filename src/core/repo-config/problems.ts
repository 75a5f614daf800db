import type { Diagnostic } from "../model.ts";

/** Keys and list positions from the top of the file: `["images", 0, "rules", 1]`. */
export type DataPath = readonly (string | number)[];

/** Something to say about one place of the file, before it is known where in the text that place is. */
export interface Problem {
  readonly severity: Diagnostic["severity"];
  readonly path: DataPath;
  /** Whether the key or what stands behind it is meant. A place that is missing means the nearest one around it. */
  readonly at: "key" | "value";
  /** A function is given the place's text as it is written in the file, on one line and shortened. */
  readonly message: string | ((written: string) => string);
}

export interface Problems {
  add(problem: Problem): void;
  error(path: DataPath, message: Problem["message"], at?: Problem["at"]): void;
  warn(path: DataPath, message: Problem["message"], at?: Problem["at"]): void;
  readonly list: readonly Problem[];
  /** True: no more errors are kept, so that checking may end. */
  readonly full: boolean;
}

/** Nobody reads more; a hostile file would have tens of thousands. Warnings are counted apart: they must not hide errors. */
export const MAX_ERRORS = 50;
export const MAX_REMARKS = 20;

export function createProblems(): Problems {
  const errors: Problem[] = [];
  const remarks: Problem[] = [];
  function add(problem: Problem): void {
    if (problem.severity !== "error") {
      if (remarks.length < MAX_REMARKS) remarks.push(problem);
    } else if (errors.length < MAX_ERRORS) {
      errors.push(problem);
    }
  }
  return {
    get list() {
      return [...errors, ...remarks];
    },
    get full() {
      return errors.length === MAX_ERRORS;
    },
    add,
    error: (path, message, at = "value") => add({ severity: "error", path, at, message }),
    warn: (path, message, at = "value") => add({ severity: "warning", path, at, message }),
  };
}

/** A text of the file inside a message: on one line, without control characters, shortened. */
export function shown(text: string): string {
  const line = text
    .slice(0, 200)
    .replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim();
  const characters = [...line];
  return characters.length > 60 ? `${characters.slice(0, 59).join("")}…` : line;
}

export function listed(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(", ");
}

/** The word most like `given`, if one is like it: at most a third of its letters differ. */
export function nearest(given: string, words: readonly string[]): string | null {
  if (given.length > 40) return null;
  const wanted = given.toLowerCase().replaceAll("-", "_");
  let best: { readonly word: string; readonly distance: number } | null = null;
  for (const word of words) {
    const distance = editDistance(wanted, word.toLowerCase());
    if (distance <= Math.max(1, Math.floor(word.length / 3)) && (best === null || distance < best.distance)) {
      best = { word, distance };
    }
  }
  return best?.word ?? null;
}

/** Letters to insert, drop, change or swap with the next to get from one word to the other. */
function editDistance(from: string, to: string): number {
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : change;
      next.push(Math.min(change, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}
