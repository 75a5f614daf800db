import { describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import { pauseAdvice, pauseText, unpaused } from "../../src/core/pause.ts";

const SINCE = "2026-11-20T10:00:59.999Z";
const PERSON: By = { kind: "person", provider: "github", host: "default", actor: { id: "42", login: "ann" } };

describe("a pause", () => {
  it.each<[By, string]>([
    [{ kind: "operator" }, "the operator"],
    [{ kind: "service" }, "this service itself"],
    [PERSON, "ann"],
    [{ kind: "token", id: "wha_aaaqeayeaudaoch7", name: "deploys" }, "the API token deploys"],
    [{ kind: "host", provider: "github", host: "default", actor: { id: "42", login: "ann" } }, "ann"],
    [{ kind: "host", provider: "github", host: "default", actor: null }, "its host"],
  ])("tells who began it, and when: %j", (by, who) => {
    expect(pauseText({ kind: "repository", since: SINCE, by })).toBe(
      `builds of this repository are paused since 2026-11-20 10:00 UTC, by ${who}`,
    );
  });

  it.each([
    ["instance", "this whole instance", "(wharfinger resume --instance)"],
    ["installation", "this installation", "(wharfinger resume)"],
    ["repository", "this repository", "(wharfinger resume)"],
  ] as const)("of the %s tells what it holds up and how it ends", (kind, what, how) => {
    expect(pauseText({ kind, since: SINCE, by: PERSON })).toContain(`builds of ${what} are`);
    expect(pauseAdvice({ kind })).toContain(how);
  });

  it("is all that is left out of how something stands without it", () => {
    expect(unpaused({ state: "paused" }, "paused")).toEqual({ installation: { state: "active" }, link: "linked" });
    expect(unpaused({ state: "suspended" }, "unlinked")).toEqual({
      installation: { state: "suspended" },
      link: "unlinked",
    });
    expect(unpaused({ state: "removed" }, "linked").installation).toEqual({ state: "removed" });
  });
});
