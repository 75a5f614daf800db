import { describe, expect, it } from "@jest/globals";
import type { CliStore } from "../../src/cli/parts.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { type HostId, hostKey, type Installation } from "../../src/core/model.ts";
import type { SavedVariable, ShownVariable, VariablePlace } from "../../src/engine/variables-port.ts";
import { installation } from "../web/world.ts";
import { noStore, run } from "./world.ts";

const ACME: Installation = { ...installation, id: "7", account: { ...installation.account, login: "Acme" } };
const SHOWN = { fingerprint: "0123456789abcdef", savedAt: "2026-11-20T10:00:00.000Z" };
const ALL: readonly ShownVariable[] = [
  { kind: "variable", name: "LEVEL", value: "high", ...SHOWN },
  { kind: "variable", name: "LINES", value: "one\ntwo\u001b[2J", ...SHOWN },
  { kind: "secret", name: "npm-token", value: null, ...SHOWN },
];

function repository(id: string, installationOf: HostId = ACME) {
  return { ...ACME, id, fullName: "acme/api", installation: installationOf };
}

function placeOf({ installation: of, repository: one }: VariablePlace): string {
  return one === null ? hostKey(of) : `${hostKey(of)} ${hostKey(one)}`;
}

/** Notes what it is told. */
function storeOf(told: unknown[], saved: SavedVariable | null): CliStore {
  return {
    ...noStore,
    listInstallations: async () => ({ items: [ACME], next: null }),
    async findRepositories(name) {
      if (name === "acme/twice") return [repository("1"), repository("2")];
      return name === "acme/api" ? [repository("1")] : [];
    },
    async listVariables(place) {
      told.push(["list", placeOf(place)]);
      return ALL;
    },
    async saveVariable(place, variable, by) {
      told.push(["save", placeOf(place), variable, by.kind]);
      const { kind, name } = variable;
      return saved ?? { kind: "saved", variable: { kind, name, value: null, ...SHOWN } };
    },
    async removeVariable(place, { kind, name }, by) {
      told.push(["remove", placeOf(place), kind, name, by.kind]);
      return name !== "gone";
    },
  };
}

async function wharfinger(args: string[], input: Partial<Terminal> = {}, saved: SavedVariable | null = null) {
  const told: unknown[] = [];
  const ran = await run(args, { openStore: async () => storeOf(told, saved) }, false, input);
  return { ...ran, told };
}

function typed(text: string): Partial<Terminal> {
  return { stdin: async () => text };
}

describe("variable and secret", () => {
  it("are listed apart, of an account or one repository; a secret only that it is there", async () => {
    expect(await wharfinger(["variable", "list", "acme"])).toEqual({
      code: 0,
      out: 'LEVEL=high\nLINES="one\\ntwo\\u001b[2J"\n',
      err: "",
      told: [["list", "github:default:7"]],
    });
    const secrets = await wharfinger(["secret", "list", "acme/api"]);
    expect(secrets.out).toBe("npm-token  fingerprint 0123456789abcdef  saved 2026-11-20\n");
    expect(secrets.told).toEqual([["list", "github:default:7 github:default:1"]]);
    expect(JSON.parse((await wharfinger(["secret", "list", "acme", "--json"])).out)).toEqual({
      items: [{ name: "npm-token", ...SHOWN }],
      next: null,
    });
  });

  it("are set from standard input without the line feed that ends it, or from a file as it is", async () => {
    const value = async (args: string[], input: Partial<Terminal>) => {
      const { code, out, err, told } = await wharfinger(args, input);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toBe("saved   secret token of all repositories of Acme, fingerprint 0123456789abcdef\n");
      const [[, , variable] = []] = told as [unknown, unknown, { value: string }][];
      return variable?.value;
    };
    const set = ["secret", "set", "acme", "token"];
    expect(await value(set, typed("s3cret\n"))).toBe("s3cret");
    expect(await value(set, typed("s3cret\r\n"))).toBe("s3cret");
    expect(await value(set, typed("first\nsecond\n\n"))).toBe("first\nsecond\n");
    expect(await value(set, typed("s3cret"))).toBe("s3cret");
    const file = { readFile: async (path: string) => `content of ${path}\n` };
    expect(await value([...set, "--file", "token.txt"], file)).toBe("content of token.txt\n");
  });

  it("are set in the operator's name, for what the target stands for", async () => {
    const { out, told } = await wharfinger(["variable", "set", "acme/api", "LEVEL", "--value", "high"]);
    expect(out).toBe("saved   variable LEVEL of acme/api, fingerprint 0123456789abcdef\n");
    expect(told).toEqual([
      ["save", "github:default:7 github:default:1", { kind: "variable", name: "LEVEL", value: "high" }, "operator"],
    ]);
    expect((await wharfinger(["variable", "set", "github:acme", "EMPTY"])).told).toEqual([
      ["save", "github:default:7", { kind: "variable", name: "EMPTY", value: "" }, "operator"],
    ]);
  });

  it("are removed, each kind by its own command", async () => {
    expect(await wharfinger(["secret", "remove", "acme/api", "token"])).toMatchObject({
      code: 0,
      out: "removed secret token of acme/api\n",
      told: [["remove", "github:default:7 github:default:1", "secret", "token", "operator"]],
    });
    expect(await wharfinger(["variable", "remove", "acme", "gone"])).toMatchObject({
      code: 1,
      err: 'variable: there is no variable "gone" of all repositories of Acme\n',
    });
  });

  it("take no secret as an argument, where everybody could read it", async () => {
    for (const args of [["--value", "s3cret"], ["s3cret"]]) {
      const { code, told } = await wharfinger(["secret", "set", "acme", "token", ...args], typed("other"));
      expect([code, told]).toEqual([2, []]);
    }
  });

  it.each<[string, string[], number, string]>([
    ["an account nobody knows", ["acm", "LEVEL"], 1, 'no installation "acm" is known here'],
    ["a repository nobody knows", ["acme/web", "LEVEL"], 1, 'no repository "acme/web" is known here'],
    ["a name that stands for two repositories", ["acme/twice", "LEVEL"], 1, "stands for several repositories"],
    ["a name that is reserved", ["acme", "PATH"], 2, "PATH can not be the name of a variable"],
    ["a name that can not be", ["acme", "A-B"], 2, "The name of a variable is"],
    ["a file that is not there", ["acme", "LEVEL", "--file", "none"], 2, "can not read none"],
  ])("change nothing for %s", async (_what, args, code, words) => {
    const ran = await wharfinger(["variable", "set", ...args], typed("value"));
    expect([ran.code, ran.out, ran.told]).toEqual([code, "", []]);
    expect(ran.err).toContain(words);
  });

  it("say why one could not be kept, and never what it was", async () => {
    const short = await wharfinger(["secret", "set", "acme", "token"], typed("abc"));
    expect(short).toMatchObject({ code: 2, told: [] });
    expect(short.err).toContain("at least 4 characters");
    expect(short.err).not.toContain("abc");
    const refusals: [SavedVariable, string][] = [
      [{ kind: "unknown" }, "does not cover this repository"],
      [{ kind: "other-kind", repository: repository("1") }, "token is a variable of its repository 1."],
      [{ kind: "full" }, "There is no room"],
    ];
    for (const [saved, words] of refusals) {
      const ran = await wharfinger(["secret", "set", "acme", "token"], typed("s3cret"), saved);
      expect([ran.code, ran.out]).toEqual([1, ""]);
      expect(ran.err).toContain(words);
      expect(ran.err).not.toContain("s3cret");
    }
  });

  it("say how to set the first one", async () => {
    const openStore = async () => ({ ...storeOf([], null), listVariables: async () => [] });
    expect((await run(["secret", "list", "acme"], { openStore })).out).toBe(
      "There are no secrets of all repositories of Acme. Set one: wharfinger secret set acme NAME\n",
    );
  });
});
