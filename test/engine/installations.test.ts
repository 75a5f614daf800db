import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { InstallationEvent, RepositoriesEvent, RepositoryEvent, RepositoryName } from "../../src/core/events.ts";
import { type Account, failed, type HostId, ok } from "../../src/core/model.ts";
import type { Claims } from "../../src/engine/claims-port.ts";
import { createInstallations } from "../../src/engine/installations.ts";
import type { Host, RepositoryNow } from "../../src/engine/ports.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { account, installationId, repository, testClock } from "../contract/store.samples.ts";
import { hostOf, recordingLog } from "./fakes.ts";

const AWAY = failed("GitHub answered 502", { retryable: true });
const ACME = account("17", "acme");
const SEVEN = installationId("7");
const API: RepositoryName = { provider: "github", host: "default", id: "1", fullName: "acme/api", private: true };
const WEB: RepositoryName = { ...API, id: "2", fullName: "acme/web" };

const CREATED: InstallationEvent = {
  type: "installation",
  action: "created",
  installation: SEVEN,
  account: ACME,
  permissions: { checks: "write" },
  repositories: [API],
  actor: { id: "42", login: "mona" },
};

const RENAMED: RepositoryEvent = {
  type: "repository",
  action: "renamed",
  repository: API,
  installation: SEVEN,
  actor: null,
};

/** What the host says when it is asked. */
interface Truth {
  account: Account;
  state: "active" | "suspended" | "gone" | "away";
  repositories: readonly RepositoryNow[];
}

let store: OpenedStore;
let truth: Truth;
/** What was asked of the host and of claims, in order. */
let told: string[];
let log: ReturnType<typeof recordingLog>;

beforeEach(async () => {
  store = await openStore({ url: "sqlite::memory:", clock: testClock() });
  truth = { account: ACME, state: "active", repositories: [now(API)] };
  told = [];
  log = recordingLog();
});
afterEach(() => store.close());

function now(name: RepositoryName, archived = false): RepositoryNow {
  return { ...name, defaultBranch: "main", cloneUrl: "", webUrl: "", archived };
}

function hostWith(more: Partial<Host> = {}): Host {
  return hostOf([], {
    async installation(id) {
      told.push(`asked ${id.id}`);
      const { state, account: whose } = truth;
      if (state === "away") return AWAY;
      return ok(state === "gone" ? null : { account: whose, state, permissions: { checks: "write" } });
    },
    repositories: async () => (truth.state === "away" ? AWAY : ok(truth.repositories)),
    async repository(_installation, { id }) {
      told.push(`asked about ${id}`);
      return truth.state === "away" ? AWAY : ok(truth.repositories.find((one) => one.id === id) ?? null);
    },
    forget: ({ id }) => void told.push(`forgot ${id}`),
    ...more,
  });
}

const claims: Claims = {
  async settle({ id, account: whose }) {
    told.push(`settled ${id.id} of ${whose.id}`);
    return ok({ kind: "none", why: "nobody is asked here" });
  },
  withdraw: async ({ id }) => void told.push(`withdrew ${id}`),
};

const host = hostWith();

function create(more: Partial<Claims> = {}) {
  return createInstallations({ store, claims: { ...claims, ...more }, log: log.log });
}

async function applied(...events: readonly Parameters<ReturnType<typeof create>["apply"]>[1][]): Promise<string[]> {
  const notes: string[] = [];
  for (const event of events) {
    const outcome = await create().apply(host, event);
    notes.push(outcome.ok ? outcome.value : outcome.message);
  }
  return notes;
}

async function state(id: HostId = SEVEN): Promise<string | null> {
  return (await store.getInstallation(id))?.state ?? null;
}

async function grant(): Promise<void> {
  const by = { kind: "operator" } as const;
  await store.grantNamespace({
    namespace: "acme",
    account: ACME,
    login: "acme",
    why: "a test",
    by,
    share: false,
    anyway: false,
    registry: "default",
  });
}

function event(action: InstallationEvent["action"]): InstallationEvent {
  return { ...CREATED, action };
}

describe("an installation's event", () => {
  it("records who installed and the repositories it lists, and settles what the account owns", async () => {
    expect(await applied(CREATED)).toEqual(["installed on acme with 1 repository; it has no namespace"]);
    expect(told).toEqual(["settled 7 of 17"]);
    expect(await store.linkState(SEVEN, API)).toBe("linked");
    const { items } = await store.listAudit({ limit: 10, cursor: null });
    expect(items).toMatchObject([
      {
        action: "installation.created",
        subject: "acme",
        by: { kind: "host", provider: "github", host: "default", actor: { id: "42", login: "mona" } },
        facts: { account: "github:default:17", repositories: "1" },
      },
    ]);
  });

  it("asks for the repositories where it lists none, and waits for the answer", async () => {
    const all = { ...CREATED, repositories: null };
    truth.state = "away";
    expect(await applied(all)).toEqual([AWAY.ok ? "" : AWAY.message]);
    expect(await state()).toBeNull();
    truth.state = "active";
    expect(await applied(all)).toEqual(["installed on acme with 1 repository; it has no namespace"]);
  });

  it("says which namespace it publishes into", async () => {
    await applied(CREATED);
    await grant();
    expect(await applied(CREATED)).toEqual(["installed on acme with 1 repository; it publishes into acme/"]);
  });

  it.each(["removed", "suspended"] as const)("%s ends it without a question, and tells it once", async (action) => {
    await applied(CREATED);
    told = [];
    truth.state = "away";
    expect(await applied(event(action), event(action))).toEqual([`${action}; 0 builds canceled`, `${action} already`]);
    expect(told).toEqual(action === "removed" ? ["forgot 7", "withdrew 7"] : ["forgot 7"]);
    expect(await state()).toBe(action);
  });

  it.each([
    ["unsuspended", "active again"],
    ["permissions", "new permissions accepted"],
  ] as const)("%s asks what is true now, with credentials of what it may now", async (action, note) => {
    await applied(CREATED, event("suspended"));
    told = [];
    truth.repositories = [now(WEB)];
    expect(await applied(event(action))).toEqual([note]);
    expect(told).toEqual(["forgot 7", "asked 7", "settled 7 of 17"]);
    expect(await state()).toBe("active");
    expect(await store.linkState(SEVEN, API)).toBe("unlinked");
    expect(await store.linkState(SEVEN, WEB)).toBe("linked");
  });

  it("waits where the host can not say what is true now", async () => {
    await applied(CREATED, event("suspended"));
    truth.state = "away";
    expect(await create().apply(host, event("unsuspended"))).toEqual(AWAY);
    expect(await state()).toBe("suspended");
  });

  it("renames the account as its host calls it, whatever the event says, and nothing else", async () => {
    await applied(CREATED);
    await grant();
    truth.account = { ...ACME, login: "acme-corp" };
    const late = { ...event("renamed"), account: { ...ACME, login: "acme-inc" } };
    expect(await applied(late)).toEqual(["the account is called acme-corp now; images stay where they are"]);
    expect(await store.getInstallation(SEVEN)).toMatchObject({ namespace: "acme", account: { login: "acme-corp" } });
  });

  it("that comes late does not bring back what was removed", async () => {
    await applied(CREATED, event("removed"));
    truth.state = "gone";
    expect(await applied(event("created"), event("unsuspended"), event("permissions"))).toEqual([
      "the host does not know this installation any more",
      "the host does not know this installation any more",
      "the host does not know this installation any more",
    ]);
    expect(await state()).toBe("removed");
  });

  it("of an installation that is gone by now marks it removed", async () => {
    await applied(CREATED, event("suspended"));
    truth.state = "gone";
    expect(await applied(event("unsuspended"))).toEqual(["the host does not know this installation any more"]);
    expect(await state()).toBe("removed");
  });

  it("waits for the registry where it has to be asked who owns what, and settles when it is told again", async () => {
    const away = create({ settle: async () => failed("the registry is away", { retryable: true }) });
    expect(await away.apply(host, CREATED)).toMatchObject({ ok: false, message: "the registry is away" });
    expect(await state()).toBe("active");
    told = [];
    await applied(CREATED);
    expect(told).toContain("settled 7 of 17");
  });

  it("can not give an installation to another account", async () => {
    await applied(CREATED);
    const [note] = await applied({ ...event("removed"), account: account("18", "acme") });
    expect(note).toBe("not taken: it is account 17's, and can not become account 18's");
    expect(await state()).toBe("active");
    expect(log.lines).toContainEqual(
      expect.objectContaining({ level: "warn", fields: expect.objectContaining({ reason: "other-account" }) }),
    );
  });

  it("of a new installation ends the one before, whose end nobody told", async () => {
    await applied(CREATED);
    told = [];
    const eight = { ...CREATED, installation: installationId("8") };
    await applied(eight);
    expect(told).toEqual(["asked 8", "settled 8 of 17", "forgot 7", "withdrew 7"]);
    expect([await state(), await state(installationId("8"))]).toEqual(["removed", "active"]);
    // What was late of it changes nothing.
    const late: RepositoriesEvent = {
      type: "repositories",
      installation: SEVEN,
      account: ACME,
      added: [WEB],
      removed: [API],
      actor: null,
    };
    expect(await applied(late)).toEqual(["the installation is removed"]);
    expect(await store.linkState(installationId("8"), API)).toBe("linked");
    expect(await store.linkState(SEVEN, WEB)).toBe("unlinked");
  });
});

describe("repositories that enter or leave", () => {
  const moves: RepositoriesEvent = {
    type: "repositories",
    installation: SEVEN,
    account: ACME,
    added: [WEB],
    removed: [API],
    actor: null,
  };

  it("are linked and unlinked as told, without a question", async () => {
    await applied(CREATED);
    told = [];
    expect(await applied(moves)).toEqual(["1 repository added, 1 removed"]);
    expect(told.filter((one) => one.startsWith("asked about"))).toEqual([]);
    expect(await store.linkState(SEVEN, WEB)).toBe("linked");
    expect(await store.linkState(SEVEN, API)).toBe("unlinked");
  });

  it("are another account's until the host says otherwise", async () => {
    await applied(CREATED);
    const theirs: InstallationEvent = {
      ...CREATED,
      installation: installationId("8"),
      account: account("18", "other"),
      repositories: [WEB],
    };
    await applied(theirs);
    truth.repositories = [now(API)];
    await applied({ ...moves, removed: [] });
    expect(told.filter((one) => one.startsWith("asked about"))).toEqual(["asked about 2"]);
    expect(await store.linkState(installationId("8"), WEB)).toBe("linked");
    truth.repositories = [now(API), now(WEB)];
    await applied({ ...moves, removed: [] });
    expect(await store.linkState(SEVEN, WEB)).toBe("linked");
    expect(await store.linkState(installationId("8"), WEB)).toBe("unlinked");
  });
});

/** A host that has to be asked each time, as its events say little. */
const SEEN = { ...repository("1"), fullName: "acme/renamed" };
const TELLING = hostWith({ look: async () => ok({ kind: "seen", repository: SEEN }) });
const EMPTIED = hostWith({ look: async () => ok({ kind: "gone" }) });

describe("how a repository stands", () => {
  beforeEach(async () => {
    await applied(CREATED);
    told = [];
  });

  it("is as it was recorded where an event says the same", async () => {
    const standing = await create().standing(host, SEVEN, API);
    expect(standing).toEqual(ok({ link: "linked", seen: { kind: "as-told" } }));
    expect(told).toEqual([]);
  });

  it.each<[string, RepositoryName, RepositoryNow, string]>([
    ["another name", { ...API, fullName: "acme/service" }, now({ ...API, fullName: "acme/service" }), "linked"],
    ["that it is public", { ...API, private: false }, now({ ...API, private: false }), "linked"],
    ["one that is not covered", WEB, now(WEB), "linked"],
    ["one that is not covered, nor is it", { ...WEB, id: "3" }, now(WEB), "unlinked"],
  ])("is asked where an event says something else: %s", async (_what, about, found, link) => {
    truth.repositories = [now(API), found].slice(-1);
    const standing = await create().standing(host, SEVEN, about);
    expect(standing).toMatchObject(ok({ link }));
    expect(told).toEqual([`asked about ${about.id}`]);
    if (link === "linked") {
      const { fullName, private: isPrivate } = found;
      expect(await store.recordedRepository(SEVEN, about)).toEqual({ link, fullName, private: isPrivate });
    }
  });

  it("is not what a late event says", async () => {
    await create().standing(host, SEVEN, { ...API, fullName: "acme/old", private: false });
    const { fullName, private: isPrivate } = API;
    expect(await store.recordedRepository(SEVEN, API)).toEqual({ link: "linked", fullName, private: isPrivate });
  });

  it("has its account looked up where the owner in its name is another one", async () => {
    truth.account = { ...ACME, login: "acme-corp" };
    truth.repositories = [now({ ...API, fullName: "acme-corp/api" })];
    await create().standing(host, SEVEN, { ...API, fullName: "acme-corp/api" });
    expect(await store.getInstallation(SEVEN)).toMatchObject({ account: { login: "acme-corp" } });
    told = [];
    await create().standing(host, SEVEN, { ...API, fullName: "acme-corp/api" });
    expect(told).toEqual([]);
  });

  it("is unarchived when something is pushed to it", async () => {
    await applied({ ...RENAMED, action: "archived" });
    expect(await store.linkState(SEVEN, API)).toBe("archived");
    expect(await create().standing(host, SEVEN, API)).toMatchObject(ok({ link: "linked" }));
  });

  it("is linked when the host says that it is covered, and unlinked when it is gone", async () => {
    await create().standing(TELLING, SEVEN, API);
    expect(await store.recordedRepository(SEVEN, API)).toMatchObject({ link: "linked", fullName: "acme/renamed" });
    expect(await create().standing(EMPTIED, SEVEN, API)).toMatchObject(ok({ link: "unlinked" }));
  });

  it("stays as it is while the host is away: what is not known unlinks nothing", async () => {
    const away = hostWith({ look: async () => AWAY });
    expect(await create().standing(away, SEVEN, API)).toEqual(AWAY);
    truth.state = "away";
    expect(await create().standing(host, SEVEN, WEB)).toEqual(AWAY);
    expect(await store.linkState(SEVEN, API)).toBe("linked");
  });

  it("stays as it is where the host refuses to say", async () => {
    const refusing = hostWith({ repository: async () => failed("403 it is forbidden", { retryable: false }) });
    expect(await create().standing(refusing, SEVEN, WEB)).toMatchObject(ok({ link: "unlinked" }));
    expect(log.lines).toContainEqual(expect.objectContaining({ level: "warn", message: "left as it is recorded" }));
  });
});

describe("a repository's event", () => {
  beforeEach(async () => {
    await applied(CREATED);
    await grant();
    told = [];
  });

  it("says what is true of it now, under the name it has now", async () => {
    truth.repositories = [now({ ...API, fullName: "acme/newest" })];
    expect(await applied(RENAMED)).toEqual(["acme/newest: it got another name; it is linked now"]);
  });

  it("takes a repository out that is not there, whatever the event claims", async () => {
    truth.repositories = [];
    expect(await applied({ ...RENAMED, action: "moved" })).toEqual([
      "acme/api: it went to another account; it is not covered now",
    ]);
  });

  it.each(["archived", "made-private", "deleted"] as const)("%s is taken without a question", async (action) => {
    truth.state = "away";
    const [note] = await applied({ ...RENAMED, action });
    expect(note).toMatch(/^acme\/api: it was .*; it is (?:archived|linked|not covered) now$/);
    expect(told).toEqual([]);
  });

  it.each(["unarchived", "made-public", "moved", "renamed", "updated"] as const)(
    "%s waits for the host's answer",
    async (action) => {
      await applied({ ...RENAMED, action: "archived" });
      truth.state = "away";
      expect(await create().apply(host, { ...RENAMED, action })).toEqual(AWAY);
      expect(await store.linkState(SEVEN, API)).toBe("archived");
    },
  );

  it("asks nothing of a host that was uninstalled", async () => {
    await applied(event("removed"));
    told = [];
    expect(await applied(RENAMED)).toEqual(["the installation is removed"]);
    expect(told).toEqual([]);
  });
});

describe("an installation", () => {
  it("that is recorded and active is not asked for", async () => {
    await applied(CREATED);
    await grant();
    told = [];
    expect(await create().known(host, SEVEN)).toMatchObject(ok({ state: "active" }));
    expect(told).toEqual([]);
  });

  it("never heard of is asked for and recorded", async () => {
    expect(await create().known(host, SEVEN)).toMatchObject(ok({ state: "active", account: { login: "acme" } }));
    expect(told).toEqual(["forgot 7", "asked 7", "settled 7 of 17"]);
    expect(await store.linkState(SEVEN, API)).toBe("linked");
  });

  it("the host does not know either is nobody's, and is not recorded", async () => {
    truth.state = "gone";
    expect(await create().known(host, SEVEN)).toEqual(ok(null));
    expect(await state()).toBeNull();
  });

  it("waits while the host is away", async () => {
    truth.state = "away";
    expect(await create().known(host, SEVEN)).toEqual(AWAY);
  });

  it("that sends something is not suspended any more, if its host says so", async () => {
    await applied(CREATED, event("suspended"));
    expect(await create().known(host, SEVEN)).toMatchObject(ok({ state: "active" }));
  });

  it("stays suspended while its host says so, or can not be asked", async () => {
    await applied(CREATED, event("suspended"));
    for (const answer of ["suspended", "away"] as const) {
      truth.state = answer;
      expect(await create().known(host, SEVEN)).toMatchObject(ok({ state: "suspended" }));
    }
  });

  it("that is removed while we ask for it is not made active again", async () => {
    const slow = hostWith({
      repositories: async () => {
        await applied(event("removed"));
        truth.state = "gone";
        return ok([API]);
      },
    });
    expect(await create().known(slow, SEVEN)).toMatchObject(ok({ state: "removed" }));
  });

  it("whose claim could not be heard is heard with the next delivery", async () => {
    await applied(CREATED);
    told = [];
    await create().known(host, SEVEN);
    expect(told).toEqual(["settled 7 of 17"]);
  });
});
