import { beforeEach, describe, expect, it } from "@jest/globals";
import type { OpenRegistryDesk } from "../../src/cli/registry.ts";
import type { Done, ShownRegistry } from "../../src/engine/registry-desk.ts";
import { settingsOf } from "../contract/store.registries.ts";
import { run } from "./world.ts";

const HUB: ShownRegistry = {
  name: "hub",
  host: "docker.io",
  settings: settingsOf({ url: "https://docker.io", staging: "{namespace}/staging", accounts: ["github:default"] }),
  username: "robot",
  credentials: [{ namespace: "acme", username: "acmes" }],
  namespaces: ["acme"],
};

let calls: unknown[][];
let there: readonly ShownRegistry[];
let answer: Done<true>;

function desk(): OpenRegistryDesk {
  const note =
    (name: string) =>
    async (...args: unknown[]) => {
      calls.push([name, ...args.slice(0, -1)]);
      return answer;
    };
  return {
    list: async () => there,
    async save(name, given, credential) {
      calls.push(["save", name, given, credential]);
      return answer.ok ? { ok: true, value: HUB } : answer;
    },
    remove: note("remove"),
    async test(name) {
      calls.push(["test", name]);
      const trials = [
        { what: "sign in", ok: true, detail: "works", todo: "" },
        { what: "push to acme/staging", ok: false, detail: "403: denied", todo: "Give it the right." },
      ];
      return answer.ok ? { ok: true, value: trials } : answer;
    },
    setCredential: note("setCredential"),
    removeCredential: note("removeCredential"),
    use: note("use"),
    async close() {
      calls.push(["close"]);
    },
  };
}

async function registry(args: readonly string[], stdin = "", files: Readonly<Record<string, string>> = {}) {
  const readFile = async (path: string) =>
    files[path] ?? Promise.reject(Object.assign(new Error("no such file"), { code: "ENOENT" }));
  const input = { stdin: async () => stdin, readFile };
  return await run(["registry", ...args], { openRegistries: async () => desk() }, false, input);
}

beforeEach(() => {
  calls = [];
  there = [];
  answer = { ok: true, value: true };
});

describe("wharfinger registry", () => {
  it("adds one with what is given, the password from standard input", async () => {
    const args = [
      "add",
      "hub",
      "--url",
      "https://docker.io",
      "--kind",
      "basic",
      "--username",
      "robot",
      "--ca",
      "ca.pem",
    ];
    const more = ["--insecure", "--staging", "{namespace}/s", "--accounts", "github:default, bitbucket:default"];
    const ran = await registry([...args, ...more], "pass word\n", { "ca.pem": "PEM" });
    const given = {
      url: "https://docker.io",
      kind: "basic",
      ca: "PEM",
      insecure: true,
      staging: "{namespace}/s",
      accounts: ["github:default", "bitbucket:default"],
    };
    expect(calls).toEqual([["save", "hub", given, { username: "robot", password: "pass word" }], ["close"]]);
    expect(ran).toMatchObject({ code: 0, err: "Reading the password from standard input …\n" });
    expect(ran.out).toContain("hub  https://docker.io (basic)");
    expect(ran.out).not.toContain("pass word");
  });

  it("changes only what is given", async () => {
    there = [HUB];
    await registry(["set", "hub", "--no-ca", "--no-insecure", "--namespaces", "ci-{account}"]);
    await registry(["set", "hub", "--username", "robot", "--password-file", "p"], "", { p: "secret\r\n" });
    await registry(["set", "hub", "--accounts", ""]);
    expect(calls.filter(([name]) => name === "save")).toEqual([
      ["save", "hub", { ca: null, insecure: false, namespaces: "ci-{account}" }, null],
      ["save", "hub", {}, { username: "robot", password: "secret" }],
      ["save", "hub", { accounts: [] }, null],
    ]);
  });

  it("adds none that is there, and changes none that is not", async () => {
    expect(await registry(["set", "hub", "--no-ca"])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no registry "hub"/),
    });
    there = [HUB];
    expect(await registry(["add", "hub", "--url", "https://x.test"])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/there already/),
    });
    expect(calls).toEqual([["close"], ["close"]]);
  });

  it("takes no password from the command line, and none that is not one line", async () => {
    expect(await registry(["credential", "set", "hub", "--username", "robot", "--password", "x"])).toMatchObject({
      code: 2,
    });
    for (const text of ["", "\n", "two\nlines", "nul\0"]) {
      const ran = await registry(["credential", "set", "hub", "--username", "robot"], text);
      expect(ran).toMatchObject({ code: 2, err: expect.stringMatching(/does not hold one password/) });
    }
    const missing = await registry(["credential", "set", "hub", "--username", "robot", "--password-file", "none"]);
    expect(missing).toMatchObject({ code: 2, err: expect.stringMatching(/"none" can not be read \(ENOENT\)/) });
    expect(await registry(["credential", "set", "hub"])).toMatchObject({ code: 2 });
    expect(calls.filter(([name]) => name !== "close")).toEqual([]);
  });

  it("keeps and erases credentials of a registry and of a namespace", async () => {
    await registry(["credential", "set", "hub", "--username", "robot"], "p");
    await registry(["credential", "set", "hub", "--username", "robot", "--namespace", "acme"], "p");
    await registry(["credential", "remove", "hub"]);
    await registry(["credential", "remove", "hub", "--namespace", "acme"]);
    const robot = { username: "robot", password: "p" };
    expect(calls.filter(([name]) => name !== "close")).toEqual([
      ["setCredential", "hub", null, robot],
      ["setCredential", "hub", "acme", robot],
      ["removeCredential", "hub", null],
      ["removeCredential", "hub", "acme"],
    ]);
  });

  it("moves a namespace, and removes a registry", async () => {
    expect(await registry(["use", "hub", "acme"])).toMatchObject({ code: 0, out: expect.stringMatching(/go to hub/) });
    expect(await registry(["remove", "hub"])).toMatchObject({ code: 0 });
    expect(calls.filter(([name]) => name !== "close")).toEqual([
      ["use", "hub", "acme"],
      ["remove", "hub"],
    ]);
  });

  it.each([
    ["bad", 2],
    ["unknown", 1],
    ["conflict", 1],
    ["refused", 1],
  ] as const)("says why something is %s, and exits %i", async (kind, code) => {
    answer = { ok: false, kind, message: "Because." };
    for (const args of [
      ["remove", "hub"],
      ["use", "hub", "acme"],
      ["credential", "remove", "hub"],
    ]) {
      expect(await registry(args)).toMatchObject({ code, out: "", err: "registry: Because.\n" });
    }
    expect(await registry(["test", "hub"])).toMatchObject({ code: 1, err: "registry: Because.\n" });
  });

  it("shows what was tried, and what to do", async () => {
    expect(await registry(["test", "hub"])).toMatchObject({
      code: 1,
      out: "ok       sign in: works\nproblem  push to acme/staging: 403: denied\n         → Give it the right.\n",
    });
    const { out } = await registry(["test", "hub", "--json"]);
    expect(JSON.parse(out)).toMatchObject({ ok: false, trials: [{ ok: true }, { ok: false }] });
  });

  it("lists all of them with who signs in, and no password", async () => {
    there = [HUB];
    const { out } = await registry(["list"]);
    for (const text of ["docker.io/NAMESPACE/…", "robot", "acme: acmes", "{namespace}/staging", "github:default"]) {
      expect(out).toContain(text);
    }
    expect(JSON.parse((await registry(["list", "--json"])).out)).toMatchObject({
      items: [{ name: "hub", host: "docker.io", ca: false, username: "robot", holds: ["acme"] }],
      next: null,
    });
  });
});
