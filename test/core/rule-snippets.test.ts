import { describe, expect, it } from "@jest/globals";
import { parseRepoConfig } from "../../src/core/repo-config/parse.ts";
import { RULE_SNIPPETS, snippetText } from "../../src/core/rule-snippets.ts";

describe("a rule to copy", () => {
  it.each(RULE_SNIPPETS.map((snippet) => [snippet.purpose, snippet] as const))(
    "to %s is a rule without a remark",
    (_, snippet) => {
      const { config, diagnostics } = parseRepoConfig(`version: 1\nimages:\n  - rules:\n${snippetText(snippet)}`, {
        repositoryName: "api",
      });
      expect(diagnostics).toEqual([]);
      expect(config?.images[0]?.rules).toHaveLength(1);
    },
  );

  it("stands beside the others in one file", () => {
    const { config, diagnostics } = parseRepoConfig(
      `version: 1\nimages:\n  - rules:\n${RULE_SNIPPETS.map(snippetText).join("")}`,
      { repositoryName: "api" },
    );
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(config?.images[0]?.rules).toHaveLength(RULE_SNIPPETS.length);
  });
});
