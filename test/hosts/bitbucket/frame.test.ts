import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import jwt from "atlassian-jwt";
import { type AppStub, createAppStub, descriptorOf } from "./app-stub.ts";
import {
  type BitbucketHost,
  createBitbucketHost,
  type HostInstall,
  type HostUser,
  type HostWorkspace,
} from "./index.ts";

let app: AppStub;
let host: BitbucketHost;
let acme: HostWorkspace;
let mona: HostUser;

beforeEach(async () => {
  app = await createAppStub();
  host = await createBitbucketHost();
  acme = host.workspace("acme");
  mona = host.user("mona");
  host.setPermission(acme, mona, "member");
});

afterEach(async () => {
  expect(host.violations).toEqual([]);
  await host.close();
  await app.close();
});

async function installed(more: Parameters<typeof descriptorOf>[1] = {}): Promise<HostInstall> {
  return (await host.install(acme, { descriptor: descriptorOf(app.url, more) })).install;
}

/** The page at an address, and what it shows in its frame. */
async function open(address: string) {
  const response = await fetch(address);
  const text = await response.text();
  const source = /<iframe src="([^"]+)"/.exec(text)?.[1]?.replaceAll("&amp;", "&") ?? null;
  return { response, text, source };
}

/** The frame's address without its JWT, which must be over the rest of it. */
function verified(source: string | null, { secret, clientKey }: HostInstall): string {
  const url = new URL(source ?? "");
  const token = url.searchParams.get("jwt") ?? "";
  const claims = jwt.decodeSymmetric(token, secret, jwt.SymmetricAlgorithm.HS256);
  expect(Object.keys(claims).toSorted()).toEqual(["aud", "exp", "iat", "iss", "qsh"]);
  expect(claims.iss).toBe(clientKey);
  const request = jwt.fromMethodAndUrl("GET", url.pathname + url.search);
  expect(claims.qsh).toBe(jwt.createQueryStringHash(request, false, ""));
  url.searchParams.delete("jwt");
  return decodeURIComponent(url.href);
}

describe("a page of the host that frames the app", () => {
  it("says which workspace and who looks, in an address that is signed", async () => {
    const install = await installed();
    const { response, text, source } = await open(host.framePage(install, "configure", { user: mona }));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(text).toContain("<title>An app&#39;s &lt;settings&gt;</title>");
    expect(verified(source, install)).toBe(
      `${app.url}/configure?workspace=${acme.uuid}&user=${mona.uuid}&nothing={user.nothing}`,
    );
  });

  it("says which repository, below that repository", async () => {
    const install = await installed();
    const repository = await host.repository(acme, "api");
    const address = host.framePage(install, "repository", { user: mona, repository });
    expect(new URL(address).pathname).toBe("/acme/api/addon/an-app/repository");
    const { source } = await open(address);
    expect(verified(source, install)).toBe(`${app.url}/repository/${repository.uuid}?name=acme/api&by=${mona.uuid}`);
    expect(() => host.framePage(install, "repository", { user: mona })).toThrow(/repository/);
  });

  it("leaves placeholders as they are for what the app was not granted", async () => {
    const { modules } = descriptorOf(app.url);
    const install = await installed({ scopes: ["pullrequest"], modules });
    const { source } = await open(host.framePage(install, "configure", { user: mona }));
    expect(verified(source, install)).toBe(
      `${app.url}/configure?workspace={workspace.uuid}&user={user.uuid}&nothing={user.nothing}`,
    );
  });

  it("is shown only to those who may see what it is about", async () => {
    const install = await installed();
    const repository = await host.repository(acme, "api", { private: true });
    const status = async (address: string) => (await fetch(address)).status;
    const eve = host.user("eve");
    expect(await status(host.framePage(install, "configure", { user: eve }))).toBe(404);
    expect(await status(host.framePage(install, "configure", { user: mona }))).toBe(200);
    expect(await status(host.framePage(install, "repository", { user: mona, repository }))).toBe(404);
    host.setRepositoryPermission(repository, mona, "read");
    expect(await status(host.framePage(install, "repository", { user: mona, repository }))).toBe(200);
    const open = await host.repository(acme, "open");
    expect(await status(host.framePage(install, "repository", { user: eve, repository: open }))).toBe(200);
  });

  it("is not there without the module, the user, the workspace, or the app", async () => {
    const install = await installed();
    await host.repository(acme, "api");
    const address = host.framePage(install, "configure", { user: mona });
    expect(() => host.framePage(install, "none", { user: mona })).toThrow(/no page/);
    for (const other of [
      address.replace("/configure", "/none"),
      address.replace(/as=.*/, "as=%7B%7D"),
      address.replace("/acme/", "/umbrella/"),
      address.replace("/an-app/", "/another-app/"),
      address.replace("/workspace/settings/", "/api/"),
    ]) {
      const { response, source } = await open(other);
      expect([response.status, source]).toEqual([404, null]);
    }
    await host.uninstall(install);
    expect((await open(address)).response.status).toBe(404);
  });
});

it("serves the script that pages in its frames load", async () => {
  const response = await fetch(`${host.url}/atlassian-connect/all.js`);
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"]);
  const page: { AP?: unknown } = {};
  runInNewContext(await response.text(), page);
  expect(page.AP).toEqual({});
});
