/** The secret for git inside of RUN, as git itself reads it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { gitCredentials } from "../../src/core/further-repositories.ts";
import { gitEnvironment } from "../hosts/git/git.ts";

const OPENED = [
  { cloneUrl: "https://git.test/acme/api.git", credential: { username: "x-token-auth", password: "own/p@ss:word=" } },
  { cloneUrl: "https://git.test/acme/shared.git", credential: { username: "x-token-auth", password: "other" } },
  { cloneUrl: "http://git.test:8080/acme/api.git", credential: { username: "x", password: "port" } },
];

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharfinger-credentials-"));
  file = join(folder, "git-credentials");
  writeFileSync(file, OPENED.map(gitCredentials).join(""));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What git would send to an address; null: it finds nothing and asks. */
function filled(url: string, ...config: readonly string[]): string | null {
  const args = ["-c", `credential.helper=store --file=${file}`, ...config.flatMap((one) => ["-c", one])];
  try {
    const env = gitEnvironment();
    const out = execFileSync("git", [...args, "credential", "fill"], { input: `url=${url}\n\n`, env, stdio: "pipe" });
    return /^password=(.*)$/m.exec(out.toString())?.[1] ?? null;
  } catch {
    return null;
  }
}

describe("the secret git-credentials", () => {
  it("opens each repository with its own credential, with and without the ending", () => {
    const byPath = "credential.useHttpPath=true";
    for (const ending of ["", ".git"]) {
      expect(filled(`https://git.test/acme/api${ending}`, byPath)).toBe("own/p@ss:word=");
      expect(filled(`https://git.test/acme/shared${ending}`, byPath)).toBe("other");
      expect(filled(`http://git.test:8080/acme/api${ending}`, byPath)).toBe("port");
    }
  });

  it("is for no other repository, host, port or protocol", () => {
    const byPath = "credential.useHttpPath=true";
    for (const url of [
      "https://git.test/acme/other.git",
      "https://git.test/acme/shared-evil",
      "https://git.test:8080/acme/api.git",
      "http://git.test/acme/api.git",
      "https://evil.test/acme/api.git",
    ]) {
      expect({ url, password: filled(url, byPath) }).toEqual({ url, password: null });
    }
  });

  it("opens by host alone for whoever does not compare paths", () => {
    expect(filled("https://git.test/acme/api.git")).toBe("own/p@ss:word=");
    expect(filled("https://evil.test/acme/api.git")).toBeNull();
  });
});
