import { describe, expect, it } from "@jest/globals";
import {
  LONGEST_VALUE,
  nameProblem,
  type VariableKind,
  type Variables,
  variableProblem,
  variablesFor,
} from "../../src/core/variables.ts";

const NONE: Variables = { variables: {}, secrets: {} };

describe("names", () => {
  it.each<[VariableKind, readonly string[]]>([
    [
      "variable",
      ["A", "go_version", "GO_VERSION", "GOPROXY", "NPM_CONFIG_REGISTRY", "TZ", "OPENSSL_VERSION", "a".repeat(64)],
    ],
    ["secret", ["A", "1password", "npm-token", "aws.creds", "NPM_TOKEN", "PATH", "constructor", "a".repeat(64)]],
  ])("of a %s may be %j", (kind, names) => {
    for (const name of names) expect([name, nameProblem(kind, name)]).toEqual([name, null]);
  });

  it.each<[VariableKind, readonly string[]]>([
    ["variable", ["", "1A", "_A", "A-B", "A.B", "A B", "A=B", "A\n", "Ä", "__proto__", "a".repeat(65)]],
    ["secret", ["", "-a", ".npmrc", "..", "_a", "a/b", "a,b", "a=b", "a b", "a\n", "ä", "__proto__", "a".repeat(65)]],
  ])("of a %s can not be written %j", (kind, names) => {
    for (const name of names)
      expect([name, nameProblem(kind, name)]).toEqual([name, expect.stringMatching(/^The name/)]);
  });

  it.each<[string, readonly string[]]>([
    ["kept for Wharfinger", ["WHARFINGER", "wharfinger_x"]],
    ["builders give it a meaning", ["TARGETPLATFORM", "TARGETARCH", "BUILDOS", "BUILDKIT_SYNTAX", "buildvariant"]],
    ["for RUN alone", ["HTTP_PROXY", "https_proxy", "No_Proxy", "ALL_PROXY", "FTP_PROXY"]],
    ["has its own", ["PATH", "HOME", "TMPDIR", "LC_ALL", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "USER"]],
    [
      "how the tool that builds works",
      ["REGISTRY_AUTH_FILE", "CONTAINERS_CONF", "BUILDAH_ISOLATION", "DOCKER_CONFIG", "GIT_SSH_COMMAND"],
    ],
    ["how programs are started", ["LD_PRELOAD", "LD_LIBRARY_PATH", "GODEBUG", "GLIBC_TUNABLES", "MALLOC_TRACE"]],
    ["shells give it", ["IFS", "PS4", "BASH_ENV", "UID", "OPTIND", "ENV"]],
  ])("that are reserved say why: %s", (why, names) => {
    for (const name of names) {
      expect(nameProblem("variable", name)).toMatch(new RegExp(`^${name} can not be the name of a variable: .*${why}`));
    }
  });

  it("of secrets that builds have already are reserved", () => {
    expect(nameProblem("secret", "git-credentials")).toContain("the Git host's credentials");
    expect(nameProblem("secret", "Wharfinger-key")).toContain("kept for Wharfinger");
  });
});

describe("values", () => {
  it.each<[VariableKind, string]>([
    ["variable", ""],
    ["variable", "a b\n'c' \"d\" $E `f` ü"],
    ["variable", "x".repeat(LONGEST_VALUE.variable)],
    ["secret", "abcd"],
    ["secret", '{\n  "key": "value"\n}\n'],
    ["secret", "x".repeat(LONGEST_VALUE.secret)],
  ])("of a %s may be %j", (kind, value) => {
    expect(variableProblem(kind, "NAME", value)).toBeNull();
  });

  it.each<[VariableKind, string, RegExp]>([
    ["variable", "é".repeat(LONGEST_VALUE.variable / 2 + 1), /longer than 4 KiB/],
    ["secret", "x".repeat(LONGEST_VALUE.secret + 1), /longer than 32 KiB/],
    ["variable", "a\0b", /not text/],
    ["secret", "half \ud800 a character", /not text/],
    ["secret", "\ufffd\ufffd\ufffdPNG", /not text.*base64/],
    ["secret", "", /at least 4 characters/],
    ["secret", "123", /at least 4 characters/],
    ["secret", "123\n456\n", /at least 4 characters/],
    ["secret", "        ", /at least 4 characters/],
  ])("of a %s can not be such as %j", (kind, value, why) => {
    const problem = variableProblem(kind, "NAME", value);
    expect(problem).toMatch(why);
    if (value.trim() !== "") expect(problem).not.toContain(value);
  });

  it("are not judged before the name is good", () => {
    expect(variableProblem("secret", "a/b", "")).toMatch(/^The name/);
  });
});

describe("a build", () => {
  const installation = { variables: { A: "a", B: "b" }, secrets: { S: "secret s", T: "secret t" } };

  it("gets what its installation has, and of its repository what that has itself", () => {
    expect(variablesFor({ installation, repository: NONE }, {})).toEqual({ ...installation, notes: [] });
    const repository = { variables: { B: "ours", C: "" }, secrets: { T: "our secret" } };
    expect(variablesFor({ installation, repository }, {})).toEqual({
      variables: { A: "a", B: "ours", C: "" },
      secrets: { S: "secret s", T: "our secret" },
      notes: [],
    });
  });

  it("gets a name as what its repository made of it", () => {
    const repository = { variables: { S: "plain" }, secrets: { A: "a secret" } };
    expect(variablesFor({ installation, repository }, {})).toEqual({
      variables: { B: "b", S: "plain" },
      secrets: { A: "a secret", T: "secret t" },
      notes: [],
    });
  });

  it("gets its file's build arguments in their place, and says so; of secrets they are none", () => {
    expect(variablesFor({ installation, repository: NONE }, { B: "the file's", S: "no secret" })).toEqual({
      variables: { A: "a" },
      secrets: installation.secrets,
      notes: ["The variable B is left out: the file's build_args set it."],
    });
    const inherited = { variables: { constructor: "x", toString: "y" }, secrets: {} };
    expect(variablesFor({ installation: inherited, repository: NONE }, {}).notes).toEqual([]);
  });

  it("does not get what was kept under a name that is reserved by now", () => {
    const before = {
      variables: { LD_PRELOAD: "/evil.so", OK: "1" },
      secrets: { "git-credentials": "mine", "a/b": "x" },
    };
    const given = variablesFor({ installation: before, repository: NONE }, {});
    expect(given).toMatchObject({ variables: { OK: "1" }, secrets: {} });
    expect(given.notes).toHaveLength(3);
    expect(given.notes[0]).toMatch(/^The variable LD_PRELOAD is left out. LD_PRELOAD can not be/);
    expect(given.notes.join()).not.toMatch(/evil|mine/);
  });
});
