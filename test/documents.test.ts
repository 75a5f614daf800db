import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Paths of this repository that a document names in code spans and links to. */
function pathsIn(document: string): string[] {
  const text = readFileSync(join(ROOT, document), "utf8");
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span);
  const folders = /^(?:src|test|docs|scripts|bench|demo|views|examples)\/[\w./-]*$/;
  const files = /^(?:[A-Z]+\.md|app\.yml|atlassian-connect\.json|\.env\.example)$/;
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target = ""]) => target);
  return [...new Set([...spans.filter((span) => folders.test(span) || files.test(span)), ...links])];
}

it.each(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])("%s names only files that exist", (document) => {
  const paths = pathsIn(document);
  expect(paths.length).toBeGreaterThan(3);
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

it("README.md gives both commands that set everything up", () => {
  const text = readFileSync(join(ROOT, "README.md"), "utf8");
  for (const command of ["npm run demo", "npm test"]) expect(text).toContain(command);
});

it("atlassian-connect.json asks for the least scopes and names each event", () => {
  const descriptor = JSON.parse(readFileSync(join(ROOT, "atlassian-connect.json"), "utf8")) as {
    readonly scopes: readonly string[];
    readonly modules: { readonly webhooks: readonly { readonly event: string }[] };
  };
  expect(descriptor.scopes).toEqual(["account", "repository", "pullrequest"]);
  expect(descriptor.modules.webhooks.map(({ event }) => event)).not.toContain("*");
});
