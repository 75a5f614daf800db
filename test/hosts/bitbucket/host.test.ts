import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runClient } from "../git/git-client.ts";
import { isObject, type JsonObject, listAt } from "../json.ts";
import { type BitbucketHost, createBitbucketHost, type HostRepository, type HostWorkspace } from "./index.ts";

let host: BitbucketHost;
let acme: HostWorkspace;
let repository: HostRepository;
let token: string;

const SCOPES = ["account", "repository", "pullrequest", "webhook"];

beforeEach(async () => {
  host = await createBitbucketHost();
  acme = host.workspace("acme");
  repository = await host.repository(acme, "api", { private: true });
  token = host.accessToken({ workspace: acme, scopes: SCOPES }).token;
});

afterEach(async () => {
  const { violations } = host;
  await host.close();
  expect(violations).toEqual([]);
});

async function get(path: string, bearer: string | null = token) {
  const response = await fetch(path.startsWith("http") ? path : `${host.apiUrl}/2.0${path}`, {
    headers: bearer === null ? {} : { authorization: `Bearer ${bearer}` },
  });
  const text = await response.text();
  const json = response.headers.get("content-type")?.startsWith("application/json") === true;
  const parsed: unknown = json ? JSON.parse(text) : null;
  return { status: response.status, headers: response.headers, text, body: isObject(parsed) ? parsed : {} };
}

function names(body: JsonObject): readonly unknown[] {
  return listAt(body, "values").map((item) => (isObject(item) ? item["name"] : null));
}

describe("repositories", () => {
  it("are named by slugs and by percent-encoded uuids", async () => {
    const { sha } = await repository.commit({ files: { a: "1" } });
    for (const path of [
      "/repositories/acme/api",
      `/repositories/${encodeURIComponent(acme.uuid)}/${encodeURIComponent(repository.uuid)}`,
      `/repositories/%7B%7D/${encodeURIComponent(repository.uuid)}`,
    ]) {
      const { status, body } = await get(`${path}?fields=%2Bmainbranch.target.hash`);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        uuid: repository.uuid,
        full_name: "acme/api",
        is_private: true,
        mainbranch: { type: "branch", name: "main", target: { hash: sha } },
      });
    }
  });

  it("have no main branch while they are empty", async () => {
    expect((await get("/repositories/acme/api")).body["mainbranch"]).toBeNull();
  });

  it("answer after a rename under the uuid and the new name, not under the old one", async () => {
    await host.rename(repository, "service");
    expect((await get(`/repositories/acme/${encodeURIComponent(repository.uuid)}`)).body["slug"]).toBe("service");
    expect((await get("/repositories/acme/service")).status).toBe(200);
    expect((await get("/repositories/acme/api")).status).toBe(404);
  });
});

describe("git", () => {
  it("is read with a token behind x-token-auth", async () => {
    const { sha } = await repository.commit({ files: { a: "1" } });
    const { stdout } = await runClient(["ls-remote", repository.cloneUrl, "main"], token, "x-token-auth");
    expect(stdout).toBe(`${sha}\trefs/heads/main\n`);
  });
});

describe("lists", () => {
  it("are paged, filtered and sorted", async () => {
    const { sha } = await repository.commit({ files: { a: "1" } });
    await repository.push(Array.from({ length: 12 }, (_, index) => ({ tag: `v${10 + index}`, to: sha })));
    const first = (await get("/repositories/acme/api/refs/tags?pagelen=10")).body;
    expect(first).toMatchObject({ pagelen: 10, page: 1, size: 12 });
    expect(names(first)).toHaveLength(10);
    const second = (await get(String(first["next"]))).body;
    expect(names(second)).toEqual(["v20", "v21"]);
    expect(second["next"]).toBeUndefined();
    expect(names((await get(`/repositories/acme/api/refs/tags?q=${encodeURIComponent('name = "v15"')}`)).body)).toEqual(
      ["v15"],
    );
    expect(names((await get("/repositories/acme/api/refs/tags?sort=-name&pagelen=100")).body)[0]).toBe("v21");
  });
});
