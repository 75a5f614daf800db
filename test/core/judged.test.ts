import { expect, it } from "@jest/globals";
import { isJudged } from "../../src/core/judged.ts";
import type { Skip } from "../../src/core/model.ts";

const LANE = "refs/heads/main";

function skip(reason: Skip["reason"], more: Partial<Skip> = {}): Skip {
  return { ref: LANE, sha: null, image: null, rule: null, reason, detail: "", ...more };
}

it.each<[string, readonly Skip[], boolean]>([
  ["nothing is skipped", [], true],
  ["no rule matches", [skip("no-match", { image: "api" })], true],
  ["its paths are unchanged", [skip("paths-unchanged", { image: "api" })], true],
  ["it has no file", [skip("config-missing")], true],
  ["somebody asked to skip it", [skip("skip-requested")], true],
  ["it is deleted", [skip("ref-deleted")], true],
  ["builds are paused", [skip("paused")], false],
  ["it is suspended", [skip("suspended")], false],
  ["there is no namespace", [skip("no-namespace")], false],
  ["it is not covered", [skip("not-linked")], false],
  ["it is archived", [skip("archived")], false],
  // Whoever mends it changes it, and then everything counts as changed.
  ["its file is wrong", [skip("config-invalid")], true],
  ["another lane is paused", [skip("paused", { ref: "refs/heads/dev" })], true],
  ["another lane of its ref is paused", [skip("paused", { lane: "refs/queue/main" })], true],
])("what moved where %s is judged or not", (_what, skips, judged) => {
  expect(isJudged({ skips }, LANE)).toBe(judged);
});
