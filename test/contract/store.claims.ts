import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import { type ClaimFacts, decideClaim, type NamespacePolicy } from "../../src/core/lifecycle/claim.ts";
import { type Account, type HostId, hostKey } from "../../src/core/model.ts";
import type { Claim, Giving } from "../../src/engine/claims-store-port.ts";
import { BadCursor, type Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import { account, change, delivery, record, repository, request, sha, skip } from "./store.samples.ts";

const OPERATOR: By = { kind: "operator" };
const OWNER: By = { kind: "person", provider: "github", host: "default", actor: { id: "5", login: "ann" } };
const AUTOMATIC: NamespacePolicy = { kind: "automatic", provider: "github", host: "default" };
const APPROVE: NamespacePolicy = { kind: "approve" };

const ACME = account("100", "acme");
const OTHER = account("200", "other");
/** The company's workspace on the other host, of the same name and, for the sake of the test, id. */
const WORKSPACE: Account = { ...ACME, provider: "bitbucket" };

function installationOf({ provider, host, id }: HostId): HostId {
  return { provider, host, id: `i${id}` };
}

async function install(store: Store, who: Account): Promise<HostId> {
  const id = installationOf(who);
  await store.saveInstallation({ id, account: who, state: "active", permissions: {} });
  return id;
}

/** As the engine asks; the registry says that nothing is there, unless told otherwise. */
async function ask(
  store: Store,
  who: Account,
  policy: NamespacePolicy = AUTOMATIC,
  more: Partial<Pick<ClaimFacts, "occupied" | "wanted">> & { readonly registry?: string } = {},
) {
  const installation = await install(store, who);
  const { occupied = false, wanted = who.login, registry = "default" } = more;
  return store.settleClaim({ installation, account: who, wanted, registry }, (known) =>
    decideClaim(policy, { ...known, account: who, wanted, occupied }),
  );
}

async function namespaceOf(store: Store, who: HostId): Promise<string | null | undefined> {
  return (await store.getInstallation(installationOf(who)))?.namespace;
}

async function waiting(store: Store): Promise<readonly Claim[]> {
  return (await store.listClaims({ limit: 100, cursor: null, waiting: true })).items;
}

function grant(store: Store, namespace: string, who: Account, more: { share?: boolean; anyway?: boolean } = {}) {
  const given = { share: false, anyway: false, ...more, registry: "default", why: "so it was said", by: OPERATOR };
  return store.grantNamespace({ ...given, namespace, account: who, login: who.login });
}

function approve(store: Store, id: string, more: { as?: string; share?: boolean; anyway?: boolean } = {}) {
  return store.approveClaim(id, { as: null, share: false, anyway: false, ...more, registry: "default", by: OPERATOR });
}

function refusedFor(giving: Giving): string {
  return giving.kind === "refused" ? giving.refusal.reason : giving.kind;
}

/** Oldest first. */
async function audited(store: Store): Promise<readonly string[]> {
  const { items } = await store.listAudit({ limit: 100, cursor: null });
  const own = items.filter(({ action }) => /^(?:claim|namespace)\./.test(action));
  return own.map(({ action, subject, by }) => `${action} ${subject}, ${by.kind}`).reverse();
}

const hashOf = (code: string): string => createHash("sha256").update(code).digest("hex");

export function claimsContract(opened: Opened): void {
  describe("grants namespaces", () => {
    it("to an account of that very provider, host and id, and to no other of the same name or id", async () => {
      const { store } = opened();
      await ask(store, ACME);
      expect(await namespaceOf(store, ACME)).toBe("acme");
      const strangers: readonly Account[] = [
        WORKSPACE,
        { ...ACME, host: "ghes" },
        { ...ACME, id: "1000" },
        { ...ACME, id: "10" },
        { ...ACME, id: "100 " },
      ];
      for (const stranger of strangers) {
        expect((await ask(store, stranger)).decision).toMatchObject({ kind: "wait", reason: "owned" });
        expect([hostKey(stranger), await namespaceOf(store, stranger)]).toEqual([hostKey(stranger), null]);
      }
      expect((await store.namespaceLedger("acme"))?.writers.map(({ account: one }) => hostKey(one))).toEqual([
        hostKey(ACME),
      ]);
    });

    it("once, whatever the account is called later, and again when it installs anew under another id", async () => {
      const { store } = opened();
      await ask(store, ACME);
      const renamed = { ...ACME, login: "acme-renamed" };
      expect((await ask(store, renamed)).decision).toEqual({ kind: "owned", namespace: "acme" });
      await store.setInstallationState(installationOf(ACME), "removed");
      const again = { provider: ACME.provider, host: ACME.host, id: "another-install" } as const;
      const saved = await store.saveInstallation({ id: again, account: renamed, state: "active", permissions: {} });
      expect(saved.namespace).toBe("acme");
    });

    it("to nobody who took over the name of an account that is gone", async () => {
      const { store } = opened();
      await ask(store, ACME);
      await store.setInstallationState(installationOf(ACME), "removed");
      const squatter = account("666", "acme");
      expect((await ask(store, squatter)).decision).toMatchObject({ kind: "wait", reason: "owned" });
      expect(await namespaceOf(store, squatter)).toBeNull();
    });

    it("to one of sixty that ask for it at once", async () => {
      const { store } = opened();
      const decided = await Promise.all(
        Array.from({ length: 60 }, (_, index) => ask(store, account(`${1_000 + index}`, "acme"))),
      );
      expect(decided.filter(({ decision }) => decision.kind === "grant")).toHaveLength(1);
      expect((await store.namespaceLedger("acme"))?.writers).toHaveLength(1);
      expect(await waiting(store)).toHaveLength(59);
    });

    it("to nobody where people would take it for one that is there, or for a reserved one", async () => {
      const { store } = opened();
      await ask(store, ACME);
      for (const [id, login] of [
        ["1", "acrne"],
        ["2", "ac-me"],
        ["3", "llbrary"],
      ] as const) {
        expect((await ask(store, account(id, login))).decision).toMatchObject({ kind: "wait", reason: "lookalike" });
      }
    });

    it("in the registry the account's namespaces are made in", async () => {
      const { store } = opened();
      await ask(store, ACME, AUTOMATIC, { registry: "harbor" });
      expect(await store.namespaceLedger("acme")).toMatchObject({ name: "acme", registry: "harbor" });
    });

    it("with an entry in the ledger and in the audit log", async () => {
      const { store, clock } = opened();
      await ask(store, ACME);
      await grant(store, "acme", WORKSPACE, { share: true });
      const at = new Date(clock.now()).toISOString();
      expect(await store.namespaceLedger("acme")).toEqual({
        name: "acme",
        registry: "default",
        createdAt: at,
        writers: [
          {
            account: { provider: "bitbucket", host: "default", id: "100" },
            login: "acme",
            since: at,
            why: "so it was said",
            by: OPERATOR,
            installations: [],
          },
          {
            account: { provider: "github", host: "default", id: "100" },
            login: "acme",
            since: at,
            why: "the account's name, which was free",
            by: { kind: "service" },
            installations: [{ ...installationOf(ACME), state: "active" }],
          },
        ],
        images: [],
        claims: [],
        codeUntil: null,
      });
      expect(await audited(store)).toEqual(["namespace.granted acme, service", "namespace.granted acme, operator"]);
      const { items } = await store.listAudit({ limit: 1, cursor: null, installation: installationOf(ACME) });
      expect(items[0]).toMatchObject({
        subject: "acme",
        facts: { account: hostKey(ACME), login: "acme", why: "the account's name, which was free" },
      });
    });

    it("and lists them, the newest first, page by page", async () => {
      const { store } = opened();
      for (const name of ["one", "two", "three"]) await grant(store, name, account(name, name));
      const first = await store.listNamespaces({ limit: 2, cursor: null });
      const second = await store.listNamespaces({ limit: 2, cursor: first.next });
      expect([...first.items, ...second.items].map(({ name }) => name)).toEqual(["three", "two", "one"]);
      expect(first.items[0]?.writers.map(({ login }) => login)).toEqual(["three"]);
      await expect(store.listNamespaces({ limit: 2, cursor: "nonsense" })).rejects.toBeInstanceOf(BadCursor);
      expect(await store.namespaceLedger("four")).toBeNull();
    });

    it("by hand, unless something speaks against it that was not insisted on", async () => {
      const { store } = opened();
      expect(await grant(store, "acme", ACME)).toMatchObject({ kind: "given", namespace: "acme" });
      expect(await grant(store, "acme", ACME)).toMatchObject({ kind: "given", replayed: null });
      expect(refusedFor(await grant(store, "acme-two", ACME, { share: true, anyway: true }))).toBe("owns-another");
      expect(await grant(store, "acme", OTHER, { anyway: true })).toEqual({
        kind: "refused",
        refusal: { reason: "owned", why: `acme belongs to ${hostKey(ACME)}` },
      });
      expect(refusedFor(await grant(store, "acrne", OTHER, { share: true }))).toBe("lookalike");
      for (const name of ["Acme2", "a/b", "staging", "library", "", "-x", "\u212Aacme"]) {
        expect([name, refusedFor(await grant(store, name, OTHER, { share: true, anyway: true }))]).toEqual([
          name,
          "unusable-name",
        ]);
      }
      expect(await namespaceOf(store, OTHER)).toBeUndefined();
      expect(refusedFor(await grant(store, "acrne", OTHER, { anyway: true }))).toBe("given");
    });
  });

  describe("keeps claims", () => {
    it("with why they wait, until somebody decides", async () => {
      const { store, clock } = opened();
      const settled = await ask(store, ACME, APPROVE);
      expect(settled).toMatchObject({ decision: { kind: "wait", reason: "confirmation" }, changed: true });
      expect(await namespaceOf(store, ACME)).toBeNull();
      const [claim] = await waiting(store);
      expect(claim).toEqual({
        id: claim?.id,
        account: ACME,
        installation: installationOf(ACME),
        namespace: "acme",
        state: "pending",
        reason: "confirmation",
        why: "the operator has to confirm that acme is this account's",
        madeAt: new Date(clock.now()).toISOString(),
        decidedAt: null,
        decidedBy: null,
      });
      const installation = await store.getInstallation(installationOf(ACME));
      expect(installation?.claim).toEqual({ id: claim?.id, why: claim?.why });
      expect((await store.listInstallations({ limit: 1, cursor: null })).items[0]?.claim).toEqual(installation?.claim);
      clock.advance(1_000);
      expect(await approve(store, claim?.id ?? "")).toMatchObject({ kind: "given", namespace: "acme" });
      expect(await store.getInstallation(installationOf(ACME))).toMatchObject({ namespace: "acme" });
      expect((await store.getInstallation(installationOf(ACME)))?.claim).toBeUndefined();
      expect(await store.getClaim(claim?.id ?? "")).toMatchObject({
        state: "approved",
        decidedAt: new Date(clock.now()).toISOString(),
        decidedBy: OPERATOR,
      });
      expect(await approve(store, claim?.id ?? "")).toEqual({ kind: "unknown" });
      expect(await audited(store)).toEqual(["claim.made acme, service", "namespace.granted acme, operator"]);
    });

    it("once for an account, however often it asks", async () => {
      const { store } = opened();
      await ask(store, ACME, APPROVE);
      expect((await ask(store, ACME, APPROVE)).changed).toBe(false);
      expect((await ask(store, ACME, APPROVE, { occupied: true })).changed).toBe(true);
      expect((await waiting(store)).map(({ reason }) => reason)).toEqual(["occupied"]);
    });

    it("of one name for good, so that nobody approves another one than they saw", async () => {
      const { store } = opened();
      await ask(store, ACME, APPROVE);
      const [seen] = await waiting(store);
      await ask(store, { ...ACME, login: "google" }, APPROVE);
      expect(await approve(store, seen?.id ?? "")).toEqual({ kind: "unknown" });
      expect(await store.getClaim(seen?.id ?? "")).toMatchObject({ namespace: "acme", state: "withdrawn" });
      expect((await waiting(store)).map(({ namespace }) => namespace)).toEqual(["google"]);
      expect(await audited(store)).toEqual([
        "claim.made acme, service",
        "claim.withdrawn acme, service",
        "claim.made google, service",
      ]);
    });

    it("and gives another name than the one asked for, where that is said", async () => {
      const { store } = opened();
      await ask(store, account("9", "Library"), APPROVE, { wanted: null });
      const [claim] = await waiting(store);
      expect(claim).toMatchObject({ namespace: null, reason: "unusable-name" });
      expect(refusedFor(await approve(store, claim?.id ?? ""))).toBe("unusable-name");
      expect(await approve(store, claim?.id ?? "", { as: "library-of-things" })).toMatchObject({ kind: "given" });
    });

    it("and approves none of a namespace that somebody owns by now, unless that is said", async () => {
      const { store } = opened();
      await ask(store, ACME, APPROVE);
      const [claim] = await waiting(store);
      await grant(store, "acme", OTHER);
      expect(refusedFor(await approve(store, claim?.id ?? "", { anyway: true }))).toBe("owned");
      expect(await namespaceOf(store, ACME)).toBeNull();
      expect(await approve(store, claim?.id ?? "", { share: true })).toMatchObject({ kind: "given" });
      expect((await store.namespaceLedger("acme"))?.writers).toHaveLength(2);
    });

    it("and approves none where the registry had images, unless that is said", async () => {
      const { store } = opened();
      await ask(store, ACME, APPROVE, { occupied: true });
      const [claim] = await waiting(store);
      expect(refusedFor(await approve(store, claim?.id ?? ""))).toBe("occupied");
      expect(await approve(store, claim?.id ?? "", { anyway: true })).toMatchObject({ kind: "given" });
    });

    it("and remembers what was refused: of that account, and that name", async () => {
      const { store } = opened();
      await ask(store, ACME, APPROVE);
      const [claim] = await waiting(store);
      expect(await store.refuseClaim(claim?.id ?? "", OPERATOR)).toBe(true);
      expect(await store.refuseClaim(claim?.id ?? "", OPERATOR)).toBe(false);
      expect((await ask(store, ACME, APPROVE)).decision).toMatchObject({ kind: "none", reason: "refused" });
      expect(await waiting(store)).toEqual([]);
      expect((await ask(store, { ...ACME, login: "acme-labs" }, APPROVE)).decision.kind).toBe("wait");
      expect((await ask(store, account("300", "acme"))).decision.kind).toBe("grant");
      expect(await audited(store)).toContain("claim.refused acme, operator");
    });

    it("until the installation that asked is over", async () => {
      const { store } = opened();
      await ask(store, ACME, APPROVE);
      await ask(store, OTHER, APPROVE);
      await store.withdrawClaim(installationOf(ACME));
      await store.withdrawClaim(installationOf(ACME));
      expect((await waiting(store)).map(({ account: { login } }) => login)).toEqual(["other"]);
      expect((await audited(store)).filter((line) => line.startsWith("claim.withdrawn"))).toHaveLength(1);
      const all = await store.listClaims({ limit: 100, cursor: null, waiting: false });
      expect(all.items.map(({ state }) => state)).toEqual(["pending", "withdrawn"]);
      await expect(store.listClaims({ limit: 1, cursor: "x", waiting: false })).rejects.toBeInstanceOf(BadCursor);
    });

    it("and knows none by an id that is none", async () => {
      const { store } = opened();
      for (const id of ["", "0", "1", "-1", "1.5", "x", "9".repeat(30)]) {
        expect(await store.getClaim(id)).toBeNull();
        expect(await approve(store, id)).toEqual({ kind: "unknown" });
        expect(await store.refuseClaim(id, OPERATOR)).toBe(false);
      }
    });
  });

  describe("takes namespaces back", () => {
    const moved = change("a", "b");

    /** A push of the account's repository, planned for the namespace it had when it was looked at. */
    async function push(store: Store, id: string, namespace: string | null, more: object = {}) {
      await store.linkRepositories(installationOf(ACME), [repository("1")], { complete: false });
      await store.append([delivery(id)]);
      const found = await store.findDelivery(id);
      const plan = { installation: installationOf(ACME), namespace, ...more };
      await store.recordPlan(found?.id ?? "", record([moved], namespace === null ? [] : [request(moved)], plan));
      return store.findDelivery(id);
    }

    it("with what is queued there, and what runs", async () => {
      const { store } = opened();
      await ask(store, ACME);
      await push(store, "one", "acme");
      expect(await store.revokeNamespace(ACME, OPERATOR)).toEqual({ namespace: "acme", canceled: 1 });
      expect(await store.revokeNamespace(ACME, OPERATOR)).toBeNull();
      expect(await store.revokeNamespace({ ...ACME, host: "ghes" }, OPERATOR)).toBeNull();
      expect((await store.listBuilds({ limit: 10, cursor: null })).items.map(({ state }) => state)).toEqual([
        "canceled",
      ]);
      expect(await namespaceOf(store, ACME)).toBeNull();
      expect(await store.namespaceLedger("acme")).toMatchObject({ name: "acme", writers: [] });
      expect(await audited(store)).toContain("namespace.revoked acme, operator");
    });

    it("from one that shares it, and from no other", async () => {
      const { store } = opened();
      await ask(store, ACME);
      await grant(store, "acme", OTHER, { share: true });
      await store.revokeNamespace(OTHER, OPERATOR);
      expect(await namespaceOf(store, ACME)).toBe("acme");
    });

    it("and gives them to nobody by themselves", async () => {
      const { store } = opened();
      await ask(store, ACME);
      await store.revokeNamespace(ACME, OPERATOR);
      for (const who of [ACME, account("300", "acme")]) {
        expect((await ask(store, who)).decision).toMatchObject({ kind: "wait", reason: "given-up" });
        expect(refusedFor(await grant(store, "acme", who))).toBe("given-up");
      }
      expect(refusedFor(await grant(store, "acme", ACME, { anyway: true }))).toBe("given");
    });

    it("and records nothing that was planned before", async () => {
      const { store } = opened();
      await ask(store, ACME);
      await store.revokeNamespace(ACME, OPERATOR);
      const late = await push(store, "late", "acme");
      expect(late?.decisions.map(({ reason }) => reason)).toEqual(["no-namespace"]);
      await grant(store, "acme-new", ACME);
      const wrong = await push(store, "wrong", "acme");
      expect(wrong?.decisions.map(({ reason }) => reason)).toEqual(["no-namespace"]);
      expect((await store.listBuilds({ limit: 10, cursor: null })).items).toEqual([]);
    });

    it("and plans again what waited, once there is one", async () => {
      const { store } = opened();
      await ask(store, ACME, APPROVE);
      await push(store, "waited", null, { skips: [skip(moved, null, "no-namespace")], report: [sha("b")] });
      const [claim] = await waiting(store);
      const given = await approve(store, claim?.id ?? "");
      expect(given).toMatchObject({ kind: "given", replayed: { lanes: [{ lane: "refs/heads/main" }], lost: [] } });
      const deliveries = await store.listDeliveries({ limit: 10, cursor: null });
      expect(deliveries.items.filter(({ outcome }) => outcome === "pending")).toHaveLength(1);
    });
  });

  describe("follows the operator's file", () => {
    const wanted = (namespace: string, who: HostId) => ({ account: who, namespace, registry: "default" });

    it("giving, moving and taking so that the grants are those of the file", async () => {
      const { store } = opened();
      await install(store, ACME);
      await install(store, OTHER);
      const stays = account("300", "stays");
      await grant(store, "gone", OTHER);
      await grant(store, "stays", stays);
      const third = account("400", "third");
      await grant(store, "from", third);
      const applied = await store.applyGrants(
        [wanted("acme", ACME), wanted("stays", stays), wanted("to", third)],
        "the file says so",
      );
      expect(applied.given.map(({ account: one }) => one.id)).toEqual(["100", "400"]);
      expect(applied.taken.map(({ id }) => id)).toEqual(["200"]);
      expect([await namespaceOf(store, ACME), await namespaceOf(store, OTHER)]).toEqual(["acme", null]);
      expect((await audited(store)).slice(3).toSorted()).toEqual([
        "namespace.granted acme, service",
        "namespace.granted to, service",
        "namespace.moved from, service",
        "namespace.revoked gone, service",
      ]);
      const again = await store.applyGrants(
        [wanted("acme", ACME), wanted("stays", stays), wanted("to", third)],
        "again",
      );
      expect(again).toEqual({ given: [], taken: [] });
      expect((await store.namespaceLedger("acme"))?.writers[0]).toMatchObject({
        login: "acme",
        why: "the file says so",
      });
    });

    it("also where the policy is asked for one account", async () => {
      const { store } = opened();
      const fixed = (to: string | null): NamespacePolicy => {
        return { kind: "fixed", map: new Map(to === null ? [] : [[hostKey(ACME), to]]) };
      };
      expect((await ask(store, ACME, fixed("one"))).decision.kind).toBe("grant");
      expect((await ask(store, ACME, fixed("two"))).decision.kind).toBe("move");
      expect(await namespaceOf(store, ACME)).toBe("two");
      expect((await ask(store, ACME, fixed(null))).decision).toMatchObject({ kind: "move", to: null });
      expect(await namespaceOf(store, ACME)).toBeNull();
      expect((await ask(store, ACME, fixed(null))).decision).toMatchObject({ kind: "none", reason: "not-mapped" });
    });
  });

  describe("lets a second account in by a one-time code", () => {
    const HOUR = 60 * 60 * 1_000;

    function makeCode(store: Store, code: string, until: number, from: HostId | null = ACME, namespace = "acme") {
      return store.saveNamespaceCode({
        namespace,
        hash: hashOf(code),
        until: new Date(until).toISOString(),
        from,
        by: OWNER,
      });
    }

    function join(store: Store, code: string, who: Account = WORKSPACE, namespace = "acme") {
      return store.redeemNamespaceCode({ namespace, hash: hashOf(code), account: who, login: who.login, by: OPERATOR });
    }

    it("which then writes the same namespace", async () => {
      const { store, clock } = opened();
      await ask(store, ACME);
      await ask(store, WORKSPACE);
      const until = clock.now() + HOUR;
      expect(await makeCode(store, "code", until)).toBe(true);
      expect((await store.namespaceLedger("acme"))?.codeUntil).toBe(new Date(until).toISOString());
      expect(await join(store, "code")).toMatchObject({ kind: "joined", namespace: "acme" });
      expect(await namespaceOf(store, WORKSPACE)).toBe("acme");
      expect(await waiting(store)).toEqual([]);
      const ledger = await store.namespaceLedger("acme");
      expect(ledger?.writers.map(({ account: one }) => hostKey(one)).toSorted()).toEqual(
        [hostKey(ACME), hostKey(WORKSPACE)].toSorted(),
      );
      expect(ledger?.codeUntil).toBeNull();
      expect((await audited(store)).slice(2)).toEqual([
        "namespace.code-made acme, person",
        "namespace.granted acme, operator",
      ]);
      const { items } = await store.listAudit({ limit: 10, cursor: null });
      expect(JSON.stringify(items)).not.toContain(hashOf("code"));
    });

    it("once", async () => {
      const { store, clock } = opened();
      await ask(store, ACME);
      await makeCode(store, "code", clock.now() + HOUR);
      const joined = await Promise.all(["1", "2", "3"].map((id) => join(store, "code", { ...WORKSPACE, id })));
      expect(joined.map(({ kind }) => kind).toSorted()).toEqual(["joined", "wrong", "wrong"]);
    });

    it("not after its time, not after a newer one, not for another namespace", async () => {
      const { store, clock } = opened();
      await ask(store, ACME);
      await ask(store, OTHER);
      await makeCode(store, "first", clock.now() + HOUR);
      await makeCode(store, "second", clock.now() + HOUR);
      await makeCode(store, "others", clock.now() + HOUR, OTHER, "other");
      expect((await join(store, "first")).kind).toBe("wrong");
      expect((await join(store, "others")).kind).toBe("wrong");
      expect((await join(store, "second", WORKSPACE, "other")).kind).toBe("wrong");
      expect((await join(store, "second", WORKSPACE, "ACME")).kind).toBe("wrong");
      clock.advance(HOUR);
      expect((await join(store, "second")).kind).toBe("wrong");
      expect((await store.namespaceLedger("acme"))?.codeUntil).toBeNull();
    });

    it("made for an owner only, and void once any owner lost it", async () => {
      const { store, clock } = opened();
      await ask(store, ACME);
      await ask(store, OTHER);
      const until = clock.now() + HOUR;
      expect(await makeCode(store, "code", until, OTHER)).toBe(false);
      expect(await makeCode(store, "code", until, WORKSPACE)).toBe(false);
      expect(await makeCode(store, "code", until, null, "nobody")).toBe(false);
      expect(await makeCode(store, "code", until, null)).toBe(true);
      await store.revokeNamespace(ACME, OPERATOR);
      expect((await join(store, "code")).kind).toBe("wrong");
      expect(await makeCode(store, "code", until, null)).toBe(false);
    });

    it("which uses up no code where it writes the namespace already, or another one", async () => {
      const { store, clock } = opened();
      await ask(store, ACME);
      await ask(store, OTHER);
      await makeCode(store, "code", clock.now() + HOUR);
      expect(await join(store, "code", ACME)).toEqual({ kind: "member" });
      expect(await join(store, "code", OTHER)).toEqual({ kind: "owns-another", namespace: "other" });
      expect((await join(store, "code")).kind).toBe("joined");
    });

    it("after ten wrong ones not before an hour is over, whatever it enters", async () => {
      const { store, clock } = opened();
      await ask(store, ACME);
      await makeCode(store, "code", clock.now() + 2 * HOUR);
      const begun = clock.now();
      for (let attempt = 0; attempt < 10; attempt += 1) {
        expect((await join(store, `wrong ${attempt}`)).kind).toBe("wrong");
        clock.advance(1_000);
      }
      const until = new Date(begun + HOUR).toISOString();
      expect(await join(store, "code")).toEqual({ kind: "too-many", until });
      // Others are not held up.
      expect((await join(store, "wrong", OTHER)).kind).toBe("wrong");
      clock.advance(HOUR);
      expect((await join(store, "wrong")).kind).toBe("wrong");
      expect((await join(store, "code")).kind).toBe("joined");
      const refused = (await audited(store)).filter((line) => line.startsWith("namespace.code-refused"));
      expect(refused).toHaveLength(13);
    });
  });
}
