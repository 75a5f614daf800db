import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "@jest/globals";
import { migrateStore } from "../../src/store/store.ts";

let template: Promise<string> | null = null;

afterAll(async () => {
  if (template !== null) await rm(dirname(await template), { recursive: true });
});

/** An SQLite file with the current schema and nothing in it. It is copied: migrating takes ten times as long. */
export async function createMigratedFile(path: string): Promise<void> {
  template ??= make();
  await copyFile(await template, path);
}

async function make(): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), "wharfinger-template-")), "empty.db");
  await migrateStore(`sqlite:${file}`);
  return file;
}
