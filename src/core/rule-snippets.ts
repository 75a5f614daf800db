/** Rules to copy into a file, for whoever changes it; each stands below `rules:` of an image. */

export interface RuleSnippet {
  /** Completes "To …". */
  readonly purpose: string;
  readonly lines: readonly string[];
}

export const RULE_SNIPPETS: readonly RuleSnippet[] = [
  { purpose: "publish the branch main as latest", lines: ["- branch: main", "  tags: [latest]"] },
  {
    purpose: "publish release branches under their own names",
    lines: ["- branch: release/*", '  tags: ["{sourceref}"]'],
  },
  {
    purpose: "publish version tags such as v1.4.2 as 1.4.2, 1.4, 1 and latest",
    lines: ['- semver: ">=1.0.0"', '  tags: ["{version}", "{major}.{minor}", "{major}", latest]'],
  },
  { purpose: "build and test pull requests into main", lines: ["- pull_request: main"] },
];

/** As it stands in a file. */
export function snippetText({ lines }: RuleSnippet): string {
  return lines.map((line) => `      ${line}\n`).join("");
}
