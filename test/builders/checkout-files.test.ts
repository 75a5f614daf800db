import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { resolveFiles } from "../../src/builders/checkout-files.ts";

describe("finding context and Dockerfile", () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "wharfinger-checkout-"));
    await mkdir(join(root, "services/api"), { recursive: true });
    await writeFile(join(root, "Dockerfile"), "FROM scratch\n");
    await writeFile(join(root, "services/api/Dockerfile.prod"), "FROM scratch\n");
  });
  afterEach(() => rm(root, { recursive: true }));

  it("finds them, the Dockerfile relative to the context", async () => {
    const here = await resolveFiles(root, { context: ".", dockerfile: "Dockerfile" });
    expect(here).toEqual({ ok: true, context: ".", dockerfile: "Dockerfile" });
    const below = await resolveFiles(root, { context: "services/api/", dockerfile: "./Dockerfile.prod" });
    expect(below).toEqual({ ok: true, context: "services/api", dockerfile: "services/api/Dockerfile.prod" });
  });

  it("follows links that stay inside", async () => {
    await symlink("services/api", join(root, "short"));
    await symlink("../../Dockerfile", join(root, "services/api/Dockerfile"));
    const found = await resolveFiles(root, { context: "short", dockerfile: "Dockerfile" });
    expect(found).toEqual({ ok: true, context: "services/api", dockerfile: "Dockerfile" });
  });

  it("refuses paths that leave the repository, whatever they lead to", async () => {
    for (const path of ["..", "../x", "services/../..", "/etc", "/", "", "a\\b", "a\0b", "a\nb"]) {
      const context = await resolveFiles(root, { context: path, dockerfile: "Dockerfile" });
      expect({ path, context }).toMatchObject({ context: { ok: false, failure: { class: "dockerfile" } } });
      const dockerfile = await resolveFiles(root, { context: ".", dockerfile: path });
      expect({ path, dockerfile }).toMatchObject({ dockerfile: { ok: false, failure: { class: "dockerfile" } } });
    }
  });

  it("refuses links that leave the repository, also a folder that only begins with its name", async () => {
    await mkdir(`${root}-neighbour`);
    try {
      await writeFile(`${root}-neighbour/Dockerfile`, "FROM scratch\n");
      await symlink(`${root}-neighbour`, join(root, "neighbour"));
      await symlink("/", join(root, "all"));
      await symlink("/etc/passwd", join(root, "Passwd"));
      for (const inputs of [
        { context: "neighbour", dockerfile: "Dockerfile" },
        { context: "all", dockerfile: "etc/passwd" },
        { context: ".", dockerfile: "all/etc/passwd" },
        { context: ".", dockerfile: "Passwd" },
      ]) {
        const found = await resolveFiles(root, inputs);
        expect(found.ok ? "found" : found.failure.message).toContain("out of the repository");
      }
    } finally {
      await rm(`${root}-neighbour`, { recursive: true });
    }
  });

  it.each([".dockerignore", ".containerignore", "Dockerfile.dockerignore", "Dockerfile.containerignore"])(
    "refuses an ignore file that leads out of the repository: %s",
    async (name) => {
      await symlink("/etc/passwd", join(root, name));
      const found = await resolveFiles(root, { context: ".", dockerfile: "Dockerfile" });
      expect(found.ok ? "found" : found.failure.message).toContain("out of the repository");
    },
  );

  it("refuses what is of the wrong kind", async () => {
    await symlink("circle", join(root, "circle"));
    const cases: [inputs: { context: string; dockerfile: string }, words: string][] = [
      [{ context: ".", dockerfile: "services" }, "not a regular file"],
      [{ context: "Dockerfile", dockerfile: "Dockerfile" }, "not a folder"],
      [{ context: ".", dockerfile: "circle" }, "circle"],
    ];
    for (const [inputs, words] of cases) {
      const found = await resolveFiles(root, inputs);
      expect(found.ok ? "found" : found.failure.message).toContain(words);
    }
  });

  it("says what is there when something is missing", async () => {
    const cases: [inputs: { context: string; dockerfile: string }, words: string][] = [
      [{ context: "services/api", dockerfile: "Dockerfile" }, "In services/api there is `Dockerfile.prod`"],
      [{ context: ".", dockerfile: "dockerfile" }, "`Dockerfile`"],
      [{ context: "service/api", dockerfile: "Dockerfile" }, "`services`"],
      [{ context: "x".repeat(300), dockerfile: "Dockerfile" }, "There is no context"],
    ];
    for (const [inputs, words] of cases) {
      const found = await resolveFiles(root, inputs);
      expect(found.ok ? "found" : found.failure.message).toContain(words);
    }
  });
});
