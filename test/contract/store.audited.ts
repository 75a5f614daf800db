/** Changes that write to the audit log themselves. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import type { AuditEntry } from "../../src/core/audit.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { connectionOf, told } from "./grants.samples.ts";
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

    it("connections that are made, changed and ended, with fingerprints of their secrets and no more", async () => {
      const { store } = opened();
      const connection = connectionOf("one", { secrets: ["first secret"], token: "first token" });
      await store.addConnection(connection, told(), OPERATOR);
      await store.changeConnection("one", { hook: "{hook}" }, OPERATOR);
      await store.changeConnection("one", { secret: "first secret" }, OPERATOR);
      await store.changeConnection("one", { secret: "second secret" }, OPERATOR);
      await store.changeConnection("one", { token: "second token" }, BY_ANN);
      for (const by of [BY_ANN, OPERATOR]) await store.dropPreviousSecret("one", by);
      for (const by of [OPERATOR, BY_ANN]) await store.removeConnection("one", told(), by, "deleted");
      await store.changeConnection("one", { secret: "x", token: "y" }, OPERATOR);
      const print = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);
      const common = {
        installation: { provider: "bitbucket", host: "default", id: connection.workspace },
        subject: connection.repository?.fullName ?? connection.login,
      };
      const one = { connection: "one" };
      const secret = print("second secret");
      expect(await audit(store)).toEqual([
        {
          ...common,
          by: OPERATOR,
          action: "connection.made",
          facts: { ...one, token: print("first token"), secret: print("first secret") },
        },
        { ...common, by: OPERATOR, action: "key.rotated", facts: { ...one, secret, previous: "still accepted" } },
        { ...common, by: BY_ANN, action: "credential.saved", facts: { ...one, token: print("second token") } },
        { ...common, by: BY_ANN, action: "key.rotated", facts: { ...one, previous: "accepted no more" } },
        { ...common, by: OPERATOR, action: "connection.removed", facts: { ...one, webhook: "deleted" } },
      ]);
    });

    it("nothing of a change that did not come about", async () => {
      const { store } = opened();
      await store.addConnection(connectionOf("one"), told(), OPERATOR);
      const before = await audit(store);
      await expect(store.addConnection(connectionOf("one"), told("again"), OPERATOR)).rejects.toThrow();
      expect(await audit(store)).toEqual(before);
    });
  });
}
