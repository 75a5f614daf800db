import { z } from "zod";

import { type DataPath, listed, nearest, type Problem, type Problems, shown } from "./problems.ts";

/** What `schema` describes. Not `complete`: keys with problems, which were reported, are left out. */
export interface Shaped<Data> {
  readonly data: Data;
  readonly complete: boolean;
}

/**
 * The data as `schema` describes it. What is wrong is reported and left out, so that the other keys can be checked too;
 * null when nothing useful remains.
 */
export function shape<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape, z.core.$strict>,
  data: unknown,
  path: DataPath,
  problems: Problems,
): Shaped<z.infer<z.ZodObject<Shape, z.core.$strict>>> | null {
  const result = schema.safeParse(data);
  if (result.success) return { data: result.data, complete: true };
  const broken = new Set<PropertyKey>();
  for (const issue of result.error.issues) {
    if (problems.full) return null;
    report(issue, schema, data, path, problems);
    for (const key of brokenKeys(issue)) broken.add(key);
  }
  if (typeof data !== "object" || data === null) return null;
  const rest = schema.safeParse(Object.fromEntries(Object.entries(data).filter(([key]) => !broken.has(key))));
  return rest.success ? { data: rest.data, complete: false } : null;
}

/** The keys of the outermost object that an issue is in. */
function brokenKeys(issue: z.core.$ZodIssue): readonly PropertyKey[] {
  return issue.code === "unrecognized_keys" && issue.path.length === 0 ? issue.keys : issue.path.slice(0, 1);
}

function report(issue: z.core.$ZodIssue, schema: z.ZodType, data: unknown, base: DataPath, problems: Problems): void {
  // Symbols never come out of YAML.
  const inside = issue.path.filter((step) => typeof step !== "symbol");
  const path = [...base, ...inside];
  if (issue.code === "unrecognized_keys") {
    const allowed = keysAt(schema, inside);
    for (const key of issue.keys) {
      if (problems.full) return;
      problems.error([...path, key], unknownKey(key, allowed), "key");
    }
    return;
  }
  const value = valueAt(data, inside);
  const key = path.at(-1);
  if (value === undefined && typeof key === "string") {
    problems.error(path, MISSING[key] ?? `\`${key}\` is missing`);
  } else {
    problems.error(path, describe(issue, value, path));
  }
}

const MISSING: Readonly<Record<string, string>> = {
  version: "`version` is missing; write `version: 1` as the first line",
  images: "`images` is missing: nothing would be built; list at least one image with `rules`",
  rules: "`rules` is missing: the image would never be built; write at least `rules: [{ branch: main }]`",
  target: "`target` is missing; name the stage to build as test: `test: { target: test }`",
};

/** Keys people know from elsewhere, and what to write instead where `allowed` is a key. */
const ELSEWHERE: readonly { readonly key: string; readonly allowed: string; readonly hint: string }[] = [
  { key: "image", allowed: "name", hint: "did you mean `name`?" },
  { key: "build", allowed: "context", hint: "`context`, `dockerfile` and `target` stand directly under the image;" },
  { key: "args", allowed: "build_args", hint: "did you mean `build_args`?" },
  { key: "file", allowed: "dockerfile", hint: "did you mean `dockerfile`?" },
  {
    key: "branches",
    allowed: "branch",
    hint: 'several branches are one glob, `branch: "{main,develop}"`, or several rules;',
  },
];

function unknownKey(key: string, allowed: readonly string[]): string {
  const rest = `allowed: ${listed(allowed)}`;
  if (key === "flavor") return `\`flavor\` stands directly under an image; allowed here: ${listed(allowed)}`;
  const known = ELSEWHERE.find((entry) => entry.key === key && allowed.includes(entry.allowed));
  if (known !== undefined) return `unknown key \`${key}\`; ${known.hint} ${rest}`;
  const guess = nearest(key, allowed);
  return `unknown key \`${shown(key)}\`; ${guess === null ? "" : `did you mean \`${guess}\`? `}${rest}`;
}

function describe(issue: z.core.$ZodIssue, value: unknown, path: DataPath): Problem["message"] {
  switch (issue.code) {
    case "invalid_type":
      return wrongType(issue.expected, value);
    case "invalid_value":
      return (written) => `\`${written}\` is not one of ${listed(issue.values.map(String))}`;
    case "too_small":
      return tooFew(path);
    case "too_big":
      return `at most ${issue.maximum} entries are allowed here; these are ${Array.isArray(value) ? value.length : "more"}`;
    default:
      return issue.message;
  }
}

function wrongType(expected: string, value: unknown): Problem["message"] {
  switch (expected) {
    case "string":
      return (written) => notText(value, written);
    case "array":
      return (written) => (isText(value) ? `expected a list: write [${quoted(written)}]` : "expected a list");
    case "boolean":
      return "expected `true` or `false`";
    default:
      return "expected keys with values, `key: value`";
  }
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function notText(value: unknown, written: string): string {
  if (Array.isArray(value)) return "expected one text, not a list";
  if (value === null && written === "") return "a value is missing here";
  if (typeof value !== "object" || value === null) {
    const kind = value === null ? "nothing" : typeof value === "number" ? "a number" : "true or false";
    return `YAML reads \`${written}\` as ${kind}, not as text: write ${quoted(written)}`;
  }
  return written.startsWith("{")
    ? `YAML reads \`${written}\` as a mapping, not as text: write ${quoted(written)}`
    : "expected one text, not keys with values";
}

function quoted(written: string): string {
  if (/^["']/.test(written)) return written;
  return /["\\]/.test(written) ? `'${written.replaceAll("'", "''")}'` : `"${written}"`;
}

function tooFew(path: DataPath): string {
  switch (path.at(-1)) {
    case "images":
      return "`images` is empty: nothing would be built; list at least one image with `rules`";
    case "rules":
      return "`rules` is empty: the image would never be built; write at least `rules: [{ branch: main }]`";
    default:
      return "the list is empty: leave the key out, or list something";
  }
}

/** The keys of the object at a path of the schema. */
function keysAt(schema: z.ZodType, path: readonly (string | number)[]): readonly string[] {
  let inner: unknown = schema;
  for (const step of path) {
    const outer = unwrapped(inner);
    inner = outer instanceof z.ZodObject ? outer.shape[step] : undefined;
  }
  const found = unwrapped(inner);
  return found instanceof z.ZodObject ? Object.keys(found.shape) : [];
}

function unwrapped(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? schema.unwrap() : schema;
}

function valueAt(data: unknown, path: readonly (string | number)[]): unknown {
  let value = data;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}
