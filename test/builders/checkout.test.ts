import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { checkout, resolveFiles } from "../../src/builders/checkout.ts";

const SHA = "0123456789abcdef0123456789abcdef01234567";

describe("checkout", () => {
  async function run(
    options: { sha?: string; cloneUrl?: string; pull?: number; anonymous?: boolean },
    answers: Readonly<Record<string, { code: number; said: readonly string[] }>> = {},
  ) {
    const calls: { args: readonly string[]; env: Readonly<Record<string, string>> }[] = [];
    const result = await checkout({
      cloneUrl: options.cloneUrl ?? "https://user:urlpass@git.example.com/acme/api.git",
      sha: options.sha ?? SHA,
      gitDir: "/git",
      workTree: "/src",
      pull: options.pull ?? null,
      credential: options.anonymous === true ? null : { username: "x-access-token", password: "ghs_token" },
      async git(commands, env) {
        let answer: { code: number; said: readonly string[] } = { code: 0, said: [] };
        for (const args of commands) {
          if (answer.code !== 0) break;
          calls.push({ args, env });
          answer = answers[args[0] ?? ""] ?? { code: 0, said: args[0] === "rev-parse" ? [SHA] : [] };
        }
        return answer;
      },
    });
    return { result, calls };
  }

  it("runs no git for what is not a full hash or not an http address", async () => {
    for (const sha of ["--upload-pack=x", "main", "refs/heads/main", SHA.slice(1), "0".repeat(40), `${SHA}\n`]) {
      const { result, calls } = await run({ sha });
      expect(result).toMatchObject({ ok: false, failure: { class: "checkout" } });
      expect(calls).toEqual([]);
    }
    for (const cloneUrl of [
      "--upload-pack=x",
      "file:///etc",
      "ssh://git@host/x",
      "ext::sh -c id",
      "git@host:acme/api",
    ]) {
      const { result, calls } = await run({ cloneUrl });
      expect(result).toMatchObject({ ok: false, failure: { class: "checkout" } });
      expect(calls).toEqual([]);
    }
  });

  it("gives the credential to git's environment only, bound to the repository's address", async () => {
    const { result, calls } = await run({});
    expect(result).toEqual({ ok: true });
    const basic = Buffer.from("x-access-token:ghs_token").toString("base64");
    for (const { args, env } of calls) {
      expect(args.join(" ")).not.toMatch(/ghs_token|urlpass/);
      expect(args.join(" ")).not.toContain(basic);
      const index = Object.entries(env)
        .find(([, value]) => value.includes(basic))?.[0]
        .replace("GIT_CONFIG_VALUE_", "");
      expect(env[`GIT_CONFIG_KEY_${index}`]).toBe("http.https://git.example.com/acme/api.git.extraHeader");
    }
    const fetch = calls.find(({ args }) => args[0] === "fetch");
    expect(fetch?.args.slice(-3)).toEqual(["--", "https://git.example.com/acme/api.git", SHA]);
  });

  it("has no word of a credential in git's environment where there is none, and lets git look for none", async () => {
    const { result, calls } = await run({ anonymous: true });
    expect(result).toEqual({ ok: true });
    expect(calls.length).toBeGreaterThan(0);
    for (const { env } of calls) {
      expect(JSON.stringify(env)).not.toMatch(/authorization|extraHeader|token|urlpass/i);
      expect(env).toMatchObject({ GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" });
      expect(settingsOf(env)).toMatchObject({ "credential.helper": "", "http.followRedirects": "false" });
    }
  });

  it("refuses a checkout that is not at the commit", async () => {
    const { result } = await run({}, { "rev-parse": { code: 0, said: ["f".repeat(40)] } });
    expect(result).toMatchObject({ ok: false, failure: { class: "checkout" } });
  });

  it("makes a sentence of git's words and knows what may be tried again", async () => {
    const cases: [said: string, retryable: boolean, words: string][] = [
      [`fatal: remote error: upload-pack: not our ref ${SHA}`, false, "force-pushed"],
      [`error: Server does not allow request for unadvertised object ${SHA}`, false, "force-pushed"],
      ["fatal: unable to access 'https://h/': Could not resolve host: h", true, "could not be reached"],
      ["error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", true, "internal error"],
      ["fatal: Authentication failed for 'https://h/'", false, "refused"],
      ["fatal: repository 'https://h/' not found", false, "no such repository"],
      ["error: object abc: hasDotgit: contains '.git'\nfatal: fsck error in packed object", false, "unsafe"],
      ["fatal: something \u001b[31mnobody knows", false, "something nobody knows"],
    ];
    for (const [said, retryable, words] of cases) {
      const { result } = await run({}, { fetch: { code: 128, said: said.split("\n") } });
      expect({ said, result }).toMatchObject({ result: { ok: false, retryable } });
      expect(result.ok ? "" : result.failure.message).toContain(words);
    }
  });

  it("says of a pull request what became of it", async () => {
    const cases: [said: string, anonymous: boolean, words: string][] = [
      [
        `fatal: remote error: upload-pack: not our ref ${SHA}`,
        false,
        `The pull request #5 has moved on: the commit ${SHA}`,
      ],
      [`error: Server does not allow request for unadvertised object ${SHA}`, true, "has moved on"],
      ["fatal: repository 'https://h/' not found", true, "that the pull request #5 comes from was deleted"],
      ["fatal: could not read Username for 'https://h': terminal prompts disabled", true, "is not open to everybody"],
      ["fatal: could not read Username for 'https://h': terminal prompts disabled", false, "refused to let this app"],
      ["fatal: repository 'https://h/' not found", false, "shows this app no such repository"],
    ];
    for (const [said, anonymous, words] of cases) {
      const { result } = await run({ pull: 5, anonymous }, { fetch: { code: 128, said: [said] } });
      expect({ said, result }).toMatchObject({
        result: { ok: false, retryable: false, failure: { class: "checkout" } },
      });
      expect(result.ok ? "" : result.failure.message).toContain(words);
    }
  });
});

/** The settings git is given in its environment. */
function settingsOf(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const count = Number(env["GIT_CONFIG_COUNT"]);
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      env[`GIT_CONFIG_KEY_${index}`] ?? "",
      env[`GIT_CONFIG_VALUE_${index}`] ?? "",
    ]),
  );
}

describe("finding context and Dockerfile", () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "wharfinger-checkout-"));
    await mkdir(join(root, "services/api"), { recursive: true });
    await writeFile(join(root, "Dockerfile"), "FROM scratch\n");
    await writeFile(join(root, "services/api/Dockerfile.prod"), "FROM scratch\n");
  });
  afterEach(() => rm(root, { recursive: true }));

  it("finds them, the Dockerfile relative to the context", async () => {
    const here = await resolveFiles(root, { context: ".", dockerfile: "Dockerfile" });
    expect(here).toEqual({ ok: true, context: ".", dockerfile: "Dockerfile" });
    const below = await resolveFiles(root, { context: "services/api/", dockerfile: "./Dockerfile.prod" });
    expect(below).toEqual({ ok: true, context: "services/api", dockerfile: "services/api/Dockerfile.prod" });
  });

  it("follows links that stay inside", async () => {
    await symlink("services/api", join(root, "short"));
    await symlink("../../Dockerfile", join(root, "services/api/Dockerfile"));
    const found = await resolveFiles(root, { context: "short", dockerfile: "Dockerfile" });
    expect(found).toEqual({ ok: true, context: "services/api", dockerfile: "Dockerfile" });
  });

  it("refuses paths that leave the repository, whatever they lead to", async () => {
    for (const path of ["..", "../x", "services/../..", "/etc", "/", "", "a\\b", "a\0b", "a\nb"]) {
      const context = await resolveFiles(root, { context: path, dockerfile: "Dockerfile" });
      expect({ path, context }).toMatchObject({ context: { ok: false, failure: { class: "dockerfile" } } });
      const dockerfile = await resolveFiles(root, { context: ".", dockerfile: path });
      expect({ path, dockerfile }).toMatchObject({ dockerfile: { ok: false, failure: { class: "dockerfile" } } });
    }
  });

  it("refuses links that leave the repository, also a folder that only begins with its name", async () => {
    await mkdir(`${root}-neighbour`);
    try {
      await writeFile(`${root}-neighbour/Dockerfile`, "FROM scratch\n");
      await symlink(`${root}-neighbour`, join(root, "neighbour"));
      await symlink("/", join(root, "all"));
      await symlink("/etc/passwd", join(root, "Passwd"));
      for (const inputs of [
        { context: "neighbour", dockerfile: "Dockerfile" },
        { context: "all", dockerfile: "etc/passwd" },
        { context: ".", dockerfile: "all/etc/passwd" },
        { context: ".", dockerfile: "Passwd" },
      ]) {
        const found = await resolveFiles(root, inputs);
        expect(found.ok ? "found" : found.failure.message).toContain("out of the repository");
      }
    } finally {
      await rm(`${root}-neighbour`, { recursive: true });
    }
  });

  it.each([".dockerignore", ".containerignore", "Dockerfile.dockerignore", "Dockerfile.containerignore"])(
    "refuses an ignore file that leads out of the repository: %s",
    async (name) => {
      await symlink("/etc/passwd", join(root, name));
      const found = await resolveFiles(root, { context: ".", dockerfile: "Dockerfile" });
      expect(found.ok ? "found" : found.failure.message).toContain("out of the repository");
    },
  );

  it("refuses what is of the wrong kind", async () => {
    await symlink("circle", join(root, "circle"));
    const cases: [inputs: { context: string; dockerfile: string }, words: string][] = [
      [{ context: ".", dockerfile: "services" }, "not a regular file"],
      [{ context: "Dockerfile", dockerfile: "Dockerfile" }, "not a folder"],
      [{ context: ".", dockerfile: "circle" }, "circle"],
    ];
    for (const [inputs, words] of cases) {
      const found = await resolveFiles(root, inputs);
      expect(found.ok ? "found" : found.failure.message).toContain(words);
    }
  });

  it("says what is there when something is missing", async () => {
    const cases: [inputs: { context: string; dockerfile: string }, words: string][] = [
      [{ context: "services/api", dockerfile: "Dockerfile" }, "In services/api there is `Dockerfile.prod`"],
      [{ context: ".", dockerfile: "dockerfile" }, "`Dockerfile`"],
      [{ context: "service/api", dockerfile: "Dockerfile" }, "`services`"],
      [{ context: "x".repeat(300), dockerfile: "Dockerfile" }, "There is no context"],
    ];
    for (const [inputs, words] of cases) {
      const found = await resolveFiles(root, inputs);
      expect(found.ok ? "found" : found.failure.message).toContain(words);
    }
  });
});
