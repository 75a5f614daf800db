/** As postgres-races.test.ts, of grants. */

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { openDatabase } from "../../src/store/database.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { ACME, claim, connectionOf, proven, told } from "../contract/grants.samples.ts";
import { OPERATOR } from "../contract/store.by.ts";
import { testClock } from "../contract/store.samples.ts";
import { administer, createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const ROUNDS = 12;
const LEASE = { limit: 100, leaseMs: 10_000 };
const vault = createVault([Buffer.alloc(32, 1)]);
const clock = testClock();
let database: TestDatabase;
let one: OpenedStore;
let other: OpenedStore;

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
});

afterAll(() => database.drop());

beforeEach(async () => {
  await database.empty();
  one = await openStore({ url: database.url, clock, vault });
  other = await openStore({ url: database.url, clock, vault });
});

afterEach(async () => {
  await Promise.all([one.close(), other.close()]);
});

async function secretNames(): Promise<readonly unknown[]> {
  const looking = await openDatabase(database.url);
  const rows = await looking.query("SELECT name FROM secrets ORDER BY name");
  await looking.close();
  return rows.map((row) => row["name"]);
}

/** In the database, by pg_sleep. */
async function untilSomebodySleeps(): Promise<void> {
  const looking = await openDatabase(database.url);
  const deadline = Date.now() + 10_000;
  try {
    for (;;) {
      const asleep = await looking.query(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
      );
      if (asleep.length > 0) return;
      if (Date.now() > deadline) throw new Error("nobody sleeps");
      await sleep(10);
    }
  } finally {
    await looking.close();
  }
}

async function journalled(): Promise<readonly string[]> {
  return (await one.listDeliveries({ limit: 100, cursor: null })).items.map(({ deliveryId }) => deliveryId);
}

describe("two processes with grants", () => {
  it("keep one candidate of a claim that both are told", async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => (n % 2 === 0 ? one : other).addConnectCandidate(claim("key", "same"))),
    );
    expect(answers).toEqual(Array.from({ length: 12 }, () => true));
    expect(await one.claimConnectCandidates(LEASE)).toHaveLength(1);
  });

  it("let twenty claims to a key wait, however many come at once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? one : other).addConnectCandidate(claim("key", `${n}`))),
    );
    expect(answers.filter((taken) => taken)).toHaveLength(20);
    expect(await one.claimConnectCandidates(LEASE)).toHaveLength(20);
  });

  it("claim candidates, none twice", async () => {
    for (let n = 0; n < 20; n += 1) await one.addConnectCandidate(claim("key", `${n}`));
    const claims = await Promise.all(
      [one, other, one, other, one, other].map((store) => store.claimConnectCandidates({ limit: 5, leaseMs: 10_000 })),
    );
    expect(claims.flat()).toHaveLength(20);
    expect(new Set(claims.flat().map(({ id }) => id)).size).toBe(20);
  });

  it("prove one candidate of a key, and leave no other claim to it", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const key = `key-${round}`;
      await one.addConnectCandidate(claim(key, "first"));
      await one.addConnectCandidate(claim(key, "second"));
      const [first, second] = await one.claimConnectCandidates(LEASE);
      const answers = await Promise.all([
        one.proveConnectCandidate(first?.id ?? "", ACME, told(`${key} first`)),
        other.proveConnectCandidate(second?.id ?? "", ACME, told(`${key} second`)),
        other.addConnectCandidate(claim(key, "third")),
      ]);
      const winner = answers[0] ? "first" : "second";
      expect(answers.slice(0, 2).filter((proved) => proved)).toHaveLength(1);
      expect(await one.connectClient(key)).toMatchObject({ secret: winner });
      expect(await one.claimConnectCandidates(LEASE)).toEqual([]);
      expect((await journalled()).filter((id) => id.startsWith(`${key} `))).toEqual([`${key} ${winner}`]);
    }
    expect(await secretNames()).toHaveLength(ROUNDS + 1);
  });

  it("prove a candidate or drop it, but leave nothing in between", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const key = `key-${round}`;
      await one.addConnectCandidate(claim(key, "a secret"));
      const [candidate] = await one.claimConnectCandidates(LEASE);
      const [proved] = await Promise.all([
        one.proveConnectCandidate(candidate?.id ?? "", ACME, told(key)),
        other.dropConnectCandidate(candidate?.id ?? ""),
      ]);
      expect((await one.connectClient(key)) !== null).toBe(proved);
      expect((await secretNames()).includes(`connect-client:${key}:secret`)).toBe(proved);
      expect((await journalled()).includes(key)).toBe(proved);
    }
    expect((await secretNames()).filter((name) => String(name).startsWith("connect-candidate:"))).toEqual([]);
  });

  it("number proofs apart, so that of a workspace's clients one is the last", async () => {
    const keys = Array.from({ length: 10 }, (_, n) => `key-${n}`);
    for (const key of keys) await proven(one, key, null);
    await Promise.all(
      keys.map((key, n) => (n % 2 === 0 ? one : other).renewConnectClient(key, { ...ACME, secret: key }, told())),
    );
    const looking = await openDatabase(database.url);
    const rows = await looking.query("SELECT COUNT(DISTINCT proven) AS count FROM connect_clients");
    await looking.close();
    expect(rows).toEqual([{ count: keys.length }]);
  });

  it("remove a client once, and remove or renew it in some order", async () => {
    await proven(one, "key", "a secret");
    for (let round = 0; round < ROUNDS; round += 1) {
      const [first, second, renewed] = await Promise.all([
        one.removeConnectClient("key", told(`removed-${round}-1`)),
        other.removeConnectClient("key", told(`removed-${round}-2`)),
        one.renewConnectClient("key", { ...ACME, secret: `secret ${round}` }, told(`renewed-${round}`)),
      ]);
      expect(renewed).toBe(true);
      expect(await one.connectClient("key")).toMatchObject({ secret: `secret ${round}` });
      const heard = (await journalled()).filter((id) => id.startsWith(`removed-${round}-`));
      expect(heard).toHaveLength([first, second].filter((removed) => removed).length);
      expect(heard.length).toBeGreaterThan(0);
      await one.renewConnectClient("key", { ...ACME, secret: "a secret" }, told());
    }
  });

  it("change a connection's secret one after the other: it has the last two", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const id = `connection-${round}`;
      await one.addConnection(connectionOf(id, { secrets: ["1"] }), told(), OPERATOR);
      await Promise.all([
        one.changeConnection(id, { secret: "2" }, OPERATOR),
        other.changeConnection(id, { secret: "3" }, OPERATOR),
      ]);
      expect((await one.connection(id))?.secrets.toSorted()).toEqual(["2", "3"]);
    }
  });

  it("remove a connection once, and none of its secrets comes back with a change at the same moment", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const id = `connection-${round}`;
      await one.addConnection(connectionOf(id), told(), OPERATOR);
      const answers = await Promise.all([
        one.removeConnection(id, told(`removed-${round}-1`), OPERATOR),
        other.changeConnection(id, { secret: "2", token: "new" }, OPERATOR),
        other.removeConnection(id, told(`removed-${round}-2`), OPERATOR),
      ]);
      expect([answers[0], answers[2]].filter((removed) => removed)).toHaveLength(1);
      expect(await secretNames()).toEqual(["key-check"]);
    }
  });

  it("bring back no secret that is erased while a third one starts and seals all of them anew", async () => {
    await one.addConnection(connectionOf("gone"), told(), OPERATOR);
    // All were read by then, and none is written yet.
    await administer(
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$`,
      database.url,
    );
    await administer(
      `CREATE TRIGGER slow BEFORE INSERT ON secrets FOR EACH ROW WHEN (NEW.name = 'key-check') EXECUTE FUNCTION slow()`,
      database.url,
    );
    try {
      const starting = openStore({ url: database.url, clock, vault });
      await untilSomebodySleeps();
      expect(await one.removeConnection("gone", told(), OPERATOR)).toBe(true);
      await (await starting).close();
    } finally {
      await administer("DROP FUNCTION slow CASCADE", database.url);
    }
    expect(await secretNames()).toEqual(["key-check"]);
  });
});
