/** Git repositories, private unless told otherwise, over smart HTTP: git's own http-backend behind Basic authentication. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSha, type Sha } from "../../src/core/model.ts";
import { commitFiles, createRepository, git, gitEnvironment, type TreeEntry, writeRef } from "../hosts/git/git.ts";

export interface GitServer {
  readonly url: string;
  readonly credential: { readonly username: string; readonly password: string };
  /** Commits `files` on `main` of `<name>`, which is made when it is not there. `parent` null: history begins anew. */
  commit(name: string, files: Readonly<Record<string, TreeEntry>>, parent?: Sha | null): Promise<Sha>;
  /** Points a full ref of `<name>` to a commit; null deletes it. */
  ref(name: string, ref: string, sha: Sha | null): Promise<void>;
  /** Everybody may read `<name>` from now on. */
  open(name: string): void;
  /** As when the account of a fork deletes it. */
  remove(name: string): Promise<void>;
  /** Gives commits to who asks for a ref's name only, as servers of the first protocol do unless told otherwise. */
  refsOnly(name: string): Promise<void>;
  /** Drops everything no ref leads to, as a host does some time after a force push. */
  forget(name: string): Promise<void>;
  /** Requests from now on get this answer instead; null: none. */
  fail(answer: { readonly status: number; readonly location?: string } | null): void;
  /** Authorization headers of all requests so far. */
  readonly seen: readonly (string | undefined)[];
  stop(): Promise<void>;
}

export async function startGitServer(): Promise<GitServer> {
  const root = await mkdtemp(join(tmpdir(), "wharfinger-git-"));
  const credential = { username: "x-access-token", password: `ghs_${randomBytes(18).toString("hex")}` };
  const expected = `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString("base64")}`;
  const known = new Set<string>();
  const open = new Set<string>();
  const old = new Set<string>();
  const seen: (string | undefined)[] = [];
  let fault: { readonly status: number; readonly location?: string } | null = null;
  let clock = 1_700_000_000;

  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    if (fault !== null) {
      response.writeHead(fault.status, fault.location === undefined ? {} : { location: fault.location }).end();
      return;
    }
    const name = /^\/([^/]+)\.git\//.exec(request.url ?? "")?.[1] ?? "";
    if (request.headers.authorization !== expected && !open.has(name)) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
    } else {
      serve(root, request, response, old.has(name) ? "" : String(request.headers["git-protocol"] ?? ""));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");

  return {
    url: `http://127.0.0.1:${address.port}`,
    credential,
    seen,
    async commit(name, files, parent = null) {
      const gitDir = join(root, `${name}.git`);
      if (!known.has(name)) await createRepository(gitDir, "main");
      known.add(name);
      const author = { name: "Tester", email: "tester@example.com" };
      clock += 1;
      const made = await commitFiles(gitDir, { branch: "main", parent, message: "Change", author, at: clock, files });
      const sha = parseSha(made);
      if (sha === null) throw new Error(`not a commit: ${made}`);
      return sha;
    },
    async ref(name, ref, sha) {
      await writeRef(join(root, `${name}.git`), ref, sha);
    },
    open(name) {
      open.add(name);
    },
    async remove(name) {
      open.delete(name);
      await rm(join(root, `${name}.git`), { recursive: true });
    },
    async refsOnly(name) {
      old.add(name);
      await git(join(root, `${name}.git`), ["config", "uploadpack.allowAnySHA1InWant", "false"]);
    },
    async forget(name) {
      await git(join(root, `${name}.git`), ["-c", "gc.reflogExpire=now", "gc", "--quiet", "--prune=now"]);
    },
    fail(answer) {
      fault = answer;
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await rm(root, { recursive: true, force: true });
    },
  };
}

function serve(root: string, request: IncomingMessage, response: ServerResponse, protocol: string): void {
  const [path = "", query = ""] = (request.url ?? "").split("?");
  const child = spawn("git", ["http-backend"], {
    env: {
      ...gitEnvironment(),
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_PROTOCOL: protocol,
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      PATH_INFO: path,
      QUERY_STRING: query,
      REMOTE_USER: "x",
      REQUEST_METHOD: request.method ?? "GET",
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      ...(request.headers["content-length"] === undefined ? {} : { CONTENT_LENGTH: request.headers["content-length"] }),
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  // The client may leave, git may stop reading: the exchange is over either way.
  child.stdin.on("error", () => request.destroy());
  request.pipe(child.stdin);
  let head: Buffer | null = Buffer.alloc(0);
  child.stdout.on("data", (chunk: Buffer) => {
    if (head === null) {
      response.write(chunk);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    for (const line of head.subarray(0, end).toString("latin1").split("\r\n")) {
      const [name = "", value = ""] = line.split(": ", 2);
      if (name.toLowerCase() === "status") response.statusCode = Number(value.slice(0, 3));
      else response.setHeader(name, value);
    }
    response.write(head.subarray(end + 4));
    head = null;
  });
  child.on("close", () => response.end());
}
