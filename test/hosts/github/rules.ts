/**
 * What GitHub documents about requests in words and its description therefore does not hold: "Using check runs",
 * "Create a check run", "Create an installation access token", "Getting started with the REST API".
 */
import { isObject, listAt, objectAt, textAt } from "../json.ts";

const CHECK_RUN_WRITES = new Set([
  "POST /repos/{owner}/{repo}/check-runs",
  "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}",
]);
const MINT = "POST /app/installations/{installation_id}/access_tokens";

export const API_VERSION = "2022-11-28";

/** What is wrong with a body that fits its schema. `operation`: as in the API description, `POST /app/…`. */
export function bodyRules(operation: string, body: unknown): string[] {
  if (!isObject(body)) return [];
  if (CHECK_RUN_WRITES.has(operation)) return checkRunRules(body);
  if (operation === MINT) return mintRules(body);
  return [];
}

function checkRunRules(body: unknown): string[] {
  const problems: string[] = [];
  const conclusion = textAt(body, "conclusion");
  if (textAt(body, "status") === "completed" && conclusion === null) problems.push("completed needs a conclusion");
  if (conclusion === "stale") problems.push("only GitHub may conclude stale");
  if (textAt(body, "name") === "") problems.push("name is empty");
  const sha = textAt(body, "head_sha");
  if (sha !== null && !/^[0-9a-f]{40}$/.test(sha)) problems.push("head_sha is not a full hash");
  const details = textAt(body, "details_url");
  if (details !== null && !/^https?:\/\//.test(details)) problems.push("details_url must use http or https");
  if (!isObject(body) || !isObject(body["output"])) return problems;
  for (const annotation of listAt(objectAt(body, "output"), "annotations"))
    problems.push(...annotationRules(annotation));
  return problems;
}

function annotationRules(annotation: unknown): string[] {
  const problems: string[] = [];
  if (!isObject(annotation)) return problems;
  const { start_line: start, end_line: end } = annotation;
  if (typeof start === "number" && start < 1) problems.push("start_line is not a line");
  if (typeof start === "number" && typeof end === "number" && end < start)
    problems.push("end_line is before start_line");
  if (start !== end && ("start_column" in annotation || "end_column" in annotation)) {
    problems.push("columns are for annotations of one line");
  }
  if ((textAt(annotation, "title") ?? "").length > 255) problems.push("an annotation's title is over 255 characters");
  for (const key of ["message", "raw_details"]) {
    if (Buffer.byteLength(textAt(annotation, key) ?? "") > 64 * 1024)
      problems.push(`an annotation's ${key} is over 64 KB`);
  }
  return problems;
}

function mintRules(body: unknown): string[] {
  const problems: string[] = [];
  for (const key of ["repositories", "repository_ids"]) {
    if (listAt(body, key).length > 500) problems.push(`${key} lists over 500 repositories`);
  }
  return problems;
}

/** What is wrong with the headers every request needs. */
export function headerRules(headers: { readonly [name: string]: string | readonly string[] | undefined }): string[] {
  const problems: string[] = [];
  if (!headers["user-agent"]) problems.push("no User-Agent");
  const version = headers["x-github-api-version"];
  if (version === undefined) problems.push("no X-GitHub-Api-Version");
  else if (version !== API_VERSION) problems.push(`X-GitHub-Api-Version is not ${API_VERSION}`);
  const authorization = headers["authorization"];
  if (authorization !== undefined && !/^(?:Bearer|token) \S+$/i.test(String(authorization))) {
    problems.push("Authorization is neither Bearer nor token");
  }
  return problems;
}
