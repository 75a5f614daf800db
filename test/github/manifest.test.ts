import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";

const text = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "../../app.yml"), "utf8");
const manifest: unknown = parse(text);

describe("the manifest of the GitHub App", () => {
  it("asks for these rights and no others", () => {
    expect(manifest).toMatchObject({
      public: false,
      request_oauth_on_install: false,
      hook_attributes: { url: "https://wharfinger.example.com/webhooks/github", active: true },
      default_events: ["push", "pull_request", "merge_group", "repository", "installation_target"],
    });
    expect(Object(manifest)).toHaveProperty("default_permissions", {
      metadata: "read",
      contents: "read",
      checks: "write",
      pull_requests: "read",
      merge_queues: "read",
    });
  });

  it("gives a reason above every permission", () => {
    const lines = text.split("\n");
    const from = lines.indexOf("default_permissions:");
    const permissions = lines.flatMap((line, index) =>
      index > from && /^ {2}\w+: (?:read|write)$/.test(line) ? [index] : [],
    );
    expect(permissions).toHaveLength(5);
    for (const index of permissions) expect(lines[index - 1]).toMatch(/^ {2}# \S/);
  });

  it("has a name GitHub takes", () => {
    expect(Object(manifest).name).toMatch(/^.{1,34}$/);
  });
});
