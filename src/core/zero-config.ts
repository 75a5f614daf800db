import type { Repository } from "./model.ts";
import { exactPattern } from "./patterns.ts";
import type { ParsedConfig, RuleConfig } from "./repo-config/config.ts";
import { parseRepoConfig } from "./repo-config/parse.ts";

/** In the file's own words (JSON is YAML), so that every default has one home. */
const FILE = JSON.stringify({ version: 1, images: [{ rules: [{ branch: "main", tags: ["latest"] }] }] });

/**
 * What a repository without a file means where the operator allows that: its default branch builds the root `Dockerfile`
 * as `latest`. The branch's name is data from the host and may hold `{`, `!` or `@(`, so it never goes through the
 * file's grammar: its exact name takes the place of the file's pattern.
 */
export function zeroConfig(repository: Pick<Repository, "fullName">, defaultBranch: string): ParsedConfig {
  const { config, diagnostics, digest } = parseRepoConfig(FILE, { repositoryName: repository.fullName });
  if (config === null) {
    return { config, diagnostics, digest };
  }
  const on: RuleConfig["on"] = { kind: "branch", pattern: exactPattern(defaultBranch) };
  const images = config.images.map((image) => ({ ...image, rules: image.rules.map((rule) => ({ ...rule, on })) }));
  return { config: { ...config, images }, diagnostics, digest };
}
