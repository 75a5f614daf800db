import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { BuildActions } from "../../src/engine/build-actions.ts";
import { ABANDONED_MS, KEPT_MS } from "../../src/engine/idempotency-port.ts";
import { deferred } from "../engine/fakes.ts";
import { type ApiWorld, openApi } from "./api-world.ts";

const ORDER = { repository: "acme/repository-1", ref: "main" };
const TOKENS = "/installations/github/default/7/api-tokens";

let world: ApiWorld;
let started: number;
/** What the next order waits for. */
let gate: () => Promise<void>;
let fails: Error | null;

beforeEach(async () => {
  [started, gate, fails] = [0, async () => undefined, null];
  const buildActions: BuildActions = {
    async start() {
      await gate();
      if (fails !== null) throw fails;
      started += 1;
      return { kind: "started", delivery: String(1_000 + started) };
    },
    planned: async () => null,
    cancel: async () => ({ kind: "no-build" }),
    retry: async () => ({ kind: "refused", why: "It can not be repeated." }),
    placeOf: async () => null,
  };
  world = await openApi({ buildActions });
});
afterEach(() => world.close());

async function start(key: string, token: string | null = null, order: object = ORDER) {
  const { status, headers, json } = await world.ask(token, "POST", "/builds", order, { "Idempotency-Key": key });
  const { delivery = null, error = null } = json as { delivery?: string; error?: { code: string } };
  return { status, delivery, code: error?.code ?? null, replayed: headers.get("idempotency-replayed") };
}

describe("a request with an Idempotency-Key", () => {
  it("is done once, however often it comes, and answered as the first time", async () => {
    const first = await start("deploy-1");
    expect(first).toEqual({ status: 202, delivery: "1001", code: null, replayed: null });
    expect(await start("deploy-1")).toEqual({ ...first, replayed: "true" });
    expect(await start("deploy-2")).toEqual({ ...first, delivery: "1002" });
    expect(started).toBe(2);
  });

  it("is done each time where no key is sent", async () => {
    for (const delivery of ["1001", "1002"]) {
      expect((await world.ask(null, "POST", "/builds", ORDER)).json).toMatchObject({ delivery });
    }
  });

  it("is each caller's own", async () => {
    const [one, other] = [await world.token("write"), await world.token("write")];
    const deliveries = [await start("k", one), await start("k", other), await start("k"), await start("k", one)];
    expect(deliveries.map(({ delivery }) => delivery)).toEqual(["1001", "1002", "1003", "1001"]);
  });

  it("is refused where the key was another request's: of another body, query or route", async () => {
    await start("k");
    const reused = { status: 422, delivery: null, code: "idempotency-key-reused", replayed: null };
    expect(await start("k", null, { ...ORDER, ref: "other" })).toEqual(reused);
    const path = `/builds/${world.builds.queued}/retry`;
    const other = await world.ask(null, "POST", path, undefined, { "Idempotency-Key": "k" });
    expect(other.status).toBe(422);
    expect(started).toBe(1);
  });

  it("is not done a second time while it is being done", async () => {
    const [entered, opened] = [deferred(), deferred()];
    gate = async () => {
      entered.resolve();
      await opened.promise;
    };
    const first = start("k");
    await entered.promise;
    expect(await start("k")).toMatchObject({ status: 409, code: "still-running" });
    opened.resolve();
    expect((await first).status).toBe(202);
    expect(started).toBe(1);
  });

  it("may be sent again after it failed, whether by a fault or for a reason", async () => {
    fails = new Error("the database is away");
    expect(await start("k")).toMatchObject({ status: 500, code: "internal" });
    fails = null;
    expect(await start("k", null, { repository: "acme/nobody-knows" })).toMatchObject({ status: 404 });
    expect(await start("k")).toMatchObject({ status: 202, replayed: null });
  });

  it("is begun anew where the process that did it was killed, and after a day", async () => {
    await world.store.beginOnce({ caller: "operator", key: "k", fingerprint: "of a process that is no more" });
    expect(await start("k")).toMatchObject({ status: 422 });
    world.clock.advance(ABANDONED_MS);
    expect(await start("k")).toMatchObject({ status: 202, delivery: "1001" });
    world.clock.advance(KEPT_MS);
    expect(await start("k")).toMatchObject({ status: 202, delivery: "1002", replayed: null });
  });

  it.each(["", "ä", "two words", "x".repeat(201), "a, b"])("has a key of printable ASCII, not %j", async (key) => {
    const bytes = Buffer.from(key).toString("latin1");
    const { status, json } = await world.ask(null, "POST", "/builds", ORDER, { "Idempotency-Key": bytes });
    expect([status, json]).toMatchObject([400, { error: { code: "bad-idempotency-key" } }]);
  });

  it("that made a secret is not answered twice, and the secret is kept nowhere", async () => {
    const make = () => world.ask(null, "POST", TOKENS, { name: "report" }, { "Idempotency-Key": "k" });
    const { json } = await make();
    const { token } = json as { token: string };
    const again = await make();
    expect([again.status, again.json]).toMatchObject([409, { error: { code: "already-answered" } }]);
    expect(JSON.stringify(again.json)).not.toContain(token);
    const request = { caller: "operator", key: "k", fingerprint: "?" };
    expect(await world.store.beginOnce(request)).toEqual({ kind: "other" });
    expect(
      (await world.tokens.list({ provider: "github", host: "default", id: "7" }, { limit: 9, cursor: null }))?.items,
    ).toHaveLength(1);
  });

  it("is done although what it was answered can not be kept, and says so in the log", async () => {
    const site = await openApi({ store: { ...world.store, endOnce: () => Promise.reject(new Error("full")) } });
    const answer = await site.ask(null, "POST", TOKENS, { name: "other" }, { "Idempotency-Key": "k" });
    expect(answer.status).toBe(201);
    expect(site.site.logged).toMatchObject([{ err: expect.objectContaining({ message: "full" }) }]);
    await site.close();
  });
});
