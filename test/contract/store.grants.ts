import { describe, expect, it } from "@jest/globals";
import type { ConnectCandidate, GrantStore } from "../../src/engine/grants-port.ts";
import {
  ACME,
  claim,
  claimOne,
  type OpenedGrants,
  OTHER_WORKSPACE,
  proven,
  told,
  WORKSPACE,
} from "./grants.samples.ts";
import { connectionsContract } from "./store.connections.ts";

const LEASE = { limit: 2_000, leaseMs: 10_000 };

function secretsOf(candidates: readonly ConnectCandidate[]): readonly (string | null)[] {
  return candidates.map(({ secret }) => secret);
}

export function grantsContract(opened: () => OpenedGrants): void {
  describe("keeps claims of Connect installs apart from clients", () => {
    it("and knows a client only once it is proven, and says that it is", async () => {
      const { grants, journalled } = opened();
      expect(await grants.addConnectCandidate(claim("key", "a secret"))).toBe(true);
      expect(await grants.connectClient("key")).toBeNull();
      expect(await grants.connectClientsOf(WORKSPACE)).toEqual([]);
      expect(await journalled()).toEqual([]);

      const candidate = await claimOne(grants, "a secret");
      expect(candidate).toEqual({ id: candidate.id, ...claim("key", "a secret"), attempts: 1 });
      expect(await grants.proveConnectCandidate(candidate.id, ACME, told("proven"))).toBe(true);
      const client = { ...claim("key", "a secret"), ...ACME, state: "active" };
      expect(await grants.connectClient("key")).toEqual(client);
      expect(await grants.connectClientsOf(WORKSPACE)).toEqual([client]);
      expect(await grants.connectClientsOf(OTHER_WORKSPACE)).toEqual([]);
      expect(await grants.connectClient("KEY")).toBeNull();
      expect(await journalled()).toEqual(["proven"]);
    });

    it("and takes the same claim for the same candidate, but not one that differs in anything", async () => {
      const { grants } = opened();
      const claims = [
        claim("key", "one"),
        claim("key", "two"),
        claim("key", null),
        claim("key", ""),
        claim("key", "one", OTHER_WORKSPACE),
        claim("other key", "one"),
      ];
      for (const each of [...claims, ...claims]) expect(await grants.addConnectCandidate(each)).toBe(true);
      const waiting = await grants.claimConnectCandidates(LEASE);
      expect(waiting).toEqual(claims.map((each, n) => ({ id: waiting[n]?.id, ...each, attempts: 1 })));
      expect(new Set(waiting.map(({ id }) => id)).size).toBe(claims.length);
    });

    it("and proves a claim without a secret as one without a secret", async () => {
      const { grants } = opened();
      await proven(grants, "key", null);
      expect(await grants.connectClient("key")).toMatchObject({ state: "active", secret: null });
    });

    it("and takes no claim to a client that is known, nor to one that was removed", async () => {
      const { grants } = opened();
      await proven(grants, "key", "the secret");
      expect(await grants.addConnectCandidate(claim("key", "a stranger's"))).toBe(false);
      expect(await grants.addConnectCandidate(claim("key", "the secret"))).toBe(false);
      await grants.removeConnectClient("key", told());
      expect(await grants.addConnectCandidate(claim("key", "a stranger's"))).toBe(false);
      expect(await grants.claimConnectCandidates(LEASE)).toEqual([]);
      expect(await grants.connectClient("key")).toMatchObject({ secret: "the secret" });
    });

    it("and drops the other claims to a key with the proof of one", async () => {
      const { grants, journalled } = opened();
      await grants.addConnectCandidate(claim("key", "squatted"));
      await grants.addConnectCandidate(claim("key", "real"));
      await grants.addConnectCandidate(claim("another key", "somebody else's"));
      const claimed = await grants.claimConnectCandidates(LEASE);
      const [squatted, real] = claimed;
      expect(await grants.proveConnectCandidate(real?.id ?? "", ACME, told("real"))).toBe(true);
      expect(await grants.proveConnectCandidate(squatted?.id ?? "", ACME, told("squatted"))).toBe(false);
      expect(await grants.proveConnectCandidate(real?.id ?? "", ACME, told("again"))).toBe(false);
      expect(await grants.proveConnectCandidate("no such candidate", ACME, told("none"))).toBe(false);
      expect(await grants.connectClient("key")).toMatchObject({ secret: "real" });
      expect(await journalled()).toEqual(["real"]);
      expect(await grants.connectClient("another key")).toBeNull();
      for (const { id } of claimed) await grants.postponeConnectCandidate(id, "2026-01-01T00:00:00.000Z");
      expect(secretsOf(await grants.claimConnectCandidates(LEASE))).toEqual(["somebody else's"]);
    });

    it("and proves one of several at once", async () => {
      const { grants, journalled } = opened();
      for (const n of [1, 2, 3, 4]) await grants.addConnectCandidate(claim("key", `secret ${n}`));
      const waiting = await grants.claimConnectCandidates(LEASE);
      const answers = await Promise.all(waiting.map(({ id }) => grants.proveConnectCandidate(id, ACME, told(id))));
      const winners = waiting.filter((_, n) => answers[n]);
      expect(winners).toHaveLength(1);
      expect(await grants.connectClient("key")).toMatchObject({ secret: winners[0]?.secret });
      expect(await journalled()).toEqual(winners.map(({ id }) => id));
    });
  });

  describe("limits claims of Connect installs", () => {
    it("to twenty of a key, of which one that was tried makes room, the one tried longest ago first", async () => {
      const { grants, clock } = opened();
      for (let n = 0; n < 20; n += 1) expect(await grants.addConnectCandidate(claim("key", `squat ${n}`))).toBe(true);
      expect(await grants.addConnectCandidate(claim("key", "late"))).toBe(false);
      expect(await grants.addConnectCandidate(claim("key", "squat 7"))).toBe(true);
      expect(await grants.addConnectCandidate(claim("another key", "late"))).toBe(true);

      const [first] = await grants.claimConnectCandidates({ limit: 1, leaseMs: 10_000 });
      await grants.postponeConnectCandidate(first?.id ?? "", "2030-01-01T00:00:00.000Z");
      clock.advance(1);
      const [second] = await grants.claimConnectCandidates({ limit: 1, leaseMs: 10_000 });
      await grants.postponeConnectCandidate(second?.id ?? "", "2030-01-01T00:00:00.000Z");
      expect([first?.secret, second?.secret]).toEqual(["squat 0", "squat 1"]);
      expect(await grants.addConnectCandidate(claim("key", "real"))).toBe(true);
      clock.advance(Date.parse("2030-01-01T00:00:00.000Z") - clock.now());
      const waiting = secretsOf(await grants.claimConnectCandidates(LEASE));
      expect(waiting).toHaveLength(21);
      expect(waiting).toContain("real");
      expect(waiting).toContain("squat 1");
      expect(waiting).not.toContain("squat 0");
    });

    it("but pushes none out that is being tried, so that the real one is proven amid any number of others", async () => {
      const { grants } = opened();
      await grants.addConnectCandidate(claim("key", "real"));
      const real = await claimOne(grants, "real");
      let taken = 0;
      for (let n = 0; n < 40; n += 1) {
        if (await grants.addConnectCandidate(claim("key", `squat ${n}`))) taken += 1;
      }
      expect(taken).toBe(19);
      expect(await grants.proveConnectCandidate(real.id, ACME, told())).toBe(true);
      expect(await grants.connectClient("key")).toMatchObject({ secret: "real" });
    });

    it("and lets the real one in however many squatted its key, once they had their chance", async () => {
      const { grants } = opened();
      for (let n = 0; n < 25; n += 1) await grants.addConnectCandidate(claim("key", `squat ${n}`));
      for (const { id } of await grants.claimConnectCandidates(LEASE)) {
        await grants.postponeConnectCandidate(id, "2030-01-01T00:00:00.000Z");
      }
      await proven(grants, "key", "real");
      expect(await grants.connectClient("key")).toMatchObject({ secret: "real" });
    });

    it("also where a lease ended without word", async () => {
      const { grants, clock } = opened();
      for (let n = 0; n < 20; n += 1) await grants.addConnectCandidate(claim("key", `squat ${n}`));
      await grants.claimConnectCandidates({ limit: 1, leaseMs: 10_000 });
      clock.advance(9_999);
      expect(await grants.addConnectCandidate(claim("key", "real"))).toBe(false);
      clock.advance(1);
      expect(await grants.addConnectCandidate(claim("key", "real"))).toBe(true);
    });

    it("to a thousand in all, of which one that was tried makes room", async () => {
      const { grants } = opened();
      for (let n = 0; n < 1_000; n += 1) {
        expect(await grants.addConnectCandidate(claim(`key ${n % 100}`, `squat ${n}`))).toBe(true);
      }
      expect(await grants.addConnectCandidate(claim("key", "real"))).toBe(false);
      const [tried] = await grants.claimConnectCandidates({ limit: 1, leaseMs: 10_000 });
      expect(await grants.addConnectCandidate(claim("key", "real"))).toBe(false);
      await grants.postponeConnectCandidate(tried?.id ?? "", "2026-01-01T00:00:00.000Z");
      expect(await grants.addConnectCandidate(claim("key", "real"))).toBe(true);
      expect(await grants.addConnectCandidate(claim("key", "another"))).toBe(false);
      const waiting = secretsOf(await grants.claimConnectCandidates(LEASE));
      expect(waiting).toHaveLength(1_000);
      expect(waiting).not.toContain("squat 0");
    }, 60_000);
  });

  describe("hands out claims of Connect installs", () => {
    it("in the order they came, each to one prover, and again when its lease ended", async () => {
      const { grants, clock } = opened();
      for (const secret of ["a", "b", "c"]) await grants.addConnectCandidate(claim("key", secret));
      expect(secretsOf(await grants.claimConnectCandidates({ limit: 2, leaseMs: 10_000 }))).toEqual(["a", "b"]);
      expect(secretsOf(await grants.claimConnectCandidates({ limit: 2, leaseMs: 10_000 }))).toEqual(["c"]);
      clock.advance(9_999);
      expect(await grants.claimConnectCandidates(LEASE)).toEqual([]);
      clock.advance(1);
      expect((await grants.claimConnectCandidates(LEASE)).map(({ attempts }) => attempts)).toEqual([2, 2, 2]);
    });

    it("never tried ones first, then those tried longest ago, so that none waits for ever", async () => {
      const { grants, clock } = opened();
      for (const secret of ["a", "b"]) await grants.addConnectCandidate(claim("key", secret));
      for (const secret of ["a", "b"]) {
        expect((await claimOneInTurn(grants)).secret).toBe(secret);
        clock.advance(1);
      }
      await grants.addConnectCandidate(claim("key", "c"));
      const turns: (string | null)[] = [];
      for (let turn = 0; turn < 5; turn += 1) {
        turns.push((await claimOneInTurn(grants)).secret);
        clock.advance(1);
      }
      expect(turns).toEqual(["c", "a", "b", "c", "a"]);
    });

    it("not before the time that a postponed one may be tried", async () => {
      const { grants, clock } = opened();
      await grants.addConnectCandidate(claim("key", "a"));
      const { id } = await claimOne(grants, "a");
      await grants.postponeConnectCandidate(id, new Date(clock.now() + 60_000).toISOString());
      clock.advance(59_999);
      expect(await grants.claimConnectCandidates(LEASE)).toEqual([]);
      // To claim the same again hastens nothing.
      expect(await grants.addConnectCandidate(claim("key", "a"))).toBe(true);
      expect(await grants.claimConnectCandidates(LEASE)).toEqual([]);
      clock.advance(1);
      expect(await grants.claimConnectCandidates(LEASE)).toHaveLength(1);
    });

    it("never again once they are dropped", async () => {
      const { grants, clock } = opened();
      await grants.addConnectCandidate(claim("key", "a"));
      await grants.addConnectCandidate(claim("key", "b"));
      const { id } = await claimOne(grants, "a");
      await grants.dropConnectCandidate(id);
      await grants.dropConnectCandidate(id);
      await grants.dropConnectCandidate("no such candidate");
      await grants.postponeConnectCandidate(id, "2026-01-01T00:00:00.000Z");
      clock.advance(1_000_000);
      expect(secretsOf(await grants.claimConnectCandidates(LEASE))).toEqual(["b"]);
      expect(await grants.proveConnectCandidate(id, ACME, told())).toBe(false);
      expect(await grants.connectClient("key")).toBeNull();
    });
  });

  describe("follows the life of a Connect client", () => {
    it("that is removed: its secret stays, to prove the next install with", async () => {
      const { grants, journalled } = opened();
      await proven(grants, "key", "the secret");
      const before = await journalled();
      expect(await grants.removeConnectClient("key", told("removed"))).toBe(true);
      expect(await grants.connectClient("key")).toMatchObject({ state: "removed", secret: "the secret" });
      expect(await grants.connectClientsOf(WORKSPACE)).toEqual([]);
      expect(await grants.removeConnectClient("key", told("removed again"))).toBe(false);
      expect(await grants.removeConnectClient("no such client", told("nobody"))).toBe(false);
      expect(await journalled()).toEqual([...before, "removed"]);
    });

    it("that is installed anew, whether it was removed or not, under the name it has today", async () => {
      const { grants, journalled } = opened();
      await proven(grants, "key", "first");
      const before = await journalled();
      const renamed = { kind: "user", login: "acme-renamed" } as const;
      expect(await grants.renewConnectClient("key", { ...renamed, secret: "second" }, told("renewed"))).toBe(true);
      const client = { clientKey: "key", workspace: WORKSPACE, ...renamed, state: "active", secret: "second" };
      expect(await grants.connectClient("key")).toEqual(client);
      await grants.removeConnectClient("key", told("removed"));
      expect(await grants.renewConnectClient("key", { ...renamed, secret: null }, told("back"))).toBe(true);
      expect(await grants.connectClient("key")).toEqual({ ...client, secret: null });
      expect(await grants.renewConnectClient("key", { ...renamed, secret: "third" }, told("once more"))).toBe(true);
      expect(await grants.connectClientsOf(WORKSPACE)).toEqual([{ ...client, secret: "third" }]);
      expect(await journalled()).toEqual([...before, "renewed", "removed", "back", "once more"]);
    });

    it("that nobody has proven: it can not be renewed", async () => {
      const { grants, journalled } = opened();
      await grants.addConnectCandidate(claim("key", "squatted"));
      expect(await grants.renewConnectClient("key", { ...ACME, secret: "x" }, told())).toBe(false);
      expect(await grants.removeConnectClient("key", told())).toBe(false);
      expect(await grants.connectClient("key")).toBeNull();
      expect(await journalled()).toEqual([]);
    });

    it("beside others of its workspace, the one proven or renewed last first", async () => {
      const { grants } = opened();
      for (const key of ["a", "b", "c"]) await proven(grants, key, `secret of ${key}`);
      await proven(grants, "elsewhere", "x", OTHER_WORKSPACE);
      const keys = async () => (await grants.connectClientsOf(WORKSPACE)).map(({ clientKey }) => clientKey);
      expect(await keys()).toEqual(["c", "b", "a"]);
      await grants.removeConnectClient("c", told());
      await grants.renewConnectClient("a", { ...ACME, secret: "anew" }, told());
      expect(await keys()).toEqual(["a", "b"]);
    });

    it("also where what there is to tell was told before", async () => {
      const { grants, journalled } = opened();
      await grants.addConnectCandidate(claim("key", "a"));
      const { id } = await claimOne(grants, "a");
      expect(await grants.proveConnectCandidate(id, ACME, told("same"))).toBe(true);
      expect(await grants.removeConnectClient("key", told("same"))).toBe(true);
      expect(await grants.connectClient("key")).toMatchObject({ state: "removed" });
      expect(await journalled()).toEqual(["same"]);
    });
  });
  connectionsContract(opened);
}

async function claimOneInTurn(grants: GrantStore): Promise<ConnectCandidate> {
  const [one] = await grants.claimConnectCandidates({ limit: 1, leaseMs: 10_000 });
  if (one === undefined) throw new Error("no candidate is due");
  await grants.postponeConnectCandidate(one.id, "2026-01-01T00:00:00.000Z");
  return one;
}
