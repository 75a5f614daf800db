import { beforeEach, describe } from "@jest/globals";
import type { OpenedGrants } from "../contract/grants.samples.ts";
import { grantsContract } from "../contract/store.grants.ts";
import { testClock } from "../contract/store.samples.ts";
import { createFakeGrants } from "./fake-grants.ts";

describe("the grants that tests work with", () => {
  let opened: OpenedGrants;
  beforeEach(() => {
    const clock = testClock();
    const grants = createFakeGrants(clock);
    opened = { grants, clock, journalled: async () => grants.deliveries.map(({ deliveryId }) => deliveryId) };
  });
  grantsContract(() => opened);
});
