import { oneLine } from "../core/markdown.ts";
import type { Outcome } from "../core/model.ts";
import type {
  ByHand,
  ConnectionChange,
  Connections,
  ConnectionTarget,
  Disconnected,
  ShownConnection,
} from "../engine/connections-port.ts";
import { type CliParts, withConfig } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

/** As typed; what is left out is undefined. */
export interface ConnectFlags {
  readonly workspace?: string;
  readonly repository?: string;
  readonly list?: true;
  readonly disconnect?: string;
  readonly rotate?: string;
  readonly finishRotation?: string;
  readonly newToken?: string;
  readonly tokenFile?: string;
  readonly json: boolean;
}

type Action =
  | { readonly does: "list" }
  | { readonly does: "connect"; readonly target: ConnectionTarget }
  | { readonly does: "disconnect" | "rotate" | "finishRotation" | "newToken"; readonly id: string };

const ACTIONS = {
  workspace: "--workspace",
  repository: "--repository",
  list: "--list",
  disconnect: "--disconnect",
  rotate: "--rotate",
  finishRotation: "--finish-rotation",
  newToken: "--new-token",
} as const;

const UUID = /^\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/i;
const WORKSPACE = /^[A-Za-z0-9_-]{1,100}$/;
const REPOSITORY = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/;
const CONNECTION = /^[A-Za-z0-9_-]{1,64}$/;
const TOKEN = /^[\x21-\x7e]{1,4000}$/;

/** `wharfinger connect bitbucket`. 1: Bitbucket or what is there already says no; nothing was changed then, or it is said. */
export async function connect<C>(flags: ConnectFlags, parts: CliParts<C>): Promise<ExitCode> {
  const { terminal } = parts;
  const action = actionOf(flags);
  if (typeof action === "string") return misused(action, terminal);
  return withConfig(parts, async (config) => {
    let token = "";
    if (action.does === "connect" || action.does === "newToken") {
      const read = await readToken(flags.tokenFile ?? "-", terminal);
      if (typeof read !== "string") return misused(read.problem, terminal);
      token = read;
    }
    const connections = await parts.openConnections(config);
    try {
      return await run(action, token, connections, flags.json ? asJson(terminal) : asText(terminal), terminal);
    } finally {
      await connections.close();
    }
  });
}

/** A sentence: what is wrong with the flags. */
function actionOf(flags: ConnectFlags): Action | string {
  const given = (Object.keys(ACTIONS) as (keyof typeof ACTIONS)[]).filter((name) => flags[name] !== undefined);
  const [name] = given;
  if (name === undefined || given.length > 1) {
    const names = given.map((one) => ACTIONS[one]);
    return name === undefined
      ? `say what to do: one of ${Object.values(ACTIONS).join(", ")}`
      : `${names.join(" and ")} do not go together`;
  }
  const takesToken = name === "workspace" || name === "repository" || name === "newToken";
  if (flags.tokenFile !== undefined && !takesToken) return `${ACTIONS[name]} takes no --token-file`;
  if (name === "list") return { does: "list" };
  const value = flags[name] ?? "";
  if (name === "workspace") return workspaceTarget(value);
  if (name === "repository") return repositoryTarget(value);
  if (!CONNECTION.test(value)) return `${JSON.stringify(value)} is not the id of a connection; --list shows them`;
  return { does: name, id: value };
}

function workspaceTarget(text: string): Action | string {
  if (WORKSPACE.test(text) || UUID.test(text))
    return { does: "connect", target: { workspace: text, repository: null } };
  const hint = text.includes("/") ? "; for one repository there is --repository WORKSPACE/REPOSITORY" : "";
  return `${JSON.stringify(text)} is not the slug of a workspace, as in bitbucket.org/SLUG${hint}`;
}

function repositoryTarget(text: string): Action | string {
  const [workspace = "", repository = "", ...more] = text.split("/");
  const good =
    (WORKSPACE.test(workspace) || UUID.test(workspace)) && (REPOSITORY.test(repository) || UUID.test(repository));
  if (good && more.length === 0) return { does: "connect", target: { workspace, repository } };
  return `${JSON.stringify(text)} is not WORKSPACE/REPOSITORY, as in bitbucket.org/WORKSPACE/REPOSITORY`;
}

async function readToken(file: string, terminal: Terminal): Promise<string | { readonly problem: string }> {
  let text: string;
  if (file === "-") {
    terminal.err("Reading the access token from standard input …\n");
    text = await terminal.stdin();
  } else {
    try {
      text = await terminal.readFile(file);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
      return { problem: `${JSON.stringify(file)} can not be read (${code})` };
    }
  }
  const token = text.trim();
  const where = file === "-" ? "standard input" : JSON.stringify(file);
  if (token === "") return { problem: `${where} holds no access token` };
  return TOKEN.test(token) ? token : { problem: `what is in ${where} is not one access token` };
}

function misused(problem: string, terminal: Terminal): ExitCode {
  terminal.err(`connect: ${problem}\nTry: wharfinger connect bitbucket --help\n`);
  return 2;
}

async function run(
  action: Action,
  token: string,
  connections: Connections,
  show: Shown,
  terminal: Terminal,
): Promise<ExitCode> {
  const tell = (text: string) => terminal.err(`${oneLine(text)}\n`);
  switch (action.does) {
    case "list":
      show.list(await connections.list());
      return 0;
    case "connect":
      return show.outcome(await connections.connect(action.target, token, tell), show.connected);
    case "newToken":
      return show.outcome(await connections.replaceToken(action.id, token, tell), show.newToken);
    case "rotate":
      return show.outcome(await connections.rotate(action.id, tell), show.rotated);
    case "finishRotation":
      return show.outcome(await connections.finishRotation(action.id), show.finished);
    case "disconnect":
      return show.outcome(await connections.disconnect(action.id, tell), show.disconnected);
  }
}

/** How results are shown. What a handler answers is the exit code. */
interface Shown {
  outcome<T>(outcome: Outcome<T>, good: (value: T) => ExitCode): ExitCode;
  list(connections: readonly ShownConnection[]): void;
  connected(change: ConnectionChange): ExitCode;
  newToken(change: ConnectionChange): ExitCode;
  rotated(change: ConnectionChange): ExitCode;
  finished(connection: ShownConnection): ExitCode;
  disconnected(result: Disconnected): ExitCode;
}

function asJson(terminal: Terminal): Shown {
  const print = (value: object) => terminal.out(`${JSON.stringify(value, null, 2)}\n`);
  const change = ({ connection, byHand, notes }: ConnectionChange): ExitCode => {
    print({ connection: json(connection), byHand, notes });
    return 0;
  };
  return {
    outcome: (outcome, good) => {
      if (outcome.ok) return good(outcome.value);
      print({ error: { message: outcome.message } });
      return 1;
    },
    list: (connections) => print({ items: connections.map(json) }),
    connected: change,
    newToken: change,
    rotated: change,
    finished: (connection) => {
      print({ connection: json(connection) });
      return 0;
    },
    disconnected: ({ connection, left }) => {
      print({ connection: json(connection), left });
      return left === null ? 0 : 1;
    },
  };
}

function json({ id, workspace, login, kind, repository, url, hook, rotating, createdAt }: ShownConnection): object {
  return { id, workspace: { id: workspace, login, kind }, repository, url, webhook: hook, rotating, createdAt };
}

const COMMAND = "wharfinger connect bitbucket";

function asText(terminal: Terminal): Shown {
  const print = (...lines: readonly string[]) => terminal.out(lines.map((line) => `${line}\n`).join(""));
  return {
    outcome: (outcome, good) => {
      if (outcome.ok) return good(outcome.value);
      terminal.err(`connect: ${oneLine(outcome.message)}\n`);
      return 1;
    },
    list: (connections) => {
      if (connections.length === 0)
        print(`There are no connections. Make one: ${COMMAND} --workspace SLUG < TOKEN-FILE`);
      else print(...connections.map(row));
    },
    connected: ({ connection, byHand, notes }) => {
      if (byHand === null) {
        print(`Connected: ${subject(connection)}, as ${connection.id}.`);
        print(`Its webhook sends to ${connection.url}`);
      } else {
        print(`Connection ${connection.id} of ${subject(connection)} waits for its webhook, which is yours to create.`);
        print(`Why: ${oneLine(byHand.why)}`, "", ...form(connection, byHand), "");
        print("The secret is not shown again; --rotate makes another.");
      }
      print(...notes.map((note) => `Note: ${oneLine(note)}`));
      return 0;
    },
    newToken: ({ connection, notes }) => {
      print(`Connection ${connection.id} of ${subject(connection)} uses the new token. Revoke the former one.`);
      print(...notes.map((note) => `Note: ${oneLine(note)}`));
      return 0;
    },
    rotated: ({ connection, byHand }) => {
      print(`Connection ${connection.id} of ${subject(connection)} has a new secret.`);
      if (byHand === null) print("Its webhook signs with it.");
      else print("", `Enter it yourself: ${oneLine(byHand.why)}`, "", ...form(connection, byHand), "");
      print("The former secret is accepted, too. Some minutes after Bitbucket has the new one, end that:");
      print(`  ${COMMAND} --finish-rotation ${connection.id}`);
      return 0;
    },
    finished: (connection) => {
      print(`Connection ${connection.id} of ${subject(connection)} accepts its new secret only.`);
      return 0;
    },
    disconnected: ({ connection, left }) => {
      print(`Disconnected: ${subject(connection)}. The secrets and the token are erased here.`);
      print(left === null ? "No webhook of it is left in Bitbucket." : oneLine(left));
      print("Revoke the access token in Bitbucket if nothing else uses it.");
      return left === null ? 0 : 1;
    },
  };
}

function subject({ login, repository }: ShownConnection): string {
  return oneLine(repository === null ? `workspace ${login}` : `repository ${repository.fullName}`);
}

function row(connection: ShownConnection): string {
  const webhook = connection.hook === null ? "webhook made by hand" : "webhook made by Wharfinger";
  const rotating = connection.rotating ? "  rotation not finished" : "";
  return `${connection.id}  ${subject(connection)}  ${webhook}  since ${connection.createdAt.slice(0, 10)}${rotating}`;
}

/** What to enter in Bitbucket, field by field. The one place where a secret is printed. */
function form(connection: ShownConnection, { url, secret, events }: ByHand): string[] {
  const [first, ...more] = events.map(({ event, label }) => `${oneLine(label)} (${event})`);
  return [
    `  Where     Bitbucket → settings of ${subject(connection)} → Webhooks`,
    ...(first === undefined ? [] : ["  Title     Wharfinger"]),
    `  URL       ${url}`,
    `  Secret    ${secret}`,
    ...(first === undefined ? [] : ["  Status    Active", `  Triggers  ${first}`]),
    ...more.map((line) => `            ${line}`),
  ];
}
