/**
 * Makes test/hosts/bitbucket/openapi.json: the part of Bitbucket Cloud's published API description that the stand-in
 * Bitbucket is held to. Only shapes are kept, no prose. `<folder>` holds the description (OpenAPI 3) in one file or
 * several, as YAML or JSON. `--check` writes nothing and fails when the committed slice differs.
 *
 *     node scripts/bitbucket-openapi.mjs <folder> [--check]
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parse } from "yaml";

const TARGET = new URL("../test/hosts/bitbucket/", import.meta.url);

const REPOSITORY = "/repositories/{workspace}/{repo_slug}";
const OPERATIONS = [
  "DELETE /addon",
  "GET /user",
  "GET /user/workspaces",
  "GET /user/workspaces/{workspace}/permission",
  "GET /user/workspaces/{workspace}/permissions/repositories",
  "GET /hook_events",
  "GET /hook_events/{subject_type}",
  "GET /workspaces/{workspace}",
  "GET /workspaces/{workspace}/permissions",
  "GET /workspaces/{workspace}/permissions/repositories/{repo_slug}",
  ...["/workspaces/{workspace}", REPOSITORY].flatMap((subject) => [
    `GET ${subject}/hooks`,
    `POST ${subject}/hooks`,
    `GET ${subject}/hooks/{uid}`,
    `PUT ${subject}/hooks/{uid}`,
    `DELETE ${subject}/hooks/{uid}`,
  ]),
  "GET /repositories/{workspace}",
  `GET ${REPOSITORY}`,
  `GET ${REPOSITORY}/src/{commit}/{path}`,
  `GET ${REPOSITORY}/diffstat/{spec}`,
  `GET ${REPOSITORY}/refs/branches`,
  `GET ${REPOSITORY}/refs/branches/{name}`,
  `GET ${REPOSITORY}/refs/tags`,
  `GET ${REPOSITORY}/refs/tags/{name}`,
  `GET ${REPOSITORY}/commit/{commit}`,
  `GET ${REPOSITORY}/commits`,
  `GET ${REPOSITORY}/commits/{revision}`,
  `GET ${REPOSITORY}/commit/{commit}/statuses`,
  `POST ${REPOSITORY}/commit/{commit}/statuses/build`,
  `GET ${REPOSITORY}/commit/{commit}/statuses/build/{key}`,
  `PUT ${REPOSITORY}/commit/{commit}/statuses/build/{key}`,
  `GET ${REPOSITORY}/commit/{commit}/reports`,
  `PUT ${REPOSITORY}/commit/{commit}/reports/{reportId}`,
  `GET ${REPOSITORY}/commit/{commit}/reports/{reportId}`,
  `GET ${REPOSITORY}/commit/{commit}/reports/{reportId}/annotations`,
  `POST ${REPOSITORY}/commit/{commit}/reports/{reportId}/annotations`,
  `GET ${REPOSITORY}/pullrequests`,
  `GET ${REPOSITORY}/pullrequests/{pull_request_id}`,
  `GET ${REPOSITORY}/pullrequests/{pull_request_id}/diffstat`,
];

const PROSE = new Set(["description", "summary", "title", "example", "examples", "externalDocs"]);
const DROPPED_OF_OPERATION = new Set(["tags", "operationId", "deprecated"]);
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

/** The files of the folder as one description. What two of them hold must be the same in both. */
function readFolder(folder) {
  const document = { paths: {}, schemas: {} };
  for (const name of readdirSync(folder).sort()) {
    if (!/\.(?:ya?ml|json)$/.test(name)) continue;
    const part = parse(readFileSync(join(folder, name), "utf8"));
    add(document.paths, strip(part.paths, true), name);
    add(document.schemas, strip(part.components?.schemas ?? {}, true), name);
    document.openapi = part.openapi;
    document.version = part.info.version;
  }
  return document;
}

function add(all, more, name) {
  for (const [key, value] of Object.entries(more)) {
    if (all[key] !== undefined && !isDeepStrictEqual(all[key], value)) throw new Error(`${name} has another ${key}`);
    all[key] = value;
  }
}

/**
 * Where the description's shapes contradict its own words, or what its API is seen to send:
 * - a file's attributes are a list; a report's values are of any kind but lists
 * - nullable: a side of a difference, the main branch of an empty repository, what only annotated tags have, a status
 *   without branch, the merge of a pull request that is not merged and who closed it, the repository of a deleted fork,
 *   the secret of a webhook that is to have none
 * - a refusal lists the scopes it wants as an object, or what is wrong with which field; those of Code Insights have
 *   another shape
 * - more is sent of commits of pull requests, rendered texts and links than the description closes them to
 */
function correct(schemas) {
  replace(schemas.commit_file, ["properties", "attributes"], "string", (value) => ({ type: "array", items: value }));
  replace(schemas.report_data, ["properties", "value"], "object", () => ({ not: { type: "array" } }));
  for (const side of ["old", "new"]) orNull(schemas.diffstat, side);
  orNull(schemas.repository.allOf[1], "mainbranch");
  for (const name of ["date", "message", "tagger"]) orNull(schemas.tag.allOf[1], name);
  orNull(schemas.commitstatus.allOf[1], "refname");
  for (const name of ["merge_commit", "closed_by"]) orNull(schemas.pullrequest.allOf[1], name);
  orNull(schemas.pullrequest_endpoint, "repository");
  orNull(schemas.webhook_subscription.allOf[1], "secret");
  const { error } = schemas.error.properties;
  if (error.properties.detail.type !== "string") throw new Error("errors are described otherwise now");
  error.properties.detail = {};
  const text = { type: "string" };
  const insights = { type: "object", properties: { key: text, message: text }, required: ["key", "message"] };
  schemas.error = { anyOf: [schemas.error, insights] };
  for (const closed of [
    error,
    schemas.pullrequest.allOf[1].properties.merge_commit.allOf[0],
    schemas.pullrequest_endpoint.properties.commit,
    schemas.base_commit.allOf[1].properties.summary,
    schemas.project.allOf[1].properties.links,
    ...["links", "summary"].map((name) => schemas.pullrequest.allOf[1].properties[name]),
    ...Object.values(schemas.pullrequest.allOf[1].properties.rendered.properties),
  ]) {
    if (closed.additionalProperties !== false) throw new Error("a shape is open by now");
    closed.additionalProperties = true;
  }
}

function replace(schema, [holder, name], type, make) {
  const found = schema[holder][name];
  if (found.type !== type) throw new Error(`${name} is described otherwise now`);
  schema[holder][name] = make(found);
}

function orNull(schema, name) {
  const found = schema.properties[name];
  if (found.nullable === true) throw new Error(`${name} may be null by now`);
  schema.properties[name] = { allOf: [found], nullable: true };
}

function slice(document) {
  const paths = {};
  for (const operation of OPERATIONS) {
    const [method, path] = operation.split(" ");
    const item = document.paths[path];
    const found = item?.[method.toLowerCase()];
    if (found === undefined) throw new Error(`the description has no operation ${operation}`);
    const kept = Object.entries(found).filter(([key]) => !DROPPED_OF_OPERATION.has(key));
    // Parameters of the path count for each of its operations.
    const parameters = [...(item.parameters ?? []), ...(found.parameters ?? [])];
    paths[path] = { ...paths[path], [method.toLowerCase()]: { ...Object.fromEntries(kept), parameters } };
  }
  correct(document.schemas);
  const schemas = {};
  const queue = [...refs(paths), "#/components/schemas/error"];
  for (let ref = queue.pop(); ref !== undefined; ref = queue.pop()) {
    const name = ref.split("/").at(-1);
    if (schemas[name] !== undefined) continue;
    schemas[name] = document.schemas[name];
    queue.push(...refs(schemas[name]));
  }
  return sorted({ openapi: document.openapi, info: { version: document.version }, paths, components: { schemas } });
}

const [folder, ...options] = process.argv.slice(2);
if (folder === undefined) throw new Error("which folder holds the description?");
const made = slice(readFolder(folder));
const text = `${JSON.stringify(made, null, 1)}\n`;
if (options.includes("--check")) {
  if (readFileSync(new URL("openapi.json", TARGET), "utf8") !== text) {
    console.error("test/hosts/bitbucket/openapi.json differs from its source: run node scripts/bitbucket-openapi.mjs");
    process.exitCode = 1;
  }
} else {
  writeFileSync(new URL("openapi.json", TARGET), text);
  console.log(
    `${OPERATIONS.length} operations, ${Object.keys(made.components.schemas).length} schemas, ${text.length} bytes`,
  );
}
