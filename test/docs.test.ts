import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { renderConfigurationDocs, renderEnvExample } from "../src/config-docs.ts";
import { TABLE } from "../src/config-table.ts";
import { packageRoot } from "../src/version.ts";

const made: readonly (readonly [string, () => string])[] = [
  ["docs/configuration.md", renderConfigurationDocs],
  [".env.example", renderEnvExample],
];

describe("documents made from the table of variables", () => {
  it.each(made)("%s is fresh (npm run test:update rewrites it)", (path, render) => {
    const file = join(packageRoot, path);
    if (process.env["UPDATE_GOLDEN"]) {
      writeFileSync(file, render());
    }
    expect(readFileSync(file, "utf8")).toBe(render());
  });

  it("name every variable once", () => {
    for (const [name] of TABLE) {
      expect(renderConfigurationDocs().split(`\n| \`${name}\` |`)).toHaveLength(2);
      expect(renderEnvExample().split(`\n#${name}=`)).toHaveLength(2);
    }
  });

  it("set nothing when the example is copied as it is", () => {
    const lines = renderEnvExample().split("\n");
    expect(lines.filter((line) => line !== "" && !line.startsWith("#"))).toEqual([]);
  });

  it("hold no example that would pass as a secret", () => {
    for (const [name, variable] of TABLE.filter(([, { secret }]) => secret)) {
      const strong = name !== "DATABASE_URL" && /^[A-Za-z0-9+/=_-]{20,}$/.test(variable.example);
      expect([name, strong]).toEqual([name, false]);
    }
  });
});
