import { TABLE, type Variable } from "./config-table.ts";

/** `docs/configuration.md`. */
export function renderConfigurationDocs(): string {
  const parts = [
    "# Configuration",
    "",
    "<!-- Made from src/config-table.ts by `npm run test:update`; a test fails when it is stale. -->",
    "",
    "Wharfinger reads its configuration from the environment, and from a file `.env` in the folder it is started in; the",
    "environment wins. A variable that is set to nothing counts as not set. Every problem is reported at once, by name,",
    "and the program then exits with 78. Start from `.env.example`; `wharfinger doctor` tries every address and credential.",
    "Where nothing of GitHub, Bitbucket and the registry is set, the [first run](first-run.md) asks for it on pages, and keeps",
    "it in the database, for which the environment wins, too; `wharfinger settings` lists both.",
    "",
    "Secrets have no defaults. Those you choose yourself have at least 32 characters.",
    "",
    "`/metrics`, `/healthz` and `/readyz` ask for no token: they name no repository, but let a proxy keep them inside.",
    "",
  ];
  for (const [group, variables] of groups()) {
    parts.push(`## ${group}`, "", "| variable | default | meaning |", "|---|---|---|");
    for (const [name, variable] of variables) {
      const secret = variable.secret ? " *Secret.*" : "";
      parts.push(`| \`${name}\` | ${defaultText(variable)} | ${variable.about}${secret} |`);
    }
    parts.push("");
  }
  return parts.join("\n");
}

/** `.env.example`: all variables, commented out. */
export function renderEnvExample(): string {
  const parts = [
    "# Wharfinger's configuration: copy to .env and fill in what you need. docs/configuration.md has all the words.",
    "# Made from src/config-table.ts by `npm run test:update`.",
  ];
  for (const [group, variables] of groups()) {
    parts.push("", `# --- ${group} ---`);
    for (const [name, variable] of variables) {
      parts.push("", `# ${variable.about.replaceAll("`", "")}`, `#${name}=${variable.example}`);
    }
  }
  return `${parts.join("\n")}\n`;
}

function defaultText(variable: Variable<unknown>): string {
  return variable.fallbackText ?? (variable.fallback === null ? "none" : `\`${variable.fallback}\``);
}

function groups(): Map<string, [string, Variable<unknown>][]> {
  const found = new Map<string, [string, Variable<unknown>][]>();
  for (const [name, variable] of TABLE) {
    found.set(variable.group, [...(found.get(variable.group) ?? []), [name, variable]]);
  }
  return found;
}
