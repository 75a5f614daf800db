import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Done, RegistryDesk, ShownRegistry } from "../../src/engine/registry-desk.ts";
import { settingsOf } from "../contract/store.registries.ts";
import { openSite, type Site } from "./world.ts";

const HUB: ShownRegistry = {
  name: "hub",
  host: "hub.test",
  settings: settingsOf({ url: "https://hub.test", ca: "a long certificate" }),
  username: "robot",
  credentials: [],
  namespaces: ["acme"],
};

let site: Site;
let calls: unknown[][];
let answer: Done<true>;

const note =
  (name: string) =>
  async (...args: unknown[]) => {
    calls.push([name, ...args]);
    return answer;
  };

const desk: RegistryDesk = {
  list: async () => [HUB],
  async save(...args) {
    calls.push(["save", ...args]);
    return answer.ok ? { ok: true, value: HUB } : answer;
  },
  async test() {
    return answer.ok ? { ok: true, value: [{ what: "sign in", ok: true, detail: "works", todo: "" }] } : answer;
  },
  remove: note("remove"),
  setCredential: note("setCredential"),
  removeCredential: note("removeCredential"),
  use: note("use"),
};

const BY = { kind: "operator" };

beforeEach(async () => {
  calls = [];
  answer = { ok: true, value: true };
  site = await openSite({ registryDesk: desk });
});

afterEach(() => site.close());

function send(method: string, path: string, body?: unknown, type = "application/json"): Promise<Response> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": type } };
  return site.api(`/api/v1/registries${path}`, { method, ...init });
}

async function codeOf(answered: Promise<Response>): Promise<readonly [number, string]> {
  const response = await answered;
  const { error } = (await response.json()) as { error: { code: string } };
  return [response.status, error.code];
}

describe("the API of registries", () => {
  it("is the operator's only", async () => {
    for (const [method, path] of [
      ["GET", ""],
      ["PUT", "/hub"],
      ["DELETE", "/hub"],
      ["PUT", "/hub/credential"],
    ] as const) {
      const response = await fetch(`${site.url}/api/v1/registries${path}`, { method });
      expect(response.status).toBe(401);
    }
    expect(calls).toEqual([]);
  });

  it("lists registries, without passwords and certificates", async () => {
    const text = await (await send("GET", "")).text();
    expect(JSON.parse(text)).toMatchObject({
      items: [{ name: "hub", ca: true, username: "robot", holds: ["acme"] }],
      next: null,
    });
    expect(text).not.toContain("a long certificate");
  });

  it("saves settings, and a credential beside them", async () => {
    const credential = { username: "robot", password: "pass word" };
    const saved = await send("PUT", "/hub", { url: "https://hub.test", credential });
    expect([saved.status, await saved.json()]).toEqual([200, expect.objectContaining({ name: "hub" })]);
    await send("PUT", "/hub", { insecure: true });
    expect(calls).toEqual([
      ["save", "hub", { url: "https://hub.test" }, credential, BY],
      ["save", "hub", { insecure: true }, null, BY],
    ]);
  });

  it("keeps, erases, moves, removes and tries", async () => {
    const credential = { username: "robot", password: "x" };
    for (const [method, path, body] of [
      ["PUT", "/hub/credential", credential],
      ["PUT", "/hub/namespaces/acme/credential", credential],
      ["DELETE", "/hub/credential", undefined],
      ["DELETE", "/hub/namespaces/acme/credential", undefined],
      ["PUT", "/hub/namespaces/acme", undefined],
      ["DELETE", "/hub", undefined],
    ] as const) {
      expect((await send(method, path, body)).status).toBe(204);
    }
    expect(calls).toEqual([
      ["setCredential", "hub", null, credential, BY],
      ["setCredential", "hub", "acme", credential, BY],
      ["removeCredential", "hub", null, BY],
      ["removeCredential", "hub", "acme", BY],
      ["use", "hub", "acme", BY],
      ["remove", "hub", BY],
    ]);
    expect(await (await send("POST", "/hub/test")).json()).toMatchObject({ ok: true, trials: [{ what: "sign in" }] });
  });

  it.each([
    ["bad", 400, "bad-registry"],
    ["unknown", 404, "not-found"],
    ["conflict", 409, "conflict"],
    ["refused", 422, "registry-refused"],
  ] as const)("says in its words that something is %s", async (kind, status, code) => {
    answer = { ok: false, kind, message: "the registry says: denied." };
    const response = await send("PUT", "/hub", {});
    expect([response.status, await response.json()]).toEqual([
      status,
      { error: { code, message: "The registry says: denied." } },
    ]);
    expect(await codeOf(send("POST", "/hub/test"))).toEqual([status, code]);
  });

  it("takes nothing else than what it understands, and never answers what was sent for a password", async () => {
    expect(await codeOf(send("PUT", "/hub", { url: "x" }, "text/plain"))).toEqual([415, "not-json"]);
    expect(await codeOf(send("PUT", "/hub", []))).toEqual([400, "bad-request"]);
    const secret = "hunter2-hunter2";
    for (const credential of [
      secret,
      null,
      { username: "x" },
      { password: secret },
      { username: 1, password: secret },
      { username: "x", password: `${secret}\n` },
      { username: "x", password: secret, more: secret },
    ]) {
      const response = await send("PUT", "/hub", { credential });
      const text = await response.text();
      expect([response.status, text.includes(secret)]).toEqual([400, false]);
      expect((await send("PUT", "/hub/credential", typeof credential === "string" ? {} : credential)).status).toBe(400);
    }
    expect(await codeOf(send("PATCH", "/hub", {}))).toEqual([405, "method-not-allowed"]);
    expect(await codeOf(send("POST", "/hub/credential", {}))).toEqual([405, "method-not-allowed"]);
    expect(calls).toEqual([]);
  });
});
