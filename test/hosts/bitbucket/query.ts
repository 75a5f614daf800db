/** Bitbucket's `q`, `sort` and `fields`: which items of a list, in which order, with which parts. */
import { isObject, type JsonObject } from "../json.ts";
import { Refusal } from "./refusal.ts";

const TOKENS = /\s*(AND\b|OR\b|!=|!~|>=|<=|=|~|>|<|"(?:[^"\\]|\\.)*"|[\w.+:-]+)/giy;

interface Comparison {
  readonly path: readonly string[];
  readonly operator: string;
  readonly value: string | number | boolean | null;
}

/** Items that fit `q`: comparisons joined by AND and OR, AND first. Brackets are not understood here. */
export function filter<T extends JsonObject>(items: readonly T[], q: string | null): readonly T[] {
  if (q === null || q === "") return items;
  const alternatives = parse(q);
  return items.filter((item) => alternatives.some((all) => all.every((one) => holds(one, valueAt(item, one.path)))));
}

function parse(q: string): readonly (readonly Comparison[])[] {
  const words = tokenize(q);
  const alternatives: Comparison[][] = [[]];
  for (let index = 0; index < words.length; index += 4) {
    const [field = "", operator = "", literal = ""] = words.slice(index, index + 3);
    if (!/^[\w.]+$/.test(field) || !/^[=~<>!]+$/.test(operator) || literal === "") throw badQuery(q);
    alternatives.at(-1)?.push({ path: field.split("."), operator, value: readLiteral(literal, q) });
    const joint = words[index + 3]?.toUpperCase();
    if (joint === "OR") alternatives.push([]);
    else if (joint !== undefined && joint !== "AND") throw badQuery(q);
    if (joint !== undefined && words[index + 4] === undefined) throw badQuery(q);
  }
  return alternatives;
}

function tokenize(q: string): readonly string[] {
  const words: string[] = [];
  TOKENS.lastIndex = 0;
  while (q.slice(TOKENS.lastIndex).trim() !== "") {
    const found = TOKENS.exec(q);
    if (found === null) throw badQuery(q);
    words.push(found[1] ?? "");
  }
  return words;
}

function readLiteral(literal: string, q: string): Comparison["value"] {
  if (literal.startsWith('"')) return literal.slice(1, -1).replaceAll(/\\(.)/g, "$1");
  if (literal === "true" || literal === "false") return literal === "true";
  if (literal === "null") return null;
  const number = Number(literal);
  if (Number.isNaN(number)) throw badQuery(q);
  return number;
}

function badQuery(q: string): Refusal {
  return new Refusal(400, `Invalid query: ${q}`);
}

function holds({ operator, value }: Comparison, found: unknown): boolean {
  const has = typeof found === "string" && found.toLowerCase().includes(String(value).toLowerCase());
  const order = compare(found, value);
  const outcomes: Readonly<Record<string, boolean>> = {
    "=": (found ?? null) === value,
    "!=": (found ?? null) !== value,
    "~": has,
    "!~": !has,
    ">": order > 0,
    ">=": order >= 0,
    "<": order < 0,
    "<=": order <= 0,
  };
  const outcome = outcomes[operator];
  if (outcome === undefined) throw new Refusal(400, `Invalid query: there is no operator ${operator}`);
  return outcome;
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [left, right] = [String(a ?? ""), String(b ?? "")];
  return left < right ? -1 : left > right ? 1 : 0;
}

function valueAt(item: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), item);
}

/** In the order `sort` says: a field, downwards with a `-` before it. */
export function sorted<T extends JsonObject>(items: readonly T[], sort: string | null): readonly T[] {
  if (sort === null || sort === "") return items;
  const down = sort.startsWith("-");
  const path = (down ? sort.slice(1) : sort).split(".");
  const ordered = items.toSorted((a, b) => compare(valueAt(a, path), valueAt(b, path)));
  return down ? ordered.toReversed() : ordered;
}

/**
 * The parts of an answer that `fields` asks for. Names alone replace what is given by default, `+name` adds to it,
 * `-name` takes away; `*` is everything given by default. `full` holds what is given only when asked for, too.
 */
export function pick(body: JsonObject, full: JsonObject, fields: string | null): JsonObject {
  const wanted = (fields ?? "")
    .split(",")
    .map((field) => field.trim())
    .filter((field) => field !== "");
  if (wanted.length === 0) return body;
  const added = wanted.filter((field) => field.startsWith("+")).map((field) => field.slice(1));
  const removed = wanted.filter((field) => field.startsWith("-")).map((field) => field.slice(1));
  const only = wanted.filter((field) => !/^[+-]/.test(field));
  let picked: unknown = only.length === 0 ? body : {};
  for (const field of [...only, ...added]) {
    const path = field.split(".");
    picked = merge(picked, part(path.at(-1) === "*" ? body : full, path));
  }
  for (const field of removed) picked = without(picked, field.split("."));
  return isObject(picked) ? picked : {};
}

/** Only what lies on the path; lists are gone through. */
function part(value: unknown, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(value)) return value.map((item) => part(item, path));
  if (!isObject(value)) return value;
  const keys = key === "*" ? Object.keys(value) : Object.hasOwn(value, key) ? [key] : [];
  return Object.fromEntries(keys.map((name) => [name, part(value[name], rest)]));
}

function merge(a: unknown, b: unknown): unknown {
  if (Array.isArray(a) && Array.isArray(b)) return b.map((item, index) => merge(a[index], item));
  if (!isObject(a) || !isObject(b)) return b ?? a;
  const merged = Object.entries(b).map(([key, value]) => [key, Object.hasOwn(a, key) ? merge(a[key], value) : value]);
  return { ...a, ...Object.fromEntries(merged) };
}

function without(value: unknown, path: readonly string[]): unknown {
  const [key = "", ...rest] = path;
  if (Array.isArray(value)) return value.map((item) => without(item, path));
  if (!isObject(value) || !Object.hasOwn(value, key)) return value;
  if (rest.length > 0) return { ...value, [key]: without(value[key], rest) };
  const { [key]: _, ...others } = value;
  return others;
}
