/** GitHub's API description, as the stand-in is held to it. */
import { type Conformance, createConformance } from "../openapi.ts";

export function createGithubConformance(): Conformance {
  return createConformance({
    file: "test/hosts/github/openapi.json",
    greedy: new Set(["path", "ref", "basehead"]),
    emptiable: "path",
    page: { parameter: "per_page", longest: () => 100 },
    refusals: new Set([301, 304, 307, 400, 401, 403, 404, 409, 410, 415, 422, 429, 500, 502, 503]),
    error: "basic-error",
  });
}
