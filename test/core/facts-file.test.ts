import { describe, expect, it } from "@jest/globals";
import { parseFacts } from "../../src/core/facts-file.ts";

describe("stated facts", () => {
  it("may all be left out", () => {
    expect(parseFacts("{}")).toEqual({ ok: true, facts: {} });
  });

  it("are read as they are", () => {
    const facts = {
      changedPaths: ["a/b"],
      tags: ["v1.0.0"],
      defaultBranch: "main",
      now: "2026-11-20T10:00:00Z",
      defaultBranchConfig: "version: 1",
      installation: {
        state: "paused",
        namespace: null,
        link: "linked",
        policy: { forks: "test", publishPullRequests: true, onlyPullRequests: false, zeroConfig: false, brake: 5 },
      },
      zeroConfig: true,
    };
    expect(parseFacts(JSON.stringify(facts))).toEqual({ ok: true, facts });
  });

  it("may say that the app is not installed", () => {
    expect(parseFacts('{"installation":null}')).toEqual({ ok: true, facts: { installation: null } });
  });

  it("may say that the default branch has no file", () => {
    const facts = { defaultBranchConfig: null };
    expect(parseFacts(JSON.stringify(facts))).toEqual({ ok: true, facts });
  });

  it.each([
    ["", "not JSON"],
    ["{", "not JSON"],
    ["[]", "expected object"],
    ["null", "expected object"],
    ['{"changedPaths":"a"}', "key changedPaths:"],
    ['{"changedPaths":[1]}', "key changedPaths.0:"],
    ['{"tags":null}', "key tags:"],
    ['{"now":"yesterday"}', "key now:"],
    ['{"defaultBranch":""}', "key defaultBranch:"],
    ['{"zeroConfig":"yes"}', "key zeroConfig:"],
    ['{"installation":{"state":"gone"}}', "key installation.state:"],
    ['{"installation":{"id":1}}', "unknown key installation.id; allowed: state, namespace, link"],
    ['{"installation":{"policy":{"forks":"all"}}}', "key installation.policy.forks:"],
    ['{"installation":{"policy":{"brake":0}}}', "key installation.policy.brake:"],
    [
      '{"installation":{"policy":{"fork":"test"}}}',
      "unknown key installation.policy.fork; allowed: forks, publishPullRequests, onlyPullRequests, zeroConfig, brake",
    ],
    ['{"changedpaths":[]}', "unknown key changedpaths; allowed: changedPaths, tags, defaultBranch, now"],
    ['{"__proto__":{}}', "unknown key __proto__"],
  ])("%s is refused in words that name the key", (text, message) => {
    expect(parseFacts(text)).toEqual({ ok: false, message: expect.stringContaining(message) });
  });
});
