import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { findGit } from "../../src/git/here.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-here-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** `helper`: what becomes of asking it for the one that speaks to hosts. */
async function fakeGit(version: string, helper = "echo 'error: remote-curl: usage: …' >&2; exit 1"): Promise<string> {
  const path = join(folder, "git");
  const script = `#!/bin/sh\nif [ "$1" = version ]; then echo '${version}'; exit 0; fi\n${helper}\n`;
  await writeFile(path, script);
  await chmod(path, 0o755);
  return path;
}

it("finds the one that is here", async () => {
  expect(await findGit()).toEqual({ kind: "usable", version: expect.stringMatching(/^2\.\d+/) });
});

it.each([
  ["git version 2.32.0", "usable", "2.32.0"],
  ["git version 2.50.1 (Apple Git-155)", "usable", "2.50.1"],
  ["git version 2.47.1.windows.2", "usable", "2.47.1.windows.2"],
  ["git version 3.0.0", "usable", "3.0.0"],
  ["git version 2.31.8", "too-old", "2.31.8"],
  ["git version 2.9.0", "too-old", "2.9.0"],
  ["git version 1.99.0", "too-old", "1.99.0"],
])("judges %s", async (said, kind, version) => {
  expect(await findGit(await fakeGit(said))).toEqual({ kind, version });
});

it("says that it can not speak to hosts", async () => {
  const helper = "echo \"git: 'remote-https' is not a git command. See 'git --help'.\" >&2; exit 1";
  expect(await findGit(await fakeGit("git version 2.39.5", helper))).toEqual({ kind: "alone" });
});

it("does not take anything else for it", async () => {
  expect(await findGit(join(folder, "none"))).toEqual({ kind: "missing" });
  expect(await findGit("no-such-git-anywhere")).toEqual({ kind: "missing" });
  expect(await findGit(await fakeGit("got version 2.39.5"))).toEqual({ kind: "missing" });
});
