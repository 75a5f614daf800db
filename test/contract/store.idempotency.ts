import { describe, expect, it } from "@jest/globals";
import { ABANDONED_MS, KEPT_MS } from "../../src/engine/idempotency-port.ts";
import type { Opened } from "./store.contract.ts";

const ONE = { caller: "wha_a", key: "k", fingerprint: "f" };
const ANSWER = { status: 202, answer: '{"id":"1"}' };

export function idempotencyContract(opened: Opened): void {
  describe("has requests done once", () => {
    it("for each caller and key, and answers again what was answered", async () => {
      const { store } = opened();
      expect(await store.beginOnce(ONE)).toEqual({ kind: "begun" });
      expect(await store.beginOnce(ONE)).toEqual({ kind: "running" });
      expect(await store.beginOnce({ ...ONE, caller: "wha_b" })).toEqual({ kind: "begun" });
      expect(await store.beginOnce({ ...ONE, key: "other" })).toEqual({ kind: "begun" });
      await store.endOnce(ONE, ANSWER);
      expect(await store.beginOnce(ONE)).toEqual({ kind: "done", ...ANSWER });
      expect(await store.beginOnce({ ...ONE, fingerprint: "another request" })).toEqual({ kind: "other" });
      // What was answered stays so.
      await store.endOnce(ONE, { status: 500, answer: null });
      await store.forgetOnce(ONE);
      expect(await store.beginOnce(ONE)).toEqual({ kind: "done", ...ANSWER });
    });

    it("for one of those that begin at the same time", async () => {
      const { store } = opened();
      const states = await Promise.all(Array.from({ length: 8 }, () => store.beginOnce(ONE)));
      expect(states.filter(({ kind }) => kind === "begun")).toHaveLength(1);
      expect(states.filter(({ kind }) => kind === "running")).toHaveLength(7);
    });

    it("again after nothing came of it, or after who began it was killed", async () => {
      const { store, clock } = opened();
      await store.beginOnce(ONE);
      await store.forgetOnce(ONE);
      expect(await store.beginOnce(ONE)).toEqual({ kind: "begun" });
      clock.advance(ABANDONED_MS - 1);
      expect(await store.beginOnce(ONE)).toEqual({ kind: "running" });
      clock.advance(1);
      expect(await store.beginOnce(ONE)).toEqual({ kind: "begun" });
    });

    it("for a day, and keeps no answer longer", async () => {
      const { store, clock } = opened();
      await store.beginOnce(ONE);
      await store.endOnce(ONE, { status: 201, answer: null });
      clock.advance(KEPT_MS - 1);
      expect(await store.beginOnce(ONE)).toEqual({ kind: "done", status: 201, answer: null });
      clock.advance(1);
      expect(await store.beginOnce(ONE)).toEqual({ kind: "begun" });
    });
  });
}
