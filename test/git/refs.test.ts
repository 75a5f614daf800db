import { EventEmitter, once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ok } from "../../src/core/model.ts";
import { createRefReader, type RefReaderOptions } from "../../src/git/refs.ts";
import { commitFiles, createRepository, createTagObject, git, writeRef } from "../hosts/git/git.ts";
import { runBackend } from "../hosts/git/http-backend.ts";
import { startGitServer } from "../support/git-server.ts";

const ANN = { name: "Ann", email: "ann@example.com" };
const CREDENTIAL = { username: "x-access-token", password: "ghs_a very/secret+password" };
const BASIC = `Basic ${Buffer.from(`${CREDENTIAL.username}:${CREDENTIAL.password}`).toString("base64")}`;
const A = "a".repeat(40);
const B = "b".repeat(40);

let folder: string;
const servers: Server[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-refs-"));
});

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
  await rm(folder, { recursive: true, force: true });
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(handler: Handler): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}/acme/api.git`;
}

/** git's own server. `protocol` 0: it knows no newer one. */
function gitServer(gitDir: string, seen: { sent: string } = { sent: "" }, protocol: 0 | 2 = 2): Promise<string> {
  return serve((request, response) => {
    const { pathname, search } = new URL(request.url ?? "", "http://localhost");
    if (protocol === 0) delete request.headers["git-protocol"];
    request.on("data", (chunk: Buffer) => {
      seen.sent += chunk.toString("latin1");
    });
    const service = pathname.replace("/acme/api.git/", "");
    void runBackend({ gitDir, service, query: search.slice(1), user: "ann" }, request, response);
  });
}

function read(url: string, options: Partial<RefReaderOptions> = {}, signal = new AbortController().signal) {
  return createRefReader({ told: "object", timeoutMs: 20_000, ...options }).read(url, CREDENTIAL, signal);
}

/** A sentence that gives nothing away. */
async function failure(reading: ReturnType<typeof read>): Promise<{ message: string; retryable: boolean }> {
  const outcome = await reading;
  if (outcome.ok) throw new Error(`it was read: ${outcome.value.size} refs`);
  const { message, retryable } = outcome;
  expect(message).toMatch(/^[^\n]+[.?]$/);
  for (const secret of [CREDENTIAL.password, BASIC.slice(6), encodeURIComponent(CREDENTIAL.password)]) {
    expect(message).not.toContain(secret);
  }
  return { message, retryable };
}

/** Command lines of the processes there are that name an address. */
function processesAt(url: string): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(join("/proc", pid, "cmdline"), "utf8").split("\0");
        return words.some((word) => word.includes(url)) ? [words.join(" ")] : [];
      } catch {
        // It has ended since.
        return [];
      }
    });
}

async function repository(format: "sha1" | "sha256" = "sha1"): Promise<string> {
  const gitDir = join(folder, "api.git");
  if (format === "sha1") await createRepository(gitDir, "main");
  else await git(gitDir, ["init", "--quiet", "--bare", "--object-format=sha256", gitDir]);
  return gitDir;
}

function commit(gitDir: string, branch: string, message = "Change"): Promise<string> {
  return commitFiles(gitDir, { branch, parent: null, message, author: ANN, at: 1_700_000_000, files: { a: branch } });
}

describe("branches and tags", () => {
  it("are read with the commit each leads to, and nothing else is", async () => {
    const gitDir = await repository();
    const main = await commit(gitDir, "main");
    const odd = await commit(gitDir, "feature/ü&#=%2F'\"$(id)/x");
    await writeRef(gitDir, "refs/tags/plain", main);
    const object = await createTagObject(gitDir, { name: "v1", sha: main, message: "one", author: ANN, at: 0 });
    await writeRef(gitDir, "refs/tags/v1", object);
    for (const ref of ["refs/pull/1/head", "refs/notes/commits", "refs/headsman/x"]) await writeRef(gitDir, ref, main);
    const seen = { sent: "" };
    const url = await gitServer(gitDir, seen);

    const refs = { "refs/heads/main": main, "refs/heads/feature/ü&#=%2F'\"$(id)/x": odd, "refs/tags/plain": main };
    const plain = Object.entries(refs).map(([ref, sha]) => [ref, { object: sha, commit: sha }] as const);
    const expected = new Map([...plain, ["refs/tags/v1", { object, commit: main }]]);
    expect(await read(url)).toEqual(ok(expected));
    expect(await read(url, { told: "commit" })).toEqual(
      ok(new Map([...expected, ["refs/tags/v1", { object: main, commit: main }]])),
    );
    // What a host has of pull requests is not even sent.
    expect(seen.sent).toMatch(/ref-prefix refs\/heads\/\n/);
    expect(seen.sent).toMatch(/ref-prefix refs\/tags\/\n/);
    expect(seen.sent).not.toContain("refs/pull");
    // A server that knows the first protocol only says the same, among more.
    expect(await read(await gitServer(gitDir, seen, 0))).toEqual(ok(expected));
  });

  it("are none in an empty repository, in either protocol", async () => {
    const gitDir = await repository();
    expect(await read(await gitServer(gitDir))).toEqual(ok(new Map()));
    expect(await read(await gitServer(gitDir, undefined, 0))).toEqual(ok(new Map()));
  });

  it("may have long hashes", async () => {
    const gitDir = await repository("sha256");
    const sha = await commit(gitDir, "main");
    expect(sha).toHaveLength(64);
    const expected = ok(new Map([["refs/heads/main", { object: sha, commit: sha }]]));
    expect(await read(await gitServer(gitDir))).toEqual(expected);
    expect(await read(await gitServer(gitDir, undefined, 0))).toEqual(expected);
  });

  it("are read by the thousand, up to a limit", async () => {
    const gitDir = await repository();
    const person = "Ann <ann@example.com> 1700000000 +0000";
    const script = [`commit refs/heads/main\ncommitter ${person}\ndata 1\nx\n`];
    for (let at = 0; at < 1_500; at++) {
      script.push(`reset refs/tags/plain-${at}\nfrom refs/heads/main\n\n`);
      script.push(`tag annotated-${at}\nfrom refs/heads/main\ntagger ${person}\ndata 1\nx\n`);
    }
    await git(gitDir, ["fast-import", "--quiet"], script.join(""));
    const url = await gitServer(gitDir);
    const outcome = await read(url);
    if (!outcome.ok) throw new Error(outcome.message);
    expect(outcome.value.size).toBe(3_001);
    const main = outcome.value.get("refs/heads/main")?.commit;
    const tips = [...outcome.value];
    expect(tips.every(([, tip]) => tip.commit === main)).toBe(true);
    const moved = tips.filter(([, tip]) => tip.object !== main).map(([ref]) => ref);
    expect(moved).toHaveLength(1_500);
    expect(moved.every((ref) => ref.startsWith("refs/tags/annotated-"))).toBe(true);

    expect(await read(url, { maxRefs: 3_001 })).toEqual(outcome);
    expect(await failure(read(url, { maxRefs: 3_000 }))).toEqual({
      message: "The repository has more than 3,000 branches and tags, which are not compared.",
      retryable: false,
    });
  });
});

describe("who may read", () => {
  it("is shown by the credential, which goes nowhere else", async () => {
    const server = await startGitServer();
    try {
      const sha = await server.commit("api", { a: "a" });
      const reader = createRefReader({ told: "object" });
      const { signal } = new AbortController();
      const url = `${server.url}/api.git`;
      const expected = ok(new Map([["refs/heads/main", { object: sha, commit: sha }]]));
      expect(await reader.read(url, server.credential, signal)).toEqual(expected);
      // What somebody wrote into the address is not used.
      const named = url.replace("http://", "http://mallory:guess@");
      expect(await reader.read(named, server.credential, signal)).toEqual(expected);
      expect(new Set(server.seen).size).toBe(1);

      const refused = await failure(read(url));
      expect(refused).toMatchObject({ retryable: false, message: expect.stringContaining("gave no access") });

      const stranger: (string | undefined)[] = [];
      const elsewhere = await serve((request, response) => {
        stranger.push(request.headers.authorization);
        response.writeHead(401, { "www-authenticate": 'Basic realm="mine"' }).end();
      });
      for (const status of [301, 302, 307, 308]) {
        server.fail({ status, location: `${elsewhere}/info/refs?service=git-upload-pack` });
        const outcome = await reader.read(url, server.credential, signal);
        expect(outcome).toMatchObject({ ok: false, retryable: false, message: expect.stringContaining("redirected") });
      }
      expect(stranger).toEqual([]);
    } finally {
      await server.stop();
    }
  });

  it.each([
    [401, false, "gave no access"],
    [403, false, "gave no access"],
    [404, false, "gave no access"],
    [410, true, "410"],
    [429, true, "too often"],
    [500, true, "internal error"],
    [503, true, "internal error"],
  ])("is told from the status %d, whatever else the host says", async (status, retryable, words) => {
    const url = await serve((request, response) => {
      const body = `fatal: out of memory\nfatal: requested URL returned error: 301\n${request.headers.authorization}\n`;
      response.writeHead(status, { "content-type": "text/plain" }).end(body + CREDENTIAL.password);
    });
    expect(await failure(read(url))).toEqual({ message: expect.stringContaining(words), retryable });
  });

  it("is not asked of who is away", async () => {
    const url = await serve(() => undefined);
    const server = servers.pop();
    server?.close();
    expect(await failure(read(url))).toEqual({ message: expect.stringContaining("not be reached"), retryable: true });
  });
});

/** As the protocol frames what it sends. */
function packet(text: string): string {
  return (text.length + 4).toString(16).padStart(4, "0") + text;
}

const ADVERTISEMENT = { "content-type": "application/x-git-upload-pack-advertisement" };
const VERSION_2 = ["# service=git-upload-pack\n", null, "version 2\n", "ls-refs\n", "object-format=sha1\n", null]
  .map((text) => (text === null ? "0000" : packet(text)))
  .join("");

/** `list` answers what is asked after the greeting. */
function server2(list: (response: ServerResponse) => void): Promise<string> {
  return serve((request, response) => {
    if (request.method === "GET") response.writeHead(200, ADVERTISEMENT).end(VERSION_2);
    else list(response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" }));
  });
}

function writeWithoutEnd(response: ServerResponse, first = ""): void {
  let count = 0;
  const write = () => {
    for (let more = true; more && !response.destroyed; ) {
      let text = "";
      for (let at = 0; at < 1_000; at++) {
        count += 1;
        text += packet(`${count.toString(16).padStart(40, "0")} refs/tags/v${count}${count === 1 ? first : ""}\n`);
      }
      more = response.write(text);
    }
  };
  response.on("drain", write);
  write();
}

describe("what is no list of branches and tags", () => {
  it.each([
    ["nothing", ""],
    ["a page", "<html>We are back soon.</html>"],
    ["a page with lines", "<html>\nWe are back soon.\n</html>\n"],
    ["a list without an end", `${A}\trefs/heads/main\n`],
  ])("is never taken for one: %s", async (_, body) => {
    for (const type of ["text/html", "text/plain"]) {
      const url = await serve((_request, response) => response.writeHead(200, { "content-type": type }).end(body));
      expect(await failure(read(url))).toEqual({
        message: expect.stringContaining("does not speak git"),
        retryable: true,
      });
    }
  });

  it("is one that breaks off", async () => {
    const url = await server2((response) => {
      response.write(packet(`${A} refs/heads/main\n`), () => response.destroy());
    });
    expect((await failure(read(url))).retryable).toBe(true);
    const short = await server2((response) => response.end(packet(`${A} refs/heads/main\n`)));
    expect((await failure(read(short))).retryable).toBe(true);
  });

  it("is what a host says instead, which is quoted without what it must not say", async () => {
    const url = await server2((response) => response.end(packet(`ERR no: ${BASIC} ${CREDENTIAL.password}\n`)));
    const { message } = await failure(read(url));
    expect(message).toContain("remote error: no: Basic ***");
  });
});

describe("a host that does not come to an end", () => {
  it.each([0, 2])(
    "is left before it fills the memory (protocol %d)",
    async (protocol) => {
      const url =
        protocol === 2
          ? await server2((response) => writeWithoutEnd(response))
          : await serve((_request, response) => {
              response.writeHead(200, ADVERTISEMENT).write(`${packet("# service=git-upload-pack\n")}0000`);
              writeWithoutEnd(response, "\0agent=git/2.0");
            });
      expect(await failure(read(url, { maxRefs: 1_000, timeoutMs: 60_000 }))).toEqual({
        message: "The repository has more than 1,000 branches and tags, which are not compared.",
        retryable: false,
      });
      expect(processesAt(url)).toEqual([]);
    },
    70_000,
  );

  it("is left when it is time", async () => {
    const url = await serve(() => undefined);
    expect(await failure(read(url, { timeoutMs: 300 }))).toEqual({
      message: "The Git host did not list branches and tags within 0.3 seconds.",
      retryable: true,
    });
    expect(processesAt(url)).toEqual([]);
  });

  it("is left when we stop, and not asked after that", async () => {
    const asked = new EventEmitter();
    let requests = 0;
    const url = await serve(() => {
      requests += 1;
      asked.emit("request");
    });
    const stop = new AbortController();
    const request = once(asked, "request");
    const reading = read(url, {}, stop.signal);
    await request;
    // git, and its helper for http.
    expect(processesAt(url).length).toBeGreaterThanOrEqual(2);
    stop.abort();
    expect(await failure(reading)).toEqual({ message: expect.stringContaining("stopped"), retryable: true });
    expect(processesAt(url)).toEqual([]);
    expect(await failure(read(url, {}, stop.signal))).toMatchObject({ retryable: true });
    expect(requests).toBe(1);
  });
});

describe("the tool", () => {
  /** Writes down how it was called, and says what it is told to. */
  async function fakeGit(
    says: { out?: string | Buffer; err?: string; code?: number; body?: string } = {},
  ): Promise<string> {
    const path = join(folder, "fake");
    const { out = "", err = "", code = 0, body = "" } = says;
    const script = `#!/bin/sh
env > "$0.env"; pwd > "$0.cwd"; for word in "$@"; do printf '%s\\n' "$word"; done > "$0.args"
${body}
echo '12:00:00.000000 pkt-line.c:80           packet:          git< version 2' >&3
cat "$0.out"; cat "$0.err" >&2; exit ${code}
`;
    await writeFile(`${path}.out`, out);
    await writeFile(`${path}.err`, err);
    await writeFile(path, script);
    await chmod(path, 0o755);
    return path;
  }

  const URL_OF_API = "https://git.example.com/acme/api.git";
  const refs = (...names: readonly string[]) =>
    ok(new Map(names.map((ref) => [ref, { object: A, commit: A }] as const)));

  it("gets the secret in its environment only, and nothing of ours", async () => {
    const path = await fakeGit();
    expect(await read("https://mallory:guess@git.example.com/acme/api.git", { git: path })).toEqual(refs());
    expect(await readFile(`${path}.args`, "utf8")).toBe(`ls-remote\n--heads\n--tags\n--\n${URL_OF_API}\n`);
    expect(await readFile(`${path}.cwd`, "utf8")).toBe("/\n");
    const env = new Map(
      (await readFile(`${path}.env`, "utf8"))
        .trimEnd()
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const),
    );
    const settings = new Map<string, string>();
    for (let at = 0; at < Number(env.get("GIT_CONFIG_COUNT")); at++) {
      settings.set(env.get(`GIT_CONFIG_KEY_${at}`) ?? "", env.get(`GIT_CONFIG_VALUE_${at}`) ?? "");
    }
    expect(settings.get(`http.${URL_OF_API}.extraHeader`)).toBe(`Authorization: ${BASIC}`);
    expect([...settings].filter(([, value]) => value.includes(BASIC))).toHaveLength(1);
    expect(Object.fromEntries(settings)).toMatchObject({
      "credential.helper": "",
      "http.followRedirects": "false",
      "protocol.allow": "never",
      "protocol.https.allow": "always",
      "protocol.version": "2",
    });
    expect([...settings.keys()]).not.toContain("protocol.http.allow");
    const others = [...env].filter(
      ([name]) => !/^(?:GIT_CONFIG_(?:COUNT|KEY_\d+|VALUE_\d+)|PWD|OLDPWD|SHLVL|_)$/.test(name),
    );
    expect(Object.fromEntries(others)).toEqual({
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/nonexistent",
      LC_ALL: "C.UTF-8",
      GIT_ALLOW_PROTOCOL: "https",
      GIT_ATTR_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_DIR: "/nonexistent",
      GIT_TEMPLATE_DIR: "",
      GIT_TERMINAL_PROMPT: "0",
      GIT_TRACE_PACKET: "3",
      GIT_WORK_TREE: "/nonexistent",
    });
  });

  it.each([
    "",
    "-oProxyCommand=id",
    "--upload-pack=id",
    "ext::sh -c id",
    "file:///etc",
    "/etc",
    "ssh://git@git.example.com/acme/api.git",
    "git@git.example.com:acme/api.git",
  ])("is not run for %j", async (url) => {
    const path = await fakeGit();
    expect(await failure(read(url, { git: path }))).toMatchObject({ retryable: false });
    expect(existsSync(`${path}.args`)).toBe(false);
  });

  it.each(["no-such-git-anywhere", "/nowhere/git", "/etc/hostname"])("may be missing: %s", async (path) => {
    expect(await failure(read(URL_OF_API, { git: path }))).toMatchObject({
      message: expect.stringContaining("is missing on this machine"),
    });
  });

  it("may lack what speaks to hosts, and not trust them", async () => {
    const lacking = await fakeGit({ code: 128, err: "git: 'remote-https' is not a git command. See 'git --help'.\n" });
    expect((await failure(read(URL_OF_API, { git: lacking }))).message).toContain("missing");
    const err = `fatal: unable to access '${URL_OF_API}/': server certificate verification failed. CAfile: none\n`;
    const strict = await fakeGit({ code: 128, err });
    expect((await failure(read(URL_OF_API, { git: strict }))).message).toContain("does not trust the certificate");
  });

  it("is not misread by what is in an address", async () => {
    const url = "https://git.example.com/acme/certificate timed out returned error: 429.git";
    const git = await fakeGit({ code: 128, err: `fatal: repository '${new URL(url).href}/' not found\n` });
    expect((await failure(read(url, { git }))).message).toContain("no such repository");
    const plain = "https://git.example.com/acme/certificate.git";
    const other = await fakeGit({ code: 128, err: `fatal: repository '${plain}/' not found\n` });
    expect((await failure(read(plain, { git: other }))).message).toContain("no such repository");
  });

  it("is believed line by line", async () => {
    const lines = [
      `${A}\tHEAD`,
      `${A}\trefs/heads/main`,
      `${A}\trefs/heads/main`,
      `${A}\trefs/heads/`,
      `${B}\trefs/heads/a..b`,
      `${B}\trefs/heads/.hidden`,
      `${B}\trefs/heads/x.lock/y`,
      `${B}\trefs/heads/with space`,
      `${B}\trefs/heads/with\u007fcontrol`,
      `${B}\trefs/heads/tab\tbed`,
      `${B}\trefs/pull/1/head`,
      `${B}\trefs/tags/orphan^{}`,
      `${A}\trefs/tags/日本語-"quoted"-'$x'`,
    ];
    // Not UTF-8: two names that would read alike.
    const latin = (end: number) => Buffer.concat([Buffer.from(`${A}\trefs/heads/caf`), Buffer.from([end, 10])]);
    const out = Buffer.concat([Buffer.from(`${lines.join("\n")}\n`), latin(0xe9), latin(0xe8)]);
    const git = await fakeGit({ out });
    expect(await read(URL_OF_API, { git })).toEqual(refs("refs/heads/main", `refs/tags/日本語-"quoted"-'$x'`));
  });

  it.each([
    ["no hash", "refs/heads/main\n"],
    ["a short hash", `${A.slice(1)}\trefs/heads/main\n`],
    ["no hash at all", `${"0".repeat(40)}\trefs/heads/main\n`],
    ["a word", "hello\n"],
    ["an empty line", `${A}\trefs/heads/main\n\n`],
    ["two places", `${A}\trefs/heads/main\n${B}\trefs/heads/main\n`],
    ["two commits", `${A}\trefs/tags/v\n${A}\trefs/tags/v^{}\n${B}\trefs/tags/v^{}\n`],
  ])("is not believed with %s", async (_, out) => {
    expect(await failure(read(URL_OF_API, { git: await fakeGit({ out }) }))).toMatchObject({
      message: expect.stringContaining("can not be read"),
    });
  });

  it("is not believed when it fails after it has listed something", async () => {
    const git = await fakeGit({ out: `${A}\trefs/heads/main\n`, code: 1, err: "error: something\n" });
    expect((await failure(read(URL_OF_API, { git }))).message).toContain("something");
  });

  it("is stopped when it writes without end", async () => {
    const endless = await fakeGit({ body: `yes "${A}	refs/heads/main"` });
    expect((await failure(read(URL_OF_API, { git: endless, maxRefs: 100 }))).message).toContain("more than 100");
    expect(processesAt(endless)).toEqual([]);
  });

  it("is stopped when it is told without end, before it says anything", async () => {
    const told = await fakeGit({ body: "yes 'packet: git< refs/tags/x' >&3" });
    expect((await failure(read(URL_OF_API, { git: told, maxRefs: 100 }))).message).toContain("more than 100");
    expect(processesAt(told)).toEqual([]);
  });

  it("is killed when it does not stop by itself, with all it has started", async () => {
    const deaf = await fakeGit({ body: 'trap "" TERM\nwhile :; do sleep 60; done' });
    expect((await failure(read(URL_OF_API, { git: deaf, timeoutMs: 200 }))).message).toContain("within 0.2 seconds");
    expect(processesAt(deaf)).toEqual([]);
  });
});
