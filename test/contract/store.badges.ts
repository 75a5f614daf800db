import { describe, expect, it } from "@jest/globals";
import type { BuildState } from "../../src/core/model.ts";
import type { Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import {
  change,
  cover,
  delivery,
  installationId,
  pull,
  record,
  recordCovered,
  repository,
  request,
} from "./store.samples.ts";

const OF = { provider: "github", host: "default", fullName: "acme/repository-1", branch: null, image: null } as const;
const FAILURE = { class: "dockerfile", message: "no such file" } as const;
const LEASE = { worker: "w", leaseMs: 15_000 };

let serial = 0;

/** A push of one image that comes to this end; null: it stays in the queue. */
async function built(store: Store, end: BuildState | null, of: { image?: string; ref?: string } = {}): Promise<void> {
  serial += 1;
  const id = `badge-${serial}`;
  await store.append([delivery(id)]);
  const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
  const moved = change(`before ${serial}`, `after ${serial}`, of.ref ?? "refs/heads/main");
  const [made] = await recordCovered(
    store,
    claimed?.delivery.id ?? "",
    record([moved], [request(moved, of.image ?? "api", { supersede: "none" })]),
  );
  if (made === undefined) throw new Error("nothing was queued");
  if (end === null) return;
  if (end === "canceled") {
    await store.cancelBuild(made.id, { kind: "operator" });
    return;
  }
  if (end !== "succeeded" && end !== "failed") throw new Error(`no test ends a build as ${end}`);
  const lease = await store.claimBuild({ ...LEASE, build: made.id });
  const good = end === "succeeded";
  const result = { state: end, digest: good ? "sha256:1" : null, failure: good ? null : FAILURE, steps: [] };
  if (!(await store.finishBuild(made.id, lease?.attempt ?? 0, result))) throw new Error("the build did not end");
}

export function badgesContract(opened: Opened): void {
  describe("says for badges how a branch is", () => {
    const states = async (more: Partial<Parameters<Store["badgeFacts"]>[0]> = {}) =>
      (await opened().store.badgeFacts({ ...OF, ...more }))?.states ?? null;

    it("by the newest finished build of each image, or the newest where none has finished", async () => {
      const { store } = opened();
      await built(store, "succeeded");
      await built(store, "failed");
      await built(store, null);
      await built(store, null, { image: "web" });
      expect(await states()).toEqual(["failed", "queued"]);
      await built(store, "succeeded");
      expect(await states()).toEqual(["succeeded", "queued"]);
      expect(await states({ image: "web" })).toEqual(["queued"]);
      expect(await states({ image: "other" })).toEqual([]);
    });

    it("leaving out what was canceled, other branches, tags and pull requests", async () => {
      const { store } = opened();
      await built(store, "succeeded");
      await built(store, "canceled");
      await built(store, "failed", { ref: "refs/heads/feature" });
      await built(store, "failed", { ref: "refs/tags/main" });
      await store.append([delivery("a pull request")]);
      const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
      const moved = pull(1, "head");
      await recordCovered(store, claimed?.delivery.id ?? "", record([moved], [request(moved)]));
      expect(await states()).toEqual(["succeeded"]);
      expect(await states({ branch: "feature" })).toEqual(["failed"]);
    });

    it("of repositories by their name, whatever the case of letters, and only while they are covered", async () => {
      const { store } = opened();
      expect(await store.badgeFacts(OF)).toBeNull();
      await cover(store, record([], []));
      const { provider, host } = OF;
      const known = { repository: { provider, host, id: "1", fullName: OF.fullName }, private: true, states: [] };
      expect(await store.badgeFacts({ ...OF, fullName: "ACME/Repository-1" })).toEqual(known);
      for (const other of [{ provider: "bitbucket" }, { host: "ghes" }, { fullName: "acme/repository-_" }] as const) {
        expect(await store.badgeFacts({ ...OF, ...other })).toBeNull();
      }
      await store.unlinkRepositories(installationId("7"), [repository("1")]);
      expect(await store.badgeFacts(OF)).toBeNull();
    });

    it("with a key that is made once, and kept", async () => {
      const { store, reopen } = opened();
      const [one, other] = await Promise.all([store.badgeKey(), store.badgeKey()]);
      expect(other).toBe(one);
      expect(Buffer.from(one, "base64url")).toHaveLength(32);
      if (reopen === null) return;
      const again = await reopen();
      expect(await again.badgeKey()).toBe(one);
      await again.close();
    });
  });
}
