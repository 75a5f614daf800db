import { describe, expect, it } from "@jest/globals";
import { createSignedWebhookEntrance } from "../../src/bitbucket/hooks.ts";
import type { IncomingDelivery } from "../../src/engine/ports.ts";
import { OPERATOR } from "../contract/store.by.ts";
import { headersFor, pass, push, START, sign, statusOf, world } from "./hooks-world.ts";

describe("looking connections up", () => {
  it("is done once in five seconds for each id, known or not, and else needs no waiting", async () => {
    const { asked, clock, open, send } = await world();
    const unknown = { path: "/webhooks/bitbucket/unknown" };
    await send(push);
    await send(push, unknown);
    for (const at of [0, 1, 4_999]) {
      clock.at = START + at;
      expect(open(push)).not.toBeInstanceOf(Promise);
      expect(open(push, unknown)).toEqual({ answer: expect.objectContaining({ status: 404 }) });
    }
    expect(asked).toEqual(["all", "unknown"]);
    clock.at = START + 5_000;
    await send(push);
    expect(asked).toEqual(["all", "unknown", "all"]);
  });

  it("is done anew after the clock was set back", async () => {
    const { asked, clock, send } = await world();
    await send(push);
    clock.at -= 60_000;
    await send(push);
    expect(asked).toEqual(["all", "all"]);
  });

  it("is done once for all that ask at a time", async () => {
    const { asked, send } = await world();
    const all = await Promise.all([
      send(push),
      send(push),
      send(push, { path: "/webhooks/bitbucket/one" }),
      send(push),
    ]);
    expect(all.map(statusOf)).toEqual(["accepted", "accepted", "accepted", "accepted"]);
    expect(asked).toEqual(["all", "one"]);
  });

  it("notices a new secret, a removed connection and a new one within five seconds", async () => {
    const { clock, grants, send } = await world();
    const fresh = { headers: { "x-hub-signature": sign(push, "a fresh secret") } };
    const gone = { deliveryId: "disconnected-1" } as IncomingDelivery;
    const elsewhere = { path: "/webhooks/bitbucket/late", headers: { "x-hub-signature": sign(push) } };
    expect(statusOf(await send(push, fresh))).toBe(401);
    expect(statusOf(await send(push, elsewhere))).toBe(404);
    const connection = await grants.connection("all");
    if (connection === null) throw new Error("the connection is there");
    await grants.changeConnection("all", { secret: "a fresh secret" }, OPERATOR);
    await grants.addConnection({ ...connection, id: "late" }, gone, OPERATOR);
    clock.at += 5_000;
    expect(statusOf(await send(push, fresh))).toBe("accepted");
    expect(statusOf(await send(push, elsewhere))).toBe("accepted");
    await grants.removeConnection("all", gone, OPERATOR);
    clock.at += 5_000;
    expect(statusOf(await send(push, fresh))).toBe(404);
  });

  it("counts the time from the question, not from the answer", async () => {
    const clock = { at: START, now: () => clock.at };
    let answer: (connection: null) => void = () => undefined;
    let asked = 0;
    const entrance = createSignedWebhookEntrance({
      host: "default",
      clock,
      grants: {
        connection: () => {
          asked += 1;
          return new Promise((resolve) => {
            answer = resolve;
          });
        },
      },
    });
    const path = "/webhooks/bitbucket/all";
    const open = () => entrance.open({ method: "POST", path, url: path, headers: headersFor(push) });
    const first = open();
    clock.at += 4_000;
    answer(null);
    await first;
    clock.at += 1_000;
    expect(open()).toBeInstanceOf(Promise);
    expect(asked).toBe(2);
  });

  it("that fails is not remembered", async () => {
    const { grants } = await world();
    let broken = true;
    const entrance = createSignedWebhookEntrance({
      host: "default",
      clock: { now: () => START },
      grants: {
        connection: async (id) => {
          if (broken) throw new Error("the database is away");
          return grants.connection(id);
        },
      },
    });
    const path = "/webhooks/bitbucket/all";
    const open = async () => entrance.open({ method: "POST", path, url: path, headers: headersFor(push) });
    await expect(open()).rejects.toThrow("the database is away");
    broken = false;
    const opening = await open();
    expect(opening === null ? null : statusOf(pass(opening, Buffer.from(push)))).toBe("accepted");
  });

  it("forgets the oldest of a thousand, so that strangers can not fill the memory", async () => {
    const { asked, open, send } = await world();
    await send(push);
    for (let i = 0; i < 1_000; i += 1) await send(push, { path: `/webhooks/bitbucket/guess-${i}` });
    expect(open(push, { path: "/webhooks/bitbucket/guess-1" })).not.toBeInstanceOf(Promise);
    await send(push);
    expect(asked).toHaveLength(1_002);
    expect(asked.at(-1)).toBe("all");
  });
});
