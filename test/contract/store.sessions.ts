import { describe, expect, it } from "@jest/globals";
import type { HostId } from "../../src/core/model.ts";
import {
  IDLE_MS,
  MAX_SESSIONS,
  MAX_SIGN_INS,
  SESSION_MS,
  SIGN_IN_MS,
  type StoredSession,
} from "../../src/engine/sessions-port.ts";
import type { Person } from "../../src/engine/viewer.ts";
import type { Opened } from "./store.contract.ts";
import { installationId } from "./store.samples.ts";

const ANN: Person = { provider: "github", host: "default", actor: { id: "5", login: "ann" } };
const ANN_ID: HostId = { provider: "github", host: "default", id: "5" };

function session(key: string, changes: Partial<StoredSession> = {}): Omit<StoredSession, "openedAt"> {
  return { key, person: ANN, proof: null, reach: [], vouched: [], ...changes };
}

const attempt = (key: string) => ({ key, provider: "github", host: "default", next: "/builds?x=1" }) as const;

export function sessionsContract(opened: Opened): void {
  describe("keeps who is signed in", () => {
    it("as it was opened, for every process on the database", async () => {
      const { store, clock, reopen } = opened();
      const whole = session("k1", {
        reach: [installationId("7"), { provider: "bitbucket", host: "default", id: "{a:b}" }],
        vouched: [{ installation: installationId("7"), role: "owner", repositories: { "1": "write" } }],
      });
      await store.openSession(whole);
      await store.openSession(session("k2", { person: null, proof: "p" }));
      const expected = { ...whole, openedAt: clock.now() };
      expect(await store.session("k1")).toEqual(expected);
      expect(await store.session("k2")).toMatchObject({ person: null, proof: "p" });
      expect(await store.session("k3")).toBeNull();
      const other = await reopen?.();
      expect(other === undefined ? expected : await other.session("k1")).toEqual(expected);
      await other?.close();
    });

    it("for eight hours at most, however much it is used", async () => {
      const { store, clock } = opened();
      await store.openSession(session("k"));
      for (let passed = 0; passed < SESSION_MS - IDLE_MS / 2; passed += IDLE_MS / 2) {
        expect(await store.session("k")).not.toBeNull();
        clock.advance(IDLE_MS / 2);
      }
      clock.advance(IDLE_MS / 2 - 1);
      expect(await store.session("k")).not.toBeNull();
      clock.advance(1);
      expect(await store.session("k")).toBeNull();
    });

    it("until nobody has used it for half an hour", async () => {
      const { store, clock } = opened();
      await store.openSession(session("k"));
      clock.advance(IDLE_MS - 1);
      expect(await store.session("k")).not.toBeNull();
      clock.advance(IDLE_MS - 1);
      expect(await store.session("k")).not.toBeNull();
      clock.advance(IDLE_MS);
      expect(await store.session("k")).toBeNull();
      // What has ended does not begin again because somebody asks.
      expect(await store.session("k")).toBeNull();
    });

    it("for whoever looks on, who does not use it by that", async () => {
      const { store, clock } = opened();
      await store.openSession(session("k"));
      clock.advance(IDLE_MS - 1);
      expect([await store.lasts("k"), await store.lasts("K")]).toEqual([true, false]);
      clock.advance(1);
      expect([await store.lasts("k"), await store.session("k")]).toEqual([false, null]);
    });

    it("so many of one person, of whom the oldest end, and of nobody else", async () => {
      const { store } = opened();
      await store.openSession(session("other", { person: { ...ANN, provider: "bitbucket" } }));
      await store.openSession(session("operator", { person: null }));
      for (let count = 0; count <= MAX_SESSIONS; count += 1) await store.openSession(session(`k${count}`));
      expect(await store.session("k0")).toBeNull();
      for (const key of ["k1", `k${MAX_SESSIONS}`, "other", "operator"])
        expect(await store.session(key)).not.toBeNull();
    });

    it("until it ends: one, or all of a person on that host", async () => {
      const { store } = opened();
      for (const key of ["a", "b", "c"]) await store.openSession(session(key));
      await store.openSession(session("elsewhere", { person: { ...ANN, host: "other" } }));
      await store.openSession(session("somebody", { person: { ...ANN, actor: { id: "55", login: "ann" } } }));
      await store.openSession(session("operator", { person: null }));
      await store.endSession("a");
      expect([await store.session("a"), (await store.session("b"))?.key]).toEqual([null, "b"]);
      expect(await store.endSessionsOf(ANN_ID)).toBe(2);
      expect(await store.endSessionsOf(ANN_ID)).toBe(0);
      expect([await store.session("b"), await store.session("c")]).toEqual([null, null]);
      for (const key of ["elsewhere", "somebody", "operator"]) expect(await store.session(key)).not.toBeNull();
      expect(await store.endSessionsOf(null)).toBe(1);
      expect(await store.session("operator")).toBeNull();
    });

    it("with installations to list that are seen later, each once", async () => {
      const { store } = opened();
      await store.openSession(session("k", { reach: [installationId("7")] }));
      for (const id of ["8", "7", "8"]) await store.widenReach("k", installationId(id));
      expect((await store.session("k"))?.reach).toEqual([installationId("7"), installationId("8")]);
      await store.widenReach("gone", installationId("8"));
      expect(await store.session("gone")).toBeNull();
    });
  });

  describe("keeps who is on the way to a host to sign in", () => {
    it("for whoever comes back first, and once", async () => {
      const { store } = opened();
      await store.beginSignIn(attempt("k"));
      const answers = await Promise.all([store.takeSignIn("k"), store.takeSignIn("k"), store.takeSignIn("K")]);
      expect(answers.filter((answer) => answer !== null)).toEqual([attempt("k")]);
      expect(await store.takeSignIn("k")).toBeNull();
    });

    it("for ten minutes", async () => {
      const { store, clock } = opened();
      for (const key of ["a", "b"]) await store.beginSignIn(attempt(key));
      clock.advance(SIGN_IN_MS - 1);
      expect(await store.takeSignIn("a")).not.toBeNull();
      clock.advance(1);
      expect(await store.takeSignIn("b")).toBeNull();
    });

    it("of so many that a flood fills no disk", async () => {
      const { store } = opened();
      for (let count = 0; count <= MAX_SIGN_INS; count += 1) await store.beginSignIn(attempt(`k${count}`));
      expect(await store.takeSignIn("k0")).toBeNull();
      for (const key of ["k1", `k${MAX_SIGN_INS}`]) expect(await store.takeSignIn(key)).toEqual(attempt(key));
    });
  });
}
