/**
 * One instance and two real registries: one that trusts its tokens, and one with TLS of an authority nobody else knows, and
 * accounts of its own. A namespace in each, a signed push to each, built by the real builder.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createGithubHost, type GithubHost, type HostCheckRun, type HostRepository } from "../hosts/github/index.ts";
import { type Authority, createAuthority } from "../support/authority.ts";
import { compiledMain } from "../support/compiled.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { startTokenProgram, type TokenProgram } from "../support/token-program.ts";
import { eventually } from "../support/world.ts";

const run = promisify(execFile);
const MAIN = compiledMain();

let folder: string;
let github: GithubHost;
let lab: TokenProgram;
let authority: Authority;
let second: TestRegistry;
let api: HostRepository;
let web: HostRepository;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-e2e-registries-"));
  github = await createGithubHost();
  authority = createAuthority(folder);
  second = await startRegistry({ auth: true, tls: authority });
  const env = { BUILD_CONCURRENCY: "2", NAMESPACE_POLICY: "automatic" };
  lab = await startTokenProgram({ main: MAIN, github, dataDir: join(folder, "data"), env });
  [api, web] = await Promise.all([installed("acme", "api"), installed("beta", "web")]);
}, 240_000);

afterAll(async () => {
  await lab?.stop();
  await second?.stop();
  await github?.close();
  await rm(folder, { recursive: true, force: true });
});

async function installed(login: string, name: string): Promise<HostRepository> {
  const owner = github.organization(login);
  const repository = await github.repository(owner, name, { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  await github.install(owner, { repositories: [repository] });
  return repository;
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `wharfinger …`, as the operator types it beside the running program. */
async function wharfinger(args: readonly string[], input = ""): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: { ...lab.program.environment },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString("utf8");
  });
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

async function ask<T>(path: string, method = "GET", body?: object): Promise<{ status: number; body: T }> {
  const { url, adminToken } = lab.program;
  const headers = { authorization: `Bearer ${adminToken}`, "content-type": "application/json" };
  const answer = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: (text === "" ? null : JSON.parse(text)) as T };
}

interface ApiError {
  readonly error: { readonly code: string; readonly message: string };
}

interface ApiBuild {
  readonly id: string;
  readonly sha: string;
  readonly registry: string;
  readonly state: string;
  readonly digest: string | null;
}

async function pushed(
  repository: HostRepository,
  dockerfile: string,
): Promise<{ readonly check: HostCheckRun; readonly build: ApiBuild }> {
  const image = repository.fullName.replace(/^.*\//, "");
  const file = `version: 1\nimages:\n  - { name: ${image}, rules: [{ branch: main, tags: [latest] }] }\n`;
  const files = { Dockerfile: dockerfile, ".wharfinger.yml": file, content: `for ${image}, ${Math.random()}` };
  const { sha } = await github.push(repository, { files });
  const last = () => repository.checkRuns(sha).at(-1);
  const check = await eventually("a concluded check", () => (last()?.conclusion ? (last() ?? null) : null), 120_000);
  const { body } = await ask<{ items: ApiBuild[] }>("builds");
  const build = body.items.find((one) => one.sha === sha);
  if (build === undefined) throw new Error(`no build of ${sha}: ${check.output.summary}`);
  return { check, build };
}

/** Fetches all of the image, with another tool than the one that pushed it. */
async function pull(name: string, args: readonly string[]): Promise<string> {
  const into = await mkdtemp(join(folder, "pulled-"));
  await run("skopeo", ["--insecure-policy", "copy", ...args, `docker://${name}`, `dir:${into}`]);
  return (await readdir(into)).join(" ");
}

const SCRATCH = "FROM scratch\nCOPY content /content\n";

describe("one instance with two registries", () => {
  it("adds one only when it takes what it is given, and says in its words what it does not take", async () => {
    const given = ["registry", "add", "second", "--url", second.url, "--kind", "basic"];
    const signIn = ["--username", second.username ?? ""];
    const password = `${second.password}\n`;
    const untrusted = await wharfinger([...given, ...signIn], password);
    expect(untrusted).toMatchObject({ code: 1, err: expect.stringMatching(/could not be reached: .*certificate/) });
    const settings = { url: second.url, kind: "basic", ca: await readFile(authority.ca, "utf8") };
    const credential = { username: second.username, password: "not-the-password" };
    const wrong = await ask<ApiError>("registries/second", "PUT", { ...settings, credential });
    expect(wrong).toMatchObject({ status: 422, body: { error: { code: "registry-refused" } } });
    expect(wrong.body.error.message).toMatch(/^Sign in as "wharfinger": The registry .* refuses access/);
    expect(JSON.stringify(wrong)).not.toContain("not-the-password");
    expect((await ask<{ items: object[] }>("registries")).body.items).toHaveLength(1);

    const added = await wharfinger([...given, ...signIn, "--ca", authority.ca], password);
    expect(added.err).toBe("Reading the password from standard input …\n");
    expect(added).toMatchObject({ code: 0, out: expect.stringContaining("certificates of its own") });
    await eventually("the server knows of it", async () => {
      return (await ask<{ items: object[] }>("registries")).body.items.length === 2 ? true : null;
    });
    const twice = await ask<ApiError>("registries/third", "PUT", settings);
    expect(twice).toMatchObject({
      status: 409,
      body: { error: { message: expect.stringMatching(/is the registry second/) } },
    });
    const tested = await wharfinger(["registry", "test", "second"]);
    expect(tested.out).toMatch(/^ok +sign in as "wharfinger": works\nok +push to staging\/check: works\n$/);
  }, 240_000);

  it("moves a namespace there, and publishes each push to the registry of its namespace", async () => {
    await eventually("both have namespaces", async () => {
      const { body } = await ask<{ items: { namespace: string | null }[] }>("installations");
      return body.items.filter(({ namespace }) => namespace !== null).length === 2 ? true : null;
    });
    expect(await wharfinger(["registry", "use", "second", "beta"])).toMatchObject({ code: 0, err: "" });
    // What is running learns of it by itself.
    await eventually("the server knows of it", async () => {
      const { body } = await ask<{ items: { name: string; holds: string[] }[] }>("registries");
      return body.items.some(({ name, holds }) => name === "second" && holds.includes("beta")) ? true : null;
    });

    const [first, other] = await Promise.all([pushed(api, SCRATCH), pushed(web, SCRATCH)]);
    expect([first.check.conclusion, other.check.conclusion]).toEqual(["success", "success"]);
    expect([first.build.registry, other.build.registry]).toEqual(["default", "second"]);
    const names = [
      `${lab.registry.name}/acme/api@${first.build.digest}`,
      `${second.name}/beta/web@${other.build.digest}`,
    ];
    expect(first.check.output.summary).toContain(`docker pull ${names[0]}`);
    expect(other.check.output.summary).toContain(`docker pull ${names[1]}`);

    // Anybody may pull the one, whoever has an account there the other; neither is in the other registry.
    await wharfinger(["image", "acme/api", "--public"]);
    expect(await pull(names[0] ?? "", ["--src-tls-verify=false"])).toContain("manifest.json");
    const certificates = join(folder, "certificates");
    await mkdir(certificates, { recursive: true });
    await writeFile(join(certificates, "ca.crt"), await readFile(authority.ca));
    const account = ["--src-cert-dir", certificates, "--src-creds", `${second.username}:${second.password}`];
    expect(await pull(names[1] ?? "", account)).toContain("manifest.json");
    await expect(pull(`${second.name}/acme/api@${first.build.digest}`, account)).rejects.toThrow(/manifest unknown/);
  }, 240_000);

  it("builds on an image of the registry whose certificate only this instance trusts", async () => {
    const { check, build } = await pushed(web, `FROM ${second.name}/beta/web:latest\nCOPY content /more\n`);
    expect(check.output.summary).toContain(second.name);
    expect(build).toMatchObject({ state: "succeeded", registry: "second" });
  }, 240_000);

  it("shows and logs no password anywhere, and cleans up in both", async () => {
    const password = second.password ?? "";
    const builds = (await ask<{ items: ApiBuild[] }>("builds")).body.items;
    const said = [lab.program.output()];
    for (const { id } of builds) {
      for (const what of ["", "/log", "/request"]) {
        const headers = { authorization: `Bearer ${lab.program.adminToken}` };
        said.push(await (await fetch(`${lab.program.url}/api/v1/builds/${id}${what}`, { headers })).text());
      }
    }
    said.push(JSON.stringify((await ask("registries")).body), JSON.stringify((await ask("audit")).body));
    for (const text of said) {
      expect(text).not.toContain(password);
      expect(text).not.toContain(Buffer.from(`${second.username}:${password}`).toString("base64"));
    }
    const folders = await readdir(join(folder, "data"));
    const files = folders.filter((name) => name.startsWith("wharfinger.db"));
    for (const file of files) expect((await readFile(join(folder, "data", file))).includes(password)).toBe(false);
    const builder = await readdir(join(folder, "data", "builder", "jobs"));
    expect(builder).toEqual([]);
  });

  it("keeps a credential of a namespace, uses it, and refuses one that may not sign in", async () => {
    const path = "registries/second/namespaces/beta/credential";
    const refused = await ask<ApiError>(path, "PUT", {
      username: "wharfinger",
      password: "wrong",
    });
    expect(refused).toMatchObject({ status: 422, body: { error: { code: "registry-refused" } } });
    expect(await ask(path, "PUT", { username: second.username, password: second.password })).toMatchObject({
      status: 204,
    });
    const { body } = await ask<{ items: { name: string; credentials: object[] }[] }>("registries");
    expect(body.items.find(({ name }) => name === "second")?.credentials).toEqual([
      { namespace: "beta", username: second.username },
    ]);
    expect(await wharfinger(["registry", "credential", "remove", "second"])).toMatchObject({ code: 0 });
    expect((await pushed(web, SCRATCH)).build.state).toBe("succeeded");
  }, 240_000);

  it("says for each registry what works, and removes none that is in use", async () => {
    const { out } = await wharfinger(["doctor"]);
    expect(out).toMatch(
      /^ok +registry +http:\/\/[\d.:]+: sign in with this program's tokens: works; push to staging\/check: works$/m,
    );
    expect(out).toMatch(
      /^ok +registry second +https:\/\/[\d.:]+: sign in as "wharfinger": works; push to staging\/check: works$/m,
    );
    const removed = await wharfinger(["registry", "remove", "second"]);
    expect(removed).toMatchObject({ code: 1, err: expect.stringMatching(/namespaces are in it \(beta\)/) });
    const audit = (await ask<{ items: { action: string }[] }>("audit")).body.items.map(({ action }) => action);
    for (const action of ["registry.saved", "credential.saved", "credential.removed", "namespace.moved"]) {
      expect(audit).toContain(action);
    }
  }, 240_000);
});
