/** The compiled program, its command line and API, a registry that trusts its tokens, and the tools people sign in with. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  createGithubHost,
  type GithubHost,
  type HostCheckRun,
  type HostInstallation,
  type HostRepository,
} from "../hosts/github/index.ts";
import { pushImage } from "../registry/images.ts";
import { compiledMain } from "../support/compiled.ts";
import { type OciLayout, writeOciLayout } from "../support/oci-layout.ts";
import { startTokenProgram, type TokenProgram } from "../support/token-program.ts";
import { eventually } from "../support/world.ts";

const MAIN = compiledMain();

let folder: string;
let github: GithubHost;
let lab: TokenProgram;
let installation: HostInstallation;
let repository: HostRepository;
let made: OciLayout;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-e2e-access-tokens-"));
  github = await createGithubHost();
  const env = { BUILD_CONCURRENCY: "1", NAMESPACE_POLICY: "automatic" };
  lab = await startTokenProgram({ main: MAIN, github, dataDir: join(folder, "data"), env });
  made = await writeOciLayout(join(folder, "made"), "what somebody made at home");
  await pushImage({ ...lab.registry, issue: lab.issue }, "other/secret", { tag: "1" });
  const acme = github.organization("acme");
  repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  installation = await github.install(acme, { repositories: [repository] });
}, 120_000);

afterAll(async () => {
  await lab?.stop();
  await github?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(command: string, args: readonly string[], stdin = "", env = process.env): Promise<Said> {
  const child = spawn(command, args, { timeout: 60_000, env });
  child.stdin.end(stdin);
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once("close", resolve)),
  ]);
  return { code, out, err };
}

function wharfinger(...args: string[]): Promise<Said> {
  return run(process.execPath, [MAIN, ...args], "", { ...lab.program.environment });
}

interface Token {
  readonly id: string;
  readonly token: string;
}

async function tokenOf(...flags: string[]): Promise<Token> {
  const said = await wharfinger("token", "create", "acme", "--json", ...flags);
  expect([said.code, said.err]).toEqual([0, ""]);
  return JSON.parse(said.out);
}

function skopeo(action: readonly string[], as: Token | null, user = "acme"): Promise<Said> {
  const [verb = "", ...rest] = action;
  const side = verb === "copy" ? "dest-" : "";
  const who = as === null ? `--${side}no-creds` : `--${side}creds=${user}:${as.token}`;
  return run("skopeo", [verb, `--${side}tls-verify=false`, who, ...rest]);
}

const place = (name: string) => `docker://${lab.registry.name}/${name}`;
const pull = (name: string, as: Token | null, user?: string) => skopeo(["inspect", place(name)], as, user);
const push = (name: string, as: Token) => skopeo(["copy", made.reference, place(name)], as);

function api(path: string, init: RequestInit = {}): Promise<Response> {
  const { url, adminToken } = lab.program;
  return fetch(`${url}/api/v1/namespaces/acme/tokens${path}`, {
    ...init,
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
  });
}

async function pushed(image: string): Promise<HostCheckRun> {
  const file = `version: 1\nimages:\n  - { name: ${image}, rules: [{ branch: main, tags: [latest] }] }\n`;
  const files = { Dockerfile: "FROM scratch\nCOPY README.md /\n", ".wharfinger.yml": file };
  const { sha } = await github.push(repository, { files });
  const last = () => repository.checkRuns(sha).find(({ name }) => name === "wharfinger");
  return eventually("a concluded check", () => (last()?.conclusion ? (last() ?? null) : null), 60_000);
}

const logged = (line: string) =>
  eventually(`the log says ${line}`, () => (lab.program.output().includes(line) ? true : null));
const DENIED = /denied|unauthorized|authentication required/i;

describe("access tokens of a namespace", () => {
  let cluster: Token;
  let laptop: Token;

  it("are refused before there is anything to have, and made on the command line once there is", async () => {
    expect(await wharfinger("token", "create", "nobody", "--name", "x")).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringContaining('Nobody has the namespace "nobody"'),
    });
    expect((await pushed("api")).conclusion).toBe("success");
    cluster = await tokenOf("--name", "cluster");
    laptop = await tokenOf("--name", "laptop", "--push", "--days", "1");
    expect((await wharfinger("token", "create", "acme", "--name", "laptop")).err).toContain(
      "A token called laptop works",
    );
    const { out } = await wharfinger("token", "list", "acme");
    expect(out.split("\n").map((line) => line.split("  ").slice(0, 3))).toEqual([
      [laptop.id, "laptop", "pull and push"],
      [cluster.id, "cluster", "pull"],
      [""],
    ]);
  }, 90_000);

  it("let buildah sign in by standard input, pull and push", async () => {
    const auth = ["--tls-verify=false", "--authfile", join(folder, "auth.json")];
    const login = ["login", ...auth, "--username", "acme", "--password-stdin", lab.registry.name];
    expect(await run("buildah", login, laptop.token)).toMatchObject({ code: 0 });
    const roots = ["--root", join(folder, "root"), "--runroot", join(folder, "runroot"), "--storage-driver", "vfs"];
    expect(await run("buildah", [...roots, "pull", ...auth, place("acme/api:latest")])).toMatchObject({ code: 0 });
    const name = `${lab.registry.name}/acme/api:latest`;
    expect(await run("buildah", [...roots, "push", ...auth, name, place("acme/copy:1")])).toMatchObject({ code: 0 });
    expect((await run("buildah", [...roots, "push", ...auth, name, place("acme/api:2")])).err).toMatch(DENIED);
    expect(JSON.parse((await api("")).ok ? await (await api("")).text() : "{}").items).toMatchObject([
      { name: "laptop", lastUsedAt: expect.any(String) },
      { name: "cluster", lastUsedAt: null },
    ]);
  }, 60_000);

  it("open their namespace, and nothing of anybody else's", async () => {
    expect(await pull("acme/api:latest", cluster)).toMatchObject({ code: 0 });
    expect((await push("acme/tool:latest", cluster)).err).toMatch(DENIED);
    expect(await push("acme/tool:latest", laptop)).toMatchObject({ code: 0 });
    expect(await pull("acme/tool:latest", cluster)).toMatchObject({ code: 0 });
    for (const name of ["other/secret:1", "acme-evil/x:1", "staging/b:1"]) {
      expect((await push(name, laptop)).err).toMatch(DENIED);
      expect((await pull(name, laptop)).err).toMatch(DENIED);
    }
    expect((await pull("acme/api:latest", laptop, "acme-evil")).err).toContain("invalid username/password");
    await logged('"reason":"other-namespace"');
    await logged('"reason":"pull-only"');
    await logged('"reason":"staging"');
    // The registry told who pushed.
    await logged("somebody has pushed with an access token");
    expect(lab.program.output()).toContain(`"actor":"${laptop.id}"`);
    expect(lab.program.output()).not.toContain("somebody else has pushed");
  }, 60_000);

  it("keep an image that people push to from repositories, which are told why", async () => {
    const check = await pushed("tool");
    expect(check.output.summary).toContain("access tokens");
    expect(check.conclusion).not.toBe("success");
    expect((await pull("acme/tool:latest", laptop)).out).toContain(made.digest);
  }, 60_000);

  it("are not needed for what was opened to anybody", async () => {
    expect((await pull("acme/api:latest", null)).err).toMatch(DENIED);
    expect(await wharfinger("image", "acme/api", "--public")).toMatchObject({ code: 0 });
    expect(await pull("acme/api:latest", null)).toMatchObject({ code: 0 });
    expect((await pull("acme/tool:latest", null)).err).toMatch(DENIED);
    expect(await wharfinger("image", "acme/api", "--private")).toMatchObject({ code: 0 });
  }, 60_000);

  it("are guessed at twenty times a minute from one address, and lock out none that were right, nor anybody elsewhere", async () => {
    const from = (address: string, token: string) => {
      const authorization = `Basic ${Buffer.from(`acme:${token}`).toString("base64")}`;
      const headers = { authorization, "x-forwarded-for": address };
      return fetch(`${lab.program.url}/registry/token?service=${lab.registry.name}`, { headers });
    };
    const digits = "abcdefghijklmnopqrstuvwxyz234567";
    const answers: number[] = [];
    for (const digit of digits) {
      answers.push((await from("203.0.113.9", `whf_${"a".repeat(16)}_${"b".repeat(31)}${digit}`)).status);
    }
    expect(answers).toEqual([...digits].map((_, index) => (index < 20 ? 401 : 429)));
    const fresh = await tokenOf("--name", "fresh");
    for (const [address, token, status] of [
      ["203.0.113.9", cluster.token, 200],
      ["203.0.113.9", fresh.token, 429],
      ["203.0.113.10", fresh.token, 200],
      ["203.0.113.9", fresh.token, 200],
    ] as const) {
      expect([address, (await from(address, token)).status]).toEqual([address, status]);
    }
    await logged("an access token was not looked at");
  }, 60_000);

  it("end when they are revoked, over the API or on the command line", async () => {
    expect((await api("/laptop", { method: "DELETE" })).status).toBe(200);
    expect((await push("acme/tool:latest", laptop)).err).toContain("invalid username/password");
    await logged('"reason":"revoked"');
    expect((await wharfinger("token", "revoke", "acme", cluster.id)).code).toBe(0);
    expect((await pull("acme/api:latest", cluster)).err).toContain("invalid username/password");
  }, 60_000);

  it("end with the installation they stand on", async () => {
    const answer = await api("", { method: "POST", body: JSON.stringify({ name: "last", access: "push" }) });
    expect(answer.status).toBe(201);
    const last = (await answer.json()) as Token;
    await github.suspend(installation);
    await eventually("it is suspended", async () => ((await pull("acme/api:latest", last)).code === 0 ? null : true));
    await logged('"reason":"installation-suspended"');
    expect((await wharfinger("token", "create", "acme", "--name", "more")).err).toContain(
      "no installation that is active",
    );
  }, 60_000);

  it("are in the audit log, and never with what signs in", async () => {
    const { out } = await wharfinger("audit", "--json");
    const actions = out.split("\n").filter((line) => line.includes('"token.'));
    expect(actions).toHaveLength(6);
    for (const { token } of [cluster, laptop]) {
      expect(out).not.toContain(token.slice(21));
      expect(lab.program.output()).not.toContain(token.slice(21));
    }
  });
});
