import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { isObject, listAt } from "../json.ts";
import { appJwt, call, mint } from "./client.ts";
import { examplePayload } from "./examples.ts";
import { createGithubHost, type GithubHost, HOST_KINDS } from "./index.ts";

/** An installation's permissions differ with reason; only checks of deployments have one. */
const NOT_OURS = new Set(["permissions", "deployment"]);

/** Paths of what an example has and we do not. */
function missingFields(example: unknown, ours: unknown, path: string): string[] {
  if (!isObject(example) || !isObject(ours)) return [];
  return Object.entries(example).flatMap(([key, value]) =>
    NOT_OURS.has(key) ? [] : key in ours ? missingFields(value, ours[key], `${path}.${key}`) : [`${path}.${key}`],
  );
}

const SECRET = "a secret of thirty-two characters or more";

interface Received {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly payload: { readonly [key: string]: unknown };
}

describe.each(HOST_KINDS)("on $kind", (kind) => {
  let host: GithubHost;
  let server: Server;
  let received: Received[];
  let answerWith: number;

  beforeEach(async () => {
    received = [];
    answerWith = 202;
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks);
        const payload: unknown = JSON.parse(body.toString("utf8"));
        received.push({ headers: request.headers, body, payload: isObject(payload) ? payload : {} });
        response.writeHead(answerWith).end();
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    host = await createGithubHost({ ...kind, webhook: { url: `${hookUrl()}/hook`, secret: SECRET } });
  });

  function hookUrl(): string {
    const address = server.address();
    return address !== null && typeof address === "object" ? `http://127.0.0.1:${address.port}` : "";
  }

  afterEach(async () => {
    await host.close();
    server.closeAllConnections();
    server.close();
  });

  describe("the stand-in GitHub, from installation to check", () => {
    it("goes the whole way without one violation", async () => {
      const acme = host.organization("acme");
      const api = await host.repository(acme, "api", { private: true });
      await api.commit({ message: "Start", files: { "README.md": "hello\n" } });
      const installation = await host.install(acme, { repositories: [api] });
      const { sha, before, delivery } = await host.push(api, {
        message: "Build",
        files: { Dockerfile: "FROM scratch\n" },
      });
      expect(delivery).toEqual({ guid: expect.any(String), sent: true, status: 202 });
      expect(received.map((item) => item.headers["x-github-event"])).toEqual(["installation", "push"]);
      expect(received[1]?.payload).toMatchObject({
        ref: "refs/heads/main",
        before,
        after: sha,
        created: false,
        deleted: false,
        forced: false,
        head_commit: { id: sha, message: "Build", added: ["Dockerfile"], removed: [], modified: [] },
        commits: [{ id: sha }],
        installation: { id: installation.id },
        repository: {
          id: api.id,
          full_name: "acme/api",
          private: true,
          default_branch: "main",
          clone_url: api.cloneUrl,
        },
      });

      const token = await mint(host, installation);
      const file = await call(host, token, `GET /repos/acme/api/contents/Dockerfile?ref=${sha}`);
      expect(Buffer.from(String(file.body["content"]), "base64").toString()).toBe("FROM scratch\n");
      const made = await call(host, token, "POST /repos/acme/api/check-runs", {
        body: { name: "wharfinger", head_sha: sha, status: "in_progress", external_id: "x" },
      });
      expect(made.status).toBe(201);
      const done = await call(host, token, `PATCH /repos/acme/api/check-runs/${String(made.body["id"])}`, {
        body: { status: "completed", conclusion: "success", output: { title: "Built", summary: "fine" } },
      });
      expect(done.status).toBe(200);
      const listed = await call(
        host,
        token,
        `GET /repos/acme/api/commits/${sha}/check-runs?check_name=wharfinger&app_id=${host.appId}`,
      );
      expect(listed.body).toMatchObject({ total_count: 1, check_runs: [{ external_id: "x", conclusion: "success" }] });
      expect(api.checkRuns(sha)).toMatchObject([{ conclusion: "success", output: { title: "Built" }, writes: 2 }]);
      await host.settled();
      expect(received.slice(2).map((item) => item.payload["action"])).toEqual(["created", "completed"]);
      expect(host.violations).toEqual([]);
    });

    it("answers every operation of its description as described", async () => {
      const acme = host.organization("acme");
      const api = await host.repository(acme, "api", { private: true });
      const first = await api.commit({ files: { a: "1\n", "docs/b": "2\n" } });
      await api.commit({ branch: "side", files: { side: "1\n" } });
      const { sha } = await host.push(api, { files: { a: null, "moved/a": "1\n", "docs/b": "3\n" } });
      const installation = await host.install(acme);
      const token = await mint(host, installation, {
        repository_ids: [api.id],
        permissions: { contents: "read", checks: "write", pull_requests: "read" },
      });
      const { pull } = await host.openPull(api, { head: "side" });
      const app = appJwt(host);
      const made = await call(host, token, "POST /repos/acme/api/check-runs", { body: { name: "w", head_sha: sha } });
      const run = String(made.body["id"]);
      await host.settled();
      const delivery = host.deliveries.at(-1)?.id ?? "";
      const asked: [string, string, number][] = [
        [app, "GET /app", 200],
        [app, "GET /app/installations", 200],
        [app, `GET /app/installations/${installation.id}`, 200],
        [app, `POST /app/installations/${installation.id}/access_tokens`, 201],
        [app, "GET /app/hook/deliveries?per_page=1", 200],
        [app, `GET /app/hook/deliveries/${delivery}`, 200],
        [app, `POST /app/hook/deliveries/${delivery}/attempts`, 202],
        [token, "GET /installation/repositories?per_page=100", 200],
        [token, "GET /repos/acme/api", 200],
        [token, "GET /repos/acme/api/contents/docs/b", 200],
        [token, "GET /repos/acme/api/contents/docs", 200],
        [token, "GET /repos/acme/api/contents/", 200],
        [token, `GET /repos/acme/api/compare/${first.sha}...${sha}`, 200],
        [token, "GET /repos/acme/api/git/matching-refs/heads/", 200],
        [token, "GET /repos/acme/api/commits/main", 200],
        [token, `GET /repos/acme/api/check-runs/${run}`, 200],
        [token, `PATCH /repos/acme/api/check-runs/${run}`, 200],
        [token, "GET /repos/acme/api/commits/main/check-runs", 200],
        [token, `GET /repos/acme/api/pulls/${pull.number}`, 200],
        [token, "GET /rate_limit", kind.basePath === "" ? 200 : 404],
        [token, "GET /meta", 200],
        [token, "DELETE /installation/token", 204],
        [token, "GET /installation/repositories", 401],
      ];
      for (const [credential, operation, status] of asked) {
        const body = operation.startsWith("PATCH") ? { conclusion: "neutral" } : undefined;
        const answer = await call(host, credential, operation, body === undefined ? {} : { body });
        expect([operation, answer.status, host.violations]).toEqual([operation, status, []]);
        const limited = kind.basePath === "" && status !== 401;
        expect([operation, answer.headers.has("x-ratelimit-remaining")]).toEqual([operation, limited]);
      }
    });
  });

  describe("webhooks", () => {
    it("are signed over their exact bytes and carry GitHub's headers", async () => {
      await host.deliver("push", '{"odd":  "spacing é"}', { guid: "6c0e9d3e-0000-11f0-8000-000000000001" });
      const [message] = received;
      const digest = createHmac("sha256", SECRET)
        .update(message?.body ?? "")
        .digest("hex");
      expect(message?.body.toString()).toBe('{"odd":  "spacing é"}');
      expect(message?.headers).toMatchObject({
        "x-hub-signature-256": `sha256=${digest}`,
        "x-github-event": "push",
        "x-github-delivery": "6c0e9d3e-0000-11f0-8000-000000000001",
        "x-github-hook-installation-target-type": "integration",
        "x-github-hook-installation-target-id": String(host.appId),
        "user-agent": expect.stringMatching(/^GitHub-Hookshot\//),
        "content-type": "application/json",
      });
    });

    it("say of every kind of ref what happened to it", async () => {
      const acme = host.organization("acme");
      const api = await host.repository(acme, "api");
      await host.install(acme);
      received = [];
      const one = await host.push(api, { files: { a: "1" } });
      const branch = await host.push(api, { branch: "feature/x", files: { b: "1" } });
      const forced = await host.forcePush(api, { branch: "feature/x", files: { b: "2" } });
      await host.pushTag(api, { tag: "v1", sha: one.sha });
      const annotated = await host.pushTag(api, { tag: "v2", sha: one.sha, annotated: true });
      await host.deleteRef(api, "refs/heads/feature/x");
      await host.deleteRef(api, "refs/tags/v2");
      const zero = "0".repeat(40);
      const flags = (created: boolean, deleted: boolean, force: boolean) => ({ created, deleted, forced: force });
      expect(received.map((item) => item.payload)).toMatchObject([
        { ref: "refs/heads/main", before: zero, after: one.sha, ...flags(true, false, false), base_ref: null },
        { ref: "refs/heads/feature/x", before: zero, ...flags(true, false, false), commits: [{ id: branch.sha }] },
        { before: branch.sha, after: forced.sha, ...flags(false, false, true), commits: [{ id: forced.sha }] },
        { ref: "refs/tags/v1", after: one.sha, ...flags(true, false, false), base_ref: "refs/heads/main", commits: [] },
        { ref: "refs/tags/v2", after: annotated.sha, head_commit: { id: one.sha }, ...flags(true, false, false) },
        { ref: "refs/heads/feature/x", after: zero, head_commit: null, ...flags(false, true, false), commits: [] },
        { ref: "refs/tags/v2", before: annotated.sha, after: zero, head_commit: null, ...flags(false, true, false) },
      ]);
      expect(annotated.sha).not.toBe(one.sha);
    });

    it("are not sent for more than three tags at once", async () => {
      const acme = host.organization("acme");
      const api = await host.repository(acme, "api");
      const { sha } = await api.commit({ files: { a: "1" } });
      await host.install(acme);
      received = [];
      const tags = (names: string[]) => names.map((tag) => ({ tag, sha }));
      const many = await host.pushTags(api, tags(["a", "b", "c", "d"]));
      expect(many.map((item) => item.delivery.sent)).toEqual([false, false, false, false]);
      expect(received).toEqual([]);
      expect(await api.ref("refs/tags/d")).toBe(sha);
      const three = await host.pushTags(api, tags(["e", "f", "g"]));
      expect(three.map((item) => item.delivery.status)).toEqual([202, 202, 202]);
    });

    it("are not sent for more than three tags at once that are moved or deleted, and for branches beside them", async () => {
      const acme = host.organization("acme");
      const api = await host.repository(acme, "api");
      const { sha } = await api.commit({ files: { a: "1" } });
      const { sha: next } = await api.commit({ files: { a: "2" } });
      await host.install(acme);
      const names = ["a", "b", "c", "d"];
      for (const tag of names) await host.pushTag(api, { tag, sha });
      received = [];
      const main = { ref: "refs/heads/main", to: sha };
      const moved = await host.pushRefs(api, [...names.map((tag) => ({ tag, sha: next, annotated: true })), main]);
      expect(moved.map((item) => item.delivery.sent)).toEqual([false, false, false, false, true]);
      const mixed = [{ ref: "refs/tags/a", to: null }, ...["b", "c"].map((tag) => ({ tag, sha })), { tag: "e", sha }];
      expect((await host.pushRefs(api, mixed)).map((item) => item.delivery.sent)).toEqual([false, false, false, false]);
      expect(await Promise.all(["a", "b", "e"].map((tag) => api.ref(`refs/tags/${tag}`)))).toEqual([null, sha, sha]);
      const left = ["refs/tags/b", "refs/tags/c", "refs/tags/d"].map((ref) => ({ ref, to: null }));
      const deleted = await host.pushRefs(api, [...left, { ref: "refs/heads/side", to: next }]);
      expect(deleted.map((item) => [item.sha, item.delivery.sent])).toEqual([
        ["", true],
        ["", true],
        ["", true],
        [next, true],
      ]);
      expect(received.map(({ payload: { ref, after } }) => [ref, after])).toEqual([
        ["refs/heads/main", sha],
        ...left.map(({ ref }) => [ref, "0".repeat(40)]),
        ["refs/heads/side", next],
      ]);
      await expect(host.pushRefs(api, [{ ref: "refs/tags/b", to: null }])).rejects.toThrow("no refs/tags/b");
    });

    it("are not sent for a push of more branches than GitHub tells of", async () => {
      const webhook = { url: `${hookUrl()}/few`, secret: SECRET };
      const few = await createGithubHost({ ...kind, webhook, mostBranches: 3 });
      const acme = few.organization("acme");
      const api = await few.repository(acme, "api");
      const { sha } = await api.commit({ files: { a: "1" } });
      await few.install(acme);
      received = [];
      const branches = (names: string[]) => names.map((name) => ({ ref: `refs/heads/${name}`, to: sha }));
      const tag = { tag: "v1", sha };
      const sent = async (refs: Parameters<GithubHost["pushRefs"]>[1]) =>
        (await few.pushRefs(api, refs)).map((item) => item.delivery.sent);
      expect(await sent([...branches(["a", "b", "c", "d"]), tag])).toEqual([false, false, false, false, false]);
      expect(received).toEqual([]);
      expect([await api.ref("refs/heads/d"), await api.ref("refs/tags/v1")]).toEqual([sha, sha]);
      expect(await sent([...branches(["e", "f", "g"]), { tag: "v2", sha }])).toEqual([true, true, true, true]);
      expect(received).toHaveLength(4);
      expect(few.violations).toEqual([]);
      await few.close();
    });

    it("are not sent above 25 MB, and then stand in no log", async () => {
      const filled = (bytes: number) => `{"a":"${"x".repeat(bytes - 8)}"}`;
      expect(await host.deliver("push", filled(25 * 1024 ** 2))).toMatchObject({ sent: true, status: 202 });
      const more = await host.deliver("push", filled(25 * 1024 ** 2 + 1));
      expect(more).toEqual({ guid: expect.any(String), sent: false, status: null });
      expect(received).toHaveLength(1);
      expect(host.deliveries.map(({ guid }) => guid)).not.toContain(more.guid);
    });

    it("tell the life of an installation, and stop while it is suspended", async () => {
      const acme = host.organization("acme");
      const api = await host.repository(acme, "api", { private: true });
      const web = await host.repository(acme, "web");
      const installation = await host.install(acme, { repositories: [api] });
      const { sha } = await host.push(api, { files: { a: "1" } });
      await host.addRepositories(installation, [web]);
      await host.removeRepositories(installation, [web]);
      expect((await host.push(web, { files: { a: "1" } })).delivery.sent).toBe(false);
      await host.grant(installation, { contents: "read" });
      await host.grant(installation, { contents: "read", checks: "write" });
      const token = await mint(host, installation);
      await call(host, token, "POST /repos/acme/api/check-runs", {
        body: { name: "w", head_sha: sha, conclusion: "failure" },
      });
      await host.settled();
      const [run] = api.checkRuns(sha);
      if (run === undefined) throw new Error("no check run");
      await host.rerequest(run);
      await host.rerequestSuite(api, sha);
      await host.suspend(installation);
      expect((await call(host, token, "GET /repos/acme/api")).status).toBe(403);
      await expect(mint(host, installation)).rejects.toThrow("403");
      expect((await host.push(api, { files: { a: "2" } })).delivery).toMatchObject({ sent: false, status: null });
      expect((await host.pushTag(api, { tag: "v1", sha })).delivery.sent).toBe(false);
      expect((await host.deleteRef(api, "refs/tags/v1")).sent).toBe(false);
      expect((await host.rerequest(run)).sent).toBe(false);
      await host.unsuspend(installation);
      await host.uninstall(installation);
      await host.ping();
      const told = received.map(
        ({ headers, payload }) => `${String(headers["x-github-event"])}.${String(payload["action"] ?? "")}`,
      );
      expect(told).toEqual([
        "installation.created",
        "push.",
        "installation_repositories.added",
        "installation_repositories.removed",
        "installation.new_permissions_accepted",
        "installation.new_permissions_accepted",
        "check_run.created",
        "check_run.completed",
        "check_run.rerequested",
        "check_suite.rerequested",
        "installation.suspend",
        "installation.unsuspend",
        "installation.deleted",
        "ping.",
      ]);
      expect(received[0]?.payload).toMatchObject({ requester: null, repositories: [{ full_name: "acme/api" }] });
      expect(host.violations).toEqual([]);
    });

    it("have every field of GitHub's examples", async () => {
      const acme = host.organization("acme");
      const api = await host.repository(acme, "api");
      const installation = await host.install(acme);
      const { sha } = await host.push(api, { branch: "side", files: { a: "1" } });
      const token = await mint(host, installation);
      await call(host, token, "POST /repos/acme/api/check-runs", {
        body: { name: "w", head_sha: sha, conclusion: "success" },
      });
      await host.settled();
      for (const run of api.checkRuns(sha)) await host.rerequest(run);
      await host.rerequestSuite(api, sha);
      await host.removeRepositories(installation, [api]);
      expect(received.map((item) => item.headers["x-github-event"])).toHaveLength(7);
      for (const { headers, payload } of received) {
        const example = examplePayload(
          String(headers["x-github-event"]),
          (candidate) => candidate["action"] === payload["action"],
        );
        expect(missingFields(example, payload, "")).toEqual([]);
      }
      expect(received.at(-2)?.payload).toMatchObject({ check_suite: { head_branch: "side", conclusion: "success" } });
    });

    it("are logged with their outcome, are not retried, and go out again under the same GUID", async () => {
      answerWith = 503;
      const failed = await host.ping();
      expect(failed.status).toBe(503);
      expect(received).toHaveLength(1);
      answerWith = 202;
      const [attempt] = (await call(host, appJwt(host), "GET /app/hook/deliveries?status=failure")).list;
      expect(attempt).toMatchObject({ guid: failed.guid });
      // The one that was parsed is not exact.
      const id = host.deliveries.find(({ guid }) => guid === failed.guid)?.id ?? "";
      expect((await call(host, appJwt(host), `POST /app/hook/deliveries/${id}/attempts`)).status).toBe(202);
      await host.settled();
      expect(received.map((item) => item.headers["x-github-delivery"])).toEqual([failed.guid, failed.guid]);
      expect(received[0]?.body.equals(received[1]?.body ?? Buffer.alloc(0))).toBe(true);
      expect(host.deliveries.map((item) => [item.statusCode, item.redelivery])).toEqual([
        [503, false],
        [202, true],
      ]);
      const page = await call(host, appJwt(host), "GET /app/hook/deliveries?per_page=1");
      expect(page.list).toHaveLength(1);
      const next = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
      const second = await call(host, appJwt(host), `GET ${next.slice(host.apiUrl.length)}`);
      expect(second.list).toMatchObject([{ guid: failed.guid, status_code: 503 }]);
      expect(host.violations).toEqual([]);
    });

    it("give up when nobody answers in time", async () => {
      const slow = createServer(() => undefined).listen(0, "127.0.0.1");
      await once(slow, "listening");
      const address = slow.address();
      const other = await createGithubHost({ webhookTimeoutMs: 50 });
      try {
        const port = address !== null && typeof address === "object" ? address.port : 0;
        other.setWebhook({ url: `http://127.0.0.1:${port}/`, secret: SECRET });
        expect(await other.ping()).toMatchObject({ sent: true, status: null });
        expect(other.deliveries).toMatchObject([{ statusCode: 0, status: "timed out" }]);
      } finally {
        await other.close();
        slow.closeAllConnections();
        slow.close();
      }
    });
  });

  describe("pages", () => {
    it("lead through all repositories of an installation", async () => {
      const acme = host.organization("acme");
      for (const name of ["a", "b", "c"]) await host.repository(acme, name, { private: true });
      const token = await mint(host, await host.install(acme));
      const names: unknown[] = [];
      let path = "/installation/repositories?per_page=2";
      while (path !== "") {
        const answer = await call(host, token, `GET ${path}`);
        names.push(...listAt(answer.body, "repositories").map((item) => (isObject(item) ? item["name"] : null)));
        const next = /<([^>]+)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
        path = next === undefined ? "" : next.slice(host.apiUrl.length);
      }
      expect(names).toEqual(["a", "b", "c"]);
      expect(host.violations).toEqual([]);
    });
  });
});

describe("the base path of an enterprise server", () => {
  it("carries the API and nothing outside it", async () => {
    const other = await createGithubHost({ basePath: "/api/v3" });
    try {
      expect(other.apiUrl).toBe(`${other.url}/api/v3`);
      expect((await call(other, appJwt(other), "GET /app")).status).toBe(200);
      expect(other.violations).toEqual([]);
      const outside = await fetch(`${other.url}/app`, { headers: { "x-github-api-version": "2022-11-28" } });
      expect(outside.status).toBe(404);
      expect(other.violations).toEqual(["GET /app: there is no such operation in the API description"]);
    } finally {
      await other.close();
    }
  });
});
