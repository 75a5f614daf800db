/** Bitbucket's API description, as the stand-in is held to it. */
import { isObject, type JsonObject, objectAt } from "../json.ts";
import { type Conformance, createConformance } from "../openapi.ts";

/** Of lists; differences come in longer pages. */
export const LONGEST_PAGE = 100;
export const LONGEST_DIFFSTAT_PAGE = 500;

export function createBitbucketConformance(): Conformance {
  return createConformance({
    file: "test/hosts/bitbucket/openapi.json",
    greedy: new Set(["path", "name", "spec", "revision"]),
    emptiable: "path",
    // The last is what Bitbucket's own addresses of a pull request's differences carry.
    everywhere: new Set(["fields", "page", "pagelen", "from_pullrequest_id"]),
    page: {
      parameter: "pagelen",
      longest: ({ route }) => (route.includes("/diffstat/") ? LONGEST_DIFFSTAT_PAGE : LONGEST_PAGE),
    },
    refusals: new Set([400, 401, 403, 404, 409, 410, 429, 500, 502, 503, 555]),
    error: "error",
    requests: withoutTypes,
  });
}

/** Every object of an answer says its `type`. Requests need not: Bitbucket's own examples leave it out. */
function withoutTypes(document: JsonObject): JsonObject {
  const components = objectAt(document, "components");
  const schemas = objectAt(components, "schemas");
  const opened = Object.entries(schemas).map(([name, schema]) => {
    if (!isObject(schema) || JSON.stringify(schema["required"]) !== '["type"]') return [name, schema];
    const { required: _, ...rest } = schema;
    return [name, rest];
  });
  return { ...document, components: { ...components, schemas: Object.fromEntries(opened) } };
}
