/** Two processes on one PostgreSQL database, one of which pauses or resumes what the other one works on. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import type { Scope } from "../../src/core/pause.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { openStore } from "../../src/store/store.ts";
import {
  change,
  cover,
  delivery,
  installationId,
  record,
  repository,
  request,
  skip,
  testClock,
} from "../contract/store.samples.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const ROUNDS = 12;
const OPERATOR: By = { kind: "operator" };
const LEASE = { worker: "w", leaseMs: 15_000 };
const SCOPES: readonly (readonly [string, Scope])[] = [
  ["instance", { kind: "instance" }],
  ["installation", { kind: "installation", id: installationId("7") }],
  ["repository", { kind: "repository", id: repository("1") }],
];

const clock = testClock();
let database: TestDatabase;
let one: Store;
let other: Store;

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
});

afterAll(() => database.drop());

beforeEach(async () => {
  await database.empty();
  one = await openStore({ url: database.url, clock });
  other = await openStore({ url: database.url, clock });
});

afterEach(async () => {
  await Promise.all([one.close(), other.close()]);
});

async function stored(id: string): Promise<string> {
  await one.append([delivery(id)]);
  return (await one.findDelivery(id))?.id ?? "";
}

describe.each(SCOPES)("with the %s paused", (_kind, scope) => {
  it("what is recorded as paused while it is resumed is planned again, once", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const moved = change(null, `r${round}`, `refs/heads/r${round}`);
      const kept = record([moved], [], { skips: [skip(moved, null, "paused")] });
      await cover(one, kept);
      await one.pause(scope, { by: OPERATOR, stop: false });
      const id = await stored(`kept-${round}`);
      await Promise.all([one.recordPlan(id, kept), other.resume(scope, OPERATOR)]);
      const claimed = await one.claimDeliveries({ limit: 10, leaseMs: 60_000 });
      expect(claimed.map(({ replayOf }) => replayOf)).toEqual([id]);
      for (const copy of claimed) await one.recordIgnored(copy.delivery.id, "ignored", "seen");
    }
  });

  it("what was planned to be built while it was paused is built, once it is resumed, or was queued before", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const moved = change(null, `q${round}`, `refs/heads/q${round}`);
      const wanted = record([moved], [request(moved)]);
      await cover(one, wanted);
      const id = await stored(`wanted-${round}`);
      await one.pause(scope, { by: OPERATOR, stop: false });
      const [built] = await Promise.all([one.recordPlan(id, wanted), other.resume(scope, OPERATOR)]);
      const copies = await one.claimDeliveries({ limit: 10, leaseMs: 60_000 });
      expect(copies.length + built.length).toBe(1);
      for (const copy of copies) await one.recordIgnored(copy.delivery.id, "ignored", "seen");
    }
  });

  it("nothing goes on that was begun while it was stopped", async () => {
    const moved = change(null, "main");
    const wanted = record([moved], [request(moved)]);
    await cover(one, wanted);
    await one.recordPlan(await stored("main"), wanted);
    for (let round = 0; round < ROUNDS; round += 1) {
      const [claimed] = await Promise.all([one.claimBuild(LEASE), other.pause(scope, { by: OPERATOR, stop: true })]);
      if (claimed !== null) {
        expect(await one.heartbeat(claimed.build.id, claimed.attempt, 15_000, [])).toBe("lost");
      }
      clock.advance(60_000);
      expect(await one.claimBuild(LEASE)).toBeNull();
      await other.resume(scope, OPERATOR);
    }
  });
});
