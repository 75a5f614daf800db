/** Holds requests and answers to the committed slice of GitHub's API description (OpenAPI 3.0). */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { isObject, type JsonObject, listAt, objectAt, textAt } from "../json.ts";

export interface Operation {
  readonly method: string;
  /** As the description spells it: `/repos/{owner}/{repo}`. */
  readonly route: string;
  /** `GET /repos/{owner}/{repo}`. */
  readonly name: string;
}

export interface Matched {
  readonly operation: Operation;
  /** Percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
}

export interface Conformance {
  /** The operation a call is for. Null: there is none, the path is not valid percent-encoding included. */
  match(method: string, pathname: string): Matched | null;
  /** What is wrong with a request's parameters. `unknown` ones GitHub ignores, `invalid` ones it refuses. */
  parameters(matched: Matched, query: URLSearchParams): { readonly unknown: string[]; readonly invalid: string[] };
  /** What is wrong with a request's body, undefined standing for none. */
  body(operation: Operation, body: unknown): string[];
  /** What is wrong with an answer. */
  answer(operation: Operation, status: number, body: unknown): string[];
}

/** These parameters may hold slashes. */
const GREEDY = new Set(["path", "ref", "basehead"]);
/** Refusals GitHub gives for any operation, whether or not the description lists them there. */
const ANYWHERE = new Set([301, 304, 307, 400, 401, 403, 404, 409, 410, 415, 422, 429, 500, 502, 503]);

export function createConformance(): Conformance {
  const document = toJsonSchema(readSlice());
  // `strict` off: the description's own words (`deprecated`, `format: timestamp`, …) are no keywords of JSON Schema.
  const ajv = addFormats.default(new Ajv({ strict: false, allErrors: true, logger: false }));
  ajv.addSchema({ ...document, $id: "github" });
  const coercing = addFormats.default(new Ajv({ strict: false, allErrors: true, coerceTypes: true, logger: false }));
  const routes = readRoutes(document);
  const parametersOf = new Map<string, readonly Parameter[]>();

  function check(pointer: readonly string[], value: unknown): string[] {
    const ref = `github#/${pointer.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/")}`;
    // Compiled at the first use: a test file rarely meets more than a few operations. Ajv keeps compiled schemas by key.
    const validate = ajv.getSchema(ref) ?? ajv.compile({ $ref: ref });
    return validate(value) === true ? [] : (validate.errors ?? []).map(sentence);
  }

  return {
    match(method, pathname) {
      for (const { operation, pattern, names } of routes) {
        const found = operation.method === method ? pattern.exec(pathname) : null;
        if (found === null) continue;
        const values = names.map((_, index) => decode(found[index + 1] ?? ""));
        if (values.includes(null)) return null;
        return { operation, params: Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""])) };
      }
      return null;
    },

    parameters({ operation, params }, query) {
      const declared = parametersOf.get(operation.name) ?? operationParameters(document, operation, coercing);
      parametersOf.set(operation.name, declared);
      const unknown: string[] = [];
      const invalid: string[] = [];
      const known = new Set(declared.filter((item) => item.in === "query").map((item) => item.name));
      for (const name of query.keys()) {
        if (!known.has(name)) unknown.push(`query parameter ${name} is not in the API description`);
      }
      for (const item of declared) {
        const given = item.in === "path" ? (params[item.name] ?? null) : query.get(item.name);
        if (given === null) {
          if (item.required) invalid.push(`${item.in} parameter ${item.name} is missing`);
          continue;
        }
        const holder = { value: given };
        if (item.validate(holder) === true) continue;
        const errors = item.validate.errors ?? [];
        invalid.push(...errors.map((error) => `${item.in} parameter ${item.name}: ${sentence(error)}`));
      }
      // Documented in words only.
      if (Number(query.get("per_page") ?? 1) > 100) invalid.push("query parameter per_page is over 100");
      return { unknown, invalid };
    },

    body(operation, body) {
      const declared = operationObject(document, operation)["requestBody"];
      if (!isObject(declared)) return body === undefined ? [] : ["the operation takes no body"];
      if (body === undefined) return declared["required"] === true ? ["the body is missing"] : [];
      const pointer = ["paths", operation.route, operation.method.toLowerCase()];
      const schema = objectAt(objectAt(objectAt(declared, "content"), "application/json"), "schema");
      return [
        ...check([...pointer, "requestBody", "content", "application/json", "schema"], body),
        ...unknownProperties(document, schema, body, ""),
      ];
    },

    answer(operation, status, body) {
      const responses = objectAt(operationObject(document, operation), "responses");
      const declared = responses[String(status)];
      if (declared === undefined && !ANYWHERE.has(status)) return [`status ${status} is not in the API description`];
      if (status === 304) return body === undefined ? [] : ["a 304 has no body"];
      if (status >= 300 || !isObject(declared)) {
        return check(["components", "schemas", "basic-error"], body);
      }
      if (textAt(declared, "$ref") !== null) return isObject(body) ? [] : ["the answer is not an object"];
      if (!isObject(declared["content"])) return body === undefined ? [] : ["the answer should be empty"];
      const pointer = ["paths", operation.route, operation.method.toLowerCase(), "responses", String(status)];
      return check([...pointer, "content", "application/json", "schema"], body);
    },
  };
}

/** The slice lies in the source tree; compiled copies of this file (demo, benches) lie deeper in the same tree. */
function readSlice(): unknown {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "test/hosts/github/openapi.json"))) {
    if (folder === dirname(folder)) throw new Error("test/hosts/github/openapi.json is not above this file");
    folder = dirname(folder);
  }
  return JSON.parse(readFileSync(join(folder, "test/hosts/github/openapi.json"), "utf8"));
}

/** OpenAPI 3.0 differs from JSON Schema in `nullable`; `discriminator` only repeats what `oneOf` says. */
function toJsonSchema(value: unknown): JsonObject {
  const converted = convert(value);
  if (!isObject(converted)) throw new Error("the API description is not an object");
  return converted;
}

function convert(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(convert);
  if (!isObject(value)) return value;
  const { nullable, discriminator: _, ...rest } = value;
  const schema = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, convert(item)]));
  return nullable === true ? { anyOf: [schema, { type: "null" }] } : schema;
}

interface Route {
  readonly operation: Operation;
  readonly pattern: RegExp;
  readonly names: readonly string[];
}

function readRoutes(document: JsonObject): readonly Route[] {
  const routes = Object.entries(objectAt(document, "paths")).flatMap(([route, methods]) =>
    Object.keys(isObject(methods) ? methods : {}).map((name) => {
      const method = name.toUpperCase();
      const names = [...route.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? "");
      const source = route.replaceAll(/\{(\w+)\}/g, (_, param: string) => (GREEDY.has(param) ? "(.+)" : "([^/]+)"));
      // The root folder is asked for with an empty path.
      const pattern = new RegExp(`^${source.replace("/contents/(.+)", "/contents/?(.*)")}$`);
      return { operation: { method, route, name: `${method} ${route}` }, pattern, names };
    }),
  );
  // `/commits/{ref}/check-runs` before `/commits/{ref}`.
  return routes.sort((a, b) => b.operation.route.length - a.operation.route.length);
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

function operationObject(document: JsonObject, operation: Operation): JsonObject {
  return objectAt(objectAt(objectAt(document, "paths"), operation.route), operation.method.toLowerCase());
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  /** Of `{ value }`: coercing needs a place to write to. */
  readonly validate: ValidateFunction;
}

function operationParameters(document: JsonObject, operation: Operation, coercing: Ajv): readonly Parameter[] {
  return listAt(operationObject(document, operation), "parameters").map((item) => {
    const parameter = resolve(document, item);
    return {
      name: textAt(parameter, "name") ?? "",
      in: textAt(parameter, "in") ?? "",
      required: parameter["required"] === true,
      validate: coercing.compile({ type: "object", properties: { value: objectAt(parameter, "schema") } }),
    };
  });
}

function resolve(document: JsonObject, value: unknown): JsonObject {
  if (!isObject(value)) throw new Error("not a schema");
  const ref = textAt(value, "$ref");
  if (ref === null) return value;
  return ref.split("/").slice(1).reduce(objectAt, document);
}

/** The description leaves objects open; a name it does not know is a typing error, or a permission GitHub refuses. */
function unknownProperties(document: JsonObject, given: unknown, value: unknown, path: string): string[] {
  const schema = resolve(document, given);
  if (Array.isArray(value) && isObject(schema["items"])) {
    return value.flatMap((item, index) => unknownProperties(document, schema["items"], item, `${path}/${index}`));
  }
  if (!isObject(value) || !isObject(schema["properties"])) return [];
  const properties = schema["properties"];
  return Object.entries(value).flatMap(([key, item]) =>
    Object.hasOwn(properties, key)
      ? unknownProperties(document, properties[key], item, `${path}/${key}`)
      : [`${path}/${key} is not in the API description`],
  );
}

function sentence(error: ErrorObject): string {
  const allowed = error.keyword === "enum" ? ` (${JSON.stringify(error.params["allowedValues"])})` : "";
  return `${error.instancePath || "/"} ${error.message ?? error.keyword}${allowed}`;
}
