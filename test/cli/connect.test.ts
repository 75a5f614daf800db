import { describe, expect, it } from "@jest/globals";
import { failed, ok } from "../../src/core/model.ts";
import type { ConnectionChange, OpenConnections, ShownConnection } from "../../src/engine/connections-port.ts";
import { run, type TestParts } from "./world.ts";

const SHOWN: ShownConnection = {
  id: "5f0c",
  workspace: "{11111111-1111-4111-8111-111111111111}",
  kind: "organization",
  login: "acme",
  repository: null,
  hook: "{hook}",
  createdAt: "2026-11-20T10:00:00.000Z",
  url: "https://builds.example.com/webhooks/bitbucket/5f0c",
  rotating: false,
};
const BY_HAND = {
  why: "The token lacks the scope webhook (Webhooks: Read and write).",
  url: SHOWN.url,
  secret: "the-new-secret",
  events: [
    { event: "repo:push", label: "Repository: Push" },
    { event: "pullrequest:fulfilled", label: "Pull Request: Merged" },
  ],
};

interface Tried {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** What was asked of the connections, in words. */
  readonly asked: readonly string[];
}

/** Runs `connect bitbucket` with what somebody types and pipes in. */
async function type(
  argv: readonly string[],
  changes: Partial<OpenConnections> = {},
  { stdin = "the-token\n", file = "the-token" }: { readonly stdin?: string; readonly file?: string } = {},
  parts: Partial<TestParts> = {},
): Promise<Tried> {
  const asked: string[] = [];
  const change: ConnectionChange = { connection: SHOWN, byHand: null, notes: [] };
  const connections: OpenConnections = {
    list: async () => [SHOWN],
    async connect({ workspace, repository }, token, tell) {
      asked.push(`connect ${workspace} ${repository} ${token}`);
      tell("Asking …");
      return ok(change);
    },
    async rotate(id) {
      asked.push(`rotate ${id}`);
      return ok({ ...change, connection: { ...SHOWN, rotating: true } });
    },
    async finishRotation(id) {
      asked.push(`finish ${id}`);
      return ok(SHOWN);
    },
    async replaceToken(id, token) {
      asked.push(`token ${id} ${token}`);
      return ok(change);
    },
    async disconnect(id) {
      asked.push(`disconnect ${id}`);
      return ok({ connection: SHOWN, left: null });
    },
    examine: async () => ok([]),
    async close() {
      asked.push("closed");
    },
    ...changes,
  };
  const terminal = {
    stdin: async () => stdin,
    readFile: async (path: string) => {
      if (path === "token") return file;
      throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    },
  };
  const ran = await run(
    ["connect", "bitbucket", ...argv],
    { openConnections: async () => connections, ...parts },
    false,
    terminal,
  );
  return { ...ran, asked };
}

describe("connect bitbucket", () => {
  it("connects a workspace with the token from standard input, and says what it is doing", async () => {
    const { code, out, err, asked } = await type(["--workspace", "acme"]);
    expect(asked).toEqual(["connect acme null the-token", "closed"]);
    expect([code, err]).toEqual([0, expect.stringContaining("Asking …\n")]);
    expect(out).toContain("Connected: workspace acme, as 5f0c.");
    expect(out + err).not.toContain("the-token");
  });

  it("connects a repository with the token from a file", async () => {
    const { asked, err } = await type(["--repository", "acme/api", "--token-file", "token"]);
    expect(asked[0]).toBe("connect acme api the-token");
    expect(err).not.toContain("standard input");
  });

  it("takes uuids for names", async () => {
    const uuid = "{1234abcd-1111-4111-8111-111111111111}";
    expect((await type(["--repository", `${uuid}/${uuid}`])).asked[0]).toBe(`connect ${uuid} ${uuid} the-token`);
  });

  it("prints all that has to be entered by hand, the secret included", async () => {
    const connect = async () => ok({ connection: { ...SHOWN, hook: null }, byHand: BY_HAND, notes: ["Look out."] });
    const { code, out } = await type(["--workspace", "acme"], { connect });
    expect(code).toBe(0);
    for (const part of [
      "lacks the scope webhook",
      "settings of workspace acme → Webhooks",
      `URL       ${SHOWN.url}`,
      "Secret    the-new-secret",
      "Triggers  Repository: Push (repo:push)",
      "Pull Request: Merged (pullrequest:fulfilled)",
      "Note: Look out.",
    ]) {
      expect(out).toContain(part);
    }
  });

  it("says why not, and exits 1", async () => {
    const connect = async () => failed("workspace acme is connected already", { retryable: false });
    const { code, out, err, asked } = await type(["--workspace", "acme"], { connect });
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain("connect: workspace acme is connected already\n");
    expect(asked).toEqual(["closed"]);
  });

  it("lists connections", async () => {
    const list = async () => [
      SHOWN,
      { ...SHOWN, id: "77", hook: null, rotating: true, repository: { id: "{r}", fullName: "acme/api" } },
    ];
    expect((await type(["--list"], { list })).out).toBe(
      "5f0c  workspace acme  webhook made by Wharfinger  since 2026-11-20\n" +
        "77  repository acme/api  webhook made by hand  since 2026-11-20  rotation not finished\n",
    );
    expect((await type(["--list"], { list: async () => [] })).out).toContain("There are no connections.");
  });

  it("rotates and finishes", async () => {
    const rotated = await type(["--rotate", "5f0c"]);
    expect([rotated.code, rotated.asked[0]]).toEqual([0, "rotate 5f0c"]);
    expect(rotated.out).toContain("--finish-rotation 5f0c");
    expect(rotated.out).not.toContain("Secret");
    const byHand = await type(["--rotate", "5f0c"], {
      rotate: async () => ok({ connection: SHOWN, byHand: { ...BY_HAND, events: [] }, notes: [] }),
    });
    expect(byHand.out).toContain("Secret    the-new-secret");
    expect(byHand.out).not.toContain("Triggers");
    const finished = await type(["--finish-rotation", "5f0c"]);
    expect([finished.asked[0], finished.out]).toEqual([
      "finish 5f0c",
      "Connection 5f0c of workspace acme accepts its new secret only.\n",
    ]);
  });

  it("replaces a token", async () => {
    const { code, asked, out } = await type(["--new-token", "5f0c", "--token-file", "token"]);
    expect([code, asked[0]]).toEqual([0, "token 5f0c the-token"]);
    expect(out).toContain("Revoke the former one.");
  });

  it("disconnects, and exits 1 when something is left in Bitbucket", async () => {
    expect(await type(["--disconnect", "5f0c"])).toMatchObject({
      code: 0,
      out: expect.stringContaining("No webhook of it is left"),
    });
    const disconnect = async () => ok({ connection: SHOWN, left: "The webhook may still be there." });
    expect(await type(["--disconnect", "5f0c"], { disconnect })).toMatchObject({
      code: 1,
      out: expect.stringContaining("The webhook may still be there."),
    });
  });

  it("prints names and answers of others on one line, without what would move the cursor", async () => {
    const list = async () => [{ ...SHOWN, login: "acme\n\u001b[2Jx" }];
    const { out } = await type(["--list"], { list });
    expect(out.split("\n")).toHaveLength(2);
    expect(out).not.toContain("\u001b");
  });
});

describe("connect bitbucket --json", () => {
  it.each<[string, readonly string[], object]>([
    ["--workspace", ["acme"], { connection: { id: "5f0c", webhook: "{hook}" }, byHand: null, notes: [] }],
    ["--rotate", ["5f0c"], { connection: { rotating: true } }],
    ["--new-token", ["5f0c"], { connection: { workspace: { login: "acme" } } }],
    ["--finish-rotation", ["5f0c"], { connection: { rotating: false } }],
    ["--disconnect", ["5f0c"], { left: null }],
    ["--list", [], { items: [{ id: "5f0c", repository: null }] }],
  ])("prints one object for %s", async (flag, values, expected) => {
    const { code, out } = await type([flag, ...values, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject(expected);
  });

  it("prints one object for a refusal, too", async () => {
    const rotate = async () => failed("There is no connection x.", { retryable: false });
    const { code, out } = await type(["--rotate", "x", "--json"], { rotate });
    expect([code, JSON.parse(out)]).toEqual([1, { error: { message: "There is no connection x." } }]);
    const disconnect = async () => ok({ connection: SHOWN, left: "A webhook." });
    expect(await type(["--disconnect", "x", "--json"], { disconnect })).toMatchObject({ code: 1 });
  });
});

describe("connect bitbucket, used wrongly", () => {
  it.each<[string, readonly string[], string]>([
    ["nothing to do", [], "say what to do"],
    ["two things to do", ["--workspace", "acme", "--list"], "--workspace and --list do not go together"],
    ["a workspace with a slash", ["--workspace", "acme/api"], "--repository WORKSPACE/REPOSITORY"],
    ["the address of a workspace", ["--workspace", "https://bitbucket.org/acme"], "is not the slug of a workspace"],
    ["an empty workspace", ["--workspace", ""], "is not the slug"],
    ["half a uuid", ["--workspace", "{1234}"], "is not the slug"],
    ["a repository without workspace", ["--repository", "api"], "is not WORKSPACE/REPOSITORY"],
    ["a repository that leads upwards", ["--repository", "acme/.."], "is not WORKSPACE/REPOSITORY"],
    ["too many names", ["--repository", "acme/api/src"], "is not WORKSPACE/REPOSITORY"],
    ["a strange id", ["--disconnect", "a/b"], "is not the id of a connection"],
    ["a token nobody needs", ["--rotate", "5f0c", "--token-file", "token"], "--rotate takes no --token-file"],
    [
      "a token file that is not there",
      ["--workspace", "acme", "--token-file", "nowhere"],
      '"nowhere" can not be read (ENOENT)',
    ],
    ["an option without its value", ["--rotate"], "argument missing"],
    ["an option there is not", ["--token", "secret"], "unknown option"],
    ["a word too many", ["--list", "acme"], "too many arguments"],
  ])("refuses %s", async (_, argv, text) => {
    const { code, out, err, asked } = await type(argv);
    expect([code, out, asked]).toEqual([2, "", []]);
    expect(err).toContain(text);
    expect(err).toContain("wharfinger connect bitbucket --help");
  });

  it.each([
    ["nothing", "", "holds no access token"],
    ["a blank line", " \n", "holds no access token"],
    ["two lines", "token\nanother", "is not one access token"],
    ["something binary", "a\u0000b", "is not one access token"],
  ])("refuses %s for a token, without repeating it", async (_, text, problem) => {
    const piped = await type(["--workspace", "acme"], {}, { stdin: text });
    expect([piped.code, piped.asked]).toEqual([2, []]);
    expect(piped.err).toMatch(`standard input ${problem}`);
    expect(piped.err).not.toContain("another");
    const filed = await type(["--new-token", "5f0c", "--token-file", "token"], {}, { file: text });
    expect(filed.err).toContain(`"token" ${problem}`);
  });

  it("asks for no token when the configuration is broken", async () => {
    const problems = [{ variable: "PORT", wrong: "is wrong", todo: "put it right" }];
    const { code, err, asked } = await type(
      ["--workspace", "acme"],
      {},
      {},
      { config: () => ({ ok: false, problems }) },
    );
    expect([code, asked]).toEqual([78, []]);
    expect(err).not.toContain("standard input");
  });

  it("needs to know which host", async () => {
    const { code, err } = await run(["connect"]);
    expect(code).toBe(2);
    expect(err).toContain("bitbucket");
  });
});
