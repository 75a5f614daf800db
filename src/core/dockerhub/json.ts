/**
 * The JSON that Docker Hub's own pages load. A build source (`/api/build/v1/source/?image=acme/api`) names its rules by
 * address, and another request (`/api/build/v1/setting/?buildsource=…`) has them; a list may hold both answers.
 */
import {
  type Field,
  type Finding,
  fieldsOf,
  type HubRead,
  type HubRecord,
  type HubRule,
  missingFields,
  ruleOf,
  settingFindings,
  severalSources,
  written,
} from "./rules.ts";

type Data = Readonly<Record<string, unknown>>;

interface Placed {
  readonly place: string;
  readonly data: Data;
}

export function readJson(text: string): HubRead {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { ok: false, message: `the rules begin like JSON and are not: ${error.message}` };
  }
  const found: Found = { sources: [], settings: [], findings: [] };
  collect(value, "", 0, found);
  if (found.sources.length + found.settings.length === 0) {
    return { ok: false, message: "the JSON holds no build rules: objects with source_type, source_name and tag" };
  }
  const several = severalSources([...new Set(found.sources.flatMap(sourceRepository))]);
  return several === null ? { ok: true, ...rulesIn(found) } : { ok: false, message: several };
}

interface Found {
  readonly sources: Placed[];
  readonly settings: Placed[];
  readonly findings: Finding[];
}

/** `[source, {"objects": [setting]}]` is as deep as it gets. */
const MAX_DEPTH = 4;

function collect(value: unknown, place: string, depth: number, found: Found): void {
  if (Array.isArray(value) && depth < MAX_DEPTH) {
    for (const [index, one] of value.entries()) collect(one, `${place}[${index}]`, depth + 1, found);
  } else if (!isData(value)) {
    found.findings.push({
      kind: "lost",
      place: place === "" ? null : place,
      message: `${written(value)} is no build rule`,
    });
  } else if (Array.isArray(value["objects"])) {
    collect(value["objects"], join(place, "objects"), depth + 1, found);
  } else if (Array.isArray(value["build_settings"]) || Array.isArray(value["build_tags"])) {
    found.sources.push({ place, data: value });
  } else {
    found.settings.push({ place, data: value });
  }
}

function isData(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function join(place: string, key: string): string {
  return place === "" ? key : `${place}.${key}`;
}

function text(data: Data, key: string): string | null {
  const value = data[key];
  return typeof value === "string" && value !== "" ? value : null;
}

function sourceRepository({ data }: Placed): readonly string[] {
  const owner = text(data, "owner");
  const repository = text(data, "repository");
  return owner === null || repository === null ? [] : [`${owner}/${repository}`];
}

function rulesIn({ sources, settings, findings }: Found): { rules: HubRule[]; findings: Finding[] } {
  const byAddress = new Map(settings.map((setting) => [text(setting.data, "resource_uri"), setting] as const));
  const sourceAt = new Map(sources.map(({ data }) => [text(data, "resource_uri"), data] as const));
  const used = new Set<Placed>();
  const rules: HubRule[] = [];
  function take(setting: Placed, image: string | null): void {
    if (used.has(setting)) return;
    used.add(setting);
    const rule = ruleIn(setting, image, findings);
    if (rule !== null) rules.push(rule);
  }
  for (const { place, data } of sources) {
    const about = place === "" ? imageName(data) : place;
    findings.push(...settingFindings(recordOf({ place, data }).fields, about));
    for (const nested of nestedSettings({ place, data })) {
      if (isData(nested.value)) take({ place: nested.place, data: nested.value }, imageName(data));
      else {
        const setting = typeof nested.value === "string" ? byAddress.get(nested.value) : undefined;
        if (setting !== undefined) take(setting, imageName(data));
        else findings.push({ kind: "lost", place: nested.place, message: onlyNamed(nested.value) });
      }
    }
  }
  for (const setting of settings) {
    const address = text(setting.data, "buildsource");
    const source = address === null ? undefined : sourceAt.get(address);
    take(setting, source === undefined ? null : imageName(source));
  }
  return { rules, findings };
}

function imageName(data: Data): string | null {
  return text(data, "image") ?? text(data, "docker_url");
}

function nestedSettings({ place, data }: Placed): readonly { readonly place: string; readonly value: unknown }[] {
  return ["build_settings", "build_tags"].flatMap((key) => {
    const values = data[key];
    return Array.isArray(values)
      ? values.map((value: unknown, index) => ({ place: join(place, `${key}[${index}]`), value }))
      : [];
  });
}

function onlyNamed(value: unknown): string {
  return `the rule ${written(value)} is only named here; give the answer of /api/build/v1/setting/?buildsource=… in one list with this`;
}

function recordOf({ place, data }: Placed): HubRecord {
  const names = Object.keys(data);
  const fields = fieldsOf(names);
  const known = fields.flatMap((field, index): [Field, unknown][] =>
    field === null ? [] : [[field, data[names[index] ?? ""]]],
  );
  return { place: place === "" ? "the rule" : place, fields: new Map(known) };
}

function ruleIn(setting: Placed, image: string | null, findings: Finding[]): HubRule | null {
  const record = recordOf(setting);
  const missing = missingFields([...record.fields.keys()]);
  findings.push(...settingFindings(record.fields, record.place));
  if (missing === null) return ruleOf(record, image, findings);
  findings.push({ kind: "lost", place: record.place, message: `it is no build rule: ${missing} is not there` });
  return null;
}
