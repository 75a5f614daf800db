import { describe, expect, it } from "@jest/globals";
import { connectionOf, told } from "./grants.samples.ts";
import type { Opened } from "./store.contract.ts";

const BY = { by: { kind: "operator" }, setup: false } as const;
const WIZARD = { ...BY, setup: true };

export function settingsContract(opened: Opened): void {
  describe("keeps the instance's settings", () => {
    it("as they were last said, until they are taken away", async () => {
      const { store } = opened();
      expect(await store.storedSettings()).toEqual({ values: {}, finishedAt: null, connected: false });
      const secret = "pass word ü\nsecond line";
      expect(await store.saveSettings({ REGISTRY_URL: "https://r.example", REGISTRY_PASSWORD: secret }, WIZARD)).toBe(
        true,
      );
      await store.saveSettings({ REGISTRY_URL: "https://other.example" }, BY);
      expect((await store.storedSettings()).values).toEqual({
        REGISTRY_URL: "https://other.example",
        REGISTRY_PASSWORD: secret,
      });
      await store.saveSettings({ REGISTRY_PASSWORD: null, NEVER_SET: null }, BY);
      expect((await store.storedSettings()).values).toEqual({ REGISTRY_URL: "https://other.example" });
    });

    it("and lets the setup change nothing once it is over, but the operator", async () => {
      const { store, clock } = opened();
      expect(await store.finishSetup({ kind: "operator" })).toBe(true);
      clock.advance(60_000);
      expect(await store.finishSetup({ kind: "service" })).toBe(false);
      expect(await store.saveSettings({ ADMIN_TOKEN: "x".repeat(32) }, WIZARD)).toBe(false);
      expect(await store.storedSettings()).toMatchObject({ values: {}, finishedAt: "2026-11-20T10:00:00.000Z" });
      expect(await store.saveSettings({ ADMIN_TOKEN: "x".repeat(32) }, BY)).toBe(true);
      expect(Object.keys((await store.storedSettings()).values)).toEqual(["ADMIN_TOKEN"]);
    });

    it("and tells the audit log their names, never what they are", async () => {
      const { store } = opened();
      await store.saveSettings({ WEBHOOK_SECRET: "not-for-the-log-0123456789abcdef", APP_ID: "77" }, WIZARD);
      await store.finishSetup({ kind: "operator" });
      const { items } = await store.listAudit({ limit: 10, cursor: null });
      expect(items.map(({ action, subject, facts }) => [action, subject, facts])).toEqual([
        ["setup.finished", "setup", {}],
        ["settings.changed", "APP_ID WEBHOOK_SECRET", {}],
      ]);
      expect(JSON.stringify(items)).not.toContain("not-for-the-log");
    });

    it("and says whether Bitbucket sends here, which no variable says", async () => {
      const { store } = opened();
      await store.addConnection(connectionOf("one"), told("one"), { kind: "operator" });
      expect(await store.storedSettings()).toMatchObject({ connected: true });
    });
  });
}
