import { execFileSync } from "node:child_process";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { reproduceLines, shellQuote } from "../../src/core/reproduce.ts";
import { build, inputs, planned, repository, sha } from "./samples.ts";

describe("quoting for a shell", () => {
  it.each([
    ["plain-1.0", "plain-1.0"],
    ["two words", "'two words'"],
    ["it's", "'it'\\''s'"],
    ["$(id)", "'$(id)'"],
    ["", "''"],
    ["~", "'~'"],
  ])("makes %j %s", (text, quoted) => {
    expect(shellQuote(text)).toBe(quoted);
  });

  it("gives words that a real shell reads as they were", () => {
    const words = fc.array(fc.string({ maxLength: 12 }), { minLength: 40, maxLength: 40 });
    fc.assert(
      fc.property(words, (texts) => {
        const script = `printf '%s\\n' ${texts.map(shellQuote).join(" ")}`;
        expect(execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" })).toBe(texts.map((t) => `${t}\n`).join(""));
      }),
      { numRuns: 20 },
    );
  });
});

describe("commands that repeat a build", () => {
  it("clone, check out the commit and build as the file says", () => {
    const all = { ...inputs, context: "services/api", target: "release", platforms: ["linux/amd64", "linux/arm64"] };
    const lines = reproduceLines(build({ planned: planned({ inputs: { ...all, buildArgs: { A: "it's", B: "1" } } }) }));
    expect(lines).toEqual([
      "git clone -- https://github.com/acme/api.git ./api && cd ./api &&",
      `git checkout --detach ${sha("b")} &&`,
      "docker build --file ./services/api/Dockerfile --target release --platform linux/amd64,linux/arm64 --build-arg 'A=it'\\''s' --build-arg B=1 ./services/api",
    ]);
  });

  it("build the root as it is", () => {
    expect(reproduceLines(build()).at(-1)).toBe("docker build --file ./Dockerfile .");
  });

  it("stop at the test stage when that failed", () => {
    const failure = { class: "test", message: "exit 1" } as const;
    const tested = build({
      failure,
      planned: planned({ inputs: { ...inputs, target: "release", testTarget: "check" } }),
    });
    expect(reproduceLines(tested).at(-1)).toContain("--target check ");
  });

  it("never let a name act as an option or a command", () => {
    const hostile = build({ repository: { ...repository, fullName: "acme/-rf;id", cloneUrl: "--upload-pack=id" } });
    expect(reproduceLines(hostile)[0]).toBe("git clone -- --upload-pack=id './-rf;id' && cd './-rf;id' &&");
  });
});
