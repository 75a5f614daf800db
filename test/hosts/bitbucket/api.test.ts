import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { objectAt } from "../json.ts";
import { call } from "./client.ts";
import { type BitbucketHost, createBitbucketHost, type HostRepository, type HostWorkspace } from "./index.ts";

let host: BitbucketHost;
let acme: HostWorkspace;
let repository: HostRepository;
let token: string;

const REPO = "/repositories/acme/api";

beforeEach(async () => {
  host = await createBitbucketHost();
  acme = host.workspace("acme");
  repository = await host.repository(acme, "api", { private: true });
  token = host.accessToken({ workspace: acme, scopes: ["account", "repository", "pullrequest", "webhook"] }).token;
});

afterEach(async () => {
  const { violations } = host;
  await host.close();
  expect(violations).toEqual([]);
});

function get(path: string) {
  return call(host, token, `GET ${path}`);
}

function encoded(query: Readonly<Record<string, string>>): string {
  return new URLSearchParams(query).toString();
}

describe("a repository", () => {
  it("is named by slugs and by percent-encoded uuids", async () => {
    for (const path of [
      REPO,
      `/repositories/${encodeURIComponent(acme.uuid)}/${encodeURIComponent(repository.uuid)}`,
      `/repositories/%7B%7D/${encodeURIComponent(repository.uuid)}`,
    ]) {
      const { status, body } = await get(path);
      expect(status).toBe(200);
      expect(body).toMatchObject({ uuid: repository.uuid, full_name: "acme/api", slug: "api", is_private: true });
    }
  });

  it("has no main branch while it is empty", async () => {
    expect((await get(REPO)).body["mainbranch"]).toBeNull();
  });

  it("has what `fields` asks for: by names alone, added and taken away", async () => {
    const { sha } = await repository.commit({ files: { a: "1" } });
    const all = Object.keys((await get(REPO)).body);
    const fields = (value: string) => get(`${REPO}?${encoded({ fields: value })}`).then(({ body }) => body);
    expect((await get(REPO)).body["mainbranch"]).toEqual({ type: "branch", name: "main" });
    expect(await fields("uuid,mainbranch.name")).toEqual({ uuid: repository.uuid, mainbranch: { name: "main" } });
    const more = await fields("*,mainbranch.type,mainbranch.name,mainbranch.target.hash");
    expect(Object.keys(more).toSorted()).toEqual(all.toSorted());
    expect(more["mainbranch"]).toEqual({ type: "branch", name: "main", target: { hash: sha } });
    expect((await fields("+mainbranch.target.hash"))["mainbranch"]).toEqual(more["mainbranch"]);
    const less = await fields("-links,-owner.links");
    expect(Object.keys(less).toSorted()).toEqual(all.filter((key) => key !== "links").toSorted());
    expect(less["owner"]).not.toHaveProperty("links");
    expect(less["owner"]).toHaveProperty("uuid");
  });

  it("is listed with those of its workspace, with `fields` reaching into the list", async () => {
    await host.repository(acme, "web");
    const { body } = await get(`/repositories/acme?${encoded({ fields: "values.slug,next", sort: "-slug" })}`);
    expect(body).toEqual({ values: [{ slug: "web" }, { slug: "api" }] });
  });
});

describe("a workspace", () => {
  it("is seen by anybody", async () => {
    const { body } = await call(host, null, `GET /workspaces/${encodeURIComponent(acme.uuid)}`);
    expect(body).toMatchObject({ type: "workspace", uuid: acme.uuid, slug: "acme", is_personal: false });
    expect((await call(host, null, "GET /workspaces/nobody")).status).toBe(404);
  });
});

describe("files", () => {
  const FILES = {
    "README.md": "hello",
    "bin/run": { executable: "#!/bin/sh\n" },
    "bin/link": { symlink: "run" },
    "bin/deep/data": Buffer.from([0, 1, 2]),
    "with space/ä#?.txt": "odd",
  };
  let sha: string;

  beforeEach(async () => {
    sha = (await repository.commit({ files: FILES })).sha;
  });

  it("are served as they are, by hash, unambiguous prefix and branch", async () => {
    for (const commit of [sha, sha.slice(0, 7), "main"]) {
      const { status, text, headers } = await get(`${REPO}/src/${commit}/README.md`);
      expect([status, text, headers.get("content-type")]).toEqual([200, "hello", "text/markdown"]);
      expect(headers.get("content-disposition")).toMatch(/^attachment/);
    }
    const odd = "with space/ä#?.txt".split("/").map(encodeURIComponent).join("/");
    expect((await get(`${REPO}/src/${sha}/${odd}`)).text).toBe("odd");
  });

  it.each([
    ["README.md", { type: "commit_file", path: "README.md", size: 5, attributes: [] }],
    ["bin/run", { type: "commit_file", path: "bin/run", attributes: ["executable"] }],
    ["bin/link", { type: "commit_file", path: "bin/link", attributes: ["link"] }],
    ["bin/deep/data", { type: "commit_file", path: "bin/deep/data", attributes: ["binary"] }],
    ["bin/", { type: "commit_directory", path: "bin" }],
  ])("are described: %s", async (path, shape) => {
    const { body } = await get(`${REPO}/src/${sha}/${path}?format=meta`);
    expect(body).toMatchObject({ ...shape, commit: { hash: sha } });
  });

  it("are listed by folder, and as deep as is asked for", async () => {
    const paths = async (path: string) => (await get(`${REPO}/src/${sha}/${path}`)).values.map((item) => item["path"]);
    expect(await paths("")).toEqual(["README.md", "bin", "with space"]);
    expect(await paths("bin/")).toEqual(["bin/deep", "bin/link", "bin/run"]);
    expect(await paths("bin?max_depth=2")).toEqual(["bin/deep", "bin/link", "bin/run", "bin/deep/data"]);
  });

  it("are listed page by page, each led to by the one before, and filtered", async () => {
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`many/${10 + index}/Main.md`, "x"]));
    await repository.commit({ files });
    const query = encoded({ max_depth: "3", fields: "next,values.path", q: 'path ~ "main" OR path = "README.md"' });
    const { body, values } = await get(`${REPO}/src/main/?${query}`);
    expect([values.length, values[0]]).toEqual([10, { path: "README.md" }]);
    const second = await call(host, token, `GET ${String(body["next"])}`);
    expect(second.body).toEqual({ values: ["19", "20", "21"].map((name) => ({ path: `many/${name}/Main.md` })) });
  });

  it.each(["none", "bin/none", "README.md/", "../README.md", ""])("are not found: %j", async (path) => {
    const { pathname } = new URL(`http://x/2.0${REPO}/src/${sha}/${path.replaceAll(".", "%2E")}`);
    // Without the slash, the root folder is none.
    const asked = path === "" ? pathname.slice(4, -1) : pathname.slice(4);
    expect((await get(asked)).status).toBe(404);
  });

  it("are not found in a commit there is not", async () => {
    expect((await get(`${REPO}/src/${"1".repeat(40)}/README.md`)).status).toBe(404);
  });
});

describe("differences", () => {
  let first: string;
  let second: string;

  beforeEach(async () => {
    const text = Array.from({ length: 20 }, (_, line) => `line ${line}\n`).join("");
    first = (await repository.commit({ files: { old: text, gone: "gone\n", same: "same\n", "dir/a": "1\n" } })).sha;
    const files = { old: null, moved: `${text}more\n`, gone: null, "dir/a": "2\n", "dir/b": "new here\n" };
    second = (await repository.commit({ files })).sha;
  });

  async function changes(path: string) {
    const { values } = await get(`${REPO}/diffstat/${path}`);
    const side = (item: unknown) => (item === null ? null : objectAt({ item }, "item")["path"]);
    return values.map((item) => [item["status"], side(item["old"]), side(item["new"])]);
  }

  it("name the newer commit first, and know renames", async () => {
    expect(await changes(`${second}..${first}?topic=false`)).toEqual([
      ["modified", "dir/a", "dir/a"],
      ["added", null, "dir/b"],
      ["removed", "gone", null],
      ["renamed", "old", "moved"],
    ]);
    expect((await changes(`${first}..${second}?topic=false`)).map(([status]) => status)).toEqual([
      "modified",
      "removed",
      "added",
      "renamed",
    ]);
  });

  it("count lines", async () => {
    const { values } = await get(`${REPO}/diffstat/${second}..${first}?topic=false&path=moved`);
    expect(values).toMatchObject([{ type: "diffstat", lines_added: 1, lines_removed: 0 }]);
  });

  it("of one commit are against its first parent, or nothing", async () => {
    expect(await changes(second)).toHaveLength(4);
    expect((await changes(first)).map(([status]) => status)).toEqual(["added", "added", "added", "added"]);
  });

  it("show renames as two changes when told to", async () => {
    expect(await changes(`${second}..${first}?topic=false&renames=false&path=old&path=moved`)).toEqual([
      ["removed", "old", null],
      ["added", null, "moved"],
    ]);
  });

  it("are from the common commit on, unless `topic` says no", async () => {
    const side = await repository.commit({ branch: "side", parent: first, files: { side: "1\n" } });
    expect(await changes(`${side.sha}..${second}`)).toEqual([["added", null, "side"]]);
    expect(await changes(`${side.sha}..${second}?topic=true`)).toEqual([["added", null, "side"]]);
    expect(await changes(`${side.sha}..${second}?topic=false`)).toHaveLength(5);
  });

  it("come in pages of up to 500", async () => {
    const many = Object.fromEntries(Array.from({ length: 501 }, (_, index) => [`f${index}`, "1"]));
    const { sha } = await repository.commit({ files: many });
    const { body, values } = await get(`${REPO}/diffstat/${sha}..${second}?topic=false`);
    expect([values.length, body["size"], body["pagelen"]]).toEqual([500, 501, 500]);
    expect((await call(host, token, `GET ${String(body["next"])}`)).values).toHaveLength(1);
    expect((await get(`${REPO}/diffstat/${sha}..${second}?topic=false&pagelen=10`)).values).toHaveLength(10);
  });
});

describe("refs", () => {
  it("are pages of branches and tags, filtered and sorted", async () => {
    const { sha } = await repository.commit({ files: { a: "1" } });
    await repository.push(Array.from({ length: 12 }, (_, index) => ({ tag: `v${10 + index}`, to: sha })));
    const names = async (query: string) => (await get(`${REPO}/refs/tags?${query}`)).values.map((item) => item["name"]);
    const { body, values } = await get(`${REPO}/refs/tags`);
    expect(body).toMatchObject({ pagelen: 10, page: 1, size: 12 });
    expect(values).toHaveLength(10);
    const second = await call(host, token, `GET ${String(body["next"])}`);
    expect(second.values.map((item) => item["name"])).toEqual(["v20", "v21"]);
    expect(second.body).toHaveProperty("previous");
    expect(second.body).not.toHaveProperty("next");
    expect(await names(encoded({ q: 'name = "v15"' }))).toEqual(["v15"]);
    expect(await names(encoded({ q: 'name ~ "V1" AND name > "v17" OR name = "v20"' }))).toEqual(["v18", "v19", "v20"]);
    expect((await names("sort=-name&pagelen=100"))[0]).toBe("v21");
  });

  it("have slashes in their names, and annotated tags lead to commits", async () => {
    const { sha } = await repository.commit({ branch: "feature/x", files: { a: "1" } });
    await repository.push([{ tag: "rel/1", to: sha, annotated: true, message: "One" }]);
    for (const name of ["feature/x", "feature%2Fx"]) {
      expect((await get(`${REPO}/refs/branches/${name}`)).body).toMatchObject({
        name: "feature/x",
        target: { hash: sha },
      });
    }
    expect((await get(`${REPO}/refs/tags/rel/1`)).body).toMatchObject({
      name: "rel/1",
      message: "One\n",
      target: { hash: sha },
    });
    expect((await get(`${REPO}/refs/branches/none`)).status).toBe(404);
  });

  it("and commits expand what is abbreviated", async () => {
    const first = await repository.commit({ files: { a: "1" }, message: "One" });
    const { sha } = await repository.commit({ files: { a: "2" }, message: "Two" });
    const { body } = await get(`${REPO}/commit/${sha.slice(0, 12)}`);
    expect(body).toMatchObject({ type: "commit", hash: sha, message: "Two", parents: [{ hash: first.sha }] });
    await repository.push([{ branch: "abcdef0", to: sha }]);
    for (const branch of ["main", "abcdef0"]) expect((await get(`${REPO}/commit/${branch}`)).status).toBe(404);
    expect((await get(`${REPO}/commits/main`)).values.map((item) => item["hash"])).toEqual([sha, first.sha]);
  });
});

describe("build statuses", () => {
  it("are made, overwritten by the same key, updated, read and listed", async () => {
    const { sha } = await repository.commit({ files: { a: "1" } });
    const path = `${REPO}/commit/${sha.slice(0, 12)}/statuses`;
    const status = { key: "wharf", state: "INPROGRESS", name: "Wharf", url: "https://b.test/1", refname: "main" };
    const made = await call(host, token, `POST ${path}/build`, status);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ type: "build", ...status, commit: { hash: sha } });
    await call(host, token, `POST ${path}/build`, { key: "wharf", state: "STOPPED" });
    expect(repository.statuses(sha)).toMatchObject([{ key: "wharf", state: "STOPPED", name: null, writes: 2 }]);
    const updated = await call(host, token, `PUT ${path}/build/wharf`, {
      key: "wharf",
      state: "SUCCESSFUL",
      description: "Done",
    });
    expect([updated.status, updated.body["uuid"]]).toEqual([200, made.body["uuid"]]);
    expect((await get(`${path}/build/wharf`)).body).toMatchObject({ state: "SUCCESSFUL", description: "Done" });
    await call(host, token, `POST ${path}/build`, { key: "other", state: "FAILED", refname: "next" });
    expect((await get(path)).values.map((item) => item["key"])).toEqual(["wharf", "other"]);
    expect((await get(`${path}?refname=next`)).values.map((item) => item["key"])).toEqual(["other"]);
  });
});

describe("reports", () => {
  it("are put, put again, read and annotated", async () => {
    const { sha } = await repository.commit({ files: { a: "1" } });
    const path = `${REPO}/commit/${sha}/reports`;
    const data = [
      { title: "Image", type: "LINK", value: { text: "api", href: "https://b.test/api" } },
      { title: "Built", type: "BOOLEAN", value: true },
      { title: "Took", type: "DURATION", value: 1200 },
      { title: "Tags", type: "TEXT", value: "latest" },
    ];
    const report = { title: "Images", details: "One", report_type: "TEST", result: "PENDING", data };
    expect((await call(host, token, `PUT ${path}/wharf`, report)).body).toMatchObject({
      external_id: "wharf",
      ...report,
    });
    await call(host, token, `PUT ${path}/wharf`, { ...report, result: "PASSED" });
    const [kept] = repository.reports(sha);
    expect(kept).toMatchObject({ externalId: "wharf", writes: 2, content: { result: "PASSED", data } });
    expect((await get(`${path}/${encodeURIComponent(kept?.uuid ?? "")}`)).body).toMatchObject({ result: "PASSED" });
    expect((await get(path)).values).toHaveLength(1);
    const annotation = { external_id: "a1", annotation_type: "BUG", summary: "Broken", path: "Dockerfile", line: 3 };
    const made = await call(host, token, `POST ${path}/wharf/annotations`, [annotation]);
    expect(made.values).toMatchObject([annotation]);
    expect((await get(`${path}/wharf/annotations`)).values).toMatchObject([annotation]);
  });
});

describe("webhooks", () => {
  it.each(["/workspaces/acme", REPO])(
    "of %s are made, listed, changed and deleted, and keep their secret",
    async (subject) => {
      const input = {
        url: "https://b.test/hook",
        description: "Wharf",
        events: ["repo:push"],
        secret: "s1",
        active: true,
      };
      const made = await call(host, token, `POST ${subject}/hooks`, input);
      expect(made.status).toBe(201);
      expect(made.body).toMatchObject({ type: "webhook_subscription", secret_set: true, events: ["repo:push"] });
      expect(JSON.stringify(made.body)).not.toContain('"s1"');
      const path = `${subject}/hooks/${encodeURIComponent(String(made.body["uuid"]))}`;
      expect((await get(`${subject}/hooks`)).values).toHaveLength(1);
      await call(host, token, `PUT ${path}`, { events: ["repo:push", "pullrequest:created"] });
      expect(host.hooks).toMatchObject([{ secret: "s1", events: ["repo:push", "pullrequest:created"] }]);
      expect((await call(host, token, `PUT ${path}`, { secret: null })).body["secret_set"]).toBe(false);
      expect((await get(path)).status).toBe(200);
      expect((await call(host, token, `DELETE ${path}`)).status).toBe(204);
      expect((await get(path)).status).toBe(404);
    },
  );

  it("of a repository are not those of its workspace", async () => {
    host.addHook({ workspace: acme, url: "https://b.test/w", events: ["repo:push"] });
    const hook = host.addHook({ repository, url: "https://b.test/r", events: ["repo:push"] });
    expect((await get(`${REPO}/hooks`)).values.map((item) => item["url"])).toEqual(["https://b.test/r"]);
    expect((await get("/workspaces/acme/hooks")).values.map((item) => item["url"])).toEqual(["https://b.test/w"]);
    host.removeHook(hook);
    expect((await get(`${REPO}/hooks`)).values).toEqual([]);
  });
});

describe("pull requests", () => {
  it("are read with abbreviated hashes, which their repository can expand also for forks", async () => {
    const base = await repository.commit({ files: { a: "1" } });
    const fork = await host.fork(repository, host.workspace("stranger"));
    const { sha } = await fork.commit({ branch: "fix", files: { a: "2" } });
    const { pull } = await host.openPull(repository, { head: "fix", from: fork });
    const path = `${REPO}/pullrequests/${pull.id}`;
    const read = async () => (await get(path)).body;
    expect(await read()).toMatchObject({
      state: "OPEN",
      merge_commit: null,
      source: { branch: { name: "fix" }, commit: { hash: sha.slice(0, 12) }, repository: { uuid: fork.uuid } },
      destination: { branch: { name: "main" }, commit: { hash: base.sha.slice(0, 12) } },
    });
    expect((await get(`${REPO}/commit/${sha.slice(0, 12)}`)).body["hash"]).toBe(sha);
    const { sha: next } = await fork.push([{ branch: "fix", files: { a: "3" } }]);
    expect(pull.headSha).toBe(next);
    await host.mergePull(pull);
    expect(await read()).toMatchObject({ state: "MERGED", merge_commit: { hash: pull.mergeSha?.slice(0, 12) } });
    expect(await repository.ref("refs/heads/main")).toBe(pull.mergeSha);
    await host.delete(fork);
    expect((await read())["source"]).toMatchObject({ repository: null });
    expect((await get(`${REPO}/pullrequests/2`)).status).toBe(404);
  });
});
