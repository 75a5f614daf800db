import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { packageRoot } from "../src/version.ts";

const PAGE = readFileSync(join(packageRoot, "docs/behaviours.md"), "utf8");
const ROWS = PAGE.split("\n").flatMap((line) => {
  const found = /^\| (B\d+) \| (.+?) \| (.+) \|$/.exec(line);
  return found === null ? [] : [{ id: found[1] ?? "", shown: (found[3] ?? "").split("<br>") }];
});

/** Names of tests as source spells them. */
const TEST = /^`(test\/[^`]+\.ts)` “(.+)”$/;
const WAITS = /^Waits: .{10,}\.$/;

describe("docs/behaviours.md", () => {
  it("has every behaviour once, in order", () => {
    expect(ROWS.map(({ id }) => id)).toEqual(Array.from({ length: 72 }, (_, index) => `B${index + 1}`));
  });

  it.each(ROWS)("$id names tests that are there, or says what it waits for", ({ shown }) => {
    for (const one of shown) {
      const [, file = "", name = ""] = TEST.exec(one) ?? [];
      if (file === "") {
        expect(one).toMatch(WAITS);
        continue;
      }
      const path = join(packageRoot, file);
      expect([file, existsSync(path)]).toEqual([file, true]);
      expect([file, name, readFileSync(path, "utf8").includes(name)]).toEqual([file, name, true]);
    }
  });
});
