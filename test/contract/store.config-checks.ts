import { randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import type { FileCheck } from "../../src/core/config-check.ts";
import type { PlanRecord, Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import {
  change,
  delivery,
  installationId,
  record,
  recordCovered,
  repository,
  request,
  sha,
  skip,
} from "./store.samples.ts";

/** Journals a delivery and records the plan for it. */
async function plan(store: Store, deliveryId: string, what: PlanRecord): Promise<string> {
  await store.append([delivery(deliveryId, { repositoryId: what.repository.id })]);
  const id = (await store.findDelivery(deliveryId))?.id ?? "";
  await recordCovered(store, id, what);
  return id;
}

const MOVED = change("a", "b");
const OTHER = { ...record([MOVED], []), repository: repository("2") };

function check(kind: FileCheck["kind"], message: string): FileCheck {
  return { kind, problems: [{ severity: "error", line: 3, column: 1, message }], effect: null };
}

async function shownOf(store: Store) {
  const claimed = await store.claimChecks({ limit: 10, leaseMs: 60_000 });
  return claimed.map(({ sha: commit, name, facts }) => ({ sha: commit, name, fileCheck: facts.fileCheck }));
}

export function configChecksContract(opened: Opened): void {
  describe("keeps what is known of config files", () => {
    it("by branch, the last one that was pushed", async () => {
      const { store } = opened();
      const [main, docs] = ["refs/heads/main", "refs/heads/docs"];
      expect(await store.configFiles(repository("1"), [main, docs])).toEqual(new Map());
      const first = { ref: main, sha: sha("b"), digest: "sha256:1" };
      await plan(
        store,
        "one",
        record([MOVED], [], { configFiles: [first, { ref: docs, sha: sha("d"), digest: null }] }),
      );
      await plan(
        store,
        "two",
        record([change("b", "c")], [], { configFiles: [{ ...first, sha: sha("c"), digest: "sha256:2" }] }),
      );
      await plan(store, "three", record([change("c", "d")], []));
      expect(await store.configFiles(repository("1"), [main, docs])).toEqual(
        new Map([
          [main, { sha: sha("c"), digest: "sha256:2" }],
          [docs, { sha: sha("d"), digest: null }],
        ]),
      );
      expect(await store.configFiles(repository("1"), [])).toEqual(new Map());
      expect(await store.configFiles(repository("2"), [main])).toEqual(new Map());
    });

    it("and shows it on the commit, where nothing is built as well, and nowhere else", async () => {
      const { store } = opened();
      const told = check("push", "wrong");
      const what = { fileChecks: [{ sha: sha("b"), check: told }], report: [sha("b")] };
      await plan(store, "one", record([MOVED], [], what));
      await plan(store, "two", { ...OTHER, report: [sha("b")] });
      expect(await shownOf(store)).toEqual([
        { sha: sha("b"), name: "wharfinger", fileCheck: told },
        { sha: sha("b"), name: "wharfinger", fileCheck: undefined },
      ]);
    });

    it("and shows what a merge would change rather than what the push did, whichever came last", async () => {
      const { store } = opened();
      const merge = check("pull_request", "merged");
      const file = (one: FileCheck) => ({ fileChecks: [{ sha: sha("b"), check: one }], report: [sha("b")] });
      await plan(store, "one", record([MOVED], [], file(check("pull_request", "older"))));
      await plan(store, "two", record([MOVED], [], file(merge)));
      await plan(store, "three", record([MOVED], [], file(check("push", "pushed"))));
      expect(await shownOf(store)).toEqual([{ sha: sha("b"), name: "wharfinger", fileCheck: merge }]);
    });

    it("but nothing of what an installation says of a repository that is another's", async () => {
      const { store } = opened();
      await plan(store, "own", record([MOVED], [request(MOVED)]));
      await store.saveInstallation({
        id: installationId("8"),
        account: { provider: "github", host: "default", id: "18", login: "eve", kind: "user" },
        state: "active",
        permissions: {},
      });
      await store.append([delivery("foreign", { installationId: "8" })]);
      const id = (await store.findDelivery("foreign"))?.id ?? "";
      const said = {
        installation: installationId("8"),
        namespace: "eve",
        configFiles: [{ ref: "refs/heads/main", sha: sha("b"), digest: "sha256:evil" }],
        fileChecks: [{ sha: sha("b"), check: check("pull_request", "evil") }],
        report: [sha("b")],
      };
      await store.recordPlan(id, record([MOVED], [], { ...said, skips: [skip(MOVED, null)] }));
      expect(await store.configFiles(repository("1"), ["refs/heads/main"])).toEqual(new Map());
      expect((await shownOf(store)).map(({ fileCheck }) => fileCheck)).toEqual([undefined]);
      // Nor is it one of the deliveries that the repository's own file is tried on.
      const past = await store.pastDeliveries({ repository: repository("1"), limit: 10 });
      expect(past.map(({ deliveryId }) => deliveryId)).toEqual(["own"]);
    });
  });

  describe("finds past deliveries", () => {
    it("that were planned, of this repository, the newest first, with the commits they were about", async () => {
      const { store } = opened();
      const next = change("b", "c");
      const id = await plan(store, "one", record([MOVED], [request(MOVED)], { skips: [skip(MOVED, "web")] }));
      await plan(store, "other", { ...OTHER, plan: { ...OTHER.plan, skips: [skip(MOVED, null)] } });
      await plan(store, "two", record([next], [request(next)]));
      await store.append([delivery("waits"), delivery("ignored")]);
      await store.recordIgnored((await store.findDelivery("ignored"))?.id ?? "", "ignored", "a ping");
      const past = await store.pastDeliveries({ repository: repository("1"), limit: 10 });
      expect(past.map(({ deliveryId }) => deliveryId)).toEqual(["two", "one"]);
      expect(past[1]).toEqual({
        id,
        deliveryId: "one",
        event: "push",
        installationId: "7",
        commits: [sha("b")],
      });
      const one = await store.pastDeliveries({ repository: repository("1"), limit: 1 });
      expect(one.map(({ deliveryId }) => deliveryId)).toEqual(["two"]);
      const elsewhere = { ...repository("1"), host: "elsewhere" };
      expect(await store.pastDeliveries({ repository: elsewhere, limit: 10 })).toEqual([]);
    });

    it("as long as their body is kept, and is not too large", async () => {
      const { store, clock } = opened();
      // Noise: text would be packed to nothing.
      await store.append([delivery("large", { body: randomBytes(300_000) })]);
      await recordCovered(store, (await store.findDelivery("large"))?.id ?? "", record([MOVED], [request(MOVED)]));
      await plan(store, "small", record([MOVED], [request(MOVED)]));
      const past = () => store.pastDeliveries({ repository: repository("1"), limit: 10 });
      expect((await past()).map(({ deliveryId }) => deliveryId)).toEqual(["small"]);
      const now = new Date(clock.now() + 1_000).toISOString();
      await store.prune({ bodiesBefore: now, deliveriesBefore: "2000-01-01T00:00:00.000Z" });
      expect(await past()).toEqual([]);
    });
  });
}
