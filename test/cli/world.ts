import type { CliParts, CliStore } from "../../src/cli/parts.ts";
import { runCli } from "../../src/cli/program.ts";
import type { Terminal } from "../../src/cli/terminal.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export type TestParts = CliParts<{ readonly name: string }>;

export const noStore: CliStore = {
  findDelivery: () => Promise.resolve(null),
  deliveryBody: () => Promise.resolve(null),
  listBuilds: () => Promise.resolve({ items: [], next: null }),
  getBuild: () => Promise.resolve(null),
  approveBuild: () => Promise.resolve([]),
  getInstallation: () => Promise.resolve(null),
  listInstallations: () => Promise.resolve({ items: [], next: null }),
  setPolicy: () => Promise.resolve(null),
  auditAfter: () => Promise.resolve([]),
  publishedImage: () => Promise.resolve(null),
  repositoriesNamed: () => Promise.resolve([]),
  shareImage: () => Promise.resolve(false),
  unshareImage: () => Promise.resolve(),
  setImagePublic: () => Promise.resolve(),
  giveImage: () => Promise.resolve(false),
  allowAccess: () => Promise.resolve("not-covered"),
  disallowAccess: () => Promise.resolve(false),
  listAccess: () => Promise.resolve({ items: [], next: null }),
  findRepositories: () => Promise.resolve([]),
  badgeFacts: () => Promise.resolve(null),
  badgeKey: () => Promise.resolve(""),
  saveApiToken: () => Promise.resolve("no-installation"),
  apiToken: () => Promise.resolve(null),
  apiTokenUsed: () => Promise.resolve(),
  listApiTokens: () => Promise.resolve({ items: [], next: null }),
  revokeApiToken: () => Promise.resolve(null),
  receipt: () => Promise.resolve(null),
  listReceipts: () => Promise.resolve({ items: [], next: null }),
  listVariables: () => Promise.resolve([]),
  saveVariable: () => Promise.resolve({ kind: "unknown" }),
  removeVariable: () => Promise.resolve(false),
  close: () => Promise.resolve(),
};

/** Runs one command line, as somebody would type it behind the program's name. */
export async function run(
  argv: readonly string[],
  changes: Partial<TestParts> = {},
  color = false,
  input: Partial<Pick<Terminal, "stdin" | "readFile">> = {},
): Promise<Ran> {
  let out = "";
  let err = "";
  const terminal: Terminal = {
    out(text) {
      out += text;
    },
    err(text) {
      err += text;
    },
    stdin: () => Promise.resolve(""),
    readFile: (path) => Promise.reject(Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" })),
    color,
    ...input,
  };
  const parts: TestParts = {
    version: "1.2.3",
    terminal,
    config: () => ({ ok: true, config: { name: "test" }, warnings: [] }),
    startProblems: () => [],
    firstRun: () => Promise.resolve(null),
    openSettings: () => Promise.reject(new Error("there are no settings in this test")),
    startHelp: () => "FIRST STEPS",
    start: () => Promise.resolve(0),
    serve: () => Promise.resolve(0),
    work: () => Promise.resolve(0),
    severalProcesses: () => true,
    openStore: () => Promise.resolve(noStore),
    openTokens: () => Promise.reject(new Error("there are no access tokens in this test")),
    openRegistries: () => Promise.reject(new Error("no registries in this test")),
    openAuthorizer: () => Promise.reject(new Error("nobody is asked in this test")),
    openConnections: () => Promise.reject(new Error("there are none in this test")),
    openNamespaces: () => Promise.reject(new Error("there are no namespaces in this test")),
    openNotices: () => Promise.reject(new Error("nobody is told of builds in this test")),
    openPausing: () => Promise.reject(new Error("nothing can be paused in this test")),
    openBuilds: () => Promise.reject(new Error("nothing is built in this test")),
    migrate: () => Promise.resolve([]),
    publicUrl: () => "https://wharfinger.example",
    rotations: () => [],
    checks: () => [],
    parsers: {},
    ...changes,
  };
  const code = await runCli(argv, parts);
  return { code, out, err };
}
