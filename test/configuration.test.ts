import { randomBytes } from "node:crypto";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { openSettings, readConfiguration } from "../src/configuration.ts";
import { migrateStore } from "../src/store/store.ts";

let folder: string;
let env: Record<string, string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-configuration-"));
  env = { DATA_DIR: join(folder, "data") };
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function change(
  changes: Readonly<Record<string, string | null>>,
  given = env,
): Promise<(string | boolean | null)[]> {
  const settings = await openSettings(given);
  try {
    const answers: (string | boolean | null)[] = [];
    for (const [name, value] of Object.entries(changes)) {
      answers.push(value === null ? await settings.remove(name) : await settings.set(name, value));
    }
    return answers;
  } finally {
    await settings.close();
  }
}

it("is a first run where nothing is set, and looking at it leaves no database behind", async () => {
  const found = await readConfiguration(env);
  expect(found.setup?.dataDir).toBe(env["DATA_DIR"]);
  await expect(access(join(folder, "data"))).rejects.toMatchObject({ code: "ENOENT" });
});

it("is none where anything is set, or where the environment is wrong by itself", async () => {
  for (const more of [{ APP_ID: "1" }, { REGISTRY_URL: "https://r.example" }, { PORT: "none" }]) {
    expect((await readConfiguration({ ...env, ...more })).setup).toBeNull();
  }
});

it("is none where the database can not be read, and says why", async () => {
  const away = await readConfiguration({ ...env, DATABASE_URL: "postgres://nobody@127.0.0.1:9/none" });
  expect([away.setup, away.missing.length > 0]).toEqual([null, true]);
  expect(away.read).toMatchObject({ ok: true, warnings: [expect.stringContaining("was not read")] });
}, 30_000);

it("reads what the database holds with the key it was sealed with, and no other", async () => {
  const sealed = { ...env, SECRET_KEY: randomBytes(32).toString("base64") };
  await migrateStore(`sqlite:${join(folder, "data", "wharfinger.db")}`);
  expect(await change({ REGISTRY_URL: "https://r.example", BITBUCKET_APP_KEY: "ours" }, sealed)).toEqual([null, null]);
  const found = await readConfiguration(sealed);
  expect([found.read.ok && found.read.config.registry?.url, found.missing]).toEqual(["https://r.example", []]);
  const other = await readConfiguration({ ...sealed, SECRET_KEY: randomBytes(32).toString("base64") });
  expect([other.setup, other.missing.length > 0]).toEqual([null, true]);
  expect(other.read).toMatchObject({ ok: true, warnings: [expect.stringContaining("was not read")] });
});

it("keeps nothing that is wrong, and repeats no value", async () => {
  await migrateStore(`sqlite:${join(folder, "data", "wharfinger.db")}`);
  const [address, place, unknown, gone] = await change({
    REGISTRY_URL: "https://u:secret-word@r.example",
    DATA_DIR: "/elsewhere",
    PATH: "/bin",
    PUBLIC_URL: null,
  });
  expect(address).toContain("REGISTRY_URL holds a user name or password");
  expect(address).not.toContain("secret-word");
  for (const refused of [place, unknown]) expect(refused).toContain("is no variable that the database can hold");
  expect(gone).toBe(false);
  const settings = await openSettings(env);
  expect((await settings.list()).map(({ name }) => name)).toEqual(["DATA_DIR"]);
  await settings.close();
});

it("can be put right where what the database holds does not go together", async () => {
  await migrateStore(`sqlite:${join(folder, "data", "wharfinger.db")}`);
  await change({ REGISTRY_URL: "https://r.example", REGISTRY_USERNAME: "ada" });
  expect((await readConfiguration(env)).read).toMatchObject({
    ok: false,
    problems: [{ variable: "REGISTRY_PASSWORD" }],
  });
  expect(await change({ REGISTRY_USERNAME: null })).toEqual([true]);
  expect((await readConfiguration(env)).read.ok).toBe(true);
});
