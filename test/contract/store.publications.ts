import { describe, expect, it } from "@jest/globals";
import type { Publication } from "../../src/core/supersede.ts";
import type { ClaimedPromotion, Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import { change, delivery, installationId, record, recordCovered, repository, request } from "./store.samples.ts";

const LEASE = { worker: "worker-1", leaseMs: 15_000 };
const DIGEST = `sha256:${"a".repeat(64)}`;

let counter = 0;

interface What {
  readonly repository?: string;
  readonly image?: string;
  readonly tags?: readonly string[];
  readonly versions?: Readonly<Record<string, string>>;
}

/** Records a push that asks for one build; answers its id. */
async function queue(store: Store, what: What = {}): Promise<string> {
  counter += 1;
  await store.append([delivery(`publish-${counter}`)]);
  const moved = change(null, `${counter}`, `refs/heads/b${counter}`);
  const { image = "api", tags = ["latest"], versions } = what;
  const planned = request(moved, image, { tags, ...(versions === undefined ? {} : { versions }) });
  const built = await recordCovered(
    store,
    (await store.findDelivery(`publish-${counter}`))?.id ?? "",
    record([moved], [planned], { installation: installationId("7"), repository: repository(what.repository ?? "1") }),
  );
  return built[0]?.id ?? "";
}

/** Queues, claims and stages one build. */
export async function stage(store: Store, what: What = {}): Promise<string> {
  const id = await queue(store, what);
  const claimed = await store.claimBuild(LEASE);
  expect(claimed?.build.id).toBe(id);
  expect(await store.stageBuild(id, claimed?.attempt ?? 0, { digest: DIGEST, steps: [] })).toBe(true);
  return id;
}

async function promotion(store: Store): Promise<ClaimedPromotion> {
  const claimed = await store.claimPromotion(LEASE);
  if (claimed === null) throw new Error("no promotion to claim");
  return claimed;
}

const wanted = ({ tags }: ClaimedPromotion): Publication => {
  const [first] = tags;
  if (first === undefined) throw new Error("it wants no tag");
  return first.wanted;
};

/** Moves the first tag and ends the promotion. */
export async function publish(store: Store): Promise<ClaimedPromotion> {
  const claimed = await promotion(store);
  const [first] = claimed.tags;
  expect(await store.tagMoved(claimed.build.id, claimed.attempt, first?.tag ?? "", wanted(claimed))).toBe(true);
  const tags = { published: [first?.tag ?? ""], older: [] };
  const end = { state: "succeeded", digest: DIGEST, failure: null, steps: [], tags } as const;
  expect(await store.finishBuild(claimed.build.id, claimed.attempt, end)).toBe(true);
  return claimed;
}

export function publicationsContract(opened: Opened): void {
  describe("keeps the secret of a lease", () => {
    it("which proves the lease while it lives, and no longer", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const claimed = await store.claimBuild(LEASE);
      const secret = claimed?.secret ?? "";
      expect(await store.leaseHolder(id, secret)).toMatchObject({ build: { id }, until: clock.now() + LEASE.leaseMs });
      expect(await store.leaseHolder(id, `${secret}x`)).toBeNull();
      expect(await store.leaseHolder("another-build", secret)).toBeNull();
      clock.advance(10_000);
      await store.heartbeat(id, claimed?.attempt ?? 0, LEASE.leaseMs, []);
      clock.advance(10_000);
      expect(await store.leaseHolder(id, secret)).not.toBeNull();
      clock.advance(5_000);
      expect(await store.leaseHolder(id, secret)).toBeNull();
    });

    it("and gives each lease another one", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const lost = await store.claimBuild(LEASE);
      clock.advance(LEASE.leaseMs + 1);
      const taken = await store.claimBuild(LEASE);
      expect(await store.leaseHolder(id, lost?.secret ?? "")).toBeNull();
      expect(await store.leaseHolder(id, taken?.secret ?? "")).not.toBeNull();
    });

    it("which opens nothing once the image is staged", async () => {
      const { store } = opened();
      const id = await queue(store);
      const claimed = await store.claimBuild(LEASE);
      await store.stageBuild(id, claimed?.attempt ?? 0, { digest: DIGEST, steps: [] });
      expect(await store.leaseHolder(id, claimed?.secret ?? "")).toBeNull();
    });
  });

  describe("keeps the request of a build", () => {
    it("as it was written, with its origin, and a re-run writes its own", async () => {
      const { store } = opened();
      const id = await queue(store);
      const kept = await store.buildRequest(id);
      expect(JSON.parse(kept?.document ?? "")).toMatchObject({ id, image: "acme/api", actor: "42", trigger: "event" });
      expect(kept).toMatchObject({ digest: `digest of ${id}`, keyId: "key", signature: `signature of ${id}` });
      expect((await store.getBuild(id))?.requestDigest).toBe(`digest of ${id}`);
      expect((await store.claimBuild(LEASE))?.request).toEqual(kept);
      expect(await store.buildRequest("no-such-build")).toBeNull();
    });

    it("and the keys requests are signed with", async () => {
      const { store, clock } = opened();
      await store.saveRequestKey({ keyId: "one", publicKey: "first" });
      clock.advance(1);
      await store.saveRequestKey({ keyId: "two", publicKey: "second" });
      await store.saveRequestKey({ keyId: "one", publicKey: "first" });
      expect((await store.requestKeys()).map((key) => key.keyId)).toEqual(["two", "one"]);
    });

    it("until they are retired, but for the one that stays and those of builds that are not over", async () => {
      const { store } = opened();
      for (const keyId of ["key", "former", "current"]) await store.saveRequestKey({ keyId, publicKey: keyId });
      // Signed with `key`.
      const id = await queue(store);
      expect(await store.retireRequestKeys("current")).toEqual({ retired: 1, inUse: 1 });
      expect((await store.requestKeys()).map((key) => key.keyId).toSorted()).toEqual(["current", "key"]);
      await store.cancelBuild(id, OPERATOR);
      expect(await store.retireRequestKeys("current")).toEqual({ retired: 1, inUse: 0 });
      expect((await store.requestKeys()).map((key) => key.keyId)).toEqual(["current"]);
    });
  });

  describe("hands out promotions", () => {
    it("of what is staged, and not to builders any more", async () => {
      const { store } = opened();
      expect(await store.claimPromotion(LEASE)).toBeNull();
      const id = await stage(store);
      expect(await store.claimBuild(LEASE)).toBeNull();
      const claimed = await promotion(store);
      expect(claimed).toMatchObject({
        build: { id, state: "running", attempt: 1 },
        digest: DIGEST,
        tries: 1,
        othersImage: null,
      });
      expect(claimed.tags).toMatchObject([{ tag: "latest", last: null }]);
      expect(await store.claimPromotion(LEASE)).toBeNull();
    });

    it("one of an image at a time, and of other images beside it", async () => {
      const { store, clock } = opened();
      const [first, second] = [await stage(store), await stage(store)];
      const other = await stage(store, { image: "web" });
      expect([(await promotion(store)).build.id, (await promotion(store)).build.id]).toEqual([first, other]);
      expect(await store.claimPromotion(LEASE)).toBeNull();
      clock.advance(LEASE.leaseMs + 1);
      // Interrupted ones first: they may have moved tags that nobody has recorded.
      expect((await promotion(store)).build.id).toBe(first);
      expect(second).not.toBe(first);
    });

    it("to nobody who staged too late: whoever lost the build stages nothing", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const lost = await store.claimBuild(LEASE);
      clock.advance(LEASE.leaseMs + 1);
      await store.claimBuild(LEASE);
      expect(await store.stageBuild(id, lost?.attempt ?? 0, { digest: DIGEST, steps: [] })).toBe(false);
      expect(await store.claimPromotion(LEASE)).toBeNull();
    });

    it("again after they were handed back, not before their time", async () => {
      const { store, clock } = opened();
      await stage(store);
      const claimed = await promotion(store);
      const later = new Date(clock.now() + 5_000).toISOString();
      expect(await store.releasePromotion(claimed.build.id, claimed.attempt, later)).toBe(true);
      expect(await store.releasePromotion(claimed.build.id, claimed.attempt - 1, later)).toBe(false);
      expect(await store.claimPromotion(LEASE)).toBeNull();
      clock.advance(5_000);
      expect((await promotion(store)).tries).toBe(2);
    });

    it("with what is known of each tag", async () => {
      const { store } = opened();
      await stage(store);
      const first = await publish(store);
      await stage(store, { tags: ["latest", "constructor", "__proto__"], versions: { latest: "1.2.3" } });
      const { tags } = await promotion(store);
      expect(tags.map(({ tag, last }) => [tag, last?.build])).toEqual([
        ["latest", wanted(first).build],
        ["constructor", undefined],
        ["__proto__", undefined],
      ]);
      expect(tags.map(({ wanted: { version, since } }) => [version, since])).toEqual([
        ["1.2.3", wanted(first).order],
        [null, 0],
        [null, 0],
      ]);
      expect(await store.publishedDigest("acme/api", "latest")).toBe(DIGEST);
      expect(await store.publishedDigest("acme/api", "never")).toBeNull();
    });

    it("whose lease was lost can record nothing", async () => {
      const { store, clock } = opened();
      const id = await stage(store);
      const lost = await promotion(store);
      clock.advance(LEASE.leaseMs + 1);
      await promotion(store);
      expect(await store.tagMoved(id, lost.attempt, "latest", wanted(lost))).toBe(false);
      expect(await store.publishedDigest("acme/api", "latest")).toBeNull();
    });

    it("and remembers what is left in staging until it is gone", async () => {
      const { store } = opened();
      const id = await stage(store);
      expect(await store.stagingLeftovers(10)).toEqual([]);
      await publish(store);
      const left = { buildId: id, digest: DIGEST, registry: "default", image: "acme/api" };
      expect(await store.stagingLeftovers(10)).toEqual([left]);
      await store.stagingGone(id);
      expect(await store.stagingLeftovers(10)).toEqual([]);
    });
  });

  describe("knows whose an image is", () => {
    it("the repository's that promoted it first", async () => {
      const { store } = opened();
      const owners = async (of: string) =>
        Object.fromEntries(await store.imageOwners("acme", repository(of), ["api", "web"]));
      expect(await owners("1")).toEqual({ api: "free", web: "free" });
      await stage(store);
      await publish(store);
      expect(await owners("1")).toEqual({ api: "own", web: "free" });
      expect(await owners("2")).toEqual({ api: { other: "acme/repository-1" }, web: "free" });
      await stage(store, { repository: "2" });
      expect((await promotion(store)).othersImage).toBe("acme/repository-1");
    });

    it("and who else may publish it, by id, until that is taken back", async () => {
      const { store } = opened();
      await stage(store);
      await publish(store);
      await stage(store, { repository: "2", image: "other" });
      const second = repository("2");
      expect(await store.repositoriesNamed(second.fullName)).toMatchObject([{ id: "2" }]);
      expect(await store.repositoriesNamed(second.fullName.toUpperCase())).toEqual([]);
      expect(await store.shareImage("acme/never", second, OPERATOR)).toBe(false);
      expect(await store.shareImage("acme/api", second, OPERATOR)).toBe(true);
      expect(await store.shareImage("acme/api", second, OPERATOR)).toBe(true);
      expect((await store.imageOwners("acme", second, ["api"])).get("api")).toBe("shared");
      await store.unshareImage("acme/api", second, OPERATOR);
      expect((await store.imageOwners("acme", second, ["api"])).get("api")).toEqual({ other: "acme/repository-1" });
    });

    it("and who may pull it", async () => {
      const { store } = opened();
      await stage(store);
      await publish(store);
      expect(await store.publicImages(["acme/api", "acme/never"])).toEqual(new Set());
      await store.setImagePublic("acme/api", true, OPERATOR);
      expect(await store.publicImages(["acme/api", "acme/never"])).toEqual(new Set(["acme/api"]));
      expect(await store.publicImages([])).toEqual(new Set());
      expect(await store.publishedImage("acme/api")).toMatchObject({
        name: "acme/api",
        owner: { id: "1", fullName: "acme/repository-1" },
        shares: [],
        public: true,
        tags: [{ tag: "latest", digest: DIGEST }],
      });
      await store.setImagePublic("acme/api", false, OPERATOR);
      expect(await store.publicImages(["acme/api"])).toEqual(new Set());
      expect(await store.publishedImage("acme/never")).toBeNull();
    });
  });
}
