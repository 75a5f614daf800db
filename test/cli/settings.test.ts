import { describe, expect, it } from "@jest/globals";
import type { OpenSettings } from "../../src/cli/settings.ts";
import { run } from "./world.ts";

function settings(changes: Partial<OpenSettings> = {}): {
  openSettings: () => Promise<OpenSettings>;
  readonly closed: () => number;
} {
  let closed = 0;
  return {
    closed: () => closed,
    openSettings: async () => ({
      list: async () => [],
      set: async () => null,
      remove: async () => false,
      close: async () => {
        closed += 1;
      },
      ...changes,
    }),
  };
}

const LISTED = [
  { name: "PORT", from: "environment", overruledBy: null, value: "3000" },
  { name: "ADMIN_TOKEN", from: "database", overruledBy: null, value: null },
  { name: "REGISTRY_USERNAME", from: "database", overruledBy: "REGISTRY_URL", value: "ada\u001b[2J" },
  { name: "PUBLIC_URL", from: "environment", overruledBy: "PUBLIC_URL", value: "https://x.example" },
] as const;

describe("settings", () => {
  it("lists names and where each is from, on one line each whatever it holds", async () => {
    const { openSettings, closed } = settings({ list: async () => LISTED });
    const { code, out } = await run(["settings"], { openSettings });
    expect(out.split("\n")).toEqual([
      "PORT               environment  3000",
      "ADMIN_TOKEN        database     (set, not shown)",
      "REGISTRY_USERNAME  database     ada\\u001b[2J  (does not count: the environment sets REGISTRY_URL)",
      "PUBLIC_URL         environment  https://x.example  (the database has one, too, which does not count)",
      "",
    ]);
    expect([code, closed()]).toEqual([0, 1]);
    expect(JSON.parse((await run(["settings", "list", "--json"], { openSettings })).out)).toEqual({ items: LISTED });
  });

  it("says what to do where nothing is set", async () => {
    expect((await run(["settings"], settings())).out).toContain("wharfinger start");
  });

  it("takes a value from standard input, without the newline at its end", async () => {
    const kept: string[][] = [];
    const parts = settings({
      set: async (...given) => {
        kept.push(given);
        return null;
      },
    });
    const input = { stdin: async () => "line one\nline two\n" };
    const { code, out } = await run(["settings", "set", "PRIVATE_KEY"], parts, false, input);
    expect([code, kept, parts.closed()]).toEqual([0, [["PRIVATE_KEY", "line one\nline two"]], 1]);
    expect(out).toContain("Restart");
  });

  it("refuses what is wrong with 2, and what is not there with 1", async () => {
    const wrong = settings({ set: async () => "ADMIN_TOKEN is too short: openssl rand -hex 32." });
    const refused = await run(["settings", "set", "ADMIN_TOKEN"], wrong, false, { stdin: async () => "letmein" });
    expect([refused.code, refused.out, wrong.closed()]).toEqual([2, "", 1]);
    expect(refused.err).toContain("is too short");
    expect(refused.err).not.toContain("letmein");
    expect(await run(["settings", "remove", "PORT"], settings())).toMatchObject({ code: 1, out: "" });
    expect((await run(["settings", "remove", "PORT"], settings({ remove: async () => true }))).code).toBe(0);
  });
});

describe("start", () => {
  it("serves the setup on the first run, and nothing else does", async () => {
    const config = () =>
      ({ ok: false, problems: [{ variable: "APP_ID", wrong: "is not set", todo: "set it" }] }) as const;
    const firstRun = async () => async () => 0 as const;
    expect(await run(["start"], { config, firstRun })).toEqual({ code: 0, out: "", err: "" });
    for (const half of ["serve", "work"]) expect((await run([half], { config, firstRun })).code).toBe(78);
  });

  it("says why something is missing, when what the database holds was not read", async () => {
    const startProblems = () => [{ variable: "APP_ID", wrong: "is not set", todo: "set it" }];
    const config = () =>
      ({ ok: true, config: { name: "x" }, warnings: ["What is kept in the database was not read: away"] }) as const;
    const { code, err } = await run(["start"], { config, startProblems });
    expect([code, err.includes("APP_ID is not set"), err.includes("was not read: away")]).toEqual([78, true, true]);
  });
});
