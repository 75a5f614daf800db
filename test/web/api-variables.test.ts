import { afterEach, describe, expect, it } from "@jest/globals";
import { hostKey } from "../../src/core/model.ts";
import type { SavedVariable, ShownVariable, VariablePlace } from "../../src/engine/variables-port.ts";
import type { VariablesApiStore } from "../../src/web/api-variables.ts";
import { installation, openSite, type Site, TOKEN } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});

const OF = `/api/v1/installations/${installation.provider}/${installation.host}/${installation.id}`;
const SHOWN = { fingerprint: "0123456789abcdef", savedAt: "2026-11-20T10:00:00.000Z" };
const ALL: readonly ShownVariable[] = [
  { kind: "variable", name: "LEVEL", value: "high", ...SHOWN },
  { kind: "secret", name: "npm-token", value: null, ...SHOWN },
];

function placeOf({ installation: of, repository }: VariablePlace): string {
  return [of, repository].map((id) => (id === null ? "all" : hostKey(id))).join(" ");
}

/** Notes what it is told. */
async function open(saved: SavedVariable | null = null) {
  const told: unknown[] = [];
  const variables: Omit<VariablesApiStore, "getInstallation"> = {
    async listVariables(place) {
      told.push(["list", placeOf(place)]);
      return ALL;
    },
    async saveVariable(place, variable, by) {
      told.push(["save", placeOf(place), variable, by]);
      const { kind, name, value } = variable;
      const shown = { kind, name, value: kind === "secret" ? null : value, ...SHOWN };
      return saved ?? { kind: "saved", variable: shown };
    },
    async removeVariable(place, { kind, name }, by) {
      told.push(["remove", placeOf(place), kind, name, by]);
      return name !== "gone";
    },
  };
  site = await openSite({ variables });
  return { site, told };
}

function put(body: string, type = "application/json"): RequestInit {
  return { method: "PUT", headers: { "content-type": type }, body };
}

const HERE = hostKey(installation);
const OPERATOR = { kind: "operator" };

describe("variables and secrets over the API", () => {
  it("are listed apart, secrets without their value", async () => {
    const { site, told } = await open();
    expect(await (await site.api(`${OF}/variables`)).json()).toEqual({
      items: [{ name: "LEVEL", value: "high", ...SHOWN }],
      next: null,
    });
    expect(await (await site.api(`${OF}/repositories/1/secrets`)).json()).toEqual({
      items: [{ name: "npm-token", ...SHOWN }],
      next: null,
    });
    expect(told).toEqual([
      ["list", `${HERE} all`],
      ["list", `${HERE} ${installation.provider}:${installation.host}:1`],
    ]);
    expect((await site.api(`${OF.replace(/\d+$/, "404")}/variables`)).status).toBe(404);
    expect((await site.api(`${OF.replace(/github/, "gitlab")}/variables`)).status).toBe(404);
  });

  it("are set and removed in the operator's name, and no answer has a secret", async () => {
    const { site, told } = await open();
    const secret = await site.api(`${OF}/secrets/npm-token`, put('{"value":"s3cret\\nline"}'));
    expect([secret.status, await secret.json()]).toEqual([200, { name: "npm-token", ...SHOWN }]);
    const variable = await site.api(`${OF}/repositories/1/variables/LEVEL`, put('{"value":""}'));
    expect([variable.status, await variable.json()]).toEqual([200, { name: "LEVEL", value: "", ...SHOWN }]);
    expect((await site.api(`${OF}/secrets/npm-token`, { method: "DELETE" })).status).toBe(204);
    const repository = `${HERE} ${installation.provider}:${installation.host}:1`;
    expect(told).toEqual([
      ["save", `${HERE} all`, { kind: "secret", name: "npm-token", value: "s3cret\nline" }, OPERATOR],
      ["save", repository, { kind: "variable", name: "LEVEL", value: "" }, OPERATOR],
      ["remove", `${HERE} all`, "secret", "npm-token", OPERATOR],
    ]);
    expect((await site.api(`${OF}/secrets/gone`, { method: "DELETE" })).status).toBe(404);
  });

  it("can be as long as they may be, however JSON writes them", async () => {
    const { site, told } = await open();
    const value = "\u0001".repeat(32 * 1024);
    const answer = await site.api(`${OF}/secrets/S`, put(JSON.stringify({ value: `line\n${value.slice(5)}` })));
    expect(answer.status).toBe(200);
    expect(told).toHaveLength(1);
    expect((await site.api(`${OF}/secrets/S`, put(JSON.stringify({ value: "x".repeat(300_000) })))).status).toBe(413);
  });

  it.each<[string, string, RequestInit, number, string]>([
    ["a name that is reserved", "variables/PATH", put('{"value":"s3cret"}'), 400, "bad-variable"],
    ["a name that can not be", "secrets/a%2Fb", put('{"value":"s3cret"}'), 400, "bad-variable"],
    ["a secret that is too short", "secrets/S", put('{"value":"abc"}'), 400, "bad-variable"],
    ["a value that is no string", "secrets/S", put('{"value":["s3cret"]}'), 400, "bad-request"],
    ["more than a value", "secrets/S", put('{"value":"s3cret","kind":"variable"}'), 400, "bad-request"],
    ["what is not JSON", "secrets/S", put("s3cret"), 400, "bad-request"],
    ["another type", "secrets/S", put("s3cret", "text/plain"), 415, "not-json"],
  ])("are not set from %s, and no answer or log has what was sent", async (_what, path, request, status, code) => {
    const { site, told } = await open();
    const answer = await site.api(`${OF}/${path}`, request);
    const text = await answer.text();
    expect([answer.status, JSON.parse(text)]).toMatchObject([status, { error: { code } }]);
    expect(text + JSON.stringify(site.logged)).not.toContain("s3cret");
    expect(told).toEqual([]);
  });

  it.each<[SavedVariable, number, string]>([
    [{ kind: "unknown" }, 404, "not-covered"],
    [{ kind: "other-kind", repository: null }, 409, "other-kind"],
    [{ kind: "full" }, 409, "full"],
  ])("say why they were not kept: %j", async (saved, status, code) => {
    const { site } = await open(saved);
    const answer = await site.api(`${OF}/variables/LEVEL`, put('{"value":"high"}'));
    expect([answer.status, await answer.json()]).toMatchObject([status, { error: { code } }]);
  });

  it("are the operator's to see and change, by these methods", async () => {
    const { site, told } = await open();
    for (const [path, init] of [
      ["secrets", {}],
      ["secrets/S", put('{"value":"s3cret"}')],
      ["secrets/S", { method: "DELETE" }],
    ] as const) {
      const stranger = await fetch(`${site.url}${OF}/${path}`, init);
      expect(stranger.status).toBe(401);
    }
    expect(told).toEqual([]);
    expect((await site.api(`${OF}/secrets`, { method: "POST" })).status).toBe(405);
    expect((await site.api(`${OF}/secrets/S`)).status).toBe(405);
    expect(TOKEN).not.toBe("");
  });
});
