import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "@jest/globals";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const LOADER = new URL("./support/ts-loader.mjs", import.meta.url).href;
const PAYLOAD = fileURLToPath(new URL("./fixtures/github/push.branch.json", import.meta.url));

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-main-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The program in a process of its own; `readAll: false` closes its standard output after the first bytes. */
async function run(argv: readonly string[], { readAll }: { readonly readAll: boolean }) {
  const options = ["--import", LOADER, "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...options, MAIN, ...argv], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const err = text(child.stderr);
  const exited = once(child, "exit");
  const out = readAll
    ? text(child.stdout)
    : once(child.stdout, "data").then(() => {
        child.stdout.destroy();
        return "";
      });
  const [code] = await exited;
  return { code, out: await out, err: await err };
}

it("ends quietly when its reader had enough", async () => {
  const rules = Array.from({ length: 100 }, (_, i) => `{ branch: no-${i} }`).join(", ");
  const images = Array.from({ length: 20 }, (_, i) => `  - { name: image${i}, rules: [${rules}] }`);
  await writeFile(join(folder, ".wharfinger.yml"), `version: 1\nimages:\n${images.join("\n")}\n`);
  const argv = ["plan", "--payload", PAYLOAD, "--config", ".wharfinger.yml", "--json"];
  const whole = await run(argv, { readAll: true });
  expect([whole.code, whole.err]).toEqual([0, ""]);
  // More than a pipe holds, so that the program has to wait for its reader.
  expect(whole.out.length).toBeGreaterThan(200_000);
  expect(await run(argv, { readAll: false })).toEqual({ code: 0, out: "", err: "" });
}, 30_000);

it("plans what Bitbucket sends, too", async () => {
  const payload = fileURLToPath(new URL("./fixtures/bitbucket/repo-push.several-enveloped.json", import.meta.url));
  const { code, out, err } = await run(["plan", "--provider", "bitbucket", "--payload", payload, "--json"], {
    readAll: true,
  });
  expect([code, err]).toEqual([0, ""]);
  expect(JSON.parse(out)).toMatchObject({ provider: "bitbucket", event: "repo:push", changes: { length: 5 } });
});

it("answers a wrong command with exit code 2, on standard error alone", async () => {
  const { code, out, err } = await run(["lnit"], { readAll: true });
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain("unknown command 'lnit'");
});
