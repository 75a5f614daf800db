/**
 * Makes test/hosts/github/openapi.json: the part of GitHub's published API description (npm @octokit/openapi) that the
 * stand-in GitHub is held to. Only shapes are kept, no prose. `--check` writes nothing and fails when the committed slice
 * differs.
 *
 *     node scripts/github-openapi.mjs [--check]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PACKAGE = "@octokit/openapi@23.0.2";
// One flavour of ten: the package as a whole takes seconds and most of a gigabyte to load.
const DOCUMENT = "package/generated/api.github.com.json";
const TARGET = new URL("../test/hosts/github/", import.meta.url);

const OPERATIONS = [
  "DELETE /applications/{client_id}/token",
  "GET /app",
  "POST /app-manifests/{code}/conversions",
  "GET /app/hook/config",
  "PATCH /app/hook/config",
  "GET /app/hook/deliveries",
  "GET /app/hook/deliveries/{delivery_id}",
  "POST /app/hook/deliveries/{delivery_id}/attempts",
  "GET /app/installations",
  "GET /app/installations/{installation_id}",
  "POST /app/installations/{installation_id}/access_tokens",
  "GET /installation/repositories",
  "DELETE /installation/token",
  "GET /meta",
  "GET /orgs/{org}/memberships/{username}",
  "GET /rate_limit",
  "GET /repos/{owner}/{repo}",
  "POST /repos/{owner}/{repo}/check-runs",
  "GET /repos/{owner}/{repo}/check-runs/{check_run_id}",
  "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}",
  "GET /repos/{owner}/{repo}/collaborators/{username}/permission",
  "GET /repos/{owner}/{repo}/commits/{ref}",
  "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
  "GET /repos/{owner}/{repo}/compare/{basehead}",
  "GET /repos/{owner}/{repo}/contents/{path}",
  "GET /repos/{owner}/{repo}/git/commits/{commit_sha}",
  "GET /repos/{owner}/{repo}/git/matching-refs/{ref}",
  "GET /repos/{owner}/{repo}/git/trees/{tree_sha}",
  "GET /repos/{owner}/{repo}/pulls/{pull_number}",
  "GET /user",
  "GET /user/installations",
];

const PROSE = new Set(["description", "summary", "title", "example", "examples", "externalDocs"]);
const DROPPED_OF_OPERATION = new Set(["tags", "callbacks"]);
// Under these keys the names are the API's own, also when they spell a word of the description language.
const NAMED = new Set(["properties", "patternProperties", "responses", "content", "schemas", "parameters", "headers"]);

function isProse(key) {
  return PROSE.has(key) || key.startsWith("x-");
}

/** `value` without prose. `names`: the keys of `value` are the API's names and all stay. */
function strip(value, names = false) {
  if (Array.isArray(value)) return value.map((item) => strip(item));
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(([key]) => names || !isProse(key));
  return Object.fromEntries(
    // `enum`, `default` and `required` hold plain data.
    kept.map(([key, item]) => [
      key,
      !names && (key === "enum" || key === "default" || key === "required")
        ? item
        : strip(item, !names && NAMED.has(key)),
    ]),
  );
}

function* refs(value) {
  if (value === null || typeof value !== "object") return;
  for (const [key, item] of Object.entries(value)) {
    if (key === "$ref" && typeof item === "string") yield item;
    else yield* refs(item);
  }
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

/**
 * Upstream's list of installations spells out their shape, and wrongly: an account there is a user and an enterprise at
 * once (`allOf`). A single installation has it right.
 */
function correct(paths) {
  const schema = paths["/app/installations"].get.responses["200"].content["application/json"].schema;
  if (schema.items.properties?.account?.allOf === undefined) throw new Error("the correction is not needed any more");
  schema.items = { $ref: "#/components/schemas/installation" };
}

function slice(document) {
  const paths = {};
  for (const operation of OPERATIONS) {
    const [method, path] = operation.split(" ");
    const found = document.paths[path]?.[method.toLowerCase()];
    if (found === undefined) throw new Error(`${PACKAGE} has no operation ${operation}`);
    const kept = Object.entries(strip(found)).filter(([key]) => !DROPPED_OF_OPERATION.has(key));
    paths[path] = { ...paths[path], [method.toLowerCase()]: Object.fromEntries(kept) };
  }
  correct(paths);
  const components = {};
  const queue = [...refs(paths)];
  const seen = new Set();
  for (let ref = queue.pop(); ref !== undefined; ref = queue.pop()) {
    if (seen.has(ref)) continue;
    seen.add(ref);
    const [, , kind, name] = ref.split("/");
    const component = strip(document.components[kind][name]);
    components[kind] = { ...components[kind], [name]: component };
    queue.push(...refs(component));
  }
  return sorted({
    openapi: document.openapi,
    info: { version: document.info.version, source: PACKAGE },
    paths,
    components,
  });
}

const folder = mkdtempSync(join(tmpdir(), "github-openapi-"));
try {
  const options = { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
  const archive = execFileSync("npm", ["pack", "--silent", PACKAGE], options).trim();
  execFileSync("tar", ["-xzf", archive, DOCUMENT, "package/LICENSE"], options);
  const document = JSON.parse(readFileSync(join(folder, DOCUMENT), "utf8"));
  const made = slice(document);
  const text = `${JSON.stringify(made, null, 1)}\n`;
  const notice = `openapi.json is an excerpt, without its texts, of ${PACKAGE}\n(${DOCUMENT.replace("package/", "")}), which is published under this licence:\n\n${readFileSync(join(folder, "package/LICENSE"), "utf8").trim()}\n`;
  if (process.argv.includes("--check")) {
    if (readFileSync(new URL("openapi.json", TARGET), "utf8") !== text) {
      console.error("test/hosts/github/openapi.json differs from its source: run node scripts/github-openapi.mjs");
      process.exitCode = 1;
    }
  } else {
    writeFileSync(new URL("openapi.json", TARGET), text);
    writeFileSync(new URL("openapi.NOTICE", TARGET), notice);
    console.log(
      `${OPERATIONS.length} operations, ${Object.keys(made.components.schemas).length} schemas, ${text.length} bytes`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
