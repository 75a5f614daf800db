import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { Ajv2020 } from "ajv/dist/2020.js";
import {
  BuildRequestSchema,
  buildRequest,
  buildRequestJsonSchema,
  canonicalJson,
  digestOf,
  type RequestSettings,
} from "../../src/core/build-request.ts";
import { build, planned, sha } from "./samples.ts";

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
  const shared = { id: "9", fullName: "acme/shared", cloneUrl: "https://github.com/acme/shared.git" };
  const FURTHER = { ...request.source, furtherRepositories: [shared] };

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

  it("of a push names no pull request", () => {
    expect(request.source).not.toHaveProperty("pull");
    expect(request.inputs.cacheScope).toBe("github-default-186853002-trusted");
  });

  it("names the further repositories it was planned with, as far as they were known", () => {
    const repositories = [
      { name: "acme/shared", id: "9" },
      { name: "acme/unknown", id: null },
    ];
    const { source } = buildRequest(build({ planned: planned({ repositories }) }), ORIGIN, SETTINGS);
    const origin = new URL(source.cloneUrl).origin;
    expect(source.furtherRepositories).toEqual([
      { id: "9", fullName: "acme/shared", cloneUrl: `${origin}/acme/shared.git` },
    ]);
    const whole = buildRequest(build({ planned: planned({ repositories }) }), ORIGIN, SETTINGS);
    expect(BuildRequestSchema.parse(JSON.parse(canonicalJson(whole)))).toEqual(whole);
    const none = buildRequest(build({ planned: planned({ repositories: repositories.slice(1) }) }), ORIGIN, SETTINGS);
    expect(none.source).not.toHaveProperty("furtherRepositories");
  });

  it("of an untrusted build names none, whatever is recorded", () => {
    const repositories = [{ name: "acme/shared", id: "9" }];
    const untrusted = planned({ repositories, trust: "untrusted", push: false });
    expect(buildRequest(build({ planned: untrusted }), ORIGIN, SETTINGS).source).not.toHaveProperty(
      "furtherRepositories",
    );
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

  it.each([
    ["pushes although it is untrusted", { trust: "untrusted" }, false],
    ["is untrusted and pushes nothing", { trust: "untrusted", image: { ...request.image, push: false } }, true],
    [
      "is untrusted and reads further repositories",
      { trust: "untrusted", image: { ...request.image, push: false }, source: FURTHER },
      false,
    ],
    ["is trusted and reads further repositories", { source: FURTHER }, true],
    ["lists no further repositories", { source: { ...FURTHER, furtherRepositories: [] } }, false],
    ["is trusted and pushes nothing", { image: { ...request.image, push: false } }, true],
    ["has an unknown trust and pushes nothing", { trust: "some", image: { ...request.image, push: false } }, false],
  ])("that %s is judged so by the schema, and by the published one", (_what, change, good) => {
    const validate = new Ajv2020({ strict: false }).compile(buildRequestJsonSchema());
    const other = { ...request, ...change };
    expect(BuildRequestSchema.safeParse(other).success).toBe(good);
    expect(validate(other)).toBe(good);
  });

  it("has its schema published in docs", () => {
    const path = new URL("../../docs/build-request.schema.json", import.meta.url);
    const text = `${JSON.stringify(buildRequestJsonSchema(), null, 2)}\n`;
    if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(path, text);
    expect(readFileSync(path, "utf8")).toBe(text);
  });
});

describe("the build request of a pull request", () => {
  const FORK = { cloneUrl: "https://github.com/stranger/api.git", ref: "refs/heads/feature", anonymous: true };
  const stranger = planned({
    kind: "pull_request",
    ref: "refs/heads/feature",
    lane: "refs/pull/5/head",
    tags: ["latest"],
    push: false,
    trust: "untrusted",
    pull: { number: 5, target: "main", fork: true },
    checkout: FORK,
  });
  const settings = { ...SETTINGS, network: "host" } as const;

  function requestOf(change: Partial<typeof stranger> = {}, origin = ORIGIN) {
    return buildRequest(build({ id: "b-1", planned: { ...stranger, ...change } }), origin, settings);
  }

  it("says where its commit is, what it is to be merged into, and follows the schema", () => {
    const request = requestOf();
    expect(request).toMatchObject({
      source: {
        repository: { fullName: "acme/api" },
        ref: "refs/heads/feature",
        sha: stranger.sha,
        cloneUrl: FORK.cloneUrl,
        pull: { number: 5, target: "main", fork: true },
      },
      image: { name: "acme/api", push: false },
      trust: "untrusted",
    });
    expect(BuildRequestSchema.parse(JSON.parse(canonicalJson(request)))).toEqual(request);
  });

  it("labels its image after the pull request, whatever tags its rule asks for", () => {
    const { labels } = requestOf().inputs;
    expect(labels["org.opencontainers.image.version"]).toBe("pr-5");
    expect(labels["org.opencontainers.image.ref.name"]).toBe("pr-5");
    expect(labels["org.opencontainers.image.revision"]).toBe(stranger.sha);
  });

  it("shares a cache with builds of the same pull request only, when it comes from strangers", () => {
    const other = { number: 6, target: "main", fork: true };
    const scopes = [requestOf(), requestOf({ pull: other }), requestOf({ trust: "trusted" })].map(
      ({ inputs }) => inputs.cacheScope,
    );
    expect(scopes).toEqual([
      "github-default-186853002-untrusted-5",
      "github-default-186853002-untrusted-6",
      "github-default-186853002-trusted",
    ]);
    expect(requestOf({ sha: sha("d") }).inputs.cacheScope).toBe(scopes[0]);
  });

  it("does not reach the machine's network, which the operator opened to those who may push", () => {
    expect(requestOf().inputs.network).toBe("internet");
    expect(requestOf({ trust: "trusted" }).inputs.network).toBe("host");
    const closed = buildRequest(build({ planned: stranger }), ORIGIN, { ...SETTINGS, network: "none" });
    expect(closed.inputs.network).toBe("none");
  });

  it("is another document when anything that is approved is another", () => {
    const { inputs } = stranger;
    const documents = [
      requestOf(),
      requestOf({ sha: sha("d") }),
      requestOf({ trust: "trusted" }),
      requestOf({ checkout: { ...FORK, cloneUrl: "https://github.com/other/api.git" } }),
      requestOf({ pull: { number: 5, target: "release", fork: true } }),
      requestOf({ inputs: { ...inputs, dockerfile: "Dockerfile.evil" } }),
      requestOf({ inputs: { ...inputs, buildArgs: { A: "b" } } }),
      requestOf({ inputs: { ...inputs, testTarget: "check" } }),
      requestOf({ rules: ["images[0].rules[1]"] }),
      requestOf({}, { ...ORIGIN, configDigest: digestOf("version: 1\n# other\n") }),
    ].map((request) => digestOf(canonicalJson(request)));
    expect(new Set(documents).size).toBe(documents.length);
    expect(digestOf(canonicalJson(requestOf()))).toBe(documents[0]);
  });
});
