import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type AppStub, createAppStub } from "./app-stub.ts";
import { type BitbucketHost, createBitbucketHost, type HostUser, type HostWorkspace } from "./index.ts";
import { readJwt } from "./jwt.ts";

let app: AppStub;
let host: BitbucketHost;
let acme: HostWorkspace;
let mona: HostUser;

beforeEach(async () => {
  app = await createAppStub();
  host = await createBitbucketHost();
  acme = host.workspace("acme");
  mona = host.user("mona");
  host.setPermission(acme, mona, "owner");
});

afterEach(async () => {
  expect(host.violations).toEqual([]);
  await host.close();
  await app.close();
});

/** Opens the page, and presses its button for a workspace. */
async function consent(address: string, workspace: HostWorkspace): Promise<Response> {
  const page = await fetch(address);
  expect(page.status).toBe(200);
  const action = /<form method="post" action="([^"]+)"/.exec(await page.text())?.[1]?.replaceAll("&amp;", "&") ?? "";
  const body = new URLSearchParams({ workspace: workspace.uuid });
  return fetch(new URL(action, address), { method: "POST", body, redirect: "manual" });
}

describe("the page that asks for consent", () => {
  it("installs an app by its descriptor, and sends the browser back with a JWT", async () => {
    const redirectUri = `${app.url}/setup?state=abc`;
    const address = host.consentPage({ user: mona, descriptor: `${app.url}/descriptor.json`, redirectUri });
    const response = await consent(address, acme);
    expect(response.status).toBe(302);
    const [install] = host.installs;
    expect(install).toMatchObject({ active: true, workspace: { uuid: acme.uuid } });
    expect(app.received[0]?.json()).toMatchObject({ actor: { uuid: mona.uuid.slice(1, -1) } });
    const back = new URL(response.headers.get("location") ?? "");
    expect([back.pathname, back.searchParams.get("state")]).toEqual(["/setup", "abc"]);
    expect(back.searchParams.get("client_key")).toBe(install?.clientKey);
    expect(readJwt(back.searchParams.get("jwt") ?? "")?.signedWith(install?.secret ?? "")).toBe(true);
  });

  it("installs a registered app by its key, and sends the browser where its descriptor says", async () => {
    const secret = await host.register(`${app.url}/descriptor.json`);
    expect(secret).toBe(host.appSecret("an-app"));
    const response = await consent(host.consentPage({ user: mona, appKey: "an-app" }), acme);
    expect(new URL(response.headers.get("location") ?? "").pathname).toBe("/landing");
    expect(host.installs[0]?.clientKey).toBe(`ari:cloud:bitbucket::app/${acme.uuid}/an-app`);
  });

  it("offers, and takes, only workspaces of those who own them", async () => {
    const umbrella = host.workspace("umbrella");
    host.setPermission(umbrella, mona, "member");
    const address = host.consentPage({ user: mona, descriptor: `${app.url}/descriptor.json` });
    const text = await (await fetch(address)).text();
    expect(text).toContain(`value="${acme.uuid}"`);
    expect(text).not.toContain(umbrella.uuid);
    expect((await consent(address, umbrella)).status).toBe(403);
    expect(host.callbacks).toEqual([]);
  });

  it("says so when the app refuses", async () => {
    app.answers.push(503);
    const response = await consent(host.consentPage({ user: mona, descriptor: `${app.url}/descriptor.json` }), acme);
    expect(response.status).toBe(502);
    expect(host.installs[0]?.active).toBe(false);
  });

  it("refuses what Bitbucket refuses", async () => {
    const descriptor = `${app.url}/descriptor.json`;
    const status = async (address: string) => (await fetch(address)).status;
    expect(await status(host.consentPage({ user: mona }))).toBe(400);
    expect(await status(host.consentPage({ user: mona, descriptor, appKey: "an-app" }))).toBe(400);
    expect(await status(host.consentPage({ user: mona, appKey: "an-app" }))).toBe(400);
    expect(await status(host.consentPage({ user: mona, descriptor: `${app.url}/none.json` }))).toBe(400);
    expect(await status(host.consentPage({ user: mona, descriptor, redirectUri: "https://elsewhere.example" }))).toBe(
      400,
    );
    expect(await status(host.consentPage({ user: mona, descriptor }).replace(/as=.*/, ""))).toBe(400);
    expect(await status(host.consentPage({ user: mona, descriptor }))).toBe(200);
    await host.register(descriptor);
    expect(await status(host.consentPage({ user: mona, descriptor }))).toBe(400);
  });
});
