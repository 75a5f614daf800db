import { beforeEach, describe, expect, it } from "@jest/globals";
import { failed, type Outcome, ok } from "../../src/core/model.ts";
import { createPauses } from "../../src/engine/pauses.ts";
import type { FetchedFile } from "../../src/engine/ports.ts";
import { createRuleBook, type RuleBook } from "../../src/engine/rule-book.ts";
import { repository, type TestClock, testClock } from "../contract/store.samples.ts";
import { hostOf, INSTALLATION } from "./fakes.ts";

const FILE = "version: 1\nimages:\n  - rules:\n      - branch: main\n        tags: [latest]\n";

let clock: TestClock;
let asked: unknown[];
let answer: Outcome<FetchedFile>;
let rules: RuleBook;

beforeEach(() => {
  clock = testClock();
  [asked, answer] = [[], ok({ kind: "file", text: FILE })];
  const host = hostOf([], {
    file: async (_installation, of, at, path) => {
      asked.push([of.id, at, path]);
      return answer;
    },
  });
  rules = createRuleBook({ hosts: [host], pauses: createPauses(clock), clock });
});

describe("the rules of a repository", () => {
  it("are those of the file at the tip of its default branch, remembered for a moment", async () => {
    const read = await rules(INSTALLATION, repository("1"));
    expect(read.ok && read.value.kind === "read" ? read.value.parsed.config?.images[0]?.rules : null).toHaveLength(1);
    expect(asked).toEqual([["1", { branch: "main" }, ".wharfinger.yml"]]);
    await rules(INSTALLATION, repository("1"));
    expect(asked).toHaveLength(1);
    // Another branch, another repository, another installation: each is asked for.
    await rules(INSTALLATION, { ...repository("1"), defaultBranch: "trunk" });
    await rules(INSTALLATION, repository("2"));
    await rules({ ...INSTALLATION, id: "8" }, repository("1"));
    expect(asked).toHaveLength(4);
    clock.advance(20_000);
    await rules(INSTALLATION, repository("1"));
    expect(asked).toHaveLength(5);
  });

  it("that could not be read are asked for again, and the host is left alone for as long as it says", async () => {
    answer = failed("GitHub did not answer", { retryable: true, retryAfter: 30 });
    expect((await rules(INSTALLATION, repository("1"))).ok).toBe(false);
    const waiting = await rules(INSTALLATION, repository("1"));
    expect(waiting.ok ? "" : waiting.message).toBe("the host asked us to wait for 30 s");
    expect(asked).toHaveLength(1);
    clock.advance(30_000);
    answer = ok({ kind: "missing", hint: null });
    expect(await rules(INSTALLATION, repository("1"))).toEqual(ok({ kind: "missing", hint: null }));
  });

  it("are none where nothing was pushed, or for a host nobody knows here", async () => {
    expect((await rules(INSTALLATION, { ...repository("1"), defaultBranch: null })).ok).toBe(false);
    expect((await rules({ ...INSTALLATION, host: "second" }, repository("1"))).ok).toBe(false);
    expect(asked).toEqual([]);
  });
});
