import type { Repository } from "./model.ts";
import type { ParsedConfig } from "./repo-config/config.ts";
import { parseRepoConfig } from "./repo-config/parse.ts";

/**
 * What a repository without a file means where the operator allows that: its default branch builds the root `Dockerfile`
 * as `latest`. Said in the file's own words (JSON is YAML), so that every default has one home.
 */
export function zeroConfig(repository: Pick<Repository, "fullName">, defaultBranch: string): ParsedConfig {
  const file = { version: 1, images: [{ rules: [{ branch: defaultBranch, tags: ["latest"] }] }] };
  return parseRepoConfig(JSON.stringify(file), { repositoryName: shortName(repository) });
}

/** The part of `owner/name` an image is named after. */
export function shortName({ fullName }: Pick<Repository, "fullName">): string {
  return fullName.slice(fullName.lastIndexOf("/") + 1);
}
