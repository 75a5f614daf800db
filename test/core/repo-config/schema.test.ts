import { readFileSync, writeFileSync } from "node:fs";

import { describe, expect, it } from "@jest/globals";
import { Ajv2020 } from "ajv/dist/2020.js";
import { CORE_SCHEMA, load } from "js-yaml";

import { configJsonSchema } from "../../../src/core/repo-config/schema.ts";

const PUBLISHED = new URL("../../../docs/wharfinger.schema.json", import.meta.url);
const FIXTURES = new URL("fixtures/", import.meta.url);

function fixture(name: string): unknown {
  return load(readFileSync(new URL(`${name}.yml`, FIXTURES), "utf8"), { schema: CORE_SCHEMA });
}

describe("the JSON Schema", () => {
  it("is published as it is generated", () => {
    const text = `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
    if (process.env["UPDATE_GOLDEN"]) writeFileSync(PUBLISHED, text);
    expect(readFileSync(PUBLISHED, "utf8")).toBe(text);
  });

  const validate = new Ajv2020({ strict: true, strictRequired: false }).compile(configJsonSchema());

  it.each(["minimal", "everything", "monorepo", "shared-name", "remarks"])("takes %s", (name) => {
    expect([validate(fixture(name)), validate.errors]).toEqual([true, null]);
  });

  it.each(["broken-keys", "broken-quotes", "broken-values", "broken-version", "broken-missing"])(
    "refuses %s",
    (name) => {
      expect(validate(fixture(name))).toBe(false);
    },
  );

  it("wants exactly one trigger in a rule", () => {
    const file = (rule: object) => ({ version: 1, images: [{ rules: [rule] }] });
    expect(validate(file({ branch: "a" }))).toBe(true);
    expect(validate(file({ branch: "a", tag: "b" }))).toBe(false);
    expect(validate(file({ tags: ["a"] }))).toBe(false);
  });
});
