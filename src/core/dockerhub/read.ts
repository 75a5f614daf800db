import { shown } from "../repo-config/problems.ts";
import { readJson } from "./json.ts";
import {
  type Field,
  type Finding,
  fieldsOf,
  type HubRead,
  type HubRule,
  missingFields,
  ruleOf,
  settingFindings,
  severalSources,
} from "./rules.ts";
import { readTable, type TableRow } from "./table.ts";

/** More is no table that people filled in. */
const MAX_TEXT = 1024 * 1024;
/** A `.wharfinger.yml` has room for about as many. */
const MAX_RULES = 1000;

/** Reads build rules: a table with a header row, or JSON. Never throws for what the text is. */
export function readHubRules(given: string): HubRead {
  const text = given.replace(/^\ufeff/, "");
  if (text.length > MAX_TEXT) return unusable("the rules are larger than 1 MiB");
  if (/[\0\ufffd]/.test(text)) return unusable("the rules are not UTF-8 text; save them as UTF-8");
  if (text.trim() === "") return unusable("there are no rules: the text is empty");
  const read = /^\s*[[{]/.test(text) ? readJson(text) : readRows(text);
  if (!read.ok) return read;
  if (read.rules.length > MAX_RULES)
    return unusable(`these are ${read.rules.length} rules; import at most ${MAX_RULES} at once`);
  if (read.rules.length + read.findings.length === 0) return unusable("there are no rules behind the header row");
  return read;
}

function unusable(message: string): HubRead {
  return { ok: false, message };
}

function readRows(text: string): HubRead {
  const table = readTable(text);
  if (!table.ok) return table;
  const [header, ...rows] = table.rows;
  const names = header?.cells ?? [];
  const fields = fieldsOf(names);
  const missing = missingFields(fields);
  if (missing !== null) {
    const hint = names.length === 1 ? "; cells are separated by commas or tabs" : "";
    const line = header?.line ?? 1;
    return unusable(`line ${line} is no header row with the columns that are needed; missing: ${missing}${hint}`);
  }
  const twice = fields.find((field, index) => field !== null && fields.indexOf(field) !== index);
  if (twice !== undefined) return unusable(`line ${header?.line ?? 1}: two columns mean the same (${twice})`);
  const findings: Finding[] = unknownColumns(names, fields, rows);
  const rules: HubRule[] = [];
  const sources = new Set<string>();
  const settings = new Map<string, Finding>();
  for (const { line, cells } of rows) {
    const place = `line ${line}`;
    if (cells.slice(names.length).some((cell) => cell !== "")) {
      const message = `it has ${cells.length} cells and the header ${names.length}; a cell with a comma needs quotes: "1.0,latest"`;
      findings.push({ kind: "lost", place, message });
      continue;
    }
    const record = new Map<Field, unknown>(
      fields.flatMap((field, index) => (field === null ? [] : [[field, cells[index] ?? ""] as const])),
    );
    const rule = ruleOf({ place, fields: record }, null, findings);
    if (rule !== null) rules.push(rule);
    const source = String(record.get("sourceRepository") ?? "");
    if (source !== "") sources.add(source);
    for (const finding of settingFindings(record, place)) {
      const key = `${rule?.image ?? ""} ${finding.message}`;
      if (!settings.has(key)) settings.set(key, finding);
    }
  }
  const several = severalSources([...sources]);
  return several === null ? { ok: true, rules, findings: [...findings, ...settings.values()] } : unusable(several);
}

function unknownColumns(
  names: readonly string[],
  fields: readonly (Field | null)[],
  rows: readonly TableRow[],
): Finding[] {
  return names.flatMap((name, index) =>
    fields[index] === null && rows.some(({ cells }) => (cells[index] ?? "") !== "")
      ? [
          {
            kind: "note" as const,
            place: null,
            message: `the column \`${shown(name)}\` is not known and was not looked at`,
          },
        ]
      : [],
  );
}
