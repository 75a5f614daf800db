import { describe, expect, it } from "@jest/globals";
import type { CoveredRepository } from "../../src/core/further-repositories.ts";
import type { BuildPlan, WantedRepository } from "../../src/core/model.ts";
import { createFurtherAccess, resolveRepositories } from "../../src/engine/further-repositories.ts";
import { change, held, installationId, pull, repository, request } from "../contract/store.samples.ts";
import { buildOf, recordingLog } from "./fakes.ts";

const OF = { installation: installationId("7"), repository: repository("1") };

/** A store that notes what it was asked. */
function storeOf(covered: readonly CoveredRepository[]) {
  const asked: unknown[] = [];
  return {
    asked,
    async coveredRepositories(...question: unknown[]) {
      asked.push(question);
      return covered;
    },
  };
}

function planOf(...wanted: (readonly WantedRepository[] | undefined)[]): BuildPlan {
  const requests = wanted.map((repositories, index) =>
    request(change(null, "a"), `image-${index}`, repositories === undefined ? {} : { repositories }),
  );
  return { requests, held: [], skips: [], diagnostics: [], trace: [] };
}

describe("the names in a plan", () => {
  it("become ids, asked for once, of the plan's installation and for its repository", async () => {
    const store = storeOf([{ id: "2", fullName: "acme/shared", allowed: false }]);
    const wanted = [{ name: "acme/shared", id: null }];
    const plan = planOf(wanted, undefined, [...wanted, { name: "acme/other", id: null }]);
    const hold = held(pull(5, "b"), "held", { repositories: wanted });
    const resolved = await resolveRepositories(store, OF, { ...plan, held: [hold] });
    expect(resolved.requests.map((one) => one.repositories)).toEqual([
      [{ name: "acme/shared", id: "2" }],
      undefined,
      [
        { name: "acme/shared", id: "2" },
        { name: "acme/other", id: null },
      ],
    ]);
    expect(resolved.held.map((one) => one.repositories)).toEqual([[{ name: "acme/shared", id: "2" }]]);
    expect(store.asked).toEqual([[OF, { names: ["acme/shared", "acme/other"] }]]);
  });

  it("cost nothing where there are none, or all have their ids", async () => {
    const store = storeOf([]);
    for (const plan of [planOf(undefined), planOf([{ name: "acme/shared", id: "2" }])]) {
      expect(await resolveRepositories(store, OF, plan)).toEqual(plan);
    }
    expect(store.asked).toEqual([]);
  });
});

describe("what a build may read besides its own repository", () => {
  const wanted = [
    { name: "acme/shared", id: "2" },
    { name: "acme/unknown", id: null },
  ];
  const { planned } = buildOf();

  it("is asked for by id when its lease is exchanged", async () => {
    const store = storeOf([{ id: "2", fullName: "acme/shared", allowed: true }]);
    const { log, lines } = recordingLog();
    const build = buildOf({ planned: { ...planned, repositories: wanted.slice(0, 1) } });
    const origin = new URL(build.repository.cloneUrl).origin;
    expect(await createFurtherAccess({ store, log })(build)).toEqual({
      ok: true,
      value: [{ id: "2", fullName: "acme/shared", cloneUrl: `${origin}/acme/shared.git` }],
    });
    const { installation } = build;
    expect(store.asked).toEqual([[{ installation, repository: build.repository }, { ids: ["2"] }]]);
    expect(lines).toEqual([]);
  });

  it("is nothing where one of them is refused, for good, with a line in the log for each", async () => {
    const store = storeOf([{ id: "2", fullName: "acme/shared", allowed: false }]);
    const { log, lines } = recordingLog();
    const build = buildOf({ id: "b-9", planned: { ...planned, repositories: wanted } });
    const answer = await createFurtherAccess({ store, log })(build);
    expect(answer).toMatchObject({ ok: false, retryable: false });
    expect(answer.ok ? "" : answer.message).toMatch(/acme\/shared.*wharfinger access allow|wharfinger access allow/s);
    expect(lines).toMatchObject([
      { level: "warn", fields: { build: "b-9", wanted: "acme/shared", id: "2", reason: "not-allowed" } },
      { level: "warn", fields: { build: "b-9", wanted: "acme/unknown", id: null, reason: "unknown" } },
    ]);
  });

  it("is nothing for code of strangers, whatever was recorded, and nobody is asked", async () => {
    const store = storeOf([{ id: "2", fullName: "acme/shared", allowed: true }]);
    const { log } = recordingLog();
    const build = buildOf({ planned: { ...planned, trust: "untrusted", push: false, repositories: wanted } });
    expect(await createFurtherAccess({ store, log })(build)).toEqual({ ok: true, value: [] });
    expect(store.asked).toEqual([]);
  });
});
