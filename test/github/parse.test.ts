import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { parseGithub } from "../../src/github/parse.ts";
import { examplePayloads } from "./examples.ts";
import { createRandom, mutate } from "./mutate.ts";

const context = { host: "default", appId: 29310 };

const folder = join(dirname(fileURLToPath(import.meta.url)), "../fixtures/github");

/** `<event>.<case>.json`: a payload as GitHub sends it. */
const fixtures = readdirSync(folder)
  .filter((name) => name.endsWith(".json") && !name.endsWith(".golden.json"))
  .map((name) => ({
    name: name.slice(0, -".json".length),
    event: name.split(".")[0] ?? "",
    text: readFileSync(join(folder, name), "utf8"),
  }));

describe("the parser of GitHub's payloads", () => {
  it.each(fixtures)("makes of $name what its golden file says", ({ name, event, text }) => {
    const result = parseGithub(event, JSON.parse(text), context);
    const golden = join(folder, `${name}.golden.json`);
    if (process.env["UPDATE_GOLDEN"]) writeFileSync(golden, `${JSON.stringify(result, null, 2)}\n`);
    expect(result).toEqual(JSON.parse(readFileSync(golden, "utf8")));
  });

  it("answers for every example payload GitHub publishes", () => {
    const all = examplePayloads();
    expect(all.length).toBeGreaterThanOrEqual(329);
    for (const { event, payload } of all) {
      const result = parseGithub(event, payload, context);
      // Every example is a legal payload: whatever is acted on must be understood.
      expect([event, result]).toEqual([event, { ok: true, event: expect.anything() }]);
    }
  });

  it("answers for anything at all", () => {
    const events = ["push", "installation", "installation_repositories", "check_run", "check_suite", "ping", "", "x"];
    const payloads = [
      undefined,
      null,
      0,
      "",
      "text",
      [],
      {},
      { action: 1 },
      { action: "created" },
      () => 1,
      Symbol("x"),
    ];
    for (const event of events) {
      for (const payload of payloads) expect(typeof parseGithub(event, payload, context).ok).toBe("boolean");
    }
  });

  it("answers for 5,000 broken variants of its fixtures", () => {
    const random = createRandom(20_261_120);
    let usable = 0;
    for (let round = 0; round < 5_000; round += 1) {
      const fixture = fixtures[round % fixtures.length];
      if (fixture === undefined) throw new Error("There are no fixtures.");
      const payload = mutate(JSON.parse(fixture.text), random);
      const result = parseGithub(fixture.event, payload, context);
      if (!result.ok) continue;
      usable += 1;
      if (result.event.type === "push") {
        expect(result.event.repository.fullName).toMatch(/^[\w.-]+\/[\w.-]+$/);
        expect(result.event.repository.cloneUrl).toMatch(/^https?:\/\/[^/@]+\//);
        for (const { ref, after, commit } of result.event.changes) {
          expect(ref).toMatch(/^refs\/(?:heads|tags)\/./);
          expect(commit === null).toBe(after === null);
        }
      }
    }
    // The variants must reach past the first field, on both sides.
    expect(usable).toBeGreaterThan(500);
    expect(usable).toBeLessThan(4_500);
  });

  it("knows no check as its own without an App id", () => {
    const rerun = fixtures.find(({ name }) => name === "check_run.rerequested");
    expect(parseGithub("check_run", JSON.parse(rerun?.text ?? ""), { host: "default", appId: null })).toMatchObject({
      event: { type: "ignored", reason: "unsupported-event" },
    });
  });

  it.each(["repo:push", "", "Push", "push ", "__proto__", "x".repeat(101)])("knows no event %j", (event) => {
    expect(parseGithub(event, {}, context)).toEqual({ ok: false, message: "Not the name of a GitHub event." });
  });

  it.each([null, [], "text", 3])("takes no payload %j, whatever the event", (payload) => {
    expect(parseGithub("star", payload, context)).toMatchObject({ ok: false });
  });

  it("does not quote what it rejects", () => {
    const payload = JSON.parse(fixtures.find(({ name }) => name === "push.branch")?.text ?? "");
    const result = parseGithub("push", { ...payload, after: "ghs_secret\u001b[31m" }, context);
    expect(result).toMatchObject({ ok: false, message: expect.stringContaining("after: not a full commit hash") });
    expect(JSON.stringify(result)).not.toContain("ghs_secret");
  });
});
