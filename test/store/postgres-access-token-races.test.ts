/** Two processes at the name of one image at the same time: see postgres-races.test.ts. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "@jest/globals";
import type { Store } from "../../src/engine/store-port.ts";
import { openStore } from "../../src/store/store.ts";
import {
  account,
  change,
  delivery,
  installationId,
  record,
  recordCovered,
  request,
  testClock,
} from "../contract/store.samples.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const ROUNDS = 12;
const BY = { kind: "operator" } as const;
const ACCOUNT = { provider: "github", host: "default", id: "17" } as const;
const TOKEN = {
  id: "abcdefghijklmnop",
  hash: "00",
  namespace: "acme",
  account: ACCOUNT,
  name: "ci",
  access: "push",
} as const;
const LEASE = { worker: "worker-1", leaseMs: 15_000 };
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
  const owner = account("17");
  await one.saveInstallation({ id: installationId("7"), account: owner, state: "active", permissions: {} });
  const grant = { namespace: "acme", account: ACCOUNT, login: owner.login, registry: "default", why: "a test", by: BY };
  await one.grantNamespace({ ...grant, share: false, anyway: false });
  expect(await one.saveAccessToken({ ...TOKEN, expiresAt: clock.now() + 60_000 }, BY)).toBe("saved");
});

afterEach(async () => {
  await Promise.all([one.close(), other.close()]);
});

/** A build of `acme/<image>` that is staged. */
async function staged(image: string): Promise<void> {
  await one.append([delivery(image)]);
  const moved = change(null, image, `refs/heads/${image}`);
  await recordCovered(one, (await one.findDelivery(image))?.id ?? "", record([moved], [request(moved, image)]));
  const claimed = await one.claimBuild(LEASE);
  const end = { digest: `sha256:${"a".repeat(64)}`, steps: [] };
  expect(await one.stageBuild(claimed?.build.id ?? "", claimed?.attempt ?? 0, end)).toBe(true);
}

it("an image's name goes to a repository or to people, whoever is first, and never to both", async () => {
  const winners = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const image = `acme/i${round}`;
    await staged(`i${round}`);
    const [pushes, promotion] = await Promise.all([
      one.claimPushes(TOKEN, [image]),
      other.claimPromotion({ ...LEASE, worker: "worker-2" }),
    ]);
    expect(promotion?.build.image).toBe(image);
    const people = pushes.get(image) === "granted";
    expect([image, promotion?.othersImage === null]).toEqual([image, !people]);
    expect([image, (await one.publishedImage(image)) !== null]).toEqual([image, !people]);
    winners.add(people ? "people" : "repository");
  }
  expect(winners.size).toBeGreaterThan(0);
});

it("two who push to a new image both may", async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const images = [`acme/a${round}`, `acme/b${round}`];
    const both = await Promise.all([one.claimPushes(TOKEN, images), other.claimPushes(TOKEN, images.toReversed())]);
    expect(both.map((answers) => images.map((image) => answers.get(image)))).toEqual([
      ["granted", "granted"],
      ["granted", "granted"],
    ]);
  }
});
