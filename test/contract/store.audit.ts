/** What is written of changes, and that nobody changes it. */
import { describe, expect, it } from "@jest/globals";
import type { AuditEntry } from "../../src/core/audit.ts";
import type { HostId } from "../../src/core/model.ts";
import { BadCursor, type Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import { installationId } from "./store.samples.ts";

const BITBUCKET: HostId = { provider: "bitbucket", host: "default", id: "{5d2b3a6e-0f3c-4c22-8d43-2a5cb1f6d0c1}" };

function entry(subject: string, changes: Partial<AuditEntry> = {}): AuditEntry {
  const by = { kind: "operator" } as const;
  return { by, action: "policy.changed", installation: installationId("7"), subject, facts: {}, ...changes };
}

async function append(store: Store, ...entries: readonly AuditEntry[]): Promise<void> {
  for (const one of entries) await store.appendAudit(one);
}

function subjects(records: readonly { readonly subject: string }[]): readonly string[] {
  return records.map(({ subject }) => subject);
}

export function auditContract(opened: Opened): void {
  describe("keeps an audit log", () => {
    it("with who made each change, when, of whose, and what is worth knowing of it", async () => {
      const { store, clock } = opened();
      const actor = { id: "5", login: "ann" };
      const entries: readonly AuditEntry[] = [
        entry("forks", { facts: { forks: "never", constructor: "ä\n" } }),
        entry("acme/api", {
          by: { kind: "person", provider: "github", host: "default", actor },
          action: "build.approved",
        }),
        entry("acme", {
          by: { kind: "host", provider: "bitbucket", host: "default", actor: null },
          installation: BITBUCKET,
        }),
        entry("instance", { by: { kind: "service" }, action: "instance.paused", installation: null }),
      ];
      for (const one of entries) {
        await store.appendAudit(one);
        clock.advance(1_000);
      }
      const { items, next } = await store.listAudit({ limit: 10, cursor: null });
      expect(next).toBeNull();
      expect(items.toReversed().map(({ id: _id, at: _at, ...rest }) => rest)).toEqual(entries);
      expect(items.map(({ at }) => at)).toEqual(
        ["03", "02", "01", "00"].map((seconds) => `2026-11-20T10:00:${seconds}.000Z`),
      );
      expect(new Set(items.map(({ id }) => id)).size).toBe(4);
    });

    it("newest first, page by page, also while entries are added", async () => {
      const { store } = opened();
      await append(store, entry("1"), entry("2"), entry("3"));
      const first = await store.listAudit({ limit: 2, cursor: null });
      expect(subjects(first.items)).toEqual(["3", "2"]);
      await append(store, entry("4"));
      const second = await store.listAudit({ limit: 2, cursor: first.next });
      expect([subjects(second.items), second.next]).toEqual([["1"], null]);
      for (const cursor of ["nonsense", Buffer.from("builds:1").toString("base64url")]) {
        await expect(store.listAudit({ limit: 2, cursor })).rejects.toBeInstanceOf(BadCursor);
      }
    });

    it("of one installation alone, told apart by provider, host and id, also in pages", async () => {
      const { store } = opened();
      const twin: HostId = { ...installationId("7"), host: "ghes" };
      await append(
        store,
        entry("a"),
        entry("b", { installation: twin }),
        entry("c", { installation: null }),
        entry("d", { installation: { ...installationId("7"), provider: "bitbucket" } }),
        entry("e", { installation: installationId("77") }),
        entry("f"),
        entry("g"),
      );
      const first = await store.listAudit({ limit: 2, cursor: null, installation: installationId("7") });
      const second = await store.listAudit({ limit: 2, cursor: first.next, installation: installationId("7") });
      expect([subjects(first.items), subjects(second.items), second.next]).toEqual([["g", "f"], ["a"], null]);
      const only = await store.auditAfter(null, { limit: 10, installation: twin });
      expect(subjects(only)).toEqual(["b"]);
    });

    it("of one kind alone, or of all kinds of a noun", async () => {
      const { store } = opened();
      await append(
        store,
        entry("1", { action: "namespace.granted" }),
        entry("2", { action: "namespace.granted", installation: BITBUCKET }),
        entry("3", { action: "namespace.revoked" }),
        entry("4", { action: "instance.paused", installation: null }),
      );
      const listed = async (action: string, more: { readonly installation?: HostId } = {}) =>
        subjects((await store.listAudit({ limit: 10, cursor: null, action, ...more })).items);
      expect(await listed("namespace.granted")).toEqual(["2", "1"]);
      expect(await listed("namespace.granted", { installation: BITBUCKET })).toEqual(["2"]);
      expect(await listed("namespace")).toEqual(["3", "2", "1"]);
      expect(await listed("names")).toEqual([]);
      expect(await listed("namespace.grant")).toEqual([]);
      expect(await listed("instance%")).toEqual([]);
      const exported = await store.auditAfter(null, {
        limit: 10,
        action: "namespace",
        since: "2026-11-20T09:00:00.000Z",
      });
      expect(subjects(exported)).toEqual(["1", "2", "3"]);
    });

    it("oldest first for exports, each entry once however it is paged", async () => {
      const { store } = opened();
      const all = Array.from({ length: 7 }, (_, index) => String(index));
      await append(store, ...all.map((subject) => entry(subject)));
      const seen: string[] = [];
      for (let after: string | null = null; ; ) {
        const page = await store.auditAfter(after, { limit: 3 });
        seen.push(...subjects(page));
        const last = page.at(-1);
        if (last === undefined) break;
        after = last.id;
      }
      expect(seen).toEqual(all);
      await expect(store.auditAfter("1; DROP TABLE audit", { limit: 3 })).rejects.toThrow(RangeError);
    });

    it("from a moment on, that moment included, of one installation as well", async () => {
      const { store, clock } = opened();
      await append(store, entry("before"));
      clock.advance(1_000);
      await append(store, entry("then"), entry("other", { installation: null }));
      clock.advance(1_000);
      await append(store, entry("after"));
      const since = "2026-11-20T10:00:01.000Z";
      expect(subjects(await store.auditAfter(null, { limit: 10, since }))).toEqual(["then", "other", "after"]);
      const own = await store.auditAfter(null, { limit: 10, since, installation: installationId("7") });
      expect(subjects(own)).toEqual(["then", "after"]);
      await expect(store.auditAfter(null, { limit: 10, since: "yesterday" })).rejects.toThrow(RangeError);
    });
  });
}
