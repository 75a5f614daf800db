import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { API_ROUTES, apiDocument } from "../../src/web/openapi.ts";
import { type ApiCall, callsOf, prepare } from "./api-calls.ts";
import { type ApiWorld, openApi } from "./api-world.ts";
import { acceptsBody, DOCUMENT, operationOf } from "./openapi-check.ts";

const FILE = new URL("../../docs/openapi.json", import.meta.url);

let world: ApiWorld;
beforeAll(async () => {
  world = await openApi();
});
afterAll(() => world.close());

/** Every operation of the document, with the path below `/api/v1`. */
const OPERATIONS = Object.entries(DOCUMENT.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({
    id: operation.operationId,
    method: method.toUpperCase(),
    path: path.replace("/api/v1", ""),
    operation,
  })),
);

/** `{name}` filled with something. */
function filled(path: string): string {
  return path.replace("{provider}/{host}/{id}", "github/default/7").replaceAll(/\{\w+\}/g, "x");
}

describe("the document", () => {
  it("is the one in docs, which UPDATE_GOLDEN=1 writes anew", async () => {
    const text = `${JSON.stringify(apiDocument(), null, 2)}\n`;
    if (process.env["UPDATE_GOLDEN"] !== undefined) await writeFile(FILE, text);
    expect(await readFile(FILE, "utf8")).toBe(text);
  });

  it("is answered to everybody", async () => {
    const answer = await fetch(`${world.site.url}/api/v1/openapi.json`);
    expect([answer.status, await answer.json()]).toEqual([200, DOCUMENT]);
    expect(DOCUMENT.openapi).toBe("3.1.0");
  });

  it("calls each operation by a name of its own, and refers to nothing that is not there", () => {
    const ids = OPERATIONS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const references = [...JSON.stringify(DOCUMENT).matchAll(/"#\/components\/(\w+)\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(100);
    const components: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { ...DOCUMENT.components };
    const missing = references.filter(([, kind = "", name = ""]) => components[kind]?.[name] === undefined);
    expect(missing).toEqual([]);
  });

  it("tells of everything that stands in a path, and what each answer is for", () => {
    for (const { id, path, operation } of OPERATIONS) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const told = (operation.parameters ?? []).filter((one) => one.in === "path" && one.required === true);
      expect([id, told.map(({ name }) => name)]).toEqual([id, named]);
      for (const [status, answer] of Object.entries(operation.responses)) {
        expect([id, status, "$ref" in answer || "description" in answer]).toEqual([id, status, true]);
      }
    }
  });

  it("has every route that is declared, and each is served", async () => {
    expect(OPERATIONS.map(({ id }) => id).toSorted()).toEqual(API_ROUTES.map(({ id }) => id).toSorted());
    for (const { id, method, path } of OPERATIONS) {
      const answer = await fetch(`${world.site.url}/api/v1${filled(path)}`, { method, body: null });
      // Who asks is judged first; an address that is not served would be 401 too, so the operator asks as well.
      const open = operationOf(method, `/api/v1${filled(path)}`)?.security.length === 0;
      expect([id, answer.status === 401]).toEqual([id, !open]);
      const known = await world.ask(null, method, filled(path), undefined, { "X-Nothing": "1" });
      expect([id, known.status]).not.toEqual([id, 405]);
      expect(JSON.stringify(known.json)).not.toContain("There is nothing at this address");
    }
  });

  it("has every route that is served", async () => {
    const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    for (const path of Object.keys(DOCUMENT.paths)) {
      const told = OPERATIONS.filter((one) => `/api/v1${one.path}` === path).map(({ method }) => method);
      const other = methods.find((method) => !told.includes(method)) ?? "";
      const answer = await world.ask(null, other, filled(path.replace("/api/v1", "")));
      const allowed = (answer.headers.get("allow") ?? "").split(", ").filter((one) => one !== "HEAD");
      expect([path, answer.status, allowed.toSorted()]).toEqual([path, 405, told.toSorted()]);
    }
  });
});

describe("every route", () => {
  let calls: readonly ApiCall[];
  beforeAll(async () => {
    calls = callsOf(world, await prepare(world));
  });

  it("answers the operator as the document tells, where all is well", async () => {
    expect(calls.map(({ id }) => id).toSorted()).toEqual(OPERATIONS.map(({ id }) => id).toSorted());
    const answered: unknown[] = [];
    const told: unknown[] = [];
    for (const { id, method, path, body } of calls) {
      // Rejects where status, type or shape is not in the document.
      const { status } = await world.ask(null, method, path, body);
      answered.push([id, status]);
      const operation = operationOf(method, `/api/v1${path.split("?")[0]}`);
      told.push([id, Number(Object.keys(operation?.responses ?? {}).find((one) => one.startsWith("2")))]);
      if (operation !== null && body !== undefined) expect([id, acceptsBody(operation, body)]).toEqual([id, true]);
    }
    expect(answered).toEqual(told);
  });

  it("refuses bodies that are none, too large, of another type or with more than is told", async () => {
    for (const { id, method, path } of calls) {
      const operation = operationOf(method, `/api/v1${path.split("?")[0]}`);
      if (operation?.requestBody === undefined) continue;
      const send = async (body: string, type = "application/json") => {
        const headers = { "Content-Type": type };
        return (await world.site.api(`/api/v1${path}`, { method, headers, body })).status;
      };
      const large = JSON.stringify({ padding: "x".repeat(512 * 1024) });
      const statuses = [await send("{"), await send("x", "text/plain"), await send(large), await send("[1]")];
      expect([id, ...statuses]).toEqual([id, 400, 415, 413, 400]);
      // A registry's settings are judged all at once, by the desk.
      if (id !== "saveRegistry") expect([id, await send('{"nobody-knows":1}')]).toEqual([id, 400]);
      expect([id, acceptsBody(operation, { "nobody-knows": 1 })]).toEqual([id, id === "saveRegistry"]);
    }
  });

  it("tells nothing of what fails inside", async () => {
    const broken = await openApi();
    await broken.store.close();
    const answers = [];
    for (const { id, method, path, body } of calls) {
      const { status, json } = await broken.ask(null, method, path, body);
      if (status !== 500) continue;
      answers.push(id);
      expect(json).toEqual({ error: { code: "internal", message: expect.any(String) } });
    }
    expect(answers.length).toBeGreaterThan(20);
    await broken.site.close();
  });
});
