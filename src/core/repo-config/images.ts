import { type PlacedRule, reportCollisions } from "./collisions.ts";
import type { ImageConfig, InputsConfig } from "./config.ts";
import { resolveFlavor } from "./flavor.ts";
import { defaultImageName, imageNameProblem } from "./image-name.ts";
import { DEFAULT_INPUTS, resolveImageInputs } from "./inputs.ts";
import type { DataPath, Problems } from "./problems.ts";
import { resolvePattern, resolveRule, type Scope } from "./rules.ts";
import { type ImageFields, imageFields, MAX_IMAGES, MAX_RULES, ruleFields } from "./schema.ts";
import { shape } from "./shape.ts";
import { remarkSharedTags } from "./shared-tags.ts";

/**
 * Every entry of `images` that could be understood. Entries and their rules are judged one by one, so that one broken
 * entry hides nothing of the others.
 */
export function resolveImages(
  entries: readonly unknown[],
  options: { readonly repositoryName: string },
  scope: Scope,
): readonly ImageConfig[] {
  const path: DataPath = ["images"];
  limit(entries, MAX_IMAGES, "images", path, scope.problems);
  const images: ImageConfig[] = [];
  const placed: PlacedRule[] = [];
  for (const [entry, data] of entries.slice(0, MAX_IMAGES).entries()) {
    if (scope.problems.full) break;
    const image = resolveImage(data, [...path, entry], options, scope);
    if (image === null) continue;
    images.push(image);
    placed.push(...image.rules.map((rule) => ({ image: image.name, entry, rule, flavor: image.flavor })));
  }
  reportCollisions(placed, scope.problems);
  remarkSharedTags(placed, scope.problems);
  return images;
}

function resolveImage(
  data: unknown,
  path: DataPath,
  options: { readonly repositoryName: string },
  scope: Scope,
): ImageConfig | null {
  const { problems } = scope;
  const fields = shape(imageFields, data, path, problems)?.data ?? null;
  const inputs = fields === null ? DEFAULT_INPUTS : resolveImageInputs(fields, path, problems);
  const rules = resolveRules(data, inputs, [...path, "rules"], scope);
  if (fields === null) return null;
  const name = resolveName(fields.name, options.repositoryName, path, problems);
  const paths = resolvePaths(fields.paths, [...path, "paths"], scope);
  const flavor = resolveFlavor(fields.flavor ?? [], [...path, "flavor"], problems);
  if (fields.flavor !== undefined && !rules.some(({ tags }) => tags?.some((tag) => typeof tag !== "string"))) {
    problems.warn([...path, "flavor"], "`flavor` is about tag entries with `type=`, and this image has none", "key");
  }
  return name === null ? null : { name, inputs, paths, rules, supersede: fields.supersede ?? "newest", flavor };
}

function resolveRules(data: unknown, inputs: InputsConfig, path: DataPath, scope: Scope): ImageConfig["rules"] {
  const entries = typeof data === "object" && data !== null && "rules" in data ? data.rules : [];
  // Anything but a list was reported with the image's shape.
  if (!Array.isArray(entries)) return [];
  limit(entries, MAX_RULES, "rules", path, scope.problems);
  const rules: ImageConfig["rules"][number][] = [];
  for (const [index, entry] of entries.slice(0, MAX_RULES).entries()) {
    if (scope.problems.full) break;
    const here = [...path, index];
    const shaped = shape(ruleFields, entry, here, scope.problems);
    const rule = shaped === null ? null : resolveRule(shaped, inputs, here, scope);
    if (rule !== null) rules.push(rule);
  }
  return rules;
}

function resolveName(
  name: string | undefined,
  repositoryName: string,
  path: DataPath,
  problems: Problems,
): string | null {
  if (name === undefined) {
    const fallback = defaultImageName(repositoryName);
    if (fallback === null) problems.error(path, "the repository's name makes no image name; give the image a `name`");
    return fallback;
  }
  const problem = imageNameProblem(name);
  if (problem === null) return name;
  problems.error([...path, "name"], problem);
  return null;
}

function resolvePaths(fields: ImageFields["paths"], path: DataPath, scope: Scope): ImageConfig["paths"] {
  if (fields === undefined) return null;
  const globs = (key: "include" | "exclude") =>
    (fields[key] ?? []).flatMap((glob, index) => {
      const compiled = resolvePattern(glob, "path", [...path, key, index], scope);
      return compiled === null ? [] : [compiled.pattern];
    });
  return { include: globs("include"), exclude: globs("exclude") };
}

function limit(entries: readonly unknown[], most: number, what: string, path: DataPath, problems: Problems): void {
  if (entries.length <= most) return;
  problems.error(path, `at most ${most} ${what} are allowed; these are ${entries.length}`, "key");
}
