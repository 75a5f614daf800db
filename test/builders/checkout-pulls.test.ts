/** Heads of pull requests, fetched by git from a real server: what is built is the commit that was planned, or nothing. */
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { checkout } from "../../src/builders/checkout.ts";
import type { Sha } from "../../src/core/model.ts";
import { type GitServer, startGitServer } from "../support/git-server.ts";
import { createLocalGit } from "../support/local-git.ts";

let server: GitServer;
let folder: string;
beforeAll(async () => {
  server = await startGitServer();
});
afterAll(() => server?.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-pulls-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function fetched(name: string, sha: Sha, anonymous: boolean, url = server.url) {
  const workTree = join(folder, "src");
  await mkdir(workTree);
  const result = await checkout({
    cloneUrl: `${url}/${name}.git`,
    sha,
    pull: 5,
    gitDir: join(folder, "git"),
    workTree,
    folder: workTree,
    inputs: { context: ".", dockerfile: "Dockerfile" },
    credential: anonymous ? null : server.credential,
    further: [],
    trusted: !anonymous,
    hasNetwork: true,
    say: () => undefined,
    git: createLocalGit(),
  });
  const text = result.ok ? await readFile(join(workTree, "which"), "utf8") : null;
  return { result, text };
}

/** A repository with a pull request that had two commits; the second replaced the first. */
async function withPull(name: string): Promise<{ readonly first: Sha; readonly second: Sha }> {
  const first = await server.commit(name, { which: "first" });
  const second = await server.commit(name, { which: "second" });
  await server.commit(name, { which: "main" });
  await server.ref(name, "refs/pull/5/head", first);
  return { first, second };
}

function refusal(words: string) {
  const failure = { class: "checkout", message: expect.stringContaining(words) };
  return { result: { ok: false, retryable: false, failure }, text: null };
}

describe("the head of a pull request", () => {
  it("comes from the base repository, where only the pull request's ref leads to it", async () => {
    const { first } = await withPull("base");
    await server.forget("base");
    expect(await fetched("base", first, false)).toEqual({ result: { ok: true }, text: "first" });
  });

  it("is the commit that was planned, although the pull request has moved on since, as long as it is there", async () => {
    const { first, second } = await withPull("moved");
    await server.ref("moved", "refs/pull/5/head", second);
    expect(await fetched("moved", first, false)).toEqual({ result: { ok: true }, text: "first" });
  });

  it("is never what replaced it", async () => {
    const { first, second } = await withPull("replaced");
    await server.ref("replaced", "refs/pull/5/head", second);
    await server.forget("replaced");
    expect(await fetched("replaced", first, false)).toMatchObject(refusal("The pull request #5 has moved on"));
  });

  it("is not guessed from a ref where a server gives no commits by hash", async () => {
    const { first, second } = await withPull("old");
    await server.refsOnly("old");
    await server.ref("old", "refs/pull/5/head", second);
    expect(await fetched("old", first, false)).toMatchObject(refusal("has moved on"));
  });

  it("comes from there although a server gives no commits by hash but those its refs lead to", async () => {
    const { first } = await withPull("tips");
    await server.refsOnly("tips");
    expect(await fetched("tips", first, false)).toEqual({ result: { ok: true }, text: "first" });
  });

  it("is gone with its ref", async () => {
    const { first } = await withPull("unref");
    await server.ref("unref", "refs/pull/5/head", null);
    await server.forget("unref");
    expect(await fetched("unref", first, false)).toMatchObject(refusal("has moved on"));
  });

  it("comes from a fork that everybody may read, and nobody signs in there", async () => {
    const sha = await server.commit("fork", { which: "fork" });
    server.open("fork");
    const before = server.seen.length;
    expect(await fetched("fork", sha, true)).toEqual({ result: { ok: true }, text: "fork" });
    expect(server.seen.length).toBeGreaterThan(before);
    expect(new Set(server.seen.slice(before))).toEqual(new Set([undefined]));
  });

  it("is not there when the fork was deleted, or was never open: nobody is asked for a password", async () => {
    const sha = await server.commit("deleted", { which: "deleted" });
    server.open("deleted");
    await server.remove("deleted");
    const closed = "The repository that the pull request #5 comes from was deleted, or is not open to everybody";
    expect(await fetched("deleted", sha, true)).toMatchObject(refusal(closed));
    await rm(join(folder, "src"), { recursive: true });
    server.open("deleted");
    expect(await fetched("deleted", sha, true)).toMatchObject(refusal(closed));
  });

  it("is not followed to another address, with a credential or without", async () => {
    const sha = await server.commit("elsewhere", { which: "elsewhere" });
    server.open("elsewhere");
    const seen: (string | undefined)[] = [];
    const door = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(301, { location: `${server.url}${request.url}` }).end();
    });
    await once(door.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
    const before = server.seen.length;
    try {
      for (const anonymous of [true, false]) {
        expect(await fetched("elsewhere", sha, anonymous, url)).toMatchObject(refusal("redirected the fetch"));
        await rm(join(folder, "src"), { recursive: true });
      }
    } finally {
      door.close();
    }
    expect(seen.map((header) => header !== undefined)).toEqual([false, true]);
    expect(server.seen.length).toBe(before);
  });
});
