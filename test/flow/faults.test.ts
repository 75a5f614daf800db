/**
 * From the stored delivery to the concluded check, with one fault: the Nth call of a port goes wrong, for every N until a
 * run passes untouched.
 */
import { describe, expect, it } from "@jest/globals";
import type { CheckContent } from "../../src/core/check.ts";
import { ok } from "../../src/core/model.ts";
import type { Host, Reporter } from "../../src/engine/ports.ts";
import { account, delivery, give, installationId, repository, testClock } from "../contract/store.samples.ts";
import { hostOf, PUSH } from "../engine/fakes.ts";
import { runWith, type Scene, spoilEveryCall } from "../support/fault-run.ts";
import { FAULTS } from "../support/saboteur.ts";

/** A host of a few lines that tells everything with its events, and keeps checks when this program ends. */
function createScene(): Scene {
  const checks = new Map<string, CheckContent>();
  let arrived = false;
  const reporter: Reporter = {
    async show({ shown }, content) {
      // A creation whose answer was lost is found again by its external id, if somebody looks.
      const known = shown.hostId ?? (shown.uncertain && checks.has(shown.externalId) ? shown.externalId : null);
      const hostId = known ?? (checks.has(shown.externalId) ? `${shown.externalId} again` : shown.externalId);
      checks.set(hostId, content);
      return ok({ hostId });
    },
  };
  const host: Host = hostOf([PUSH], { cloneCredential: async () => ok({ username: "x", password: "y" }) });
  return {
    clock: testClock(),
    async arrive(store) {
      if (arrived) return;
      arrived = true;
      const installation = installationId("7");
      await store.saveInstallation({
        id: installation,
        account: account("17", "acme"),
        state: "active",
        permissions: {},
      });
      await give(store, account("17", "acme"), "acme");
      await store.linkRepositories(installation, [repository("1")], { complete: true });
      await store.append([delivery("guid-1")]);
    },
    sides: () => ({ host, reporter }),
    isConcluded: () => [...checks.values()].every((one) => one.conclusion),
    problems() {
      const conclusions = [...checks.values()].map((check) => check.conclusion);
      return conclusions.join() === "success" ? [] : [`checks: ${conclusions.join(", ") || "none"}`];
    },
  };
}

describe("the whole path, with one call of a port that goes wrong", () => {
  it.each(FAULTS)(
    "%s: ends with one image published, its tag right, and one check that says success",
    async (fault) => {
      const { spoiled, wrong } = await spoilEveryCall((at) => runWith(createScene(), { at, fault }));
      expect(wrong).toEqual([]);
      // It went through every port.
      const through = ["host.receive", "host.look", "store.recordPlan", "host.cloneCredential", "builder.build"];
      through.push("log.close", "store.stageBuild", "registry.copy", "registry.tag", "store.tagMoved");
      through.push("store.finishBuild", "registry.discard", "store.stagingGone", "reporter.show", "store.checkShown");
      expect(spoiled).toEqual(expect.arrayContaining(through));
    },
    300_000,
  );
});
