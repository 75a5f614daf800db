import { describe, expect, it } from "@jest/globals";
import { type Draft, settle } from "../../src/core/drafts.ts";
import type { Sha } from "../../src/core/model.ts";
import { inputs, repository, sha, tag } from "./samples.ts";

function draft(at: number, tags: readonly string[], rest: Partial<Draft> = {}): Draft {
  const change = { ...tag("v1.0.0"), after: sha("b") as Sha, commit: sha("b") as Sha };
  const rule = { path: `images[0].rules[${at}]`, inputs };
  const image = { name: "api", supersede: "newest" } as const;
  const settled = { push: true, trust: "trusted", hold: null, versions: new Map(), repositories: [] } as const;
  return { change, image, rule, ...settled, tags, ...rest };
}

describe("further repositories of a file", () => {
  const repositories = ["acme/shared", "acme/libs", "acme/shared"];

  it("are asked for by what is planned from it, each once, and make it other work", () => {
    const [plain] = settle(repository, [draft(0, ["x"])], 20).requests;
    const [reading] = settle(repository, [draft(0, ["x"], { repositories })], 20).requests;
    expect(plain).not.toHaveProperty("repositories");
    expect(reading?.repositories).toEqual([
      { name: "acme/shared", id: null },
      { name: "acme/libs", id: null },
    ]);
    expect(reading?.key).not.toBe(plain?.key);
  });

  it("are nothing that code of strangers may ask for, held or not", () => {
    const strangers = draft(0, ["x"], { repositories, trust: "untrusted", push: false });
    const hold = { reason: "awaiting-approval", detail: "" } as const;
    const { requests } = settle(repository, [strangers], 20);
    const { held } = settle(repository, [{ ...strangers, hold }], 20);
    for (const one of [...requests, ...held]) expect(one).not.toHaveProperty("repositories");
    expect([...requests, ...held]).toHaveLength(2);
  });
});

describe("joined drafts", () => {
  const moved = new Map([
    ["1", "1.0.0"],
    ["latest", "1.0.0"],
  ]);

  it("move a tag by version only where each that gives it does, in either order", () => {
    const follows = draft(0, ["latest"]);
    const moves = draft(1, ["1", "latest"], { versions: moved });
    for (const drafts of [
      [follows, moves],
      [moves, follows],
    ]) {
      expect(settle(repository, drafts, 20).requests.map(({ versions }) => versions)).toEqual([{ "1": "1.0.0" }]);
    }
  });

  it("keep no version of a tag that another build publishes", () => {
    const other = draft(0, ["latest"], { rule: { path: "images[0].rules[0]", inputs: { ...inputs, target: "slim" } } });
    const { requests } = settle(repository, [other, draft(1, ["1", "latest"], { versions: moved })], 20);
    expect(requests.map(({ tags, versions }) => [tags, versions])).toEqual([
      [["latest"], undefined],
      [["1"], { "1": "1.0.0" }],
    ]);
  });

  it("are superseded as their rules say, over what the image says, and as the most careful of them", () => {
    const says = (at: number, supersede: "none" | "newest" | "cancel") =>
      draft(at, [`t${at}`], { rule: { path: `images[0].rules[${at}]`, inputs, supersede } });
    expect(settle(repository, [says(0, "cancel")], 20).requests[0]?.supersede).toBe("cancel");
    expect(settle(repository, [says(0, "cancel"), draft(1, ["x"])], 20).requests[0]?.supersede).toBe("newest");
    expect(settle(repository, [says(0, "cancel"), says(1, "none")], 20).requests[0]?.supersede).toBe("none");
  });
});
