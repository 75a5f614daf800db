/**
 * Docker Hub's build rules, as its page and the JSON behind it show them.
 * https://docs.docker.com/docker-hub/repos/manage/builds/setup/
 */
import { listed, shown } from "../repo-config/problems.ts";

/** One rule that could be understood; what its fields mean is said in convert.ts. */
export interface HubRule {
  /** Where it was read: `line 3` of a table, `objects[1]` of JSON. */
  readonly place: string;
  /** The Docker Hub repository, `acme/api`; null: not said. */
  readonly image: string | null;
  readonly kind: "branch" | "tag";
  /** A name, or a regular expression between slashes. */
  readonly source: string;
  /** The Docker Tag field, taken apart at its commas. */
  readonly tags: readonly string[];
  readonly dockerfile: string;
  /** Empty: blank on the page. */
  readonly context: string;
  readonly autobuild: boolean;
  readonly caching: boolean;
}

/** Something to say about what was read. `lost`: it is not in the file. `note`: it is, and this was decided. */
export interface Finding {
  readonly kind: "lost" | "note";
  /** Null: all of it. */
  readonly place: string | null;
  readonly message: string;
}

/** What rules were read, and what was found out on the way. */
export interface HubRules {
  readonly rules: readonly HubRule[];
  readonly findings: readonly Finding[];
}

export type HubRead = ({ readonly ok: true } & HubRules) | { readonly ok: false; readonly message: string };

/** One rule before its values are judged. */
export interface HubRecord {
  readonly place: string;
  readonly fields: ReadonlyMap<Field, unknown>;
}

export type Field = keyof typeof NAMES;

/** What fields are called: first on the page, then in Docker Hub's JSON and by people. Compared by their letters. */
const NAMES = {
  kind: ["Source Type", "type"],
  source: ["Source", "source_name"],
  tags: ["Docker Tag", "tag", "tags", "docker tags", "docker tag name"],
  dockerfile: ["Dockerfile location", "dockerfile", "dockerfile path"],
  context: ["Build Context", "context", "build context path"],
  autobuild: ["Autobuild"],
  caching: ["Build Caching", "caching", "cache"],
  nocache: ["nocache"],
  image: ["Repository", "repository name", "image", "image name", "Docker Hub repository"],
  sourceRepository: ["Source Repository"],
  autotest: ["Autotest", "autotests"],
  links: ["Repository Links", "repo_links"],
  variables: ["Build Environment Variables", "environment variables", "envvars"],
} as const;

/** What JSON and tables must say; the rest has a default. */
const REQUIRED = ["kind", "source", "tags"] as const;

const BY_LETTERS: ReadonlyMap<string, Field> = new Map(
  (Object.keys(NAMES) as Field[]).flatMap((field) => NAMES[field].map((name) => [letters(name), field] as const)),
);

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z]/g, "");
}

/**
 * Which field each name stands for; null: none. `name` was the source on Docker Hub's old page and the tag in its old
 * JSON: it is the one that has no other name.
 */
export function fieldsOf(names: readonly string[]): readonly (Field | null)[] {
  const fields = names.map((name) => BY_LETTERS.get(letters(name)) ?? null);
  const missing = fields.includes("source") ? "tags" : "source";
  return fields.map((field, index) => {
    const free = letters(names[index] ?? "") === "name" && !fields.includes(missing);
    return free ? missing : field;
  });
}

/** Null: all that is needed is there. Else the names of what is missing, as the page spells them. */
export function missingFields(fields: readonly (Field | null)[]): string | null {
  const missing = REQUIRED.filter((field) => !fields.includes(field));
  return missing.length === 0 ? null : listed(missing.map((field) => NAMES[field][0]));
}

/** The rule; null after saying what can not be understood. */
export function ruleOf({ place, fields }: HubRecord, image: string | null, findings: Finding[]): HubRule | null {
  const problem = problemOf(fields);
  if (problem !== null) {
    findings.push({ kind: "lost", place, message: problem });
    return null;
  }
  const text = (field: Field) => String(fields.get(field) ?? "").trim();
  const nocache = fields.has("nocache") && toggle(fields.get("nocache"), false) === true;
  const named = text("image");
  return {
    place,
    image: named === "" ? image : named,
    kind: text("kind").toLowerCase() === "branch" ? "branch" : "tag",
    source: text("source"),
    tags: text("tags")
      .split(",")
      .map((tag) => tag.trim())
      .filter((tag) => tag !== ""),
    dockerfile: text("dockerfile"),
    context: text("context"),
    autobuild: toggle(fields.get("autobuild"), true) !== false,
    caching: toggle(fields.get("caching"), true) !== false && !nocache,
  };
}

const TEXTS = ["kind", "source", "tags", "dockerfile", "context", "image"] as const;
const TOGGLES = ["autobuild", "caching", "nocache"] as const;

function problemOf(fields: ReadonlyMap<Field, unknown>): string | null {
  for (const field of TEXTS) {
    const value = fields.get(field) ?? "";
    if (typeof value !== "string") return `${NAMES[field][0]} is ${written(value)}, not text`;
  }
  for (const field of TOGGLES) {
    const value = fields.get(field);
    if (toggle(value, true) === null) return `${NAMES[field][0]} is ${written(value)}; write on or off`;
  }
  const kind = String(fields.get("kind") ?? "").trim();
  if (!/^(?:branch|tag)$/i.test(kind)) {
    return kind === ""
      ? "Source Type is blank; write Branch or Tag"
      : `Source Type is ${written(kind)}, not Branch or Tag`;
  }
  const missing = REQUIRED.find(
    (field) =>
      String(fields.get(field) ?? "")
        .replaceAll(",", "")
        .trim() === "",
  );
  return missing === undefined ? null : `${NAMES[missing][0]} is blank; Docker Hub does not save such a rule`;
}

const ON = /^(?:on|true|yes|y|1|enabled|x)$/i;
const OFF = /^(?:off|false|no|n|0|disabled)$/i;

/** Null: neither on nor off. */
function toggle(value: unknown, blank: boolean): boolean | null {
  if (value === undefined || value === null) return blank;
  if (typeof value === "boolean") return value;
  const text = typeof value === "string" || typeof value === "number" ? String(value).trim() : "?";
  if (text === "") return blank;
  return ON.test(text) ? true : OFF.test(text) ? false : null;
}

/** A value that was given, for a sentence. What nests is not shown: it may be deep, or large. */
export function written(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : `\`${shown(String(value))}\``;
}

/** What is set for a whole Docker Hub repository and has no place in the file. */
export function settingFindings(fields: ReadonlyMap<Field, unknown>, place: string | null): readonly Finding[] {
  const messages = [
    autotestMessage(fields.get("autotest")),
    linksMessage(fields.get("links")),
    variablesMessage(fields.get("variables")),
  ];
  return messages.flatMap((message) => (message === null ? [] : [{ kind: "lost" as const, place, message }]));
}

function autotestMessage(value: unknown): string | null {
  if (typeof value !== "string" || toggle(value, false) === false) return null;
  const forks = /forks|external/i.test(value) ? ", and `pull_requests: { forks: test }` for those from forks" : "";
  return `Autotest (${shown(value)}) is not taken over: docker-compose.test.yml is not run here. Make the test a stage of the Dockerfile and write \`test: { target: test }\` under the image; for pull requests add a rule \`- pull_request: BRANCH\`${forks}`;
}

function linksMessage(value: unknown): string | null {
  const on = typeof value === "string" || typeof value === "boolean" ? toggle(value, false) !== false : false;
  return on
    ? "Repository Links are not taken over: a new base image starts no build here; start one by hand, or push"
    : null;
}

/** Names only: values may be secrets, and reports end up in logs. */
function variablesMessage(value: unknown): string | null {
  if (value === undefined || value === null || value === "") return null;
  const names = Array.isArray(value) ? value.map(variableName).filter((name) => name !== null) : [];
  if (Array.isArray(value) && value.length === 0) return null;
  const which = names.length === 0 ? "" : ` (${listed(names.map(shown))})`;
  return `Build environment variables${which} are not taken over: what the Dockerfile reads as ARG belongs under \`build_args\`, without secrets`;
}

function variableName(variable: unknown): string | null {
  if (typeof variable !== "object" || variable === null) return null;
  const name: unknown = Reflect.get(variable, "key") ?? Reflect.get(variable, "name");
  return typeof name === "string" ? name : null;
}

/** Null: at most one. A `.wharfinger.yml` stands in the repository it builds. */
export function severalSources(sources: readonly string[]): string | null {
  if (sources.length < 2) return null;
  const named = sources.slice(0, 5).map(shown).join(", ");
  return `the rules belong to ${sources.length} source repositories (${named}), and each needs a file of its own: import them one by one`;
}
