/** Example payloads of @octokit/webhooks-examples, from which ours take the fields nobody reads. */
import { createRequire } from "node:module";
import { isObject, type JsonObject, listAt, textAt } from "../json.ts";

const require = createRequire(import.meta.url);

/** The first example of an event that `fits`. Nine megabytes are read at the first call. */
export function examplePayload(event: string, fits: (payload: JsonObject) => boolean): JsonObject {
  const all: unknown = require("@octokit/webhooks-examples");
  if (!Array.isArray(all)) throw new Error("@octokit/webhooks-examples is not a list");
  const found = listAt(
    all.find((item) => textAt(item, "name") === event),
    "examples",
  ).find((payload) => isObject(payload) && fits(payload));
  if (!isObject(found)) throw new Error(`there is no such example of ${event}`);
  return found;
}
