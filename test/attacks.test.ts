import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { packageRoot } from "../src/version.ts";

const PAGE = readFileSync(join(packageRoot, "docs/attacks.md"), "utf8");
const ROWS = PAGE.split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| attack"))
  .map((line) => {
    const [attack = "", , logged = "", shown = ""] = line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""));
    return { attack, logged, shown: shown.split("<br>") };
  });

function sourcesIn(folder: string): string {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .map((path) => (statSync(path).isDirectory() ? sourcesIn(path) : readFileSync(path, "utf8")))
    .join("\n");
}

const SOURCE = sourcesIn(join(packageRoot, "src"));

describe("docs/attacks.md", () => {
  it("has more than a dozen attacks", () => {
    expect(ROWS.length).toBeGreaterThan(12);
  });

  it.each(ROWS)("$attack: the test is there", ({ shown }) => {
    for (const one of shown) {
      const [, file = "", name = ""] = /^`(test\/[^`]+\.ts)` “(.+)”$/.exec(one) ?? [];
      expect([one, existsSync(join(packageRoot, file)) && file !== ""]).toEqual([one, true]);
      expect([file, name, readFileSync(join(packageRoot, file), "utf8").includes(name)]).toEqual([file, name, true]);
    }
  });

  it.each(ROWS)("$attack: the line and its reasons are ones the program writes", ({ logged }) => {
    const [, line = "", reasons = ""] = /^“(.+)”(.*)$/.exec(logged) ?? [];
    expect([line, line !== "" && SOURCE.includes(`"${line}"`)]).toEqual([line, true]);
    for (const [, reason = ""] of reasons.matchAll(/`([^`]+)`/g)) {
      const known = SOURCE.includes(`"${reason}"`) || (reason.startsWith("role-") && SOURCE.includes("`role-${"));
      expect([reason, known]).toEqual([reason, true]);
    }
  });
});
