/** What the database adds to the environment: variables the setup was told. The environment wins. */
import { type Environment, isSet, TABLE, VARIABLES, type VariableName } from "./config-table.ts";

/** Read before the database is, so that they can not rest in it. */
const BEFORE_THE_DATABASE: readonly VariableName[] = ["DATA_DIR", "DATABASE_URL", "SECRET_KEY", "SECRET_KEY_PREVIOUS"];

/** Null: no variable of this program is called so, or it can not be kept in the database; else what it is. */
export function storable(name: string): VariableName | null {
  const known = TABLE.find(([one]) => one === name)?.[0];
  return known === undefined || BEFORE_THE_DATABASE.includes(known) ? null : known;
}

/**
 * Where the environment sets one of `by`, what the database holds of `these` does not count: a secret of the setup's
 * GitHub or registry must never be sent to another that the environment names.
 */
const TOGETHER: readonly { readonly by: readonly VariableName[]; readonly these: readonly VariableName[] }[] = [
  {
    by: ["GITHUB_URL", "GITHUB_API_URL", "APP_ID"],
    these: [
      "GITHUB_URL",
      "GITHUB_API_URL",
      "APP_ID",
      "PRIVATE_KEY",
      "PRIVATE_KEY_PATH",
      "WEBHOOK_SECRET",
      "WEBHOOK_SECRET_PREVIOUS",
      "GITHUB_CLIENT_ID",
      "GITHUB_CLIENT_SECRET",
    ],
  },
  { by: ["PRIVATE_KEY", "PRIVATE_KEY_PATH"], these: ["PRIVATE_KEY", "PRIVATE_KEY_PATH"] },
  { by: ["GITHUB_CLIENT_ID"], these: ["GITHUB_CLIENT_SECRET"] },
  {
    by: ["BITBUCKET_URL", "BITBUCKET_API_URL", "BITBUCKET_APP_KEY"],
    these: [
      "BITBUCKET_URL",
      "BITBUCKET_API_URL",
      "BITBUCKET_APP_KEY",
      "BITBUCKET_APP_SECRET",
      "BITBUCKET_CLIENT_ID",
      "BITBUCKET_CLIENT_SECRET",
    ],
  },
  { by: ["BITBUCKET_CLIENT_ID"], these: ["BITBUCKET_CLIENT_SECRET"] },
  {
    by: ["REGISTRY_URL"],
    these: TABLE.flatMap(([name]) => (name.startsWith("REGISTRY_") ? [name] : [])),
  },
  { by: ["REGISTRY_USERNAME", "REGISTRY_PASSWORD"], these: ["REGISTRY_USERNAME", "REGISTRY_PASSWORD"] },
];

export interface SettingSource {
  readonly name: VariableName;
  readonly from: "environment" | "database";
  /** What the database holds of it does not count, because the environment sets this; null: it counts, or there is none. */
  readonly overruledBy: VariableName | null;
  /** Null: a secret. */
  readonly value: string | null;
}

/** The variables as the program is to read them. Names the table does not know (a newer version's) are passed over. */
export function withStored(env: Environment, stored: Readonly<Record<string, string>>): Environment {
  const counting = Object.entries(stored).filter(([text]) => {
    const name = storable(text);
    return name !== null && overruling(env, name) === null;
  });
  return { ...env, ...Object.fromEntries(counting) };
}

/** Every variable that is set somewhere, in the order of the table. */
export function settingSources(env: Environment, stored: Readonly<Record<string, string>>): readonly SettingSource[] {
  const together = withStored(env, stored);
  return TABLE.flatMap(([name, { secret }]): SettingSource[] => {
    const kept = Object.hasOwn(stored, name) && storable(name) !== null;
    const overruledBy = kept ? overruling(env, name) : null;
    const from = isSet(env, name) ? "environment" : "database";
    if (from === "database" && !kept) return [];
    const text = (overruledBy === null ? together[name] : (env[name] ?? stored[name])) ?? "";
    // Addresses may hold credentials by mistake.
    const hidden = secret || /\/\/[^/]*@/.test(text);
    return [{ name, from, overruledBy, value: hidden ? null : text }];
  });
}

/** The variable of the environment in whose favour the stored one does not count; null: it counts. */
function overruling(env: Environment, name: VariableName): VariableName | null {
  if (isSet(env, name)) return name;
  const found = TOGETHER.filter(({ these }) => these.includes(name)).flatMap(({ by }) => by);
  return found.find((one) => isSet(env, one)) ?? null;
}

/** True: nobody has told this program of any host or registry by its environment. */
export function isBlank(env: Environment): boolean {
  const groups = ["GitHub", "Bitbucket Cloud", "Registry"];
  return TABLE.every(([name]) => !groups.includes(VARIABLES[name].group) || !isSet(env, name));
}
