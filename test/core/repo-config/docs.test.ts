import { readFileSync } from "node:fs";

import { describe, expect, it } from "@jest/globals";

import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { configJsonSchema } from "../../../src/core/repo-config/schema.ts";

const TEXT = readFileSync(new URL("../../../docs/config-file.md", import.meta.url), "utf8");
const EXAMPLES = [...TEXT.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1] ?? "");

/** Every key the schema knows, wherever it stands. */
function keysOf(schema: unknown): readonly string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const own = "properties" in schema ? Object.keys(Object(schema.properties)) : [];
  return [...own, ...Object.values(schema).flatMap(keysOf)];
}

describe("docs/config-file.md", () => {
  it("has examples", () => {
    expect(EXAMPLES.length).toBeGreaterThanOrEqual(6);
  });

  it.each(EXAMPLES)("has only examples without anything to remark on: %#", (example) => {
    expect(parseRepoConfig(example, { repositoryName: "app" }).diagnostics).toEqual([]);
  });

  it("names every key", () => {
    const missing = [...new Set(keysOf(configJsonSchema()))].filter((key) => !new RegExp(`\\b${key}\\b`).test(TEXT));
    expect(missing).toEqual([]);
  });
});
