import { beforeEach, describe, expect, it } from "@jest/globals";
import { failed, type Outcome, ok, type Repository } from "../../src/core/model.ts";
import { ACTIONS, type Action, type HostRole } from "../../src/core/roles.ts";
import { createSeenRoles, REMEMBERED_MS } from "../../src/engine/seen-roles.ts";
import { installationId, repository, type TestClock, testClock } from "../contract/store.samples.ts";

const ANN = { id: "5", login: "ann" };
let clock: TestClock;
let asked: number;
let answer: Outcome<HostRole>;

beforeEach(() => {
  clock = testClock();
  asked = 0;
  answer = ok("read");
});

const host = {
  async role(): Promise<Outcome<HostRole>> {
    asked += 1;
    return answer;
  },
};

function lookup() {
  const seen = createSeenRoles(clock);
  return (action: Action, changes: { of?: Repository | null; installation?: string; person?: string } = {}) => {
    const { of = repository("1"), installation = "7", person = "5" } = changes;
    const question = { action, installation: installationId(installation), repository: of };
    return seen.role(host, question, { ...ANN, id: person });
  };
}

describe("what hosts said of somebody's role", () => {
  it("counts for a minute, for all one can look at in a repository", async () => {
    const role = lookup();
    await Promise.all([role("build.see"), role("build.log"), role("build.see")]);
    expect(asked).toBe(1);
    answer = ok("none");
    clock.advance(REMEMBERED_MS - 1);
    expect(await role("build.see")).toEqual(ok("read"));
    clock.advance(1);
    expect(await role("build.see")).toEqual(ok("none"));
    expect(asked).toBe(2);
  });

  it("never counts for what changes something", async () => {
    const role = lookup();
    await role("build.see");
    const changes = (Object.keys(ACTIONS) as Action[]).filter((action) => !/\.(see|log)$/.test(action));
    expect(changes.length).toBeGreaterThan(15);
    for (const [index, action] of changes.entries()) {
      answer = ok(index % 2 === 0 ? "none" : "owner");
      expect(await role(action)).toEqual(answer);
    }
    expect(asked).toBe(1 + changes.length);
  });

  it("is that of one person in one repository of one installation", async () => {
    const role = lookup();
    await role("build.see");
    for (const other of [{ of: repository("2") }, { of: null }, { installation: "8" }, { person: "6" }]) {
      await role("build.see", other);
    }
    expect(asked).toBe(5);
  });

  it("is asked again where the host could not say, or a clock was set back", async () => {
    const role = lookup();
    answer = failed("not now", { retryable: true });
    await role("build.see");
    answer = ok("read");
    expect(await role("build.see")).toEqual(ok("read"));
    expect(asked).toBe(2);
    clock.advance(-1);
    await role("build.see");
    expect(asked).toBe(3);
  });
});
