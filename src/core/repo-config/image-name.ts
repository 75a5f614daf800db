/**
 * Names of images, without namespace. The registry's grammar: components joined by `/`; a component is lower-case
 * letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
 * https://github.com/distribution/reference
 */

const COMPONENT = "[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*";
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);

/** A registry takes 255 characters for the whole name: this leaves the other half to namespace and staging prefix. */
const MAX_IMAGE_NAME = 128;

/** Null: a legal name. */
export function imageNameProblem(name: string): string | null {
  if (name === "") return "an image name must not be empty; leave `name` out for the repository's name";
  if (name.length > MAX_IMAGE_NAME)
    return `an image name may have ${MAX_IMAGE_NAME} characters; this one has ${name.length}`;
  if (NAME.test(name)) return null;
  const suggestion = legalImageName(name);
  const rule = "lower-case letters and digits, joined by `.`, `_`, `__`, `-` or `/`";
  const hint = suggestion === null ? "" : `; for example \`${suggestion}\``;
  if (/[:@]/.test(name))
    return `an image name carries no tag or digest, only ${rule}; tags belong under \`tags\`${hint}`;
  return `not a legal image name: it may only hold ${rule}${hint}`;
}

/** The most similar legal name; null when no letter or digit is left. */
export function legalImageName(text: string): string | null {
  const components = text
    .toLowerCase()
    .split("/")
    .map(legalComponent)
    .filter((component) => component !== "");
  const name = components
    .join("/")
    .slice(0, MAX_IMAGE_NAME)
    .replace(/[^a-z0-9]+$/, "");
  return name === "" ? null : name;
}

/** The image name a repository gives: the part after the owner, made legal. */
export function defaultImageName(repositoryName: string): string | null {
  return legalImageName(repositoryName.slice(repositoryName.lastIndexOf("/") + 1));
}

function legalComponent(text: string): string {
  return text
    .replace(/[^a-z0-9]+/g, (separators) => (/^(?:[.]|__?|-+)$/.test(separators) ? separators : "-"))
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
}
