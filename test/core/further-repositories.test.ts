import { describe, expect, it } from "@jest/globals";
import {
  type CoveredRepository,
  judgeWanted,
  plannedRepositories,
  resolveNames,
} from "../../src/core/further-repositories.ts";

const BUILT = { id: "1", fullName: "acme/api", cloneUrl: "https://git.test:8443/acme/api.git" };

function covered(id: string, fullName: string, allowed = true): CoveredRepository {
  return { id, fullName, allowed };
}

function unresolved(...names: string[]) {
  return names.map((name) => ({ name, id: null }));
}

describe("names of the file", () => {
  it("are looked up whatever the case of letters, and spelled as the host spells them", () => {
    const resolved = resolveNames(unresolved("ACME/shared", "acme/gone"), [covered("2", "acme/Shared")], BUILT);
    expect(resolved).toEqual([
      { name: "acme/Shared", id: "2" },
      { name: "acme/gone", id: null },
    ]);
  });

  it("stand for one repository once, and never for the built one", () => {
    const all = [covered("1", "acme/api"), covered("2", "acme/shared")];
    const names = unresolved("acme/shared", "acme/Shared", "Acme/API");
    expect(resolveNames(names, all, BUILT)).toEqual([{ name: "acme/shared", id: "2" }]);
  });

  it("stand for nothing while two repositories are called so", () => {
    const two = [covered("2", "acme/shared"), covered("3", "acme/shared", false)];
    expect(resolveNames(unresolved("acme/shared"), two, BUILT)).toEqual(unresolved("acme/shared"));
  });

  it("keep the id they stood for, whoever is called so now", () => {
    const known = [{ name: "acme/shared", id: "2" }];
    expect(resolveNames(known, [covered("9", "acme/shared")], BUILT)).toEqual(known);
  });
});

describe("what a build may read", () => {
  const wanted = [
    { name: "acme/shared", id: "2" },
    { name: "acme/libs", id: "3" },
  ];

  it("is all of it, each at the address of its name on the host of the built one", () => {
    const now = [covered("3", "acme/libs"), covered("2", "Acme/Shared")];
    const repositories = [
      { id: "2", fullName: "acme/shared", cloneUrl: "https://git.test:8443/acme/shared.git" },
      { id: "3", fullName: "acme/libs", cloneUrl: "https://git.test:8443/acme/libs.git" },
    ];
    expect(judgeWanted(wanted, now, BUILT)).toEqual({ ok: true, repositories });
    expect(plannedRepositories(wanted, BUILT)).toEqual(repositories);
    expect(judgeWanted([], now, BUILT)).toEqual({ ok: true, repositories: [] });
  });

  it.each([
    ["unknown", { name: "acme/shared", id: null }, [], "covers no such repository"],
    ["not-covered", { name: "acme/shared", id: "2" }, [covered("20", "acme/shared")], "does not cover any more"],
    ["renamed", { name: "acme/shared", id: "2" }, [covered("2", "acme/commons")], "has another name by now"],
    [
      "not-allowed",
      { name: "acme/shared", id: "2" },
      [covered("2", "acme/shared", false)],
      "wharfinger access allow acme/api acme/shared",
    ],
  ] as const)("is nothing where one is %s, and it is said what to do", (reason, one, now, words) => {
    const verdict = judgeWanted([{ name: "acme/libs", id: "3" }, one], [covered("3", "acme/libs"), ...now], BUILT);
    expect(verdict).toEqual({
      ok: false,
      refusals: [{ name: "acme/shared", reason }],
      message: expect.stringContaining(words),
    });
    expect(verdict.ok ? "" : verdict.message).toContain("acme/shared");
    expect(verdict.ok ? "" : verdict.message).not.toContain("acme/libs");
  });

  it("is judged by id: another repository of the same name that is allowed does not count", () => {
    const verdict = judgeWanted(wanted.slice(0, 1), [covered("9", "acme/shared")], BUILT);
    expect(verdict).toMatchObject({ ok: false, refusals: [{ reason: "not-covered" }] });
  });

  it("tells of each that is refused", () => {
    const verdict = judgeWanted(wanted, [covered("2", "acme/shared", false)], BUILT);
    expect(verdict).toMatchObject({
      ok: false,
      refusals: [
        { name: "acme/shared", reason: "not-allowed" },
        { name: "acme/libs", reason: "not-covered" },
      ],
    });
  });
});
