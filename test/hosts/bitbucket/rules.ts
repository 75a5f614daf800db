/**
 * What Bitbucket holds requests to and its description does not say: lengths and formats of statuses, what reports and
 * annotations need, where webhooks may lead. The limits of statuses and texts are those its refusals name.
 */
import { isObject, type JsonObject, listAt, textAt } from "../json.ts";
import { Refusal } from "./refusal.ts";

/** Of one report, however many calls they come in. */
export const MOST_ANNOTATIONS = 1000;
const MOST_DATA_FIELDS = 10;

const STATUS_LENGTHS: Readonly<Record<string, number>> = { key: 40, name: 255, description: 255, url: 450 };
const REPORT_LENGTHS: Readonly<Record<string, number>> = { title: 450, details: 2000, reporter: 450, external_id: 450 };
const ANNOTATION_LENGTHS: Readonly<Record<string, number>> = { summary: 450, details: 2000, external_id: 450 };

/** A refusal of the service behind Code Insights, which has a shape of its own. */
export function insightRefusal(message: string): Refusal {
  return new Refusal(400, message, { other: { key: "report-service.general.bad-request", message, arguments: {} } });
}

/** Throws what the host would answer to a body that fits its schema. `operation`: `POST /repositories/…`. */
export function holdBody(operation: string, body: unknown): void {
  if (/\/statuses\/build(\/\{key\})?$/.test(operation) && isObject(body)) holdStatus(body);
  if (/^PUT .*\/reports\/\{reportId\}$/.test(operation) && isObject(body)) holdReport(body);
  if (/^POST .*\/annotations$/.test(operation) && Array.isArray(body)) for (const item of body) holdAnnotation(item);
  if (/^POST .*\/hooks$/.test(operation) && isObject(body)) requireFields(body, ["url", "events"]);
  if (/\/hooks(\/\{uid\})?$/.test(operation) && isObject(body)) holdAddress(body);
}

function holdStatus(body: JsonObject): void {
  if (body["key"] === "") throw fieldRefusal("key", "This field may not be blank.");
  for (const [name, most] of Object.entries(STATUS_LENGTHS)) {
    const { length } = [...(textAt(body, name) ?? "")];
    if (length > most) throw fieldRefusal(name, `Ensure this value has at most ${most} characters (it has ${length}).`);
  }
  holdAddress(body);
}

/** Statuses may leave placeholders in it. */
function holdAddress(body: JsonObject): void {
  const url = textAt(body, "url");
  if (url !== null && !/^https?:\/\/[^/\s]+/.test(url)) throw fieldRefusal("url", "Enter a valid URL.");
}

function requireFields(body: JsonObject, names: readonly string[]): void {
  for (const name of names) if (!(name in body)) throw fieldRefusal(name, "This field is required.");
}

export function fieldRefusal(name: string, problem: string): Refusal {
  return new Refusal(400, `${name}: ${problem}`, { fields: { [name]: [problem] } });
}

function holdTexts(body: JsonObject, required: readonly string[], lengths: Readonly<Record<string, number>>): void {
  for (const name of required) if (!body[name]) throw insightRefusal(`The ${name} field is required.`);
  for (const [name, most] of Object.entries(lengths)) {
    if ((textAt(body, name) ?? "").length > most) {
      throw insightRefusal(`The ${name} field cannot contain more than ${most} characters.`);
    }
  }
}

function holdReport(body: JsonObject): void {
  holdTexts(body, ["title", "details", "report_type"], REPORT_LENGTHS);
  const data = listAt(body, "data");
  if (data.length > MOST_DATA_FIELDS)
    throw insightRefusal(`A report can not have over ${MOST_DATA_FIELDS} data fields.`);
  for (const field of data) holdData(field);
}

function holdData(field: unknown): void {
  const { title, type, value } = isObject(field) ? field : {};
  if (typeof title !== "string" || title === "") throw insightRefusal("A data field needs a title.");
  const fits: Readonly<Record<string, boolean>> = {
    BOOLEAN: typeof value === "boolean",
    DATE: typeof value === "number",
    DURATION: typeof value === "number",
    NUMBER: typeof value === "number",
    PERCENTAGE: typeof value === "number" && value >= 0 && value <= 100,
    LINK: isObject(value) && typeof value["text"] === "string" && /^https?:/.test(textAt(value, "href") ?? ""),
    TEXT: typeof value === "string",
  };
  const plain = ["string", "number", "boolean"].includes(typeof value);
  if (!(typeof type === "string" ? fits[type] : plain))
    throw insightRefusal(`The value of ${title} is not of its type.`);
}

function holdAnnotation(item: unknown): void {
  if (isObject(item)) holdTexts(item, ["external_id", "annotation_type", "summary"], ANNOTATION_LENGTHS);
}

/** What is wrong with the headers of a request. */
export function headerRules(
  headers: { readonly [name: string]: string | readonly string[] | undefined },
  hasBody: boolean,
): string[] {
  const problems: string[] = [];
  if (hasBody && !/^application\/json\b/.test(String(headers["content-type"] ?? ""))) {
    problems.push("the body's content-type is not application/json");
  }
  return problems;
}
