import type { CompiledSearch } from "../patterns.ts";
import { readTemplate, type Template, type TemplateKind } from "../tags/expressions.ts";
import type { MetadataEntry } from "../tags/metadata-action.ts";
import { type Attribute, csvAttributes } from "./csv.ts";
import { listed, nearest, shown } from "./problems.ts";

/** True: the text is meant as an entry in docker/metadata-action's words, whatever else is wrong with it. */
export function isMetadataText(text: string): boolean {
  return /(?:^|,)[ \t]*"?[ \t]*type[ \t]*=/i.test(text);
}

export type ReadEntry =
  | { readonly ok: true; readonly entry: MetadataEntry; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly messages: readonly string[] };

/** Compiles a regular expression out of the file's budget. */
export type CompileSearch = (regex: string, source: string) => CompiledSearch;

const MAX_ENTRY = 1024;

type EntryType = MetadataEntry["type"];

/** The order in which tags come when nothing else is said. */
const PRIORITIES: Readonly<Record<EntryType, number>> = {
  semver: 900,
  match: 800,
  edge: 700,
  ref: 600,
  raw: 200,
  sha: 100,
};

const EVERYWHERE = ["type", "enable", "priority", "prefix", "suffix"];

const ATTRIBUTES: Readonly<Record<EntryType, readonly string[]>> = {
  semver: [...EVERYWHERE, "pattern", "value", "match"],
  match: [...EVERYWHERE, "pattern", "group", "value"],
  edge: [...EVERYWHERE, "branch"],
  ref: [...EVERYWHERE, "event"],
  raw: [...EVERYWHERE, "value"],
  sha: [...EVERYWHERE, "format"],
};

/** Types of the action that this program does not have, and what does the same. */
const REFUSED: Readonly<Record<string, string>> = {
  pep440:
    "`type=pep440` is not supported: for tags such as `v1.2.3` write `type=semver,pattern={{version}}`, for others `type=match,pattern=v(.*),group=1`",
  schedule:
    "`type=schedule` is not supported: nothing is built on a schedule; for a dated tag write `type=raw,value={{date 'YYYYMMDD'}}`",
};

export function readMetadataEntry(source: string, compile: CompileSearch): ReadEntry {
  if (source.length > MAX_ENTRY)
    return refused(`a tag entry may have ${MAX_ENTRY} characters; this one has ${source.length}`);
  if (/\p{Cc}/u.test(source)) return refused("a tag entry is one line; list each by itself");
  const fields = csvAttributes(source);
  if (fields === null) {
    return refused(
      'the quotes are not in order; a whole field is quoted, `"value=a,b"`, and a `"` in it is written twice',
    );
  }
  const reader = createReader(source, compile, fields);
  const type = reader.type();
  const entry = type === null ? null : reader.entry(type);
  return entry === null || reader.errors.length > 0
    ? { ok: false, messages: reader.errors }
    : { ok: true, entry, warnings: reader.warnings };
}

function refused(message: string): ReadEntry {
  return { ok: false, messages: [message] };
}

interface Reader {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  type(): EntryType | null;
  /** Null: there are errors. */
  entry(type: EntryType): MetadataEntry | null;
}

function createReader(source: string, compile: CompileSearch, fields: readonly Attribute[]): Reader {
  const errors: string[] = [];
  const warnings: string[] = [];
  const attributes = new Map<string, string>();
  for (const { key, value } of fields) {
    // A field without a key is the value: `type=raw,nightly`.
    const name = key ?? "value";
    if (attributes.has(name)) warnings.push(`\`${shown(name)}\` is given twice; the last one counts`);
    attributes.set(name, value);
  }

  function fail(message: string): null {
    errors.push(message);
    return null;
  }

  function oneOf<Word extends string>(key: string, words: readonly Word[], missing: Word | null): Word | null {
    const given = attributes.get(key);
    if (given === undefined && missing !== null) return missing;
    const word = words.find((one) => one === given);
    if (word !== undefined) return word;
    const choice = `write ${words.map((one) => `\`${key}=${one}\``).join(" or ")}`;
    return fail(
      given === undefined ? `\`${key}\` is missing: ${choice}` : `\`${key}=${shown(given)}\` is not known: ${choice}`,
    );
  }

  function template(key: string, kind: TemplateKind = "global"): Template | null {
    const text = attributes.get(key);
    if (text === undefined) return null;
    const read = readTemplate(text, kind);
    if (!read.ok) return fail(`${key}: ${read.message}`);
    const literal = read.template.filter((part) => typeof part === "string").join("");
    if (/\{\w+\}/.test(literal)) {
      warnings.push(
        `${key}: \`{…}\` with single braces has no meaning in entries with \`type=\`; expressions look like \`{{sha}}\``,
      );
    }
    return read.template;
  }

  function required(key: string, example: string, kind: TemplateKind = "global"): Template | null {
    if (attributes.has(key)) return template(key, kind);
    return fail(`\`${key}\` is missing: write for example \`${example}\``);
  }

  function search(key: string, regex: string): (ReturnType<CompileSearch> & { readonly ok: true }) | null {
    const text = attributes.get(key) ?? "";
    const odd = readDifferently(regex);
    const compiled = odd === null ? compile(regex, text) : { ok: false as const, message: odd };
    return compiled.ok ? compiled : fail(`${key}: ${compiled.message}`);
  }

  function priority(type: EntryType): number {
    const text = attributes.get("priority");
    if (text === undefined) return PRIORITIES[type];
    if (!/^-?\d{1,9}$/.test(text)) fail(`\`priority=${shown(text)}\` is not a whole number`);
    return Number(text);
  }

  function enable(): MetadataEntry["enable"] {
    const text = (attributes.get("enable") ?? "true").replace(/^\{\{[ \t]*(\w+)[ \t]*\}\}$/, "{{$1}}");
    switch (text) {
      case "true":
        return "always";
      case "false":
        return "never";
      case "{{is_default_branch}}":
        return "default-branch";
      case "{{is_not_default_branch}}":
        return "not-default-branch";
    }
    const hint = text.includes("${{") ? "; GitHub Actions' expressions do not exist here: use another rule" : "";
    fail(`\`enable\` is \`true\`, \`false\`, \`{{is_default_branch}}\` or \`{{is_not_default_branch}}\`${hint}`);
    return "never";
  }

  function own(type: EntryType): OwnAttributes | null {
    switch (type) {
      case "semver": {
        const pattern = required("pattern", "type=semver,pattern={{version}}", "version");
        const value = template("value") ?? [];
        const regex = attributes.get("match") ?? "";
        const match = regex === "" ? null : search("match", regex);
        if (match !== null && match.groups === 0) {
          return fail(
            "match: the version is what its first group matches; put it into parentheses: `match=api/v(.*)$`",
          );
        }
        return pattern && { type, pattern, value, match: match?.search ?? null };
      }
      case "match":
        return matching();
      case "edge":
        return { type, branch: attributes.get("branch") || null };
      case "ref": {
        const event = oneOf("event", ["branch", "tag", "pr"], null);
        return event && { type, event };
      }
      case "raw": {
        const value = required("value", "type=raw,value=nightly");
        return value && { type, value };
      }
      case "sha": {
        const format = oneOf("format", ["short", "long"], "short");
        return format && { type, format };
      }
    }
  }

  function matching(): OwnAttributes | null {
    const pattern = attributes.get("pattern");
    if (pattern === undefined || pattern === "")
      return fail("`pattern` is missing: write for example `type=match,pattern=v(.*),group=1`");
    const value = template("value") ?? [];
    const group = attributes.get("group") ?? "0";
    if (!/^\d{1,2}$/.test(group)) return fail(`\`group=${shown(group)}\` is not the number of a group`);
    const flagged = /^\/(.+)\/([a-z]*)$/i.exec(pattern);
    const flags = flagged?.[2] ?? "";
    const unknown = [...flags].find((flag) => !"gimsu".includes(flag));
    if (unknown !== undefined)
      return fail(`pattern: the flag \`${unknown}\` is not supported; \`g\`, \`i\`, \`m\`, \`s\` and \`u\` are`);
    const inline = [...flags].filter((flag) => "ims".includes(flag)).join("");
    const regex = flagged?.[1] ?? pattern;
    const found = search("pattern", inline === "" ? regex : `(?${inline})${regex}`);
    if (found === null) return null;
    const every = flags.includes("g");
    if (!every && Number(group) > found.groups) {
      warnings.push(`the pattern has no group ${group}, so this entry never gives a tag`);
    }
    return { type: "match", search: found.search, every, group: Number(group), value };
  }

  return {
    errors,
    warnings,
    type() {
      const given = attributes.get("type") ?? "";
      const refusal = Object.hasOwn(REFUSED, given) ? REFUSED[given] : undefined;
      if (refusal !== undefined) return fail(refusal);
      const types = Object.keys(PRIORITIES).filter(isEntryType);
      const type = types.find((one) => one === given);
      if (type !== undefined) return type;
      const guess = nearest(given, types);
      const hint = guess === null ? "" : `; did you mean \`type=${guess}\`?`;
      return fail(
        `\`type=${shown(given)}\` is not a kind of tag entry${hint}${hint === "" ? ";" : ""} allowed: ${listed(types)}`,
      );
    },
    entry(type) {
      for (const key of attributes.keys()) {
        if (!ATTRIBUTES[type].includes(key)) {
          fail(`\`${shown(key)}\` is no attribute of \`type=${type}\`; allowed: ${listed(ATTRIBUTES[type])}`);
        }
      }
      const common = {
        source,
        enable: enable(),
        priority: priority(type),
        prefix: prefix(type),
        suffix: template("suffix"),
      };
      const rest = own(type);
      return rest && { ...common, ...rest };
    },
  };

  function prefix(type: EntryType): Template | null {
    if (attributes.has("prefix")) return template("prefix");
    if (type === "sha") return ["sha-"];
    return type === "ref" && attributes.get("event") === "pr" ? ["pr-"] : null;
  }
}

type OwnAttributes = MetadataEntry extends infer Entry
  ? Entry extends MetadataEntry
    ? Omit<Entry, "source" | "enable" | "priority" | "prefix" | "suffix">
    : never
  : never;

function isEntryType(word: string): word is EntryType {
  return Object.hasOwn(PRIORITIES, word);
}

/** What JavaScript, the action's engine, and RE2 both take and read differently. Null: nothing of it is in `regex`. */
function readDifferently(regex: string): string | null {
  const plain = regex.replaceAll("\\\\", "  ");
  const found = /\\([AzaCpPQ0-7])/.exec(plain)?.[1];
  if (found !== undefined) {
    return /[1-7]/.test(found)
      ? "back-references such as `\\1` do not exist in RE2 syntax"
      : `\`\\${found}\` means something else here than in docker/metadata-action; write it in another way`;
  }
  return /\[\^?\]|\[\[[:.=]/.test(plain.replace(/\\./g, "  "))
    ? "empty classes (`[]`, `[^]`) and named classes (`[[:alpha:]]`) do not mean the same everywhere; write ranges, `[a-z]`"
    : null;
}
