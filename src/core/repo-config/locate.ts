import { isMap, isNode, isScalar, isSeq, type Node, type Pair, parseDocument } from "yaml";

import { type DataPath, type Problem, shown } from "./problems.ts";

/** Where something stands, 1-based; columns count UTF-16 units, as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Locator {
  offset(offset: number): Place;
  /** The place of a path, and its text as {@link Problem} messages show it. */
  find(path: DataPath, at: Problem["at"]): Place & { readonly written: string };
}

/**
 * Finds places in a text that {@link readYaml} let through. Reading it a second time, with positions, costs up to
 * 200 ms for a hostile file: it happens when the first path is asked for.
 */
export function createLocator(text: string): Locator {
  const lineStarts = startsOfLines(text);
  let root: Node | null | undefined;
  return {
    offset: (offset) => place(lineStarts, offset),
    find(path, at) {
      if (path.length === 0) return { ...place(lineStarts, 0), written: "" };
      if (root === undefined) root = parseDocument(text, PARSING).contents;
      const node = walk(root, path, at);
      const [start, end] = node?.range ?? [0, 0];
      return { ...place(lineStarts, start), written: shown(text.slice(start, end)) };
    },
  };
}

/** Left at their defaults, the first two make the parser compare every key with every other and draw each error. */
const PARSING = { uniqueKeys: false, prettyErrors: false, version: "1.2", schema: "core" } as const;

function walk(root: Node | null, path: DataPath, at: Problem["at"]): Node | null {
  let node = root;
  for (const [depth, step] of path.entries()) {
    const child = childOf(node, step);
    if (child === null) return node;
    if (depth === path.length - 1 && at === "key" && child.key !== null) return child.key;
    // A key with nothing behind it: the key is the place.
    node = child.value ?? child.key;
  }
  return node;
}

function childOf(
  node: Node | null,
  step: string | number,
): { readonly key: Node | null; readonly value: Node | null } | null {
  if (isSeq(node) && typeof step === "number") {
    const item = node.items[step];
    return isNode(item) ? { key: null, value: item } : null;
  }
  if (!isMap(node)) return null;
  const pair = node.items.find((item: Pair) => isScalar(item.key) && String(item.key.value) === String(step));
  if (pair === undefined) return null;
  return { key: isNode(pair.key) ? pair.key : null, value: isNode(pair.value) ? pair.value : null };
}

function startsOfLines(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function place(lineStarts: readonly number[], offset: number): Place {
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (lineStarts[low] ?? 0) + 1 };
}
