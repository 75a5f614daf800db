import { describe, expect, it } from "@jest/globals";
import type { OpenBuilds } from "../../src/cli/builds.ts";
import type { Delivery } from "../../src/engine/store-port.ts";
import { claimOf } from "../engine/fakes.ts";
import { run } from "./world.ts";

const API = { provider: "github", host: "default", id: "5", fullName: "acme/api" } as const;
const INSTALLATION = { provider: "github", host: "default", id: "7" } as const;

function delivery(changes: Partial<Delivery>): Delivery {
  return { ...claimOf("42").delivery, outcome: "planned", ...changes };
}

const QUEUED = delivery({
  builds: ["b1"],
  decisions: [
    { ref: "r", sha: null, image: "api", rule: "x", build: "b1", reason: null, detail: "Queued: acme/api as latest." },
    {
      ref: "r",
      sha: null,
      image: "web",
      rule: "y",
      build: null,
      reason: "no-match",
      detail: "not built:\u001b[31m no",
    },
  ],
});

/** Runs a command; what it did is in `told`, with how often it closed what it opened. */
async function ran(argv: readonly string[], changes: Partial<OpenBuilds> = {}) {
  const told: unknown[] = [];
  const builds: OpenBuilds = {
    findRepositories: async (name) => (name === "acme/api" ? [{ ...API, installation: INSTALLATION }] : []),
    getBuild: async () => null,
    placeOf: async () => null,
    async start(order, by) {
      told.push(["start", order, by]);
      return { kind: "started", delivery: "42" };
    },
    planned: async () => QUEUED,
    async retry(id, by) {
      told.push(["retry", id, by]);
      return { kind: "queued", build: "b2" };
    },
    async cancel(id, by) {
      told.push(["cancel", id, by]);
      return { kind: "canceled" };
    },
    async close() {
      told.push("closed");
    },
    ...changes,
  };
  return { ...(await run(argv, { openBuilds: async () => builds })), told };
}

const OPERATOR = { kind: "operator" };

describe("wharfinger trigger", () => {
  it("starts what was named, and tells of each image what became of it, on one line", async () => {
    const { code, out, told } = await ran(["trigger", "acme/api", "--ref", "v1.0.0", "--image", "api"]);
    expect(code).toBe(0);
    expect(out).toBe("delivery   42\nbuild      b1  Queued: acme/api as latest.\nnot built  web  not built: no\n");
    const repository = { provider: "github", host: "default", id: "5" };
    expect(told).toEqual([["start", { repository, ref: "v1.0.0", image: "api" }, OPERATOR], "closed"]);
  });

  it("prints the same as JSON", async () => {
    const { out } = await ran(["trigger", "acme/api", "--json"]);
    const { builds, decisions } = QUEUED;
    expect(JSON.parse(out)).toEqual({ delivery: "42", outcome: "planned", note: null, builds, decisions });
  });

  it("says what to do where no server has planned it yet", async () => {
    const { code, out } = await ran(["trigger", "acme/api"], { planned: async () => delivery({ outcome: "pending" }) });
    expect([code, out]).toEqual([0, "delivery   42\nA server that runs plans it; then: wharfinger explain 42\n"]);
  });

  it("answers 1 where nothing is built", async () => {
    const nothing = delivery({ decisions: QUEUED.decisions.slice(1) });
    expect((await ran(["trigger", "acme/api"], { planned: async () => nothing })).code).toBe(1);
    const ignored = delivery({ outcome: "ignored", note: "its repository is not known here (any more)" });
    const { code, out } = await ran(["trigger", "acme/api"], { planned: async () => ignored });
    expect([code, out]).toEqual([1, "delivery   42\nits repository is not known here (any more)\n"]);
  });

  it.each<[string, Partial<OpenBuilds>, RegExp]>([
    ["nobody knows the repository", { findRepositories: async () => [] }, /No repository .* is called "acme\/api"/],
    [
      "several are called so",
      {
        findRepositories: async () => [
          { ...API, installation: INSTALLATION },
          { ...API, provider: "bitbucket", installation: INSTALLATION },
        ],
      },
      /say github:default:5 or bitbucket:default:5/,
    ],
    ["it is not covered any more", { start: async () => ({ kind: "no-repository" }) }, /No installation covers/],
    ["there is no such ref", { start: async () => ({ kind: "no-ref", why: "There is no branch x." }) }, /no branch x/],
    ["nothing may be built", { start: async () => ({ kind: "refused", why: "It is paused." }) }, /It is paused/],
    [
      "the host does not answer",
      { start: async () => ({ kind: "unknown", why: "It was away.", retryable: true, retryAfter: null }) },
      /It was away/,
    ],
  ])("says why not where %s, and answers 1", async (_name, changes, message) => {
    const { code, out, err, told } = await ran(["trigger", "acme/api"], changes);
    expect([code, out, told.at(-1)]).toEqual([1, "", "closed"]);
    expect(err).toMatch(message);
  });
});

describe("wharfinger retry", () => {
  it("names the build that does it again", async () => {
    const { code, out, told } = await ran(["retry", "b1"]);
    expect([code, out, told]).toEqual([0, "queued  b2\n", [["retry", "b1", OPERATOR], "closed"]]);
    expect(JSON.parse((await ran(["retry", "b1", "--json"])).out)).toEqual({ build: "b2", state: "queued" });
  });

  it("says what it waits for", async () => {
    const { out } = await ran(["retry", "b1"], { retry: async () => ({ kind: "held", build: "b2" }) });
    expect(out).toBe("held  b2\nIt waits for approval: wharfinger approve b2\n");
  });

  it("says why not", async () => {
    const refused = await ran(["retry", "b1"], { retry: async () => ({ kind: "refused", why: "It has succeeded." }) });
    expect([refused.code, refused.err]).toEqual([1, "retry: It has succeeded.\n"]);
    const unknown = await ran(["retry", "b1"], { retry: async () => ({ kind: "no-build" }) });
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringMatching(/^retry: there is no build "b1" here/)]);
  });
});

describe("wharfinger cancel", () => {
  it("says whether it is over or about to be", async () => {
    const { code, out, told } = await ran(["cancel", "b1"]);
    expect([code, out, told]).toEqual([0, "canceled  b1\n", [["cancel", "b1", OPERATOR], "closed"]]);
    const running = await ran(["cancel", "b1"], { cancel: async () => ({ kind: "canceling" }) });
    expect([running.code, running.out]).toEqual([0, "stopping  b1\n"]);
  });

  it("says why not", async () => {
    const ended = await ran(["cancel", "b1"], { cancel: async () => ({ kind: "final", why: "It is over." }) });
    expect([ended.code, ended.err]).toEqual([1, "cancel: It is over.\n"]);
    expect((await ran(["cancel", "b1"], { cancel: async () => ({ kind: "no-build" }) })).code).toBe(1);
  });
});
