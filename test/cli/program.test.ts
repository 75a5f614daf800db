import { describe, expect, it } from "@jest/globals";
import { aDelivery } from "../web/world.ts";
import { noStore, run } from "./world.ts";

const COMMANDS = ["start", "plan", "lint", "import", "explain", "approve", "policy", "image", "migrate", "doctor"];

describe("the command line", () => {
  it("prints help with every command, examples and exit codes", async () => {
    for (const argv of [["--help"], ["-h"], ["help"]]) {
      const { code, out, err } = await run(argv);
      expect([code, err]).toEqual([0, ""]);
      for (const part of [...COMMANDS.map((name) => `  ${name} `), "$ wharfinger start", "Exit codes"]) {
        expect(out).toContain(part);
      }
    }
  });

  it.each(COMMANDS)("prints help of %s with examples", async (command) => {
    for (const argv of [
      [command, "--help"],
      ["help", command],
    ]) {
      const { code, out } = await run(argv);
      expect([code, out]).toEqual([0, expect.stringContaining(`$ wharfinger ${command}`)]);
    }
  });

  it("prints the version alone", async () => {
    for (const flag of ["--version", "-V"]) {
      expect(await run([flag])).toEqual({ code: 0, out: "1.2.3\n", err: "" });
    }
  });

  it.each([
    [["plan", "--jsn"], "Try: wharfinger plan --help"],
    [["plan"], "Try: wharfinger plan --help"],
    [["explain"], "Try: wharfinger explain --help"],
    [["plann"], "Try: wharfinger --help"],
    [["import", "dockerhub"], "Try: wharfinger import dockerhub --help"],
  ])("points %j to the help that helps", async (argv, text) => {
    expect((await run(argv)).err).toContain(text);
  });

  it.each<[string, string[], string]>([
    ["no command", [], "Usage: wharfinger"],
    ["an unknown command, with the nearest", ["docter"], "Did you mean doctor?"],
    ["an unknown option, with the nearest", ["doctor", "--jsn"], "Did you mean --json?"],
    ["a missing argument", ["explain"], "missing required argument 'delivery'"],
    ["an approval of nothing", ["approve"], "missing required argument 'build'"],
    ["an approval of two things", ["approve", "b1", "b2"], "too many arguments"],
    ["an argument too many", ["migrate", "now"], "too many arguments"],
    [
      "an unknown provider",
      ["plan", "--provider", "gitlab", "--payload", "x"],
      "Allowed choices are github, bitbucket",
    ],
    ["a plan of nothing", ["plan"], "give --payload FILE or --delivery ID"],
    ["a plan of two things", ["plan", "--payload", "x", "--delivery", "1"], "cannot be used with"],
  ])("answers %s with 2, on standard error", async (_, argv, text) => {
    const { code, out, err } = await run(argv);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(text);
  });

  it("prints what the world around threw as one line, and answers 1", async () => {
    const openStore = () => Promise.reject(new Error("The database has an older schema. Run: wharfinger migrate"));
    expect(await run(["explain", "1"], { openStore })).toEqual({
      code: 1,
      out: "",
      err: "wharfinger: The database has an older schema. Run: wharfinger migrate\n",
    });
  });
});

describe("start", () => {
  const problem = { variable: "APP_ID", wrong: "is not set", todo: "copy it from GitHub" };

  it("hands the configuration on and answers what serving answered", async () => {
    let started = "";
    const start = (config: { name: string }) => {
      started = config.name;
      return Promise.resolve(78 as const);
    };
    expect((await run(["start"], { start })).code).toBe(78);
    expect(started).toBe("test");
  });

  it("prints everything missing and wrong at once, with first steps, and answers 78", async () => {
    const { code, out, err } = await run(["start"], {
      config: () => ({ ok: false, problems: [{ ...problem, variable: "PORT", wrong: "is not a number" }] }),
      startProblems: () => [problem, { ...problem, variable: "REGISTRY_URL" }],
      start: () => Promise.reject(new Error("must not start")),
    });
    expect([code, out]).toEqual([78, ""]);
    expect(err).toContain("FIRST STEPS");
    for (const text of [
      "APP_ID is not set",
      "REGISTRY_URL is not set",
      "PORT is not a number",
      "→ copy it from GitHub",
    ]) {
      expect(err).toContain(text);
    }
  });

  it("leaves the first steps out for who mistyped one value", async () => {
    const { err } = await run(["start"], { config: () => ({ ok: false, problems: [problem] }) });
    expect(err).not.toContain("FIRST STEPS");
  });

  it("prints warnings and starts", async () => {
    const config = () => ({ ok: true, config: { name: "x" }, warnings: ["plain HTTP"] }) as const;
    expect(await run(["start"], { config })).toEqual({ code: 0, out: "", err: "warning: plain HTTP\n" });
  });
});

describe("serve and work", () => {
  it.each(["serve", "work"] as const)("%s is a half of start, for several processes on one database", async (half) => {
    const begun: string[] = [];
    const parts = { start: note("start"), serve: note("serve"), work: note("work") };
    function note(what: string) {
      return () => {
        begun.push(what);
        return Promise.resolve(0 as const);
      };
    }
    expect((await run([half], parts)).code).toBe(0);
    expect(begun).toEqual([half]);
    const refused = await run([half], { ...parts, severalProcesses: () => false });
    expect(refused.code).toBe(78);
    expect(refused.err).toContain("DATABASE_URL is SQLite");
    expect(refused.err).toContain("wharfinger start");
    expect(begun).toEqual([half]);
  });
});

describe("migrate", () => {
  it("says what was applied, or that there is nothing to do", async () => {
    expect((await run(["migrate"], { migrate: () => Promise.resolve(["0001-begin"]) })).out).toBe(
      "Applied:\n  0001-begin\n",
    );
    expect((await run(["migrate"])).out).toContain("nothing to do");
  });

  it("answers 78 when the configuration has problems", async () => {
    const problems = [{ variable: "DATABASE_URL", wrong: "is not sqlite:PATH", todo: "leave it out" }];
    const { code, err } = await run(["migrate"], { config: () => ({ ok: false, problems }) });
    expect([code, err]).toEqual([78, expect.stringContaining("DATABASE_URL is not sqlite:PATH\n      → leave it out")]);
  });
});

describe("plan --delivery", () => {
  const stored = {
    ...noStore,
    findDelivery: (id: string) => Promise.resolve(id === "1" ? aDelivery() : null),
    deliveryBody: () => Promise.resolve(Buffer.from('{"stored":true}')),
  };

  it("plans the stored body as the event it was recorded as, and closes the database", async () => {
    let parsed: unknown[] = [];
    let closed = 0;
    const store = {
      ...stored,
      close: () => {
        closed += 1;
        return Promise.resolve();
      },
    };
    const github = (event: string, payload: unknown) => {
      parsed = [event, payload];
      return { ok: true, event: { type: "ignored", reason: "ping", detail: "A ping." } } as const;
    };
    const { code, out, err } = await run(["plan", "--delivery", "1", "--json"], {
      openStore: () => Promise.resolve(store),
      parsers: { github },
    });
    expect([code, parsed, closed]).toEqual([0, ["push", { stored: true }], 1]);
    expect(JSON.parse(out)).toMatchObject({ provider: "github", event: "push", requests: [] });
    expect(err).toContain("wharfinger explain 1\n");
  });

  it.each([
    ["ordered", "wharfinger.build"],
    ["found", "wharfinger.found"],
  ])("leaves what was %s here to explain: no host has told of it", async (how, event) => {
    const own = { ...stored, findDelivery: async () => aDelivery({ event }) };
    const openStore = () => Promise.resolve(own);
    expect(await run(["plan", "--delivery", "1"], { openStore })).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringMatching(new RegExp(`was ${how} here.*wharfinger explain 1\n$`)),
    });
  });

  it("leaves standard input to the config file", async () => {
    const github = () => ({ ok: true, event: { type: "ignored", reason: "ping", detail: "A ping." } }) as const;
    // The test's standard input is empty, and an empty file is an error of the file, not of the command line.
    const { code, out, err } = await run(["plan", "--delivery", "1", "--config", "-", "--json"], {
      openStore: () => Promise.resolve(stored),
      parsers: { github },
    });
    expect([code, err]).toEqual([1, ""]);
    expect(JSON.parse(out)).toMatchObject({ diagnostics: [{ severity: "error", line: 1 }] });
  });

  it("says when the delivery or its body is not there", async () => {
    const openStore = () => Promise.resolve({ ...stored, deliveryBody: () => Promise.resolve(null) });
    expect(await run(["plan", "--delivery", "2"], { openStore })).toMatchObject({
      code: 2,
      err: expect.stringContaining("is not known here"),
    });
    expect(await run(["plan", "--delivery", "1"], { openStore })).toMatchObject({
      code: 2,
      err: expect.stringContaining("RETENTION_BODIES_DAYS"),
    });
  });
});
