import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { isObject } from "../json.ts";
import { appJwt, call } from "./client.ts";
import { createGithubHost, type GithubHost, HOST_KINDS } from "./index.ts";

const DAY = 24 * 60 * 60 * 1000;

describe.each(HOST_KINDS)("the delivery log, on $kind", (kind) => {
  const days = kind.basePath === "" ? 3 : 7;
  let host: GithubHost;
  let server: Server;
  let statuses: number[];
  let received: string[];

  beforeEach(async () => {
    statuses = [];
    received = [];
    server = createServer((request, response) => {
      received.push(String(request.headers["x-github-delivery"]));
      const status = statuses.shift() ?? 202;
      // 0: the connection is cut.
      if (status === 0) request.socket.destroy();
      else request.resume().on("end", () => response.writeHead(status).end());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    host = await createGithubHost({ ...kind, webhook: { url: `http://127.0.0.1:${port}/`, secret: "s".repeat(32) } });
  });

  afterEach(async () => {
    expect(host.violations).toEqual([]);
    await host.close();
    server.closeAllConnections();
    server.close();
  });

  async function listed(query = ""): Promise<unknown[]> {
    const { list } = await call(host, appJwt(host), `GET /app/hook/deliveries${query}`);
    return list.map((item) => (isObject(item) ? item["guid"] : null));
  }

  function idOf(guid: string): string {
    return host.deliveries.find((item) => item.guid === guid)?.id ?? "";
  }

  it("tells failures from successes by the status alone: no answer is neither", async () => {
    statuses = [200, 302, 404, 500, 0];
    const guids: string[] = [];
    for (const _ of [1, 2, 3, 4, 5]) guids.push((await host.ping()).guid);
    const [fine, redirected, missing, broken, cut] = guids;
    expect(await listed("?status=success")).toEqual([redirected, fine]);
    expect(await listed("?status=failure")).toEqual([broken, missing]);
    expect(await listed()).toEqual([cut, broken, missing, redirected, fine]);
    const { list } = await call(host, appJwt(host), "GET /app/hook/deliveries?per_page=1");
    expect(list).toMatchObject([{ guid: cut, status_code: 0, status: "failed to connect to host" }]);
  });

  it(`keeps a delivery for ${days} days, to be shown and sent again`, async () => {
    const { guid } = await host.ping();
    const id = idOf(guid);
    host.advance(days * DAY - 60_000);
    expect(await listed()).toEqual([guid]);
    expect((await call(host, appJwt(host), `GET /app/hook/deliveries/${id}`)).status).toBe(200);
    expect((await call(host, appJwt(host), `POST /app/hook/deliveries/${id}/attempts`)).status).toBe(202);
    await host.settled();
    expect(received).toEqual([guid, guid]);
    host.advance(2 * 60_000);
    // The second attempt is a delivery of its own in the log, under the same GUID, and as young as it is.
    expect(await listed()).toEqual([guid]);
    expect((await call(host, appJwt(host), `GET /app/hook/deliveries/${id}`)).status).toBe(404);
    expect((await call(host, appJwt(host), `POST /app/hook/deliveries/${id}/attempts`)).status).toBe(404);
    const { list } = await call(host, appJwt(host), "GET /app/hook/deliveries");
    expect(list).toMatchObject([{ guid, redelivery: true }]);
    host.advance(days * DAY);
    expect(await listed()).toEqual([]);
    await host.settled();
    expect(received).toEqual([guid, guid]);
  });

  it("leads through its pages, and refuses a page that has left it", async () => {
    for (const _ of [1, 2, 3]) await host.ping();
    const page = await call(host, appJwt(host), "GET /app/hook/deliveries?per_page=2");
    const next = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
    expect(next.startsWith(`${host.apiUrl}/app/hook/deliveries?`)).toBe(true);
    const path = next.slice(host.apiUrl.length);
    expect((await call(host, appJwt(host), `GET ${path}`)).list).toHaveLength(1);
    host.advance(days * DAY);
    expect((await call(host, appJwt(host), `GET ${path}`)).status).toBe(422);
  });

  it("names the host where there may be several", async () => {
    await host.ping();
    const headers = host.deliveries[0]?.requestHeaders ?? {};
    const answer = await call(host, appJwt(host), "GET /app");
    if (kind.basePath === "") {
      expect(Object.keys(headers).filter((name) => name.includes("enterprise"))).toEqual([]);
      expect(answer.headers.get("x-github-enterprise-version")).toBeNull();
      return;
    }
    expect(headers).toMatchObject({
      "x-github-enterprise-host": new URL(host.url).host,
      "x-github-enterprise-version": expect.stringMatching(/^3\.\d+\.\d+$/),
    });
    expect(answer.headers.get("x-github-enterprise-version")).toMatch(/^enterprise-server@3\./);
  });
});
