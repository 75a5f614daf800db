import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import {
  DEFAULT_REGISTRY_SETTINGS,
  imageHost,
  namespaceByTemplate,
  namespaceOf,
  parseRegistrySettings,
  type RegistrySettings,
  registryNameProblem,
  stagingProblem,
} from "../../src/core/registry-settings.ts";
import { selfSignedCertificate } from "../../src/registry/token-certificate.ts";

const KEYS = generateKeyPairSync("ec", { namedCurve: "P-256" });
const CERTIFICATE = selfSignedCertificate(KEYS, "an authority", Date.parse("2026-11-20T10:00:00Z"));
const GIVEN = { url: "https://registry.test", kind: "basic" };

function settings(given: object, base: RegistrySettings | null = null): RegistrySettings {
  const parsed = parseRegistrySettings(given, base);
  if (!parsed.ok) throw new Error(parsed.problems.join("; "));
  return parsed.settings;
}

function problems(given: unknown, base: RegistrySettings | null = null): string {
  const parsed = parseRegistrySettings(given, base);
  return parsed.ok ? "none" : parsed.problems.join("; ");
}

describe("settings of a registry", () => {
  it("need an address and a kind, and have their defaults", () => {
    expect(settings(GIVEN)).toEqual({ ...DEFAULT_REGISTRY_SETTINGS, ...GIVEN });
    expect(problems({})).toMatch(/^url: say where.*; kind: say `token`/);
  });

  it("stay as they are where a change leaves them out", () => {
    const before = settings({
      ...GIVEN,
      ca: CERTIFICATE,
      accounts: ["github:default"],
      staging: "{namespace}/staging",
    });
    expect(settings({ staging: "{namespace}/other" }, before)).toEqual({ ...before, staging: "{namespace}/other" });
    expect(settings({ ca: null }, before).ca).toBeNull();
    expect(settings({}, before)).toEqual(before);
  });

  const legal: readonly (readonly [string, object, object])[] = [
    ["an address with a port", { url: "https://Registry.TEST:5000" }, { url: "https://registry.test:5000" }],
    ["an address with a slash at its end", { url: "https://registry.test/" }, { url: "https://registry.test" }],
    ["http where it is said to be wanted", { url: "http://127.0.0.1:5000", insecure: true }, { insecure: true }],
    ["a staging repository of each namespace", { staging: "{namespace}/staging" }, { staging: "{namespace}/staging" }],
    ["one staging repository", { staging: "acme/staging" }, { staging: "acme/staging" }],
    ["namespaces with a prefix", { namespaces: "ci-{account}" }, { namespaces: "ci-{account}" }],
    ["namespaces with the host", { namespaces: "{host}-{account}" }, { namespaces: "{host}-{account}" }],
    ["hosts, each once", { accounts: ["bitbucket:default", "bitbucket:default"] }, { accounts: ["bitbucket:default"] }],
    [
      "a service of its tokens",
      { kind: "token", tokenService: "my registry".replace(" ", "-") },
      { tokenService: "my-registry" },
    ],
    ["a certificate with words around it", { ca: `# of ours\r\n${CERTIFICATE}\nmore` }, { ca: CERTIFICATE }],
    ["certificates one after the other", { ca: CERTIFICATE + CERTIFICATE }, { ca: CERTIFICATE + CERTIFICATE }],
    ["no certificate", { ca: "" }, { ca: null }],
  ];
  it.each(legal)("may be %s", (_, given, expected) => {
    expect(settings({ ...GIVEN, ...given })).toMatchObject(expected);
  });

  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ["no object", [], /^give an object/],
    ["nothing", null, /^give an object/],
    ["a setting that does not exist", { ...GIVEN, registry: 1 }, /"registry" is no setting.*there are url, kind/],
    ["a setting of every object", { ...GIVEN, constructor: "x" }, /"constructor" is no setting/],
    [
      "a prototype",
      JSON.parse('{"url":"https://registry.test","kind":"basic","__proto__":{}}'),
      /"__proto__" is no setting/,
    ],
    ["no address", { ...GIVEN, url: "registry.test" }, /^url: "registry.test" is not an address/],
    ["another protocol", { ...GIVEN, url: "ftp://registry.test" }, /^url: .* is not an address/],
    ["a number", { ...GIVEN, url: 5 }, /^url: 5 is not an address/],
    [
      "a path",
      { ...GIVEN, url: "https://registry.test/v2" },
      /^url: must be a scheme, a host and a port, without a path/,
    ],
    ["a query", { ...GIVEN, url: "https://registry.test?" }, /^url: must be/],
    ["a fragment", { ...GIVEN, url: "https://registry.test/#" }, /^url: must be/],
    [
      "a password in the address",
      { ...GIVEN, url: "https://robot:secret@registry.test" },
      /^url: holds a user name or password/,
    ],
    ["http by itself", { ...GIVEN, url: "http://registry.test" }, /^url: is http:\/\/.*say insecure/],
    ["http on this machine by itself", { ...GIVEN, url: "http://127.0.0.1:5000" }, /^url: is http:\/\//],
    ["another kind", { ...GIVEN, kind: "bearer" }, /^kind: must be `token` or `basic`, not "bearer"/],
    ["insecure as a word", { ...GIVEN, insecure: "yes" }, /^insecure: must be true or false, not "yes"/],
    [
      "a private key",
      { ...GIVEN, ca: KEYS.privateKey.export({ type: "pkcs8", format: "pem" }) },
      /^ca: holds a private key/,
    ],
    [
      "a key beside the certificate",
      { ...GIVEN, ca: `${CERTIFICATE}-----BEGIN EC PRIVATE KEY-----` },
      /^ca: holds a private key/,
    ],
    ["no certificate", { ...GIVEN, ca: "/etc/ssl/ca.pem" }, /^ca: holds no certificate/],
    [
      "a broken certificate",
      { ...GIVEN, ca: CERTIFICATE.replace(/M/, "!") },
      /^ca: its certificate 1 of 1 can not be read/,
    ],
    ["many certificates", { ...GIVEN, ca: CERTIFICATE.repeat(51) }, /^ca: holds more than 50/],
    ["a huge file", { ...GIVEN, ca: "x".repeat(300_000) }, /^ca: must be certificates/],
    [
      "a certificate for http",
      { ...GIVEN, url: "http://a.test", insecure: true, ca: CERTIFICATE },
      /^ca: certificates mean nothing/,
    ],
    ["any certificate beside one", { ...GIVEN, insecure: true, ca: CERTIFICATE }, /^insecure: takes any certificate/],
    ["one namespace for all", { ...GIVEN, namespaces: "acme" }, /^namespaces: has no \{account\}/],
    [
      "namespaces with a path",
      { ...GIVEN, namespaces: "acme/{account}" },
      /^namespaces: "acme\/a".* is no legal first part/,
    ],
    ["namespaces in capitals", { ...GIVEN, namespaces: "CI-{account}" }, /^namespaces: .* is no legal/],
    ["namespaces that end badly", { ...GIVEN, namespaces: "{account}-" }, /^namespaces: .* is no legal/],
    ["a word nobody knows", { ...GIVEN, namespaces: "{account}-{repo}" }, /^namespaces: \{repo\} means nothing there/],
    ["a list", { ...GIVEN, namespaces: ["{account}"] }, /^namespaces: must be a short text/],
    [
      "staging in capitals",
      { ...GIVEN, staging: "Staging/{build}" },
      /^staging: .* is no repository name in lower case/,
    ],
    ["staging with an empty part", { ...GIVEN, staging: "staging//{build}" }, /^staging: .* is no repository name/],
    [
      "a namespace behind something",
      { ...GIVEN, staging: "staging/{namespace}" },
      /^staging: \{namespace\} can only be the first part/,
    ],
    ["a namespace alone", { ...GIVEN, staging: "{namespace}" }, /^staging: \{namespace\} can only be the first part/],
    [
      "a namespace with something at it",
      { ...GIVEN, staging: "{namespace}-staging/x" },
      /^staging: \{namespace\} can only/,
    ],
    ["a namespace twice", { ...GIVEN, staging: "{namespace}/{namespace}" }, /^staging: \{namespace\} can only/],
    [
      "tokens in one staging repository",
      { ...GIVEN, kind: "token", staging: "acme/staging" },
      /^staging: has no \{build\}/,
    ],
    [
      "tokens in that of namespaces",
      { ...GIVEN, kind: "token", staging: "{namespace}/{build}" },
      /^staging: \{namespace\} is for registries of kind basic/,
    ],
    [
      "hosts that are none",
      { ...GIVEN, accounts: ["gitlab:default"] },
      /^accounts: must be a list.*"gitlab:default" is none/,
    ],
    ["accounts by name", { ...GIVEN, accounts: "github:default" }, /^accounts: must be a list of hosts/],
    ["a service of two words", { ...GIVEN, tokenService: "a b" }, /^tokenService: must be one word/],
    ["another way to name keys", { ...GIVEN, tokenKid: "sha1" }, /^tokenKid: must be `libtrust` or/],
  ];
  it.each(wrong)("can not be %s", (_, given, expected) => {
    expect(problems(given)).toMatch(expected);
  });

  it("say everything that is wrong at once, without a password among it", () => {
    const said = problems({ url: "https://robot:hunter2@registry.test", kind: "x", namespaces: "y" });
    expect(said).toMatch(/^url: .*; kind: .*; namespaces: /);
    expect(said).not.toContain("hunter2");
  });

  it("contradict each other only as a whole: a change that mends it is taken", () => {
    const before = settings({ ...GIVEN, staging: "{namespace}/staging" });
    expect(problems({ kind: "token" }, before)).toMatch(/^staging: has no \{build\}/);
    expect(settings({ kind: "token", staging: "staging/{build}" }, before).kind).toBe("token");
  });
});

describe("names", () => {
  it.each(["hub", "a", "my-hub-2"])("of registries may be %s", (name) => {
    expect(registryNameProblem(name)).toBeNull();
  });

  it.each(["", "Hub", "-hub", "hub-", "a--b", "a:b", "a/b", "a b", "ä", "x".repeat(41), "default", "hub\n"])(
    "of registries may not be %j",
    (name) => {
      expect(registryNameProblem(name)).not.toBeNull();
    },
  );

  it("of namespaces follow from the account by the template, or there is none", () => {
    const acme = { provider: "github", host: "default", login: "Acme" } as const;
    expect(namespaceByTemplate("{account}", acme)).toBe("acme");
    expect(namespaceByTemplate("{host}-{account}", acme)).toBe("github-acme");
    expect(namespaceByTemplate("{host}-{account}", { ...acme, host: "ghe" })).toBe("ghe-acme");
    expect(namespaceByTemplate("ci-{account}", { ...acme, login: "-acme" })).toBe("ci--acme");
    expect(namespaceByTemplate("{account}", { ...acme, login: "staging" })).toBeNull();
    expect(namespaceByTemplate("{account}", { ...acme, login: "a{host}" })).toBeNull();
    expect(namespaceByTemplate("{account}", { ...acme, login: "$&" })).toBeNull();
  });

  it("of images begin with their namespace", () => {
    expect(namespaceOf("acme/api/web")).toBe("acme");
    expect(namespaceOf("acme")).toBe("acme");
  });

  it.each([
    ["https://registry.test", "registry.test"],
    ["https://registry.test:443", "registry.test"],
    ["http://127.0.0.1:5000", "127.0.0.1:5000"],
    ["https://registry-1.docker.io", "docker.io"],
    ["https://docker.io", "docker.io"],
    ["https://docker.io.evil.test", "docker.io.evil.test"],
  ])("of the registry at %s in images is %s", (url, name) => {
    expect(imageHost(url)).toBe(name);
  });

  it("of the environment's staging repository follow the same rules", () => {
    expect(stagingProblem("staging/{build}")).toBeNull();
    expect(stagingProblem("{namespace}/staging")).toBeNull();
    expect(stagingProblem("x/{namespace}")).not.toBeNull();
  });
});
