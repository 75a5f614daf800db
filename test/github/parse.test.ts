import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { parseGithub } from "../../src/github/parse.ts";
import { describeParser, readFixtures } from "../contract/parser.contract.ts";
import { examplePayloads } from "./examples.ts";

const context = { host: "default", appId: 29310 };

const folder = join(dirname(fileURLToPath(import.meta.url)), "../fixtures/github");

describeParser({
  provider: "github",
  folder,
  parse: (event, payload, host) => parseGithub(event, payload, { ...context, host }),
  id: /^(?:0|[1-9]\d{0,15})$/,
  foreign: ["repo:push", "pullrequest:created"],
});

const fixtures = readFixtures(folder);

describe("the parser of GitHub's payloads", () => {
  it("answers for every example payload GitHub publishes", () => {
    const all = examplePayloads();
    expect(all.length).toBeGreaterThanOrEqual(329);
    for (const { event, payload } of all) {
      const result = parseGithub(event, payload, context);
      // Every example is a legal payload: whatever is acted on must be understood.
      expect([event, result]).toEqual([event, { ok: true, event: expect.anything() }]);
    }
  });

  it("knows no check as its own without an App id", () => {
    const rerun = fixtures.find(({ name }) => name === "check_run.rerequested");
    expect(parseGithub("check_run", JSON.parse(rerun?.text ?? ""), { host: "default", appId: null })).toMatchObject({
      event: { type: "ignored", reason: "unsupported-event" },
    });
  });

  it("does not quote what it rejects", () => {
    const payload = JSON.parse(fixtures.find(({ name }) => name === "push.branch")?.text ?? "");
    const result = parseGithub("push", { ...payload, after: "ghs_secret\u001b[31m" }, context);
    expect(result).toMatchObject({ ok: false, message: expect.stringContaining("after: not a full commit hash") });
    expect(JSON.stringify(result)).not.toContain("ghs_secret");
  });
});
