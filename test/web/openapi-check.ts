/** Holds every answer of the API to the document: that it is one the document tells of, and of the shape it tells. */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { apiDocument } from "../../src/web/openapi.ts";

interface Content {
  readonly [type: string]: { readonly schema: object };
}

interface Told {
  readonly $ref?: string;
  readonly content?: Content;
}

export interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean }[];
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, Told>>;
}

export interface ApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly responses: Readonly<Record<string, Told>>;
    readonly schemas: Readonly<Record<string, object>>;
  };
}

/** As it is sent. */
export const DOCUMENT: ApiDocument = JSON.parse(JSON.stringify(apiDocument())) as ApiDocument;

/** Objects may have no fields but those that are told: what was forgotten in the document is found here. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, closed(one)] as const);
  const told = "properties" in value && !("additionalProperties" in value) && !("$ref" in value);
  return Object.fromEntries(told ? [...entries, ["additionalProperties", false]] : entries);
}

const STRICT = closed(DOCUMENT) as ApiDocument;

const ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: true, logger: false }));
ajv.addSchema({ ...STRICT, $id: "api" });
const validators = new Map<object, ValidateFunction>();

function validatorOf(schema: object): ValidateFunction {
  const known = validators.get(schema);
  if (known !== undefined) return known;
  const made = ajv.compile(absolute(schema) as object);
  validators.set(schema, made);
  return made;
}

function absolute(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(absolute);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]): [string, unknown] =>
    key === "$ref" && typeof one === "string" ? [key, `api${one}`] : [key, absolute(one)],
  );
  return Object.fromEntries(entries);
}

/** What the document tells of a request; null: nothing. */
export function operationOf(method: string, path: string): Operation | null {
  for (const [template, operations] of Object.entries(STRICT.paths)) {
    const pattern = new RegExp(`^${template.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`);
    const verb = method.toLowerCase() === "head" ? "get" : method.toLowerCase();
    const operation = operations[verb];
    if (pattern.test(path) && operation !== undefined) return operation;
  }
  return null;
}

/** Throws where the document does not tell of an answer like this. The answer can still be read afterwards. */
export async function demandDocumented(method: string, url: string, answer: Response): Promise<void> {
  const { pathname } = new URL(url);
  const where = `${method} ${pathname} answered ${answer.status}`;
  const operation = operationOf(method, pathname);
  const text = method.toUpperCase() === "HEAD" ? "" : await answer.clone().text();
  // What is no path, or one with another method, the document can not tell of.
  const unknown = operation === null || (answer.status === 400 && !decodes(pathname));
  const told = unknown ? { $ref: "#/components/responses/Error500" } : operation.responses[String(answer.status)];
  if (told === undefined) throw new Error(`${where}, which the document does not tell of: ${text}`);
  const { content } = resolved(told);
  const type = (answer.headers.get("content-type") ?? "").split(";")[0] ?? "";
  if (text === "" && (content === undefined || method.toUpperCase() === "HEAD" || type === "text/plain")) return;
  const media = content?.[type];
  if (media === undefined) throw new Error(`${where} as ${type}, which the document does not tell of`);
  if (type !== "application/json") return;
  const validate = validatorOf(media.schema);
  if (!validate(JSON.parse(text))) {
    throw new Error(`${where}, not as the document tells: ${ajv.errorsText(validate.errors)}\n${text}`);
  }
}

/** Whether a body is one that the document tells of; null: the operation takes none. */
export function acceptsBody(operation: Operation, body: unknown): boolean | null {
  const schema = operation.requestBody?.content["application/json"]?.schema;
  return schema === undefined ? null : validatorOf(schema)(body);
}

function resolved(told: Told): Told {
  const name = told.$ref?.split("/").at(-1);
  return name === undefined ? told : (STRICT.components.responses[name] ?? told);
}

function decodes(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
