/** Changes that write to the audit log themselves. */
import { describe, expect, it } from "@jest/globals";
import type { AuditEntry } from "../../src/core/audit.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { BY_ANN, OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import { publish, stage } from "./store.publications.ts";
import { buildOf, holdOne } from "./store.pull-samples.ts";
import { change, cover, installationId, record, repository, sha } from "./store.samples.ts";

export function auditedContract(opened: Opened): void {
  describe("writes to the audit log what changes, in the transaction of the change", () => {
    const audit = async (store: Store) =>
      (await store.auditAfter(null, { limit: 1_000 })).map(({ id: _id, at: _at, ...rest }) => rest);
    const of = async (store: Store, action: AuditEntry["action"]) =>
      (await audit(store)).filter((one) => one.action === action);

    it("policies: each setting that is another now, with the one before; nothing where none is", async () => {
      const { store } = opened();
      await cover(store, record([change("a", "b")], []));
      expect(await store.setPolicy(installationId("8"), { forks: "never" }, OPERATOR)).toBeNull();
      await store.setPolicy(installationId("7"), {}, OPERATOR);
      await store.setPolicy(installationId("7"), { forks: "approve", brake: 20 }, OPERATOR);
      expect(await of(store, "policy.changed")).toEqual([]);
      await store.setPolicy(installationId("7"), { forks: "never", brake: 20, zeroConfig: true }, BY_ANN);
      expect(await of(store, "policy.changed")).toEqual([
        {
          by: BY_ANN,
          action: "policy.changed",
          installation: installationId("7"),
          subject: (await store.getInstallation(installationId("7")))?.account.login,
          facts: { forks: "never", "forks.before": "approve", zeroConfig: "true", "zeroConfig.before": "false" },
        },
      ]);
    });

    it("approvals: one for all that it released, and none where it released nothing", async () => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      const { requestDigest, deliveryId } = await buildOf(store, id);
      await store.approveBuild("no-such-build", OPERATOR);
      await Promise.all([store.approveBuild(id, BY_ANN), store.approveBuild(id, BY_ANN)]);
      await store.approveBuild(id, OPERATOR);
      expect(await of(store, "build.approved")).toEqual([
        {
          by: BY_ANN,
          action: "build.approved",
          installation: installationId("7"),
          subject: "acme/api",
          facts: {
            build: id,
            builds: "1",
            delivery: deliveryId,
            hold: "awaiting-approval",
            repository: "github:default:1",
            ref: "refs/heads/patch",
            commit: sha("b"),
            pull: "3",
            request: requestDigest,
          },
        },
      ]);
    });

    it("images that are shared or opened, and the end of it, each once however often it is asked for", async () => {
      const { store } = opened();
      await stage(store);
      await publish(store);
      await stage(store, { repository: "2", image: "other" });
      const second = repository("2");
      await store.shareImage("acme/never", second, OPERATOR);
      await store.setImagePublic("acme/never", true, OPERATOR);
      await store.setImagePublic("acme/api", false, OPERATOR);
      await store.unshareImage("acme/api", second, OPERATOR);
      expect((await audit(store)).filter(({ action }) => action.startsWith("image."))).toEqual([]);
      for (const by of [BY_ANN, OPERATOR]) {
        await store.shareImage("acme/api", second, by);
        await store.setImagePublic("acme/api", true, by);
      }
      for (const by of [OPERATOR, BY_ANN]) {
        await store.unshareImage("acme/api", second, by);
        await store.setImagePublic("acme/api", false, by);
      }
      const common = { installation: installationId("7"), subject: "acme/api" };
      const facts = { repository: "github:default:1" };
      const shared = { ...facts, with: "github:default:2" };
      expect((await audit(store)).filter(({ action }) => action.startsWith("image."))).toEqual([
        { ...common, by: BY_ANN, action: "image.shared", facts: shared },
        { ...common, by: BY_ANN, action: "image.opened", facts },
        { ...common, by: OPERATOR, action: "image.unshared", facts: shared },
        { ...common, by: OPERATOR, action: "image.closed", facts },
      ]);
    });
  });
}
