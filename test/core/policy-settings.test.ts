import { describe, expect, it } from "@jest/globals";
import { DEFAULT_POLICY, type Policy } from "../../src/core/model.ts";
import {
  POLICY_SETTINGS,
  parsePolicyArguments,
  parsePolicyJson,
  policyArguments,
} from "../../src/core/policy-settings.ts";

const OTHER: Policy = {
  forks: "test",
  publishPullRequests: true,
  onlyPullRequests: true,
  zeroConfig: true,
  brake: 10_000,
};

describe("a policy", () => {
  it("has a setting for every key", () => {
    expect(POLICY_SETTINGS.map(({ key }) => key).sort()).toEqual(Object.keys(DEFAULT_POLICY).sort());
  });

  it.each([DEFAULT_POLICY, OTHER])("is read from what it is printed as, and from its JSON: %j", (policy) => {
    expect(parsePolicyArguments(policyArguments(policy))).toEqual({ ok: true, policy });
    expect(parsePolicyJson(JSON.parse(JSON.stringify(policy)))).toEqual({ ok: true, policy });
  });

  it("is given in parts, by the names of the command line or those of JSON", () => {
    expect(parsePolicyArguments(["publish-pull-requests=on", "zeroConfig=off"])).toEqual({
      ok: true,
      policy: { publishPullRequests: true, zeroConfig: false },
    });
    expect(parsePolicyArguments([])).toEqual({ ok: true, policy: {} });
    expect(parsePolicyJson({ brake: 1 })).toEqual({ ok: true, policy: { brake: 1 } });
  });
});

describe("a policy typed wrongly", () => {
  it.each<[string[], string]>([
    [["forks"], '"forks" is not NAME=VALUE; names: forks, publish-pull-requests, only-pull-requests, zero-config'],
    [["=never"], "is not NAME=VALUE"],
    [["fork=never"], 'there is no setting "fork"; names: forks, publish-pull-requests'],
    [["Forks=never"], "there is no setting"],
    [["__proto__=never"], "there is no setting"],
    [["forks=maybe"], 'forks can not be "maybe"; allowed: never, approve or test'],
    [["forks=on"], 'forks can not be "on"'],
    [["forks="], 'forks can not be ""'],
    [["forks=toString"], "forks can not be"],
    [["zero-config=yes"], 'zero-config can not be "yes"; allowed: on or off'],
    [["zero-config=1"], "zero-config can not be"],
    [["brake=0"], 'brake can not be "0"; allowed: a whole number from 1 to 10000'],
    [["brake=10001"], "brake can not be"],
    [["brake=1.5"], "brake can not be"],
    [["brake=1e3"], "brake can not be"],
    [["brake=-1"], "brake can not be"],
    [["brake=on"], "brake can not be"],
    [["brake=99999999999999999999"], "brake can not be"],
    [["brake=5", "brake=6"], "brake is given twice"],
    [["zeroConfig=on", "zero-config=off"], "zero-config is given twice"],
    [["brake=5", "brakes=6"], 'there is no setting "brakes"'],
  ])("%j is refused with what is allowed", (given, message) => {
    expect(parsePolicyArguments(given)).toEqual({ ok: false, message: expect.stringContaining(message) });
  });

  it.each<[unknown, string]>([
    [null, "send a JSON object with some of: forks, publishPullRequests, onlyPullRequests, zeroConfig, brake"],
    [[], "send a JSON object"],
    ["forks=never", "send a JSON object"],
    [{}, "nothing to change; name some of: forks"],
    [{ "zero-config": true }, 'there is no key "zero-config"; allowed: forks'],
    [JSON.parse('{"__proto__":{"forks":"test"}}'), 'there is no key "__proto__"'],
    [{ forks: "Never" }, 'forks can not be "Never"; allowed: never, approve or test'],
    [{ forks: null }, "forks can not be null"],
    [{ forks: ["never"] }, "forks can not be"],
    [{ zeroConfig: "on" }, 'zeroConfig can not be "on"; allowed: true or false'],
    [{ brake: "5" }, "brake can not be"],
    [{ brake: 0 }, "brake can not be 0; allowed: a whole number from 1 to 10000"],
    [{ brake: 1.5 }, "brake can not be"],
    [{ brake: 10_001 }, "brake can not be"],
    [{ brake: 5, forks: "x".repeat(10_000) }, "forks can not be"],
  ])("%j is refused with what is allowed", (given, message) => {
    const parsed = parsePolicyJson(given);
    expect(parsed).toEqual({ ok: false, message: expect.stringContaining(message) });
    expect(parsed.ok ? "" : parsed.message.length).toBeLessThan(300);
  });
});
