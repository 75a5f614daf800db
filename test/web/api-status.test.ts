import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { type ApiWorld, openApi } from "./api-world.ts";

let world: ApiWorld;
beforeAll(async () => {
  world = await openApi();
});
afterAll(() => world.close());

it("tells an API token of its own installation, and nothing of others or of the instance", async () => {
  const token = await world.token("read");
  const { status, json } = await world.ask(token, "GET", "/status");
  expect(status).toBe(200);
  expect(json).toEqual({
    instance: null,
    items: [expect.objectContaining({ installation: { provider: "github", host: "default", id: "7" } })],
    next: null,
  });
  expect(JSON.stringify(json)).not.toContain("other");
});
