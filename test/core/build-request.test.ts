import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import {
  BuildRequestSchema,
  buildRequest,
  buildRequestJsonSchema,
  canonicalJson,
  digestOf,
  type RequestSettings,
} from "../../src/core/build-request.ts";
import { build, planned } from "./samples.ts";

const SETTINGS: RequestSettings = {
  registry: "registry.test",
  network: "internet",
  limits: { seconds: 3600, memoryBytes: 4 * 1024 ** 3, logBytes: 16 * 1024 ** 2 },
  staging: (id) => ({ repository: `staging/${id}`, tag: "build" }),
};
const ORIGIN = { actor: "42", configDigest: digestOf("version: 1\n") };

describe("canonical JSON", () => {
  it.each<[string, unknown, string]>([
    [
      "keys in the order of their code units",
      { b: 1, a: 2, B: 3, "10": 4, "9": 5 },
      '{"10":4,"9":5,"B":3,"a":2,"b":1}',
    ],
    [
      "nested values and lists in their own order",
      { z: [3, { y: null, x: true }], a: "" },
      '{"a":"","z":[3,{"x":true,"y":null}]}',
    ],
    [
      "text as JSON writes it",
      { 'quo"te': "line\nbreak \u2028 é 🚢 \ud83d" },
      '{"quo\\"te":"line\\nbreak \u2028 é 🚢 \\ud83d"}',
    ],
    ["keys beyond the basic plane before those at its end", { "\ufb33": 1, "😀": 2 }, '{"😀":2,"\ufb33":1}'],
    [
      "no difference between a missing name and __proto__",
      JSON.parse('{"__proto__":1,"a":2}'),
      '{"__proto__":1,"a":2}',
    ],
  ])("has %s", (_what, value, text) => {
    expect(canonicalJson(value)).toBe(text);
    expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(text);
  });

  it.each([Number.NaN, 0.5, Infinity, 2 ** 53, undefined, 1n, () => 1, { a: undefined }])("refuses %p", (value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});

describe("the build request", () => {
  const request = buildRequest(build({ id: "b-1", trigger: "rerun" }), ORIGIN, SETTINGS);

  it("follows its own schema, whatever the repository holds", () => {
    expect(BuildRequestSchema.parse(JSON.parse(canonicalJson(request)))).toEqual(request);
    const odd = planned({ tags: [], push: false, before: null });
    const other = buildRequest(build({ planned: odd }), { actor: null, configDigest: null }, SETTINGS);
    expect(BuildRequestSchema.safeParse(other).success).toBe(true);
  });

  it("says where to push and what it would be called, and holds no credential", () => {
    expect(request).toMatchObject({
      version: 1,
      id: "b-1",
      image: { registry: "registry.test", staging: { repository: "staging/b-1", tag: "build" }, name: "acme/api" },
      trigger: { kind: "rerun", actor: "42", configDigest: ORIGIN.configDigest },
    });
    expect(canonicalJson(request)).not.toMatch(/password|token|secret|authorization/i);
  });

  it("lets no label of the file stand in for the truth", () => {
    const labels = { "org.opencontainers.image.source": "https://evil.example", team: "core" };
    const lying = planned({ inputs: { ...planned().inputs, labels } });
    const { inputs } = buildRequest(build({ planned: lying }), ORIGIN, SETTINGS);
    expect(inputs.labels).toMatchObject({ team: "core", "org.opencontainers.image.source": build().repository.webUrl });
  });

  it("is the same for the same build, so that its digest can be compared", () => {
    const again = buildRequest(build({ id: "b-1", trigger: "rerun" }), ORIGIN, SETTINGS);
    expect(digestOf(canonicalJson(again))).toBe(digestOf(canonicalJson(request)));
  });

  it.each([
    ["another version", { version: 2 }],
    ["a field nobody knows", { hostCommand: "rm" }],
    ["no trust", { trust: undefined }],
    ["a ref for a hash", { source: { ...request.source, sha: "main" } }],
    ["no time limit", { limits: { ...request.limits, seconds: 0 } }],
  ])("with %s is refused", (_what, change) => {
    expect(BuildRequestSchema.safeParse({ ...request, ...change }).success).toBe(false);
  });

  it("has its schema published in docs", () => {
    const path = new URL("../../docs/build-request.schema.json", import.meta.url);
    const text = `${JSON.stringify(buildRequestJsonSchema(), null, 2)}\n`;
    if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(path, text);
    expect(readFileSync(path, "utf8")).toBe(text);
  });
});
