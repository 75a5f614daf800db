/** Two processes at the same held builds at the same time: see postgres-races.test.ts. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { PlanRecord, Store } from "../../src/engine/store-port.ts";
import { openStore } from "../../src/store/store.ts";
import { byPerson, OPERATOR } from "../contract/store.by.ts";
import {
  change,
  cover,
  delivery,
  held,
  installationId,
  pull,
  record,
  request,
  testClock,
} from "../contract/store.samples.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const ROUNDS = 12;
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

async function stored(name: string): Promise<string> {
  await one.append([delivery(name)]);
  return (await one.findDelivery(name))?.id ?? "";
}

async function plan(name: string, what: PlanRecord): Promise<string> {
  await cover(one, what);
  return (await one.recordPlan(await stored(name), what))[0]?.id ?? "";
}

/** What one fork's pull request has held at this commit. */
function waiting(number: number, head: string): PlanRecord {
  const moved = pull(number, head);
  return record([moved], [], { held: [held(moved), held(moved, "web")] });
}

async function counts(): Promise<readonly number[]> {
  const { builds } = await one.stats();
  return [builds.held, builds.queued, builds.canceled, builds.superseded];
}

describe("two processes on one database", () => {
  it("approve what is held once, and only one of them did", async () => {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const id = await plan(`twice-${round}`, waiting(round, `twice-${round}`));
      const clicks = await Promise.all([
        one.approveBuild(id, byPerson({ id: "1", login: "a" })),
        other.approveBuild(id, OPERATOR),
      ]);
      expect(clicks.map((released) => released.length).toSorted()).toEqual([0, 2]);
      const by = clicks[0]?.length === 2 ? { id: "1", login: "a" } : null;
      expect((await one.getBuild(id))?.approval?.actor).toEqual(by);
    }
    expect(await counts()).toEqual([0, 2 * ROUNDS, 0, 0]);
  });

  it("let nothing run of an installation that is being suspended", async () => {
    const id = installationId("7");
    for (let round = 1; round <= ROUNDS; round += 1) {
      const build = await plan(`gone-${round}`, waiting(round, `gone-${round}`));
      await Promise.all([
        one.approveBuild(build, OPERATOR),
        other.setInstallationState(id, "suspended").then(() => other.cancelInstallation(id)),
      ]);
      expect(await counts()).toEqual([0, 0, 2 * round, 0]);
    }
  });

  it("let the old commit of a pull request run only if it was approved before the new one came", async () => {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const build = await plan(`old-${round}`, waiting(round, `old-${round}`));
      const next = await stored(`new-${round}`);
      const [released] = await Promise.all([
        one.approveBuild(build, OPERATOR),
        other.recordPlan(next, waiting(round, `new-${round}`)),
      ]);
      // Either way the newer change has pushed it aside; it was only released where the approval came first.
      expect((await one.getBuild(build))?.state).toBe("superseded");
      expect([0, 2]).toContain(released.length);
      expect((await one.getBuild(build))?.approval === null).toBe(released.length === 0);
    }
    expect(await counts()).toEqual([2 * ROUNDS, 0, 0, 2 * ROUNDS]);
  });

  it("build the same work of two refs once, whoever plans and whoever asks for builds", async () => {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const [branch, tag] = [
        change(null, `c${round}`, `refs/heads/b${round}`),
        change(null, `c${round}`, `refs/tags/t${round}`),
      ];
      const records = [branch, tag].map((moved) => record([moved], [request(moved, `image-${round}`)]));
      const [first, second] = [await stored(`branch-${round}`), await stored(`tag-${round}`)];
      for (const what of records) await cover(one, what);
      await Promise.all([
        one.recordPlan(first, records[0] ?? NOTHING),
        other.recordPlan(second, records[1] ?? NOTHING),
      ]);
      const lease = { worker: "w", leaseMs: 60_000 };
      const claims = await Promise.all([one, other, one, other].map((store) => store.claimBuild(lease)));
      expect(claims.filter((claimed) => claimed !== null)).toHaveLength(1);
    }
  });
});

const NOTHING = record([], []);
