/** The configuration of this process: the environment, and what the database adds to it. */

import type { OpenSettings } from "./cli/settings.ts";
import {
  type Config,
  type ConfigResult,
  type Environment,
  type Problem,
  parseConfig,
  secretKeys,
  startProblems,
} from "./config.ts";
import { isBlank, settingSources, storable, withStored } from "./config-stored.ts";
import { VARIABLES } from "./config-table.ts";
import type { StoredSettings } from "./engine/settings-port.ts";
import { openConfiguredStore } from "./parts.ts";
import { peekSettings } from "./store/settings.ts";
import { createVault } from "./store/vault.ts";

export interface Configuration {
  /** What `start` lacks, beyond {@link read}'s problems. */
  readonly missing: readonly Problem[];
  readonly read: ConfigResult;
  /** The first run: no variable names a host or a registry, and the setup was never finished. The environment's part. */
  readonly setup: Config | null;
}

/** Reads the environment, then the database it names, then both together. */
export async function readConfiguration(env: Environment): Promise<Configuration> {
  const own = parseConfig(env);
  // Where that is wrong, the database may be another one than the operator means.
  if (!own.ok) return { read: own, missing: startProblems(env), setup: null };
  const stored = await storedOf(own.config);
  if ("unreadable" in stored) {
    const read = {
      ...own,
      warnings: [...own.warnings, `What is kept in the database was not read: ${stored.unreadable}`],
    };
    return { read, missing: startProblems(env), setup: null };
  }
  const together = withStored(env, stored.values);
  return {
    read: parseConfig(together),
    missing: startProblems(together, { connected: stored.connected }),
    setup: isBlank(env) && stored.finishedAt === null ? own.config : null,
  };
}

async function storedOf(config: Config): Promise<StoredSettings | { readonly unreadable: string }> {
  try {
    return await peekSettings(config.databaseUrl, () => createVault(secretKeys(config)));
  } catch (error) {
    return { unreadable: error instanceof Error ? error.message : String(error) };
  }
}

/** What `wharfinger settings` looks after. Rejects when the environment is wrong, or the database does not open. */
export async function openSettings(env: Environment): Promise<OpenSettings> {
  const own = parseConfig(env);
  if (!own.ok) throw new Error(own.problems.map(({ variable, wrong }) => `${variable} ${wrong}.`).join(" "));
  const store = await openConfiguredStore(own.config);
  const by = { by: { kind: "operator" }, setup: false } as const;
  return {
    list: async () => settingSources(env, (await store.storedSettings()).values),
    async set(text, value) {
      const name = storable(text);
      if (name === null) return `${JSON.stringify(text)} is no variable that the database can hold.`;
      const parsed = VARIABLES[name].type.safeParse(value);
      if (!parsed.success)
        return `${name} ${parsed.error.issues[0]?.message ?? "is not valid"}: ${VARIABLES[name].todo}.`;
      await store.saveSettings({ [name]: value }, by);
      return null;
    },
    async remove(name) {
      if (!Object.hasOwn((await store.storedSettings()).values, name)) return false;
      return store.saveSettings({ [name]: null }, by);
    },
    close: () => store.close(),
  };
}
