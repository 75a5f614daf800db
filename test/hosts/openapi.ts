/** Holds requests and answers to a committed slice of a host's API description (OpenAPI 3.0). */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { isObject, type JsonObject, listAt, objectAt, textAt } from "./json.ts";

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
  /** What is wrong with a request's parameters. `unknown` ones a host ignores, `invalid` ones it refuses. */
  parameters(matched: Matched, query: URLSearchParams): { readonly unknown: string[]; readonly invalid: string[] };
  /** What is wrong with a request's body, undefined standing for none. */
  body(operation: Operation, body: unknown): string[];
  /** OAuth scopes a token needs for it. */
  scopes(operation: Operation): readonly string[];
  /** What is wrong with an answer. */
  answer(operation: Operation, status: number, body: unknown): string[];
  /** What is wrong with an object that the description has a schema for. */
  schema(name: string, value: unknown): string[];
}

export interface Description {
  /** The slice, from the root of the source tree. */
  readonly file: string;
  /** Parameters of a path that may hold slashes. */
  readonly greedy: ReadonlySet<string>;
  /** A parameter of a path that may be empty: the root folder. */
  readonly emptiable: string;
  /** Parameters of a query that the description names in words, for all operations. */
  readonly everywhere?: ReadonlySet<string>;
  /** The parameter that says how long a page is to be, and the longest an operation gives. */
  readonly page: { readonly parameter: string; readonly longest: (operation: Operation) => number };
  /** Refusals the host gives for any operation, whether or not the description lists them there. */
  readonly refusals: ReadonlySet<number>;
  /** Schema of a refusal's body. */
  readonly error: string;
  /** The description's schemas as they count for requests, where it describes only what answers hold. */
  readonly requests?: (document: JsonObject) => JsonObject;
}

export function createConformance(description: Description): Conformance {
  const { everywhere = new Set(), requests = (same: JsonObject) => same } = description;
  const document = toJsonSchema(readSlice(description.file));
  // `strict` off: the description's own words (`deprecated`, `format: timestamp`, …) are no keywords of JSON Schema.
  const ajv = addFormats.default(new Ajv({ strict: false, allErrors: true, logger: false }));
  ajv.addSchema({ ...document, $id: "answers" });
  ajv.addSchema({ ...requests(document), $id: "requests" });
  const coercing = addFormats.default(new Ajv({ strict: false, allErrors: true, coerceTypes: true, logger: false }));
  const routes = readRoutes(document, description);
  const parametersOf = new Map<string, readonly Parameter[]>();

  function check(side: "answers" | "requests", pointer: readonly string[], value: unknown): string[] {
    const ref = `${side}#/${pointer.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/")}`;
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
        if (!known.has(name) && !everywhere.has(name))
          unknown.push(`query parameter ${name} is not in the API description`);
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
      const { parameter, longest } = description.page;
      const most = longest(operation);
      if (Number(query.get(parameter) ?? 1) > most) invalid.push(`query parameter ${parameter} is over ${most}`);
      return { unknown, invalid };
    },

    body(operation, body) {
      const declared = operationObject(document, operation)["requestBody"];
      if (!isObject(declared)) return body === undefined ? [] : ["the operation takes no body"];
      if (body === undefined) return declared["required"] === true ? ["the body is missing"] : [];
      const pointer = ["paths", operation.route, operation.method.toLowerCase()];
      const schema = objectAt(objectAt(objectAt(declared, "content"), "application/json"), "schema");
      return [
        ...check("requests", [...pointer, "requestBody", "content", "application/json", "schema"], body),
        ...unknownProperties(document, schema, body, ""),
      ];
    },

    scopes(operation) {
      const ways = listAt(operationObject(document, operation), "security");
      return ways.flatMap((way) => listAt(way, "oauth2").filter((scope) => typeof scope === "string"));
    },

    schema: (name, value) => check("answers", ["components", "schemas", name], value),

    answer(operation, status, body) {
      const responses = objectAt(operationObject(document, operation), "responses");
      const declared = responses[String(status)];
      if (declared === undefined && !description.refusals.has(status))
        return [`status ${status} is not in the API description`];
      if (status >= 300 && status < 400 && body === undefined) return [];
      if (status === 304) return body === undefined ? [] : ["a 304 has no body"];
      if (status >= 300 || !isObject(declared)) {
        return check("answers", ["components", "schemas", description.error], body);
      }
      if (textAt(declared, "$ref") !== null) return isObject(body) ? [] : ["the answer is not an object"];
      if (!isObject(declared["content"])) return body === undefined ? [] : ["the answer should be empty"];
      const pointer = ["paths", operation.route, operation.method.toLowerCase(), "responses", String(status)];
      return check("answers", [...pointer, "content", "application/json", "schema"], body);
    },
  };
}

/** The slice lies in the source tree; compiled copies of this file (demo, benches) lie deeper in the same tree. */
function readSlice(file: string): unknown {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, file))) {
    if (folder === dirname(folder)) throw new Error(`${file} is not above this file`);
    folder = dirname(folder);
  }
  return JSON.parse(readFileSync(join(folder, file), "utf8"));
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

function readRoutes(document: JsonObject, { greedy, emptiable }: Description): readonly Route[] {
  // Without the slash before it, too: `/contents`.
  const patternOf = (param: string) => {
    if (param === emptiable) return "?(.*)";
    return greedy.has(param) ? "(.+)" : "([^/]+)";
  };
  const routes = Object.entries(objectAt(document, "paths")).flatMap(([route, methods]) =>
    Object.keys(isObject(methods) ? methods : {}).map((name) => {
      const method = name.toUpperCase();
      const names = [...route.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? "");
      const source = route.replaceAll(/\{(\w+)\}/g, (_, param: string) => patternOf(param));
      const pattern = new RegExp(`^${source}$`);
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

/** Descriptions leave objects open; a name they do not know is a typing error, or a permission the host refuses. */
function unknownProperties(document: JsonObject, given: unknown, value: unknown, path: string): string[] {
  const schema = resolve(document, given);
  if (Array.isArray(value) && isObject(schema["items"])) {
    return value.flatMap((item, index) => unknownProperties(document, schema["items"], item, `${path}/${index}`));
  }
  const properties = propertiesOf(document, schema);
  if (!isObject(value) || properties === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    Object.hasOwn(properties, key)
      ? unknownProperties(document, properties[key], item, `${path}/${key}`)
      : [`${path}/${key} is not in the API description`],
  );
}

/** Those of all its parts; null: it does not say which it has. */
function propertiesOf(document: JsonObject, schema: JsonObject): JsonObject | null {
  const parts = listAt(schema, "allOf").map((part) => propertiesOf(document, resolve(document, part)));
  const own = isObject(schema["properties"]) ? schema["properties"] : null;
  const known = [own, ...parts].filter((part) => part !== null);
  return known.length === 0 ? null : Object.assign({}, ...known);
}

function sentence(error: ErrorObject): string {
  const allowed = error.keyword === "enum" ? ` (${JSON.stringify(error.params["allowedValues"])})` : "";
  return `${error.instancePath || "/"} ${error.message ?? error.keyword}${allowed}`;
}
