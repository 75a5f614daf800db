/**
 * The `{{…}}` of docker/metadata-action. There they are Handlebars templates; templates of strangers are not run here:
 * this reads exactly the documented expressions and refuses everything else by name.
 */
import { dateFormatProblem, formatDate, isTimeZone } from "./date-format.ts";

/** One `{{name}}`, or `{{date 'format' tz='zone'}}`. */
export type Expression =
  | { readonly name: GlobalName | VersionName }
  | { readonly name: DateName; readonly format: string; readonly timeZone: string };

export type Template = readonly (string | Expression)[];

const DATES = ["date", "commit_date"] as const;
const GLOBALS = ["branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch"] as const;
const VERSIONS = ["raw", "version", "major", "minor", "patch"] as const;
type DateName = (typeof DATES)[number];
type GlobalName = (typeof GLOBALS)[number];
type VersionName = (typeof VERSIONS)[number];

/** `version`: the pattern of a `type=semver` entry. `global`: everything else that may have expressions. */
export type TemplateKind = "global" | "version";

export type ReadTemplate =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly message: string };

export function readTemplate(text: string, kind: TemplateKind): ReadTemplate {
  const template: (string | Expression)[] = [];
  let from = 0;
  for (let open = text.indexOf("{{"); open !== -1; open = text.indexOf("{{", from)) {
    if (open > from) template.push(text.slice(from, open));
    const read = readExpression(text, open, kind);
    if (!read.ok) return read;
    template.push(read.expression);
    from = read.end;
  }
  if (from < text.length) template.push(text.slice(from));
  return { ok: true, template };
}

type ReadExpression =
  | { readonly ok: true; readonly expression: Expression; readonly end: number }
  | { readonly ok: false; readonly message: string };

/** What follows `{{`: a name, then for dates a quoted format and perhaps `tz='zone'`. */
const HEAD = /\{\{[ \t]*([A-Za-z_]\w*)[ \t]*/y;
const TEXT = /(?:(tz)[ \t]*=[ \t]*)?(?:'([^']*)'|"([^"]*)")[ \t]*/y;

function readExpression(text: string, open: number, kind: TemplateKind): ReadExpression {
  if (text.charAt(open - 1) === "$") {
    return refused(
      "a `$` before `{{` is GitHub Actions' language, which does not exist here; see `{{is_default_branch}}`, or use another rule",
    );
  }
  HEAD.lastIndex = open;
  const name = HEAD.exec(text)?.[1];
  if (name === undefined || text.charAt(open - 1) === "\\") {
    return refused(
      `only plain expressions are read, such as \`{{${kind === "version" ? "version" : "branch"}}}\`; blocks, helpers and comments are not`,
    );
  }
  const texts: { format?: string; timeZone?: string } = {};
  let end = HEAD.lastIndex;
  for (TEXT.lastIndex = end; ; TEXT.lastIndex = end) {
    const found = TEXT.exec(text);
    if (found === null) break;
    const key = found[1] === undefined ? "format" : "timeZone";
    if (texts[key] !== undefined) return refused(`\`{{${name}}}\` has two of the same kind behind it`);
    texts[key] = found[2] ?? found[3] ?? "";
    end = TEXT.lastIndex;
  }
  const known = expressionOf(name, texts, kind);
  if (!known.ok) return known;
  if (!text.startsWith("}}", end))
    return refused(`\`{{${name}\` is not closed by \`}}\`, or has something in it that is not read`);
  return { ok: true, expression: known.expression, end: end + 2 };
}

function expressionOf(
  name: string,
  texts: { readonly format?: string; readonly timeZone?: string },
  kind: TemplateKind,
): { readonly ok: true; readonly expression: Expression } | { readonly ok: false; readonly message: string } {
  const date = kind === "global" ? DATES.find((one) => one === name) : undefined;
  if (date !== undefined) {
    const { format, timeZone = "UTC" } = texts;
    if (format === undefined) return refused(`\`{{${name}}}\` needs a format in quotes: \`{{${name} 'YYYYMMDD'}}\``);
    const problem = dateFormatProblem(format);
    if (problem !== null) return refused(problem);
    return isTimeZone(timeZone)
      ? { ok: true, expression: { name: date, format, timeZone } }
      : refused("the date's `tz` is not a time zone; write for example `tz='Europe/Berlin'`");
  }
  const plain = kind === "version" ? VERSIONS.find((one) => one === name) : GLOBALS.find((one) => one === name);
  if (plain === undefined) return refused(unknown(name, kind));
  return Object.keys(texts).length > 0
    ? refused(`\`{{${name}}}\` takes nothing behind its name`)
    : { ok: true, expression: { name: plain } };
}

function unknown(name: string, kind: TemplateKind): string {
  const allowed = kind === "version" ? VERSIONS : [...GLOBALS, ...DATES];
  const where = kind === "version" ? "in the `pattern` of `type=semver`" : "here";
  const listed = allowed.map((one) => `\`{{${one}}}\``).join(", ");
  return `\`{{${name.slice(0, 40)}}}\` is not an expression ${where}; allowed: ${listed}`;
}

function refused(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

/** What expressions stand for; one that is not in here is empty. */
export interface ExpressionValues {
  readonly texts: ReadonlyMap<GlobalName | VersionName, string>;
  /** ISO 8601. */
  readonly now: string;
  /** ISO 8601; null: not known, then `now` stands for it, as docker/metadata-action documents. */
  readonly committedAt: string | null;
}

/** Null: a date in it is none. */
export function renderTemplate(template: Template, { texts, now, committedAt }: ExpressionValues): string | null {
  let text = "";
  for (const part of template) {
    if (typeof part === "string") {
      text += part;
    } else if ("format" in part) {
      const moment = part.name === "commit_date" ? (committedAt ?? now) : now;
      const date = formatDate(new Date(moment), part.format, part.timeZone);
      if (date === null) return null;
      text += date;
    } else {
      text += texts.get(part.name) ?? "";
    }
  }
  return text;
}

/** The expressions in a template, by name. */
export function expressionNames(template: Template): readonly Expression["name"][] {
  return template.flatMap((part) => (typeof part === "string" ? [] : [part.name]));
}
