import type { InputsConfig } from "./config.ts";
import { type DataPath, listed, type Problems, shown } from "./problems.ts";
import { checkFileIn, checkFolder } from "./repository-path.ts";
import type { ImageFields, RuleFields } from "./schema.ts";

/** The keys an image and a rule have in common. */
type InputFields = Pick<RuleFields, "context" | "dockerfile" | "target" | "platforms" | "build_args" | "cache">;

export const DEFAULT_INPUTS: InputsConfig = {
  context: ".",
  dockerfile: "Dockerfile",
  target: null,
  testTarget: null,
  platforms: [],
  buildArgs: {},
  labels: {},
  cache: true,
};

const MAX_ENTRIES = 100;

/** The inputs of `base` with the fields' own over them. Build arguments are added one by one, all else is replaced. */
export function resolveInputs(
  fields: InputFields,
  base: InputsConfig,
  path: DataPath,
  problems: Problems,
): InputsConfig {
  const context = resolveContext(fields, base, path, problems);
  return {
    ...base,
    context,
    dockerfile: resolveDockerfile(fields, context, base, path, problems),
    target: resolveTarget(fields.target, [...path, "target"], problems) ?? base.target,
    platforms: fields.platforms === undefined ? base.platforms : checkPlatforms(fields.platforms, path, problems),
    buildArgs: resolveBuildArgs(fields, base, path, problems),
    cache: fields.cache ?? base.cache,
  };
}

/** The inputs of an image: {@link resolveInputs} and what only images have. */
export function resolveImageInputs(fields: ImageFields, path: DataPath, problems: Problems): InputsConfig {
  return {
    ...resolveInputs(fields, DEFAULT_INPUTS, path, problems),
    testTarget: resolveTarget(fields.test?.target, [...path, "test", "target"], problems),
    labels: resolveLabels(fields.labels ?? {}, [...path, "labels"], problems),
  };
}

function resolveContext(fields: InputFields, base: InputsConfig, path: DataPath, problems: Problems): string {
  if (fields.context === undefined) return base.context;
  const checked = checkFolder(fields.context);
  if (checked.ok) return checked.path;
  problems.error([...path, "context"], checked.message);
  return base.context;
}

function resolveDockerfile(
  fields: InputFields,
  context: string,
  base: InputsConfig,
  path: DataPath,
  problems: Problems,
): string {
  // A rule that only changes the context may move an inherited `../Dockerfile` out of the repository.
  if (fields.dockerfile === undefined && fields.context === undefined) return base.dockerfile;
  const checked = checkFileIn(context, fields.dockerfile ?? base.dockerfile);
  if (checked.ok) return checked.path;
  const key = fields.dockerfile === undefined ? "context" : "dockerfile";
  problems.error(
    [...path, key],
    key === "context" ? `with this context, ${checked.message}: the Dockerfile` : checked.message,
  );
  return base.dockerfile;
}

/** What Dockerfiles allow behind `AS`, or the number of a stage. */
const STAGE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

function resolveTarget(target: string | undefined, path: DataPath, problems: Problems): string | null {
  if (target === undefined) return null;
  if (STAGE.test(target)) return target;
  problems.error(path, "not the name of a stage: letters, digits, `_`, `.` and `-`, as behind `AS` in the Dockerfile");
  return null;
}

const PLATFORM = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/;

function checkPlatforms(platforms: readonly string[], path: DataPath, problems: Problems): readonly string[] {
  for (const [index, platform] of platforms.entries()) {
    if (!PLATFORM.test(platform)) {
      problems.error(
        [...path, "platforms", index],
        "not a platform: write `os/arch` or `os/arch/variant`, for example `linux/amd64`",
      );
    } else if (platforms.indexOf(platform) !== index) {
      problems.warn([...path, "platforms", index], `\`${platform}\` is listed twice`);
    }
  }
  return [...new Set(platforms)];
}

const BUILD_ARG = /^[A-Za-z_][A-Za-z0-9_]*$/;

function resolveBuildArgs(
  fields: InputFields,
  base: InputsConfig,
  path: DataPath,
  problems: Problems,
): Readonly<Record<string, string>> {
  if (fields.build_args === undefined) return base.buildArgs;
  const here = [...path, "build_args"];
  for (const [name, value] of Object.entries(fields.build_args)) {
    if (!BUILD_ARG.test(name)) {
      problems.error(
        [...here, name],
        `\`${shown(name)}\` is not the name of a build argument: letters, digits and \`_\``,
        "key",
      );
    } else if (value.includes("\0")) {
      problems.error([...here, name], "a build argument must not contain a NUL character");
    }
  }
  const buildArgs = { ...base.buildArgs, ...fields.build_args };
  if (Object.keys(buildArgs).length > MAX_ENTRIES) {
    problems.error(here, `at most ${MAX_ENTRIES} build arguments are allowed`, "key");
  }
  return buildArgs;
}

const ANNOTATION = "org.opencontainers.image.";
/** Set on every image from what is known to be true; a file can not say otherwise. */
const OWN_LABELS = ["source", "revision", "created", "version", "ref.name"].map((name) => ANNOTATION + name);

function resolveLabels(
  labels: Readonly<Record<string, string>>,
  path: DataPath,
  problems: Problems,
): Readonly<Record<string, string>> {
  const entries = Object.entries(labels);
  if (entries.length > MAX_ENTRIES) problems.error(path, `at most ${MAX_ENTRIES} labels are allowed`, "key");
  for (const [name, value] of entries) {
    if (!/^[!-<>-~]{1,128}$/.test(name)) {
      problems.error(
        [...path, name],
        `\`${shown(name)}\` is not a label: up to 128 ASCII characters without spaces and \`=\``,
        "key",
      );
    } else if (value.includes("\0")) {
      problems.error([...path, name], "a label must not contain a NUL character");
    } else if (OWN_LABELS.includes(name)) {
      problems.warn(
        [...path, name],
        `this value is not used; these labels are set by themselves: ${listed(OWN_LABELS)}`,
        "key",
      );
    }
  }
  return Object.fromEntries(entries.filter(([name]) => !OWN_LABELS.includes(name)));
}
