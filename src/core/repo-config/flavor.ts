import { readTemplate, type Template } from "../tags/expressions.ts";
import { DEFAULT_FLAVOR, type Flavor } from "../tags/metadata-action.ts";
import { csvAttributes } from "./csv.ts";
import { type DataPath, type Problems, shown } from "./problems.ts";

const ALLOWED =
  "write `latest=auto`, `latest=true`, `latest=false`, `prefix=…` or `suffix=…`, each perhaps with `,onlatest=true`";
const MAX_LINE = 512;

/** An image's `flavor`, for its entries in docker/metadata-action's words; later lines win. */
export function resolveFlavor(lines: readonly string[], path: DataPath, problems: Problems): Flavor {
  let flavor = DEFAULT_FLAVOR;
  for (const [index, line] of lines.entries()) {
    const read = readLine(line, flavor);
    if (typeof read === "string") problems.error([...path, index], read);
    else flavor = read;
  }
  return flavor;
}

/** The flavor with what the line adds, or what is wrong with the line. */
function readLine(line: string, before: Flavor): Flavor | string {
  if (line.length > MAX_LINE) return `a line of \`flavor\` may have ${MAX_LINE} characters`;
  const attributes = csvAttributes(line);
  if (attributes === null) return 'the quotes are not in order; a whole field is quoted: `"prefix=a,b"`';
  if (attributes.length === 0) return `a line of \`flavor\` is empty; ${ALLOWED}`;
  let flavor = before;
  let affix: "prefix" | "suffix" | null = null;
  for (const { key, value } of attributes) {
    if (key === "latest") {
      if (value !== "auto" && value !== "true" && value !== "false")
        return `\`latest=${shown(value)}\` is not known; ${ALLOWED}`;
      flavor = { ...flavor, latest: value };
    } else if (key === "prefix" || key === "suffix") {
      const template = readAffix(value);
      if (typeof template === "string") return `${key}: ${template}`;
      affix = key;
      flavor = { ...flavor, [key]: template };
    } else if (key === "onlatest") {
      if (affix === null) return "`onlatest` follows the `prefix=…` or `suffix=…` it is about, in the same line";
      if (value !== "true" && value !== "false")
        return `\`onlatest=${shown(value)}\` is neither \`true\` nor \`false\``;
      flavor = { ...flavor, [`${affix}OnLatest`]: value === "true" };
    } else {
      return `\`${shown(key ?? value)}\` is no part of \`flavor\`; ${ALLOWED}`;
    }
  }
  return flavor;
}

function readAffix(text: string): Template | string {
  const read = readTemplate(text, "global");
  return read.ok ? read.template : read.message;
}
