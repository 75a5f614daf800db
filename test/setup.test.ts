import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { parseConfig } from "../src/config.ts";
import { readConfiguration } from "../src/configuration.ts";
import { openConfiguredStore } from "../src/parts.ts";
import { type Setup, startSetup } from "../src/setup.ts";
import { packageRoot } from "../src/version.ts";
import { createBitbucketHost } from "./hosts/bitbucket/index.ts";
import { createGithubHost, type GithubHost, type GithubHostOptions } from "./hosts/github/index.ts";
import { formIn, openSetup, type SetupBrowser } from "./support/setup-browser.ts";

const HOUR = 60 * 60 * 1_000;

let folder: string;
let env: Record<string, string>;
let setup: Setup;
let now: number;
let logged: string[];
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-setup-"));
  env = { DATA_DIR: join(folder, "data"), PORT: "0" };
  now = Date.now();
  logged = [];
  setup = await begin();
});

afterEach(async () => {
  await setup.stop();
  for (const close of closing.splice(0).reverse()) await close();
  await rm(folder, { recursive: true, force: true });
});

function begin(): Promise<Setup> {
  const read = parseConfig(env);
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const note = (...words: unknown[]) => {
    logged.push(JSON.stringify(words));
  };
  const log = { info: note, warn: note, error: note };
  return startSetup({ config: read.config, env, views: join(packageRoot, "views"), log, clock: { now: () => now } });
}

/** Answers on a free port; closed after the test. */
async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function github(options: GithubHostOptions = {}): Promise<GithubHost> {
  const host = await createGithubHost(options);
  closing.push(() => host.close());
  host.user("mona");
  return host;
}

async function stored(): Promise<Readonly<Record<string, string>>> {
  const read = parseConfig(env);
  if (!read.ok) throw new Error("the environment is wrong");
  const store = await openConfiguredStore(read.config);
  try {
    return (await store.storedSettings()).values;
  } finally {
    await store.close();
  }
}

/** Up to where the browser leaves GitHub; `name` and `login` are what somebody does there. */
async function register(browser: SetupBrowser, host: GithubHost, fields: Readonly<Record<string, string>> = {}) {
  const asked = {
    change: "register",
    name: "Acme builds",
    GITHUB_URL: host.url,
    GITHUB_API_URL: host.apiUrl,
    ...fields,
  };
  const page = await browser.send("/setup/github", asked);
  const { action, value: manifest } = formIn(page.text, "manifest");
  const person = { login: "mona", name: "Acme builds" };
  const looked = await fetch(action, { method: "POST", body: new URLSearchParams({ manifest }) });
  const answer = await fetch(action, {
    method: "POST",
    body: new URLSearchParams({ manifest, ...person }),
    redirect: "manual",
  });
  const back = answer.headers.get("location") ?? "";
  return {
    page,
    action,
    manifest: JSON.parse(manifest || "{}"),
    looked: await looked.text(),
    back: back && new URL(back),
  };
}

function pathOf(back: URL | ""): string {
  if (back === "") throw new Error("GitHub sent nobody back");
  return back.pathname + back.search;
}

describe("the link", () => {
  it("opens the wizard once, and for nobody who comes later", async () => {
    const head = await fetch(setup.link, { method: "HEAD", redirect: "manual" });
    expect(head.status).toBe(405);
    const first = await fetch(setup.link, { redirect: "manual" });
    expect([first.status, first.headers.get("location")]).toEqual([303, "/setup"]);
    expect(first.headers.get("set-cookie")).toMatch(
      /^wharfinger-setup=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=28800$/,
    );
    const second = await fetch(setup.link, { redirect: "manual" });
    expect([second.status, second.headers.get("set-cookie")]).toEqual([403, null]);
    expect(await second.text()).toContain("used already");
    expect(logged.filter((line) => line.includes("a setup link was not taken"))).toHaveLength(1);
  });

  it("ends after an hour, and what it opened after eight", async () => {
    now += HOUR;
    expect((await fetch(setup.link, { redirect: "manual" })).status).toBe(403);
    await setup.stop();
    setup = await begin();
    const browser = await openSetup(setup.link);
    now += 8 * HOUR - 1;
    expect((await browser.get("/setup/address")).status).toBe(200);
    now += 1;
    expect((await browser.get("/setup/address")).status).toBe(403);
  });

  it("is no shorter or other one", async () => {
    const { origin } = new URL(setup.link);
    for (const path of [
      `/setup/${"a".repeat(43)}`,
      setup.link.slice(origin.length, -1),
      `${setup.link.slice(origin.length)}a`,
    ]) {
      expect([403, 503]).toContain((await fetch(origin + path, { redirect: "manual" })).status);
    }
    expect((await fetch(setup.link, { redirect: "manual" })).status).toBe(303);
  });

  it("marks its cookie for the host alone where the address is HTTPS", async () => {
    await setup.stop();
    env = { ...env, PUBLIC_URL: "https://builds.example.com" };
    setup = await begin();
    expect(setup.link).toMatch(/^https:\/\/builds\.example\.com\/setup\/[\w-]{43}$/);
  });
});

describe("whoever has no session", () => {
  it("learns that there is something to set up, and nothing else", async () => {
    const { origin } = new URL(setup.link);
    const status = async (path: string, init: RequestInit = {}) =>
      (await fetch(origin + path, { redirect: "manual", ...init })).status;
    expect(await status("/healthz")).toBe(200);
    for (const path of ["/readyz", "/", "/api/v1/builds", "/auth/token", "/metrics"])
      expect([path, await status(path)]).toEqual([path, 503]);
    expect(await status("/webhooks/github", { method: "POST", body: "{}" })).toBe(503);
    for (const step of [
      "",
      "/address",
      "/github",
      "/bitbucket",
      "/registry",
      "/builder",
      "/operator",
      "/finish",
      "/github/callback?code=a&state=b",
      "/registry/registry-token.crt",
    ]) {
      expect([step, await status(`/setup${step}`)]).toEqual([step, 403]);
    }
    for (const step of ["/address", "/github", "/operator", "/finish", "/move"]) {
      expect([
        step,
        await status(`/setup${step}`, { method: "POST", body: new URLSearchParams({ change: "make" }) }),
      ]).toEqual([step, 403]);
    }
    expect(await stored()).toEqual({});
  });

  it("can not have somebody else's browser send a form", async () => {
    const browser = await openSetup(setup.link);
    const { origin } = new URL(setup.link);
    const body = new URLSearchParams({ change: "own", ADMIN_TOKEN: "x".repeat(40) });
    const answer = await fetch(`${origin}/setup/operator`, {
      method: "POST",
      body,
      headers: { cookie: browser.cookie() },
    });
    expect(answer.status).toBe(403);
    expect(await stored()).toEqual({});
  });

  it("can not frame the pages, nor have them send elsewhere", async () => {
    const browser = await openSetup(setup.link);
    const { headers } = await browser.get("/setup/operator");
    expect(headers.get("content-security-policy")).toContain("form-action 'self'; frame-ancestors 'none'");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cache-control")).toBe("no-store");
  });
});

describe("the address", () => {
  it("is tried through itself", async () => {
    const browser = await openSetup(setup.link);
    const { origin } = new URL(setup.link);
    expect((await browser.send("/setup/address", { PUBLIC_URL: origin })).text).toContain("this process answers there");
    const other = await serve((_req, res) => res.end('{"ok":true}'));
    const page = await browser.send("/setup/address", { PUBLIC_URL: other });
    expect(page.text).toContain("it was not this process that did");
    expect(await stored()).toEqual({ PUBLIC_URL: other });
  });

  it("is refused where it is none, and then nothing is kept", async () => {
    const browser = await openSetup(setup.link);
    const page = await browser.send("/setup/address", { PUBLIC_URL: "https://u:secret-word@builds.example.com" });
    expect(page.status).toBe(422);
    expect(page.text).toContain("holds a user name or password");
    expect(await stored()).toEqual({});
  });

  it("takes the browser along when it is another, with a link that works once", async () => {
    const browser = await openSetup(setup.link);
    const there = new URL(setup.link).origin.replace("localhost", "127.0.0.1");
    const page = await browser.send("/setup/address", { PUBLIC_URL: there });
    expect(page.text).toContain(`Go on at ${there}`);
    expect(page.headers.get("content-security-policy")).toContain(`form-action 'self' ${there};`);
    const moved = await browser.send("/setup/move");
    const link = moved.headers.get("location") ?? "";
    expect(link.startsWith(`${there}/setup/`)).toBe(true);
    const next = await openSetup(link);
    expect((await next.get("/setup/github")).status).toBe(200);
    expect((await browser.get("/setup/github")).status).toBe(403);
    expect((await fetch(link, { redirect: "manual" })).status).toBe(403);
  });
});

describe("GitHub", () => {
  it.each(["", "/api/v3"] as const)(
    "registers an App by manifest and fetches its keys (API at %j)",
    async (basePath) => {
      const host = await github({ basePath });
      const browser = await openSetup(setup.link);
      const { page, action, manifest, looked, back } = await register(browser, host, { members: "yes" });
      expect(page.headers.get("content-security-policy")).toContain(`form-action 'self' ${host.url};`);
      expect(new URL(action).pathname).toBe("/settings/apps/new");
      const { origin } = new URL(setup.link);
      expect(manifest).toMatchObject({
        name: "Acme builds",
        public: false,
        url: origin,
        hook_attributes: { url: `${origin}/webhooks/github`, active: true },
        callback_urls: [`${origin}/auth/github/callback`],
        default_permissions: { contents: "read", checks: "write" },
      });
      expect(Object.keys(manifest.default_permissions)).not.toContain("merge_queues");
      expect(manifest.default_events).not.toContain("merge_group");
      expect(looked).toContain("Create GitHub App");

      const taken = await browser.get(pathOf(back));
      expect([taken.status, taken.headers.get("location")]).toEqual([303, "/setup/github"]);
      const values = await stored();
      expect(values).toMatchObject({
        GITHUB_URL: host.url,
        GITHUB_API_URL: host.apiUrl,
        APP_ID: String(host.appId),
        GITHUB_CLIENT_ID: host.clientId,
        GITHUB_CLIENT_SECRET: host.clientSecret,
      });
      const tried = await browser.send("/setup/github", { change: "test" });
      expect(tried.text).toContain(`knows App ${host.appId} (Acme builds)`);
      expect(host.violations).toEqual([]);

      // Neither on pages, nor in the log, nor in the database's file.
      const secrets = [values["PRIVATE_KEY"] ?? "", values["WEBHOOK_SECRET"] ?? "", host.clientSecret];
      expect(secrets.every((secret) => secret.length >= 32)).toBe(true);
      const pages = [tried.text, (await browser.get("/setup/finish")).text, logged.join("\n")].join("\n");
      const files = await Promise.all(
        (await readdir(env["DATA_DIR"] ?? ""))
          .filter((name) => name.startsWith("wharfinger.db"))
          .map((name) => readFile(join(env["DATA_DIR"] ?? "", name), "latin1")),
      );
      for (const secret of secrets)
        expect((pages + files.join("")).includes(secret.slice(40, 80) || secret)).toBe(false);
    },
  );

  it("takes an answer once, and only the one to its last question", async () => {
    const host = await github();
    const browser = await openSetup(setup.link);
    const { back: older } = await register(browser, host);
    const { back } = await register(browser, host);
    const conversions = () => host.calls.filter(({ path }) => path.startsWith("/app-manifests/")).length;
    for (const wrong of [
      pathOf(older),
      "/setup/github/callback?code=abc",
      `/setup/github/callback?code=abc&state=${"a".repeat(43)}`,
    ]) {
      const refused = await browser.get(wrong);
      expect([refused.status, refused.text.includes("not the answer to the last question")]).toEqual([400, true]);
    }
    expect([conversions(), await stored()]).toEqual([0, {}]);
    expect(logged.filter((line) => line.includes("an answer of GitHub to the setup was not taken"))).toHaveLength(3);
    expect((await browser.get(pathOf(back))).status).toBe(303);
    expect((await browser.get(pathOf(back))).status).toBe(400);
    expect(conversions()).toBe(1);
  });

  it("takes no answer after an hour, and no code that is none", async () => {
    const host = await github();
    const browser = await openSetup(setup.link);
    const { back: late } = await register(browser, host);
    now += HOUR;
    expect((await browser.get(pathOf(late))).status).toBe(400);
    const { back } = await register(browser, host);
    if (back === "") throw new Error("GitHub sent nobody back");
    back.searchParams.set("code", "../../user");
    const refused = await browser.get(pathOf(back));
    expect([refused.status, refused.text.includes("sent no code along")]).toEqual([400, true]);
    expect(host.calls).toEqual([]);
  });

  it("does not say the code where GitHub fails", async () => {
    const host = await github();
    host.inject({ match: ({ path }) => path.startsWith("/app-manifests/"), effect: { status: 502 } });
    const browser = await openSetup(setup.link);
    const { back } = await register(browser, host);
    const code = (back || new URL("x:y")).searchParams.get("code") ?? "";
    const refused = await browser.get(pathOf(back));
    expect([refused.status, code.length]).toEqual([400, 40]);
    expect(refused.text).toContain("GitHub answered 502");
    expect(refused.text).not.toContain(code);
  });

  it("asks for an App of an organization, and says which words are wrong", async () => {
    const browser = await openSetup(setup.link);
    const page = await browser.send("/setup/github", {
      change: "register",
      name: "x".repeat(35),
      organization: "a/b",
      GITHUB_URL: "ftp://x",
      webhook: "nowhere",
      merge_queues: "yes",
    });
    expect(page.status).toBe(422);
    // As they were left, not as they were shown first.
    expect(page.text).toMatch(/id="merge_queues"[^>]* checked>/);
    expect(page.text).not.toMatch(/id="members"[^>]* checked>/);
    for (const words of [
      "has not 1 to 34 characters",
      "is not the name of an organization",
      "is not an http:// or https:// address",
      "is not an address",
    ])
      expect(page.text).toContain(words);
    const sent = await browser.send("/setup/github", {
      change: "register",
      name: "Acme",
      organization: "acme",
      webhook: "https://smee.io/abc",
    });
    const { action, value } = formIn(sent.text, "manifest");
    expect(action).toMatch(/^https:\/\/github\.com\/organizations\/acme\/settings\/apps\/new\?state=[\w-]{43}$/);
    expect(JSON.parse(value).hook_attributes.url).toBe("https://smee.io/abc");
  });

  it("takes an App that is there already, and sends no key to another host", async () => {
    const host = await github();
    const browser = await openSetup(setup.link);
    const entered = {
      change: "enter",
      APP_ID: String(host.appId),
      PRIVATE_KEY: host.privateKey,
      WEBHOOK_SECRET: "w".repeat(32),
    };
    const half = await browser.send("/setup/github", { ...entered, WEBHOOK_SECRET: "short" });
    expect([half.status, half.text.includes("too short"), half.text.includes("BEGIN RSA")]).toEqual([422, true, false]);
    const elsewhere = { GITHUB_URL: host.url, GITHUB_API_URL: host.apiUrl };
    const page = await browser.send("/setup/github", { ...entered, ...elsewhere });
    expect(page.text).toContain("knows App");
    // The same App at another address, without its key: what is kept is not sent there.
    const moved = await browser.send("/setup/github", {
      change: "enter",
      APP_ID: String(host.appId),
      GITHUB_URL: "https://evil.example",
      GITHUB_API_URL: "https://evil.example/api/v3",
    });
    expect(moved.status).toBe(422);
    expect((await stored())["GITHUB_URL"]).toBe(host.url);
  });
});

describe("Bitbucket", () => {
  it("is connected with an access token, and then is a host to hear from", async () => {
    const host = await createBitbucketHost();
    closing.push(() => host.close());
    const workspace = host.workspace("acme");
    await host.repository(workspace, "api", { private: true });
    const { token } = host.accessToken({ workspace, scopes: ["repository", "pullrequest", "webhook"] });
    const read = parseConfig(env);
    if (!read.ok) throw new Error("the environment is wrong");
    const store = await openConfiguredStore(read.config);
    await store.saveSettings(
      { BITBUCKET_URL: host.url, BITBUCKET_API_URL: host.apiUrl },
      { by: { kind: "operator" }, setup: true },
    );
    await store.close();
    const browser = await openSetup(setup.link);
    const wrong = await browser.send("/setup/bitbucket", { change: "connection", target: "acme/api/x", token: "t" });
    expect([wrong.status, wrong.text.includes("is not the name of a workspace")]).toEqual([422, true]);
    const refused = await browser.send("/setup/bitbucket", {
      change: "connection",
      target: "acme",
      token: "not-a-token",
    });
    expect([refused.status, refused.text.includes("not-a-token")]).toEqual([422, false]);
    const page = await browser.send("/setup/bitbucket", { change: "connection", target: "acme", token });
    expect([page.status, page.text.includes("acme is connected")]).toEqual([200, true]);
    const finish = await browser.get("/setup/finish");
    expect(finish.text).not.toContain("GitHub or Bitbucket");
    expect(host.violations).toEqual([]);
  });
});

describe("the registry", () => {
  it("is tried at once, and its own words are shown", async () => {
    const url = await serve((_req, res) => {
      res.writeHead(401, { "www-authenticate": 'Basic realm="r"', "content-type": "application/json" });
      res.end('{"errors":[{"code":"UNAUTHORIZED","message":"the cellar is closed"}]}');
    });
    const browser = await openSetup(setup.link);
    const page = await browser.send("/setup/registry", {
      change: "save",
      kind: "basic",
      REGISTRY_URL: url,
      REGISTRY_USERNAME: "ada",
      REGISTRY_PASSWORD: "hunter2",
    });
    expect(page.status).toBe(200);
    expect(page.text).toContain("does not work");
    expect(page.text).toMatch(/cellar is closed|user name or password is wrong/);
    expect(page.text).not.toContain("hunter2");
  });

  it("gets no password that was typed for another", async () => {
    const seen: (string | undefined)[] = [];
    const listener: RequestListener = (req, res) => {
      seen.push(req.headers.authorization);
      res
        .writeHead(req.headers.authorization === undefined ? 401 : 200, { "www-authenticate": 'Basic realm="r"' })
        .end("{}");
    };
    const [one, other] = [await serve(listener), await serve(listener)];
    const browser = await openSetup(setup.link);
    const form = { change: "save", kind: "basic", REGISTRY_USERNAME: "ada" };
    await browser.send("/setup/registry", { ...form, REGISTRY_URL: one, REGISTRY_PASSWORD: "hunter2" });
    expect(seen.some((header) => header !== undefined)).toBe(true);
    const kept = await browser.send("/setup/registry", {
      ...form,
      REGISTRY_URL: one,
      REGISTRY_STAGING: "acme/staging",
    });
    expect([kept.status, (await stored())["REGISTRY_PASSWORD"]]).toEqual([200, "hunter2"]);
    seen.length = 0;
    const moved = await browser.send("/setup/registry", { ...form, REGISTRY_URL: other });
    expect([moved.status, moved.text.includes("REGISTRY_PASSWORD")]).toEqual([422, true]);
    expect([seen, (await stored())["REGISTRY_URL"]]).toEqual([[], one]);
  });

  it("that is to trust our tokens gets what it needs for that", async () => {
    const browser = await openSetup(setup.link);
    const page = await browser.send("/setup/registry", {
      change: "save",
      kind: "token",
      REGISTRY_URL: "http://127.0.0.1:9",
      REGISTRY_USERNAME: "ada",
    });
    const { origin } = new URL(setup.link);
    expect(page.text).toContain(`realm: &quot;${origin}/registry/token&quot;`);
    expect(page.text).toContain("service: &quot;127.0.0.1:9&quot;");
    const certificate = await browser.get("/setup/registry/registry-token.crt");
    expect(certificate.text).toContain("BEGIN CERTIFICATE");
    expect(certificate.text).not.toContain("PRIVATE KEY");
    expect(await stored()).toEqual({ REGISTRY_URL: "http://127.0.0.1:9" });
  });
});

describe("builder and operator", () => {
  it("make secrets that are shown once", async () => {
    const browser = await openSetup(setup.link);
    const builder = await browser.send("/setup/builder", { BUILDER: "webhook" });
    const operator = await browser.send("/setup/operator", { change: "make" });
    const values = await stored();
    for (const [page, name] of [
      [builder, "BUILDER_TOKEN"],
      [operator, "ADMIN_TOKEN"],
    ] as const) {
      expect(values[name]).toMatch(/^[0-9a-f]{64}$/);
      expect(page.text.includes(values[name] ?? "")).toBe(true);
    }
    for (const path of ["builder", "operator", "finish"]) {
      const { text } = await browser.get(`/setup/${path}`);
      expect([path, text.includes(values["ADMIN_TOKEN"] ?? ""), text.includes(values["BUILDER_TOKEN"] ?? "")]).toEqual([
        path,
        false,
        false,
      ]);
    }
    expect(logged.join("")).not.toContain(values["ADMIN_TOKEN"]);
  });

  it("refuse what is too short, and what does not go together", async () => {
    const browser = await openSetup(setup.link);
    const short = await browser.send("/setup/operator", { change: "own", ADMIN_TOKEN: "letmein" });
    expect([short.status, short.text.includes("too short"), short.text.includes("letmein")]).toEqual([
      422,
      true,
      false,
    ]);
    await browser.send("/setup/registry", {
      change: "save",
      kind: "basic",
      REGISTRY_URL: "http://127.0.0.1:9",
      REGISTRY_USERNAME: "ada",
      REGISTRY_PASSWORD: "p",
    });
    const clash = await browser.send("/setup/builder", { BUILDER: "webhook" });
    expect([clash.status, clash.text.includes("no HTTP builder is given credentials")]).toEqual([422, true]);
    expect(Object.keys(await stored())).toEqual(["REGISTRY_PASSWORD", "REGISTRY_URL", "REGISTRY_USERNAME"]);
  });

  it("leave alone what the environment says", async () => {
    await setup.stop();
    env = { ...env, ADMIN_TOKEN: "e".repeat(40) };
    setup = await begin();
    const browser = await openSetup(setup.link);
    const page = await browser.send("/setup/operator", { change: "make" });
    expect([page.status, page.text.includes("is set in the environment, which counts")]).toEqual([422, true]);
    expect((await browser.get("/setup/finish")).text).not.toContain("e".repeat(40));
  });
});

describe("the end", () => {
  async function complete(browser: SetupBrowser): Promise<void> {
    const host = await github();
    const { back } = await register(browser, host);
    await browser.get(pathOf(back));
    await browser.send("/setup/registry", { change: "save", kind: "token", REGISTRY_URL: "http://127.0.0.1:9" });
    await browser.send("/setup/builder", { BUILDER: "webhook" });
    await browser.send("/setup/operator", { change: "make" });
  }

  it("is not reached before everything is there", async () => {
    const browser = await openSetup(setup.link);
    const page = await browser.send("/setup/finish");
    expect(page.status).toBe(422);
    for (const words of ["GitHub or Bitbucket", "Registry", "Operator"]) expect(page.text).toContain(`>${words}</a>`);
    expect((await readConfiguration(env)).setup).not.toBeNull();
  });

  it("closes the wizard for good, whoever still has it open", async () => {
    const browser = await openSetup(setup.link);
    await complete(browser);
    const second = await begin();
    closing.push(() => second.stop());
    const other = await openSetup(second.link);
    const page = await browser.send("/setup/finish");
    expect([page.status, page.headers.get("connection")]).toEqual([200, "close"]);
    const end = await setup.finished;
    expect(page.text).toContain(`href="${end.installUrl}"`);
    expect(end.installUrl).toMatch(/\/apps\/[^/]+\/installations\/new$/);

    const before = await stored();
    const late = await other.send("/setup/operator", { change: "make" });
    expect([late.status, late.text.includes("the setup is over")]).toEqual([422, true]);
    expect(await stored()).toEqual(before);

    const after = await readConfiguration(env);
    expect([after.setup, after.missing, after.read.ok]).toEqual([null, [], true]);
    // What is taken away later is missing, and no first run again.
    const read = parseConfig(env);
    if (!read.ok) throw new Error("the environment is wrong");
    const store = await openConfiguredStore(read.config);
    await store.saveSettings({ REGISTRY_URL: null }, { by: { kind: "operator" }, setup: false });
    await store.close();
    const missing = await readConfiguration(env);
    expect([missing.setup, missing.missing.map(({ variable }) => variable)]).toEqual([null, ["REGISTRY_URL"]]);
  });
});
