import { tmpdir } from "node:os";
import { describe, expect, it } from "@jest/globals";
import { checkout } from "../../src/builders/checkout.ts";

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
      folder: tmpdir(),
      inputs: { context: ".", dockerfile: "Dockerfile" },
      further: [],
      trusted: true,
      hasNetwork: true,
      say: () => undefined,
      git: {
        async run(commands, env) {
          let answer: { code: number; said: readonly string[] } = { code: 0, said: [] };
          for (const args of commands) {
            if (answer.code !== 0) break;
            calls.push({ args, env });
            answer = answers[args[0] ?? ""] ?? { code: 0, said: args[0] === "rev-parse" ? [SHA] : [] };
          }
          return answer;
        },
        // The commit has no submodules.
        read: async () => Buffer.alloc(0),
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
      expect(settingsOf(env)).toMatchObject({
        "core.hooksPath": "/dev/null",
        "credential.helper": "",
        "http.followRedirects": "false",
        "protocol.allow": "never",
        "transfer.fsckObjects": "true",
      });
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
