import { describe, expect, it } from "@jest/globals";
import type { HostId } from "../../src/core/model.ts";
import { MAX_PUSHED_IMAGES, MAX_TOKENS, type NewAccessToken } from "../../src/engine/access-tokens-port.ts";
import { BadCursor, type Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import {
  account,
  change,
  delivery,
  installationId,
  record,
  recordCovered,
  repository,
  request,
} from "./store.samples.ts";

const BY = { kind: "operator" } as const;
const DAY = 24 * 60 * 60 * 1_000;
const LEASE = { worker: "worker-1", leaseMs: 15_000 };
const DIGEST = `sha256:${"a".repeat(64)}`;
const ID_DIGITS = "abcdefghijklmnop";

/** Sixteen legal characters; a different id for each number. */
function tokenId(number: number): string {
  return [...String(number).padStart(16, "0")].map((digit) => ID_DIGITS[Number(digit)]).join("");
}

function token(number: number, changes: Partial<NewAccessToken> = {}): NewAccessToken {
  return {
    id: tokenId(number),
    hash: String(number).padStart(64, "0"),
    namespace: "acme",
    account: accountId("17"),
    name: `token-${number}`,
    access: "pull",
    expiresAt: Date.parse("2027-01-01T00:00:00.000Z"),
    ...changes,
  };
}

function accountId(id: string): HostId {
  return { provider: "github", host: "default", id };
}

async function install(store: Store, id: string, state: "active" | "suspended" | "removed" = "active"): Promise<void> {
  const owner = account(`1${id}`);
  await store.saveInstallation({ id: installationId(id), account: owner, state, permissions: {} });
}

/** The account of installation `id` may write to the namespace. */
async function give(store: Store, namespace: string, id: string): Promise<void> {
  const given = await store.grantNamespace({
    namespace,
    account: accountId(`1${id}`),
    login: `account-1${id}`,
    registry: "default",
    why: "a test",
    by: BY,
    share: true,
    anyway: true,
  });
  expect(given.kind).toBe("given");
}

/** Installation 7, whose account owns `acme`. */
async function acme(store: Store): Promise<void> {
  await install(store, "7");
  await give(store, "acme", "7");
}

async function standing(store: Store, id: string): Promise<string | undefined> {
  return (await store.accessToken(id))?.standing;
}

let counter = 0;
/** A build of `acme/<image>` of this repository that is staged, and may be promoted. */
async function staged(store: Store, image: string, of = "1"): Promise<void> {
  counter += 1;
  await store.append([delivery(`token-${counter}`)]);
  const moved = change(null, `token-${counter}`, `refs/heads/t${counter}`);
  const what = record([moved], [request(moved, image)], { repository: repository(of) });
  await recordCovered(store, (await store.findDelivery(`token-${counter}`))?.id ?? "", what);
  const claimed = await store.claimBuild(LEASE);
  const { build, attempt } = claimed ?? { build: { id: "" }, attempt: 0 };
  expect(await store.stageBuild(build.id, attempt, { digest: DIGEST, steps: [] })).toBe(true);
}

export function accessTokensContract(opened: Opened): void {
  describe("keeps access tokens", () => {
    it("with a hash and no secret, and gives them back as they were made", async () => {
      const { store, clock } = opened();
      await acme(store);
      expect(await store.saveAccessToken(token(1, { access: "push" }), BY)).toBe("saved");
      expect(await store.accessToken(tokenId(1))).toEqual({
        token: {
          id: tokenId(1),
          namespace: "acme",
          account: accountId("17"),
          name: "token-1",
          access: "push",
          by: BY,
          createdAt: new Date(clock.now()).toISOString(),
          expiresAt: "2027-01-01T00:00:00.000Z",
          revokedAt: null,
          lastUsedAt: null,
        },
        hash: token(1).hash,
        standing: "good",
        registry: "default",
      });
      expect(await store.accessToken(tokenId(2))).toBeNull();
    });

    it("for accounts that may write to the namespace and are installed, and for nobody else", async () => {
      const { store } = opened();
      await acme(store);
      await install(store, "8");
      for (const wrong of [
        token(1, { account: accountId("18") }),
        token(1, { account: accountId("7") }),
        token(1, { account: { ...accountId("17"), host: "other" } }),
        token(1, { account: { ...accountId("17"), provider: "bitbucket" } }),
        token(1, { namespace: "acme-evil" }),
        token(1, { namespace: "ACME" }),
      ]) {
        expect(await store.saveAccessToken(wrong, BY)).toBe("no-standing");
      }
      for (const state of ["suspended", "removed"] as const) {
        await install(store, "7", state);
        expect(await store.saveAccessToken(token(1), BY)).toBe("no-standing");
      }
      expect(await store.accessToken(tokenId(1))).toBeNull();
      expect((await store.listAudit({ limit: 100, cursor: null })).items.map(({ action }) => action)).not.toContain(
        "token.made",
      );
    });

    it("under names of which each is one token that works", async () => {
      const { store, clock } = opened();
      await acme(store);
      await install(store, "8");
      await give(store, "other", "8");
      const ci = { name: "ci", expiresAt: clock.now() + DAY };
      expect(await store.saveAccessToken(token(1, ci), BY)).toBe("saved");
      expect(await store.saveAccessToken(token(2, ci), BY)).toBe("name-taken");
      expect(await store.saveAccessToken(token(3, { ...ci, name: "CI" }), BY)).toBe("saved");
      const elsewhere = { ...ci, namespace: "other", account: accountId("18") };
      expect(await store.saveAccessToken(token(4, elsewhere), BY)).toBe("saved");
      await store.revokeAccessToken("acme", tokenId(1), BY);
      expect(await store.saveAccessToken(token(5, ci), BY)).toBe("saved");
      clock.advance(DAY);
      expect(await store.saveAccessToken(token(6, ci), BY)).toBe("saved");
    });

    it("as many as a namespace may have, counting those that work", async () => {
      const { store } = opened();
      await acme(store);
      for (let number = 1; number <= MAX_TOKENS; number += 1) await store.saveAccessToken(token(number), BY);
      expect(await store.saveAccessToken(token(500), BY)).toBe("too-many");
      await store.revokeAccessToken("acme", tokenId(1), BY);
      expect(await store.saveAccessToken(token(500), BY)).toBe("saved");
    });

    it("and lists those of one namespace, newest first, whatever became of them", async () => {
      const { store } = opened();
      await acme(store);
      await install(store, "8");
      await give(store, "acme-evil", "8");
      for (const number of [1, 2, 3]) await store.saveAccessToken(token(number), BY);
      await store.saveAccessToken(token(4, { namespace: "acme-evil", account: accountId("18") }), BY);
      await store.revokeAccessToken("acme", tokenId(2), BY);
      const first = await store.listAccessTokens({ namespace: "acme", limit: 2, cursor: null });
      expect(first.items.map(({ id, revokedAt }) => [id, revokedAt !== null])).toEqual([
        [tokenId(3), false],
        [tokenId(2), true],
      ]);
      const rest = await store.listAccessTokens({ namespace: "acme", limit: 2, cursor: first.next });
      expect([rest.items.map(({ id }) => id), rest.next]).toEqual([[tokenId(1)], null]);
      await expect(store.listAccessTokens({ namespace: "acme", limit: 2, cursor: "x" })).rejects.toThrow(BadCursor);
      expect((await store.listAccessTokens({ namespace: "nobody", limit: 2, cursor: null })).items).toEqual([]);
    });

    it("and notes when one was used, at most once a minute", async () => {
      const { store, clock } = opened();
      await acme(store);
      await store.saveAccessToken(token(1), BY);
      await store.saveAccessToken(token(2), BY);
      const began = clock.now();
      const used = async () => Date.parse((await store.accessToken(tokenId(1)))?.token.lastUsedAt ?? "") - began;
      for (const [after, expected] of [
        [0, 0],
        [59_999, 0],
        [1, 60_000],
        [30_000, 60_000],
        [DAY, 90_000 + DAY],
      ] as const) {
        clock.advance(after);
        await store.accessTokenUsed(tokenId(1));
        expect(await used()).toBe(expected);
      }
      expect((await store.accessToken(tokenId(2)))?.token.lastUsedAt).toBeNull();
    });
  });

  describe("ends access tokens", () => {
    it("by revoking, once and for good, and only those of the namespace", async () => {
      const { store, clock } = opened();
      await acme(store);
      await store.saveAccessToken(token(1), BY);
      for (const [namespace, id] of [
        ["acme-evil", tokenId(1)],
        ["acme", tokenId(2)],
        ["", tokenId(1)],
      ] as const) {
        expect(await store.revokeAccessToken(namespace, id, BY)).toBeNull();
      }
      expect((await store.accessToken(tokenId(1)))?.token.revokedAt).toBeNull();
      const revokedAt = new Date(clock.now()).toISOString();
      expect(await store.revokeAccessToken("acme", tokenId(1), BY)).toMatchObject({ id: tokenId(1), revokedAt });
      clock.advance(1_000);
      expect(await store.revokeAccessToken("acme", tokenId(1), BY)).toMatchObject({ revokedAt });
      expect((await store.accessToken(tokenId(1)))?.token.revokedAt).toBe(revokedAt);
    });

    it("by what becomes of the account they were made for, and of its namespace", async () => {
      const { store } = opened();
      await acme(store);
      await store.saveAccessToken(token(1), BY);
      for (const [state, expected] of [
        ["suspended", "suspended"],
        ["removed", "removed"],
        ["active", "good"],
      ] as const) {
        await install(store, "7", state);
        expect(await standing(store, tokenId(1))).toBe(expected);
      }
      await store.revokeNamespace(accountId("17"), BY);
      expect(await standing(store, tokenId(1))).toBe("lost");
    });

    it("when the namespace goes to somebody else: they open nothing of the new owner's", async () => {
      const { store } = opened();
      await acme(store);
      await store.saveAccessToken(token(1), BY);
      await store.revokeNamespace(accountId("17"), BY);
      await install(store, "8");
      await give(store, "acme", "8");
      expect(await standing(store, tokenId(1))).toBe("lost");
      expect(await store.saveAccessToken(token(2, { account: accountId("18") }), BY)).toBe("saved");
      expect(await standing(store, tokenId(2))).toBe("good");
    });

    it("not when another of several accounts of a namespace goes", async () => {
      const { store } = opened();
      await acme(store);
      await install(store, "8");
      await give(store, "acme", "8");
      expect(await store.namespaceAccounts("acme")).toEqual([
        { account: accountId("17"), login: "account-17", standing: "good" },
        { account: accountId("18"), login: "account-18", standing: "good" },
      ]);
      await store.saveAccessToken(token(1), BY);
      await store.saveAccessToken(token(2, { account: accountId("18") }), BY);
      await install(store, "8", "removed");
      expect([await standing(store, tokenId(1)), await standing(store, tokenId(2))]).toEqual(["good", "removed"]);
      expect((await store.namespaceAccounts("acme"))[1]?.standing).toBe("removed");
      expect(await store.namespaceAccounts("acme-evil")).toEqual([]);
    });

    it("not when the account installs again: the id of its installation is another one then", async () => {
      const { store } = opened();
      await acme(store);
      await store.saveAccessToken(token(1), BY);
      await install(store, "7", "removed");
      const again = { id: installationId("70"), account: account("17"), permissions: {} };
      await store.saveInstallation({ ...again, state: "active" });
      expect(await standing(store, tokenId(1))).toBe("good");
    });

    it("and writes each to the audit log with what it was, and nothing of its secret", async () => {
      const { store } = opened();
      await acme(store);
      const person = { kind: "person", provider: "github", host: "default", actor: { id: "5", login: "ann" } } as const;
      await store.saveAccessToken(token(1, { name: "ci" }), person);
      await store.revokeAccessToken("acme", tokenId(1), BY);
      await store.revokeAccessToken("acme", tokenId(1), BY);
      const { items } = await store.listAudit({ limit: 2, cursor: null, installation: installationId("7") });
      const facts = { token: `whf_${tokenId(1)}`, name: "ci", access: "pull" };
      expect(items).toMatchObject([
        { action: "token.revoked", by: BY, subject: "acme", facts },
        { action: "token.made", by: person, subject: "acme", facts: { ...facts, expires: "2027-01-01T00:00:00.000Z" } },
      ]);
      expect(JSON.stringify(items)).not.toContain(token(1).hash);
    });
  });

  describe("keeps what people push to with access tokens", () => {
    const pushes = (store: Store, ...images: string[]) =>
      store.claimPushes({ id: tokenId(1), namespace: "acme" }, images);

    it("which no repository takes from then on, neither in a plan nor when it publishes", async () => {
      const { store } = opened();
      await acme(store);
      await store.saveAccessToken(token(1, { access: "push" }), BY);
      expect([...(await pushes(store, "acme/tool"))]).toEqual([["acme/tool", "granted"]]);
      expect([...(await pushes(store, "acme/tool"))]).toEqual([["acme/tool", "granted"]]);
      const owners = await store.imageOwners("acme", repository("1"), ["tool", "tool2"]);
      expect([...owners]).toEqual([
        ["tool", "pushed"],
        ["tool2", "free"],
      ]);
      await staged(store, "tool");
      expect(await store.claimPromotion(LEASE)).toMatchObject({ othersImage: "access tokens" });
      expect(await store.publishedImage("acme/tool")).toBeNull();
    });

    it("and is nothing a repository owns, shared or public as it may be", async () => {
      const { store } = opened();
      await acme(store);
      await store.saveAccessToken(token(1, { access: "push" }), BY);
      await staged(store, "api");
      expect(await store.claimPromotion(LEASE)).toMatchObject({ othersImage: null });
      expect(Object.fromEntries(await pushes(store, "acme/api", "acme/api2"))).toEqual({
        "acme/api": "owned",
        "acme/api2": "granted",
      });
      expect([...(await pushes(store, "acme/api"))]).toEqual([["acme/api", "owned"]]);
      expect((await store.imageOwners("acme", repository("1"), ["api"])).get("api")).toBe("own");
    });

    it("as much as a namespace may have, and what it has stays its own", async () => {
      const { store } = opened();
      await acme(store);
      await store.saveAccessToken(token(1, { access: "push" }), BY);
      const all = Array.from({ length: MAX_PUSHED_IMAGES }, (_, index) => `acme/i${index}`);
      for (let from = 0; from < all.length; from += 100) {
        const answers = await pushes(store, ...all.slice(from, from + 100));
        expect(new Set(answers.values())).toEqual(new Set(["granted"]));
      }
      expect(Object.fromEntries(await pushes(store, "acme/i0", "acme/more"))).toEqual({
        "acme/i0": "granted",
        "acme/more": "full",
      });
      expect((await store.imageOwners("acme", repository("1"), ["more"])).get("more")).toBe("free");
    });

    it("and asks about nothing where nothing is wanted", async () => {
      const { store } = opened();
      expect((await pushes(store)).size).toBe(0);
    });
  });
}
