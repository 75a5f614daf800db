import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { importDockerHub } from "../../../src/core/dockerhub/import.ts";

const TEXT = readFileSync(new URL("../../../docs/from-docker-hub.md", import.meta.url), "utf8");

function example(language: string): string {
  const block = new RegExp(`^( *)\`\`\`${language}\\n(.*?)^ *\`\`\`$`, "ms").exec(TEXT);
  const [, indent = "", body = ""] = block ?? [];
  return body.replaceAll(new RegExp(`^${indent}`, "gm"), "");
}

it("docs/from-docker-hub.md shows the file that its table makes", () => {
  const result = importDockerHub(example("csv"), null);
  if (!result.ok) throw new Error(result.message);
  expect(result.value.file).toBe(example("yaml"));
  expect(result.value.rules).toEqual({ given: 5, taken: 3 });
});
