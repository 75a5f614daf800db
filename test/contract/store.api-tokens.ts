import { describe, expect, it } from "@jest/globals";
import { MAX_API_TOKENS, type NewApiToken } from "../../src/engine/api-tokens-port.ts";
import { BadCursor, type Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import { account, installationId } from "./store.samples.ts";

const OPERATOR = { kind: "operator" } as const;
const ANN = { kind: "person", provider: "github", host: "default", actor: { id: "5", login: "ann" } } as const;
const SEVEN = installationId("7");
const EIGHT = installationId("8");
const END = Date.parse("2027-01-01T00:00:00.000Z");

function token(id: string, more: Partial<NewApiToken> = {}): NewApiToken {
  return { id, hash: `hash of ${id}`, installation: SEVEN, name: id, role: "read", expiresAt: END, ...more };
}

async function install(store: Store): Promise<void> {
  for (const [id, owner] of [
    [SEVEN, account("17", "acme")],
    [EIGHT, account("18", "other")],
  ] as const) {
    await store.saveInstallation({ id, account: owner, state: "active", permissions: {} });
  }
}

export function apiTokensContract(opened: Opened): void {
  describe("keeps API tokens", () => {
    it("with who made them and their hash, which no list has", async () => {
      const { store, clock } = opened();
      await install(store);
      expect(await store.saveApiToken(token("a", { role: "owner" }), ANN)).toBe("saved");
      const kept = {
        id: "a",
        installation: SEVEN,
        name: "a",
        role: "owner",
        by: ANN,
        createdAt: new Date(clock.now()).toISOString(),
        expiresAt: "2027-01-01T00:00:00.000Z",
        revokedAt: null,
        lastUsedAt: null,
      };
      expect(await store.apiToken("a")).toEqual({ token: kept, hash: "hash of a", standing: "active" });
      const listed = await store.listApiTokens({ installation: SEVEN, limit: 10, cursor: null });
      expect(listed).toEqual({ items: [kept], next: null });
      expect(await store.apiToken("b")).toBeNull();
    });

    it("of installations that are active only, each name once among those that work", async () => {
      const { store, clock } = opened();
      await install(store);
      expect(await store.saveApiToken(token("a", { installation: installationId("9") }), OPERATOR)).toBe(
        "no-installation",
      );
      expect(await store.saveApiToken(token("a"), OPERATOR)).toBe("saved");
      expect(await store.saveApiToken(token("b", { name: "a" }), OPERATOR)).toBe("name-taken");
      expect(await store.saveApiToken(token("c", { name: "a", installation: EIGHT }), OPERATOR)).toBe("saved");
      await store.revokeApiToken(SEVEN, "a", OPERATOR);
      expect(await store.saveApiToken(token("d", { name: "a", expiresAt: clock.now() + 1_000 }), OPERATOR)).toBe(
        "saved",
      );
      clock.advance(1_000);
      expect(await store.saveApiToken(token("e", { name: "a" }), OPERATOR)).toBe("saved");
      for (const state of ["suspended", "removed"] as const) {
        await store.setInstallationState(SEVEN, state);
        expect(await store.saveApiToken(token("f"), OPERATOR)).toBe("no-installation");
        expect((await store.apiToken("e"))?.standing).toBe(state);
      }
    });

    it(`at most ${MAX_API_TOKENS} of an installation that work, in pages, the newest first`, async () => {
      const { store } = opened();
      await install(store);
      for (let number = 0; number < MAX_API_TOKENS; number += 1) {
        expect(await store.saveApiToken(token(`t${number}`), OPERATOR)).toBe("saved");
      }
      expect(await store.saveApiToken(token("more"), OPERATOR)).toBe("too-many");
      expect(await store.saveApiToken(token("theirs", { installation: EIGHT }), OPERATOR)).toBe("saved");
      await store.revokeApiToken(SEVEN, "t0", OPERATOR);
      expect(await store.saveApiToken(token("more"), OPERATOR)).toBe("saved");
      const first = await store.listApiTokens({ installation: SEVEN, limit: 60, cursor: null });
      const second = await store.listApiTokens({ installation: SEVEN, limit: 60, cursor: first.next });
      const ids = [...first.items, ...second.items].map(({ id }) => id);
      expect([ids.length, ids[0], ids.at(-1), second.next]).toEqual([MAX_API_TOKENS + 1, "more", "t0", null]);
      const wrong = store.listApiTokens({ installation: SEVEN, limit: 1, cursor: "x" });
      await expect(wrong).rejects.toThrow(BadCursor);
    });

    it("until they are revoked, by nobody but their own installation, each with an entry in the audit log", async () => {
      const { store, clock } = opened();
      await install(store);
      await store.saveApiToken(token("a"), OPERATOR);
      expect(await store.revokeApiToken(EIGHT, "a", ANN)).toBeNull();
      expect(await store.revokeApiToken(SEVEN, "none", ANN)).toBeNull();
      const revoked = await store.revokeApiToken(SEVEN, "a", ANN);
      expect(revoked?.revokedAt).toBe(new Date(clock.now()).toISOString());
      clock.advance(1_000);
      expect(await store.revokeApiToken(SEVEN, "a", OPERATOR)).toEqual(revoked);
      const { items } = await store.listAudit({ limit: 10, cursor: null, installation: SEVEN });
      const facts = { token: "wha_a", name: "a", role: "read" };
      expect(items).toMatchObject([
        { action: "token.revoked", by: ANN, subject: "acme", facts },
        {
          action: "token.made",
          by: OPERATOR,
          subject: "acme",
          facts: { ...facts, expires: "2027-01-01T00:00:00.000Z" },
        },
      ]);
      expect(items).toHaveLength(2);
      expect(JSON.stringify(items)).not.toContain("hash of a");
    });
  });
}
