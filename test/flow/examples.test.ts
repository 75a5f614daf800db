import { createRequire } from "node:module";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { EventDelivery } from "../hosts/github/index.ts";
import { createWorld, eventually, type World } from "../support/world.ts";

interface Example {
  readonly name: string;
  readonly examples: readonly object[];
}

const EXAMPLES = createRequire(import.meta.url)("@octokit/webhooks-examples") as readonly Example[];
const PAYLOADS = EXAMPLES.flatMap(({ name, examples }) => examples.map((payload) => ({ name, payload })));

let world: World;

beforeAll(async () => {
  world = await createWorld();
});

afterAll(async () => {
  await world.close();
});

it("takes every payload GitHub publishes through intake and processing without an internal error", async () => {
  expect(PAYLOADS.length).toBeGreaterThan(300);
  const sent: EventDelivery[] = [];
  for (const { name, payload } of PAYLOADS) sent.push(await world.github.deliver(name, payload));
  const refused = world.github.deliveries.filter(({ statusCode }) => statusCode !== 202);
  expect(refused.map(({ event, responseBody }) => `${event}: ${responseBody}`)).toEqual([]);

  await eventually(
    "all are processed",
    async () => ((await world.store().stats()).deliveriesPending === 0 ? true : null),
    60_000,
  );
  expect(world.lines.filter(({ level }) => level === "error")).toEqual([]);
  const deliveries = await Promise.all(sent.map(({ guid }) => world.store().findDelivery(guid)));
  const unexpected = deliveries.filter((one) => !["planned", "applied", "ignored"].includes(one?.outcome ?? "lost"));
  expect(unexpected.map((one) => `${one?.event}.${one?.action}: ${one?.note}`)).toEqual([]);
  // Whatever was not planned says why.
  expect(deliveries.filter((one) => one?.outcome !== "planned" && !one?.note)).toEqual([]);
}, 120_000);
