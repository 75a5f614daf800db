import { digestOf } from "../build-request.ts";
import type { Diagnostic } from "../model.ts";
import type { ParsedConfig, RepoConfig } from "./config.ts";
import { resolveImages } from "./images.ts";
import { createLocator } from "./locate.ts";
import { createProblems, type Problems } from "./problems.ts";
import { createScope } from "./rules.ts";
import { fileFields } from "./schema.ts";
import { resolveSettings } from "./settings.ts";
import { shape } from "./shape.ts";
import { readYaml } from "./yaml.ts";

export interface ParseOptions {
  /** With or without owner; gives the name of images that have none. */
  readonly repositoryName: string;
}

/**
 * Reads `.wharfinger.yml`. Never throws, whatever the text is, and answers within milliseconds (some tenths of a second
 * for a file made to be slow). There is a config exactly when no diagnostic is an error. Diagnostics come in the order
 * of the file; of very many only the first are kept.
 */
export function parseRepoConfig(text: string, options: ParseOptions): ParsedConfig {
  const digest = digestOf(text);
  const read = readYaml(text);
  if (!read.ok) {
    const place = createLocator(read.text).offset(read.offset);
    return { config: null, diagnostics: [{ severity: "error", ...place, message: read.message }], digest };
  }
  const problems = createProblems();
  const config = resolve(read.value, options, problems);
  const diagnostics = located(problems, read.text);
  return { config: diagnostics.some(({ severity }) => severity === "error") ? null : config, diagnostics, digest };
}

function resolve(data: unknown, options: ParseOptions, problems: Problems): RepoConfig | null {
  if (typeof data !== "object" || data === null || Array.isArray(data)) {
    problems.error([], "the file does not hold keys and values; begin with `version: 1` and `images:`");
    return null;
  }
  if ("version" in data && data.version !== 1) {
    // Nothing else: another version's file would only be misjudged by this version's rules.
    problems.error(["version"], "this program reads version 1 of the format: write `version: 1`");
    return null;
  }
  const shaped = shape(fileFields, data, [], problems);
  const settings = resolveSettings(shaped?.data ?? null, problems);
  const entries = "images" in data && Array.isArray(data.images) ? data.images : [];
  return { images: resolveImages(entries, options, createScope(problems)), ...settings };
}

function located(problems: Problems, text: string): readonly Diagnostic[] {
  const locator = createLocator(text);
  return problems.list
    .map(({ severity, path, at, message }) => {
      const { line, column, written } = locator.find(path, at);
      return { severity, line, column, message: typeof message === "string" ? message : message(written) };
    })
    .sort((one, other) => one.line - other.line || one.column - other.column);
}
