import { describe, expect, it } from "@jest/globals";
import { submoduleAddress } from "../../src/builders/checkout-address.ts";

const SOURCE = "https://github.com/acme/api.git";
const CREDENTIAL = { username: "x-access-token", password: "ghs_secret" };
const OPENED = ["https://github.com/acme/api.git", "https://github.com/acme/shared.git"].map((cloneUrl) => ({
  cloneUrl,
  credential: CREDENTIAL,
}));

function judged(text: string, base = SOURCE, opened = OPENED) {
  return submoduleAddress({ text, base, source: SOURCE, opened });
}

describe("the address of a submodule", () => {
  it.each([
    "https://github.com/acme/shared.git",
    "https://github.com/acme/shared",
    "https://github.com/acme/shared/",
    "https://GitHub.com:443/Acme/Shared.git",
    "https://somebody@github.com/acme/shared.git",
    "https://somebody:secret@github.com/acme/shared.git",
    "../shared.git",
    "../shared",
    "../../acme/shared.git",
    "./../shared.git",
  ])("%s leads to what the build may read, at the address of the request and with its credential", (text) => {
    expect(judged(text)).toEqual({ kind: "opened", url: "https://github.com/acme/shared.git", credential: CREDENTIAL });
  });

  it("is asked for as a stranger where the build may not read it", () => {
    for (const text of [
      "https://github.com/acme/shared.git",
      "../shared.git",
      "https://u:p@github.com/acme/shared.git",
    ]) {
      expect(judged(text, SOURCE, [])).toEqual({ kind: "same-host", url: "https://github.com/acme/shared.git" });
    }
    for (const text of [
      "https://github.com/acme/shared-evil.git",
      "https://github.com/acme/shared.git.git",
      "https://github.com/acme-evil/shared.git",
      "https://github.com/acme/shared/more.git",
      "https://github.com/shared.git",
    ]) {
      expect(judged(text)).toMatchObject({ kind: "same-host" });
    }
  });

  it("never takes the credential to another host, port or protocol", () => {
    for (const [text, kind] of [
      ["https://github.com.evil.example/acme/shared.git", "elsewhere"],
      ["https://evil.example/acme/shared.git", "elsewhere"],
      ["https://github.com@evil.example/acme/shared.git", "elsewhere"],
      ["https://github.com:8443/acme/shared.git", "elsewhere"],
      ["http://github.com/acme/shared.git", "refused"],
      ["http://evil.example/acme/shared.git", "refused"],
    ] as const) {
      expect({ text, ...judged(text) }).toMatchObject({ text, kind });
      expect(judged(text)).not.toHaveProperty("credential");
    }
  });

  it("is relative to where its own repository came from, as git has it", () => {
    const elsewhere = "https://code.example/group/sub/lib.git";
    expect(judged("../other.git", elsewhere)).toEqual({
      kind: "elsewhere",
      url: "https://code.example/group/sub/other.git",
    });
    expect(judged("../../../x.git", elsewhere)).toEqual({ kind: "elsewhere", url: "https://code.example/x.git" });
    expect(judged("./nested.git", elsewhere)).toEqual({
      kind: "elsewhere",
      url: "https://code.example/group/sub/lib.git/nested.git",
    });
    // What is fetched from elsewhere names what the build may read: it is the build that reads it.
    expect(judged("https://github.com/acme/shared", elsewhere)).toMatchObject({ kind: "opened" });
  });

  it.each([
    "",
    "file:///etc/passwd",
    "/etc/passwd",
    "shared",
    "~/shared",
    "git://github.com/acme/shared.git",
    "ext::sh -c id",
    "ext::id",
    "fd::17",
    "ftp://github.com/acme/shared.git",
    "ssh://git@elsewhere.example/acme/shared.git",
    "-u./payload",
    "--upload-pack=id",
    "../../../../shared.git",
    "../shared/../../other.git/..",
    "https://",
    "https:///acme/shared.git",
    "https://github.com",
    "https://github.com/",
    "https://github.com/acme/shared.git?ref=x",
    "https://github.com/acme/shared.git#x",
    "https://github.com/acme/sha%72ed.git",
    "https://github.com/acme/%2e%2e%2fshared.git",
    "https://github.com/acme\\shared.git",
    "https://github.com\\@evil.example/x",
    "https://github.com/acme/sha red.git",
    "https://github.com/acme/shared.git\nhttps://evil.example",
    "\thttps://github.com/acme/shared.git",
    "https://github.com/acme/\u200bshared.git",
    "https://github.com//shared.git",
    `https://github.com/${"a".repeat(1_000)}.git`,
  ])("%j is refused", (text) => {
    expect(judged(text)).toMatchObject({ kind: "refused", why: expect.stringContaining("is not used") });
  });

  it.each([
    ["git@github.com:acme/shared.git", "https://github.com/acme/shared.git"],
    ["ssh://git@github.com/acme/shared.git", "https://github.com/acme/shared.git"],
    ["ssh://git@github.com:22/acme/shared.git", "https://github.com/acme/shared.git"],
    ["git+ssh://git@github.com/acme/shared.git", "https://github.com/acme/shared.git"],
  ])("%s is refused with the one to write in its place", (text, twin) => {
    const found = judged(text);
    expect(found).toMatchObject({ kind: "refused", why: expect.stringContaining(`write \`${twin}\``) });
  });

  it("is told without what somebody wrote into it by mistake", () => {
    const found = judged("http://ada:hunter2@evil.example/x.git");
    expect(found).toMatchObject({ kind: "refused", why: expect.stringContaining("http://evil.example/x.git") });
    expect(JSON.stringify(found)).not.toContain("hunter2");
  });
});
