/** An installation's policy as people type it and read it: on the command line, and as JSON. */
import type { ForkPolicy, Policy } from "./model.ts";

/** One setting. Files, API and database call it `key`, the command line `name`. */
export interface PolicySetting {
  readonly key: keyof Policy;
  readonly name: string;
  /** For people: `never, approve or test`. */
  readonly allowed: string;
  readonly meaning: string;
}

/** More would stop nothing any more. */
export const MAX_BRAKE = 10_000;

const FORKS: readonly ForkPolicy[] = ["never", "approve", "test"];

const SWITCH = "on or off";

export const POLICY_SETTINGS: readonly PolicySetting[] = [
  {
    key: "forks",
    name: "forks",
    allowed: "never, approve or test",
    meaning: "the most that may happen with pull requests from forks, whatever files say",
  },
  {
    key: "publishPullRequests",
    name: "publish-pull-requests",
    allowed: SWITCH,
    meaning: "whether pull-request rules with push: true publish; never for forks",
  },
  {
    key: "onlyPullRequests",
    name: "only-pull-requests",
    allowed: SWITCH,
    meaning: "build branches through their pull requests only; the default branch and tags always",
  },
  {
    key: "zeroConfig",
    name: "zero-config",
    allowed: SWITCH,
    meaning: "without a file, build the root Dockerfile of the default branch as latest",
  },
  {
    key: "brake",
    name: "brake",
    allowed: `a whole number from 1 to ${MAX_BRAKE}`,
    meaning: "hold a delivery that asks for more builds than this",
  },
];

export type ParsedPolicy =
  | { readonly ok: true; readonly policy: Partial<Policy> }
  /** One line that names the setting and what is allowed. */
  | { readonly ok: false; readonly message: string };

/** `NAME=VALUE` each, as typed; names as on the command line or as in JSON. */
export function parsePolicyArguments(given: readonly string[]): ParsedPolicy {
  const values = new Map<keyof Policy, unknown>();
  for (const one of given) {
    const at = one.indexOf("=");
    if (at < 1) return wrong(`${JSON.stringify(one)} is not NAME=VALUE; names: ${names("name")}`);
    const [name, text] = [one.slice(0, at), one.slice(at + 1)];
    const setting = POLICY_SETTINGS.find((known) => known.name === name || known.key === name);
    if (setting === undefined) return wrong(`there is no setting ${JSON.stringify(name)}; names: ${names("name")}`);
    if (values.has(setting.key)) return wrong(`${setting.name} is given twice`);
    const value = typedValue(setting.key, text);
    if (value === null) {
      return wrong(`${setting.name} can not be ${JSON.stringify(text)}; allowed: ${setting.allowed}`);
    }
    values.set(setting.key, value);
  }
  return { ok: true, policy: Object.fromEntries(values) };
}

/** A JSON object with some of a policy's keys. */
export function parsePolicyJson(given: unknown): ParsedPolicy {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return wrong(`send a JSON object with some of: ${names("key")}`);
  }
  const values = Object.entries(given);
  if (values.length === 0) return wrong(`nothing to change; name some of: ${names("key")}`);
  for (const [key, value] of values) {
    const setting = POLICY_SETTINGS.find((known) => known.key === key);
    if (setting === undefined) return wrong(`there is no key ${JSON.stringify(key)}; allowed: ${names("key")}`);
    if (!isValue(setting.key, value)) {
      const allowed = setting.allowed === SWITCH ? "true or false" : setting.allowed;
      return wrong(`${key} can not be ${JSON.stringify(value).slice(0, 100)}; allowed: ${allowed}`);
    }
  }
  return { ok: true, policy: Object.fromEntries(values) };
}

/** `forks=approve publish-pull-requests=off …`: what {@link parsePolicyArguments} reads. */
export function policyArguments(policy: Policy): readonly string[] {
  return POLICY_SETTINGS.map(({ key, name }) => `${name}=${valueText(policy[key])}`);
}

function valueText(value: Policy[keyof Policy]): string {
  return typeof value === "boolean" ? (value ? "on" : "off") : String(value);
}

/** Null: not a value of this setting. */
function typedValue(key: keyof Policy, text: string): Policy[keyof Policy] | null {
  const value = text === "on" ? true : text === "off" ? false : /^[1-9]\d{0,8}$/.test(text) ? Number(text) : text;
  return isValue(key, value) ? value : null;
}

function isValue(key: keyof Policy, value: unknown): value is Policy[keyof Policy] {
  switch (key) {
    case "forks":
      return FORKS.some((known) => known === value);
    case "brake":
      return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_BRAKE;
    case "publishPullRequests":
    case "onlyPullRequests":
    case "zeroConfig":
      return typeof value === "boolean";
  }
}

function names(of: "key" | "name"): string {
  return POLICY_SETTINGS.map((setting) => setting[of]).join(", ");
}

function wrong(message: string): ParsedPolicy {
  return { ok: false, message };
}
