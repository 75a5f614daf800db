import { describe, expect, it } from "@jest/globals";
import type { HostId, Repository } from "../../src/core/model.ts";
import { readSurvey } from "../../src/github/survey.ts";
import { type Answer, accessAnswering } from "./recorded-fetch.ts";

const installation: HostId = { provider: "github", host: "default", id: "7" };

const repository: Repository = {
  provider: "github",
  host: "default",
  id: "5",
  fullName: "acme/api",
  private: true,
  defaultBranch: "main",
  cloneUrl: "https://github.test/acme/api.git",
  webUrl: "https://github.test/acme/api",
};

function survey(answer: Answer, of = repository) {
  const { access, network } = accessAnswering(() => answer);
  const paths = () => network.asked().map((call) => call.path);
  return { outcome: readSurvey(access, installation, of), network, paths };
}

function file(path: string, more: object = {}) {
  return { path, mode: "100644", type: "blob", sha: "1".repeat(40), size: 3, ...more };
}

function listing(tree: readonly object[], more: object = {}): Answer {
  return { status: 200, body: { sha: "2".repeat(40), tree, truncated: false, ...more } };
}

describe("what there is to build in a repository", () => {
  it("is listed with one call, by a token for this repository's contents", async () => {
    const tree = [
      file("services", { type: "tree", mode: "040000" }),
      file("services/web.dockerfile"),
      file("services/Dockerfile.dockerignore"),
      file("Dockerfile", { mode: "100755" }),
      file(".wharfinger.yml"),
      file("README.md"),
    ];
    const { outcome, network, paths } = survey(listing(tree));
    expect(await outcome).toEqual({
      ok: true,
      value: { defaultBranch: "main", hasFile: true, dockerfiles: ["Dockerfile", "services/web.dockerfile"] },
    });
    expect(paths()).toEqual(["/repositories/5/git/trees/refs%2Fheads%2Fmain?recursive=1"]);
    expect(network.calls[0]?.body).toEqual({ repository_ids: [5], permissions: { contents: "read" } });
  });

  it.each([
    ["release/1.x", "release%2F1.x"],
    ["räk #1?%2e", "r%C3%A4k%20%231%3F%252e"],
    ["../../../app", "..%2F..%2F..%2Fapp"],
    ["..", ".."],
  ])("is asked for by the whole name of a branch %p, as one part of the address", async (defaultBranch, encoded) => {
    const { outcome, paths } = survey(listing([]), { ...repository, defaultBranch });
    expect(await outcome).toEqual({ ok: true, value: { defaultBranch, hasFile: false, dockerfiles: [] } });
    expect(paths()).toEqual([`/repositories/5/git/trees/refs%2Fheads%2F${encoded}?recursive=1`]);
  });

  it("holds files only: no folders, no submodules, no links", async () => {
    const tree = [
      file("Dockerfile", { type: "tree", mode: "040000" }),
      file(".wharfinger.yml", { type: "tree", mode: "040000" }),
      file("a/Dockerfile", { type: "commit", mode: "160000" }),
      file("b/Dockerfile", { mode: "120000" }),
      file("c/.wharfinger.yml"),
      file(".Wharfinger.yml"),
    ];
    expect(await survey(listing(tree)).outcome).toEqual({
      ok: true,
      value: { defaultBranch: "main", hasFile: false, dockerfiles: [] },
    });
  });

  it("has a file also where that is a link, which is followed when it is read", async () => {
    const { outcome } = survey(listing([file(".wharfinger.yml", { mode: "120000" })]));
    expect(await outcome).toMatchObject({ value: { hasFile: true } });
  });

  it("is the first hundred of many, whatever order they came in", async () => {
    const paths = Array.from({ length: 120 }, (_, index) => `${String(index).padStart(3, "0")}/Dockerfile`);
    const { outcome } = survey(listing(paths.toReversed().map((path) => file(path))));
    expect(await outcome).toEqual({
      ok: true,
      value: { defaultBranch: "main", hasFile: false, dockerfiles: paths.slice(0, 100) },
    });
  });

  it.each<[string, Answer]>([
    ["is too much to list", listing([file("Dockerfile")], { truncated: true })],
    ["is too much to read", { status: 200, body: `[${" ".repeat(32 * 1024 ** 2)}]` }],
    ["is in no commit", { status: 409, body: { message: "Git Repository is empty." } }],
    ["is gone, or its branch is", { status: 404, body: { message: "Not Found" } }],
  ])("is not known where it %s", async (_, answer) => {
    expect(await survey(answer).outcome).toEqual({ ok: true, value: null });
  });

  describe("whose default branch nobody has told", () => {
    const unknown = { ...repository, defaultBranch: null };
    function asked(described: Answer) {
      const { access, network } = accessAnswering((call) =>
        call.path.includes("/git/trees/") ? listing([file("Dockerfile")]) : described,
      );
      const paths = () => network.asked().map((call) => call.path);
      return { outcome: readSurvey(access, installation, unknown), paths };
    }

    it("is asked for that before, with one call more", async () => {
      const { outcome, paths } = asked({ status: 200, body: { id: 1, default_branch: "trunk" } });
      const value = { defaultBranch: "trunk", hasFile: false, dockerfiles: ["Dockerfile"] };
      expect(await outcome).toEqual({ ok: true, value });
      expect(paths()).toHaveLength(2);
      expect(paths()[1]).toContain("/git/trees/refs%2Fheads%2Ftrunk");
    });

    it.each<[string, Answer]>([
      ["gone", { status: 404, body: { message: "Not Found" } }],
      ["empty", { status: 200, body: { default_branch: "" } }],
    ])("is not known where it is %s", async (_, described) => {
      const { outcome, paths } = asked(described);
      expect(await outcome).toEqual({ ok: true, value: null });
      expect(paths()).toHaveLength(1);
    });

    it.each<[Answer]>([
      [{ status: 502 }],
      [{ status: 200, body: { id: 1 } }],
      [{ status: 403, body: { message: "No" } }],
    ])("is a failure, not unknown, after %j", async (described) => {
      expect(await asked(described).outcome).toMatchObject({ ok: false });
    });
  });

  it.each<[string, Answer, boolean]>([
    ["a refusal", { status: 403, body: { message: "Resource not accessible by integration" } }, false],
    ["a name it can not read", { status: 422, body: { message: "Validation Failed" } }, false],
    ["an error", { status: 502 }, true],
    ["an error too large to read", { status: 502, body: " ".repeat(32 * 1024 ** 2 + 1) }, true],
    ["a limit", { status: 429 }, true],
    ["no JSON", { status: 200, body: "<html>" }, false],
    ["nothing", { status: 200 }, false],
    ["a list that does not say whether it is whole", { status: 200, body: { tree: [] } }, false],
    ["entries without a path", listing([{ mode: "100644", type: "blob" }]), false],
  ])("is a failure, not unknown, after %s", async (_, answer, retryable) => {
    expect(await survey(answer).outcome).toMatchObject({ ok: false, retryable });
  });

  it("is read out of as many entries as GitHub lists, with paths as long as git has them", async () => {
    const tree = Array.from({ length: 100_000 }, (_, index) => file(`folder-${index % 300}/source-${index}.ts`));
    tree.push(
      file(`${"dockerfile.".repeat(100_000)}/x`),
      file(`${"a.".repeat(500_000)}.dockerfile.`),
      file("z/Dockerfile"),
    );
    const { outcome } = survey(listing(tree));
    expect(await outcome).toEqual({
      ok: true,
      value: { defaultBranch: "main", hasFile: false, dockerfiles: ["z/Dockerfile"] },
    });
  });
});
