import { beforeEach, describe, expect, it } from "@jest/globals";
import type { InstallationEvent, RepositoriesEvent, RepositoryEvent, RepositoryName } from "../../src/core/events.ts";
import { DEFAULT_POLICY, failed, type Installation, ok } from "../../src/core/model.ts";
import { createInstallations, type InstallationStore } from "../../src/engine/installations.ts";
import { installationId, repository } from "../contract/store.samples.ts";
import { hostOf, INSTALLATION, recordingLog } from "./fakes.ts";

const AWAY = failed("GitHub answered 502", { retryable: true });
const API: RepositoryName = {
  provider: "github",
  host: "default",
  id: "1",
  fullName: "acme/api",
  private: true,
};

const CREATED: InstallationEvent = {
  type: "installation",
  action: "created",
  installation: installationId("7"),
  account: INSTALLATION.account,
  permissions: { checks: "write" },
  repositories: [API],
  actor: null,
};

/** What was asked of the store and the host, in order. */
let told: string[];
let recorded: Installation | null;

beforeEach(() => {
  told = [];
  recorded = null;
});

function fakeStore(): InstallationStore {
  return {
    getInstallation: async () => recorded,
    async saveInstallation({ id, account, state, permissions, namespace }) {
      told.push(`saved ${state}, namespace ${namespace}`);
      recorded = {
        ...id,
        account,
        state,
        permissions,
        namespace: recorded?.namespace ?? namespace,
        policy: DEFAULT_POLICY,
      };
      return recorded;
    },
    async setInstallationState(_id, state) {
      told.push(`state ${state}`);
    },
    async linkRepositories(_id, repositories, { complete }) {
      told.push(`linked ${repositories.map((one) => one.id)}${complete ? ", no others" : ""}`);
    },
    async unlinkRepositories(_id, repositories) {
      told.push(`unlinked ${repositories.map((one) => one.id)}`);
    },
    linkState: async () => "linked",
    async cancelInstallation() {
      told.push("canceled");
      return 2;
    },
    async reviveChecks() {
      told.push("revived");
      return 0;
    },
  };
}

function create() {
  return createInstallations({ store: fakeStore(), log: recordingLog().log });
}

const forgetful = { forget: () => told.push("forgot") };
const GITHUB = hostOf([], {
  ...forgetful,
  installation: async () => ok({ account: INSTALLATION.account, state: "active", permissions: {} }),
  repositories: async () => ok([API]),
});
const AWAY_HOST = hostOf([], { installation: async () => AWAY, repositories: async () => AWAY });
const EMPTY_HOST = hostOf([], { ...forgetful, installation: async () => ok(null) });

describe("an installation's event", () => {
  it("records who installed, and the repositories the event lists", async () => {
    const note = await create().apply(AWAY_HOST, CREATED);
    expect(note).toEqual(ok("installed on acme with 1 repository; it publishes into acme/"));
    expect(told).toEqual(["saved active, namespace acme", "linked 1, no others"]);
  });

  it("asks for the repositories where it lists none, and waits for the answer", async () => {
    const all = { ...CREATED, repositories: null };
    expect(await create().apply(AWAY_HOST, all)).toEqual(AWAY);
    expect(told).toEqual([]);
    expect(await create().apply(GITHUB, all)).toMatchObject({ ok: true });
    expect(told).toEqual(["saved active, namespace acme", "linked 1, no others"]);
  });

  it("says so where the account's name can be no namespace", async () => {
    const account = { ...INSTALLATION.account, login: "library" };
    const note = await create().apply(GITHUB, { ...CREATED, account });
    expect(note).toEqual(ok("installed on library with 1 repository; no namespace is free for it"));
  });

  it.each(["removed", "suspended"] as const)("%s stops what runs before it forgets the tokens", async (action) => {
    recorded = INSTALLATION;
    expect(await create().apply(GITHUB, { ...CREATED, action })).toEqual(ok(`${action}; 2 builds canceled`));
    expect(told).toEqual([`saved ${action}, namespace null`, "forgot", "canceled"]);
    expect(recorded?.namespace).toBe("acme");
  });

  it.each([
    ["unsuspended", "active again"],
    ["permissions", "new permissions accepted"],
  ] as const)("%s asks what is true now, and shows what was refused meanwhile", async (action, note) => {
    recorded = { ...INSTALLATION, state: "suspended" };
    expect(await create().apply(GITHUB, { ...CREATED, action })).toEqual(ok(note));
    expect(told).toEqual(["forgot", "saved active, namespace acme", "linked 1, no others", "revived"]);
  });

  it("waits where the host can not say what is true now", async () => {
    expect(await create().apply(AWAY_HOST, { ...CREATED, action: "unsuspended" })).toEqual(AWAY);
    expect(told).toEqual([]);
  });

  it("of an installation that is gone by now marks it removed", async () => {
    const note = await create().apply(EMPTY_HOST, { ...CREATED, action: "unsuspended" });
    expect(note).toEqual(ok("the host does not know this installation any more"));
    expect(told).toEqual(["forgot", "state removed"]);
  });

  it("adds and takes out repositories", async () => {
    recorded = INSTALLATION;
    const event: RepositoriesEvent = {
      type: "repositories",
      installation: installationId("7"),
      account: INSTALLATION.account,
      added: [API],
      removed: [{ ...API, id: "2" }],
      actor: null,
    };
    expect(await create().apply(AWAY_HOST, event)).toEqual(ok("1 repository added, 1 removed"));
    expect(told).toEqual(["linked 1", "unlinked 2"]);
  });
});

/** A host that has to be asked. */
const SEEN = { ...repository("1"), fullName: "acme/renamed" };
const TELLING = hostOf([], { look: async () => ok({ kind: "seen", repository: SEEN }) });
const EMPTIED = hostOf([], { look: async () => ok({ kind: "gone" }) });

describe("how a repository stands", () => {
  it("is as it was recorded where the host's events say enough", async () => {
    const standing = await create().standing(GITHUB, installationId("7"), API);
    expect(standing).toEqual(ok({ link: "linked", seen: { kind: "as-told" } }));
    expect(told).toEqual([]);
  });

  it("is linked when the host says that it is covered, and unlinked when it is gone", async () => {
    await create().standing(TELLING, installationId("7"), API);
    expect(told).toEqual(["linked 1"]);
    told = [];
    await create().standing(EMPTIED, installationId("7"), API);
    expect(told).toEqual(["unlinked 1"]);
  });

  it("stays as it is while the host is away: what is not known unlinks nothing", async () => {
    const away = hostOf([], { look: async () => AWAY });
    expect(await create().standing(away, installationId("7"), API)).toEqual(AWAY);
    expect(told).toEqual([]);
  });
});

describe("a repository's event", () => {
  const event: RepositoryEvent = {
    type: "repository",
    action: "renamed",
    repository: API,
    installation: installationId("7"),
    actor: null,
  };

  it("says what is true of it now, under the name it has now", async () => {
    recorded = INSTALLATION;
    expect(await create().apply(TELLING, event)).toEqual(ok("acme/renamed was renamed; it is linked"));
    expect(told).toEqual(["linked 1"]);
  });

  it("takes a repository out that moved away, whatever the event claims", async () => {
    recorded = INSTALLATION;
    const note = await create().apply(EMPTIED, { ...event, action: "moved" });
    expect(note).toEqual(ok(`${API.fullName} was moved; it is not covered any more`));
    expect(told).toEqual(["unlinked 1"]);
  });

  it("asks nothing of a host that was uninstalled", async () => {
    recorded = { ...INSTALLATION, state: "removed" };
    const unasked = hostOf([], { look: () => Promise.reject(new Error("asked")) });
    expect(await create().apply(unasked, event)).toEqual(ok("the installation is removed"));
    expect(told).toEqual([]);
  });
});

describe("an installation", () => {
  it("that is recorded is not asked for", async () => {
    recorded = { ...INSTALLATION, state: "suspended" };
    expect(await create().known(AWAY_HOST, installationId("7"))).toEqual(ok(recorded));
  });

  it("never heard of is asked for and recorded", async () => {
    expect(await create().known(GITHUB, installationId("7"))).toMatchObject({ ok: true, value: { namespace: "acme" } });
    expect(told).toEqual(["saved active, namespace acme", "linked 1, no others"]);
  });

  it("the host does not know either is nobody's, and is not recorded", async () => {
    expect(await create().known(EMPTY_HOST, installationId("7"))).toEqual(ok(null));
    expect(told).toEqual([]);
  });

  it("waits while the host is away", async () => {
    expect(await create().known(AWAY_HOST, installationId("7"))).toEqual(AWAY);
  });

  it("that is removed while we ask for it is not made active again", async () => {
    const installations = create();
    const slow = hostOf([], {
      ...forgetful,
      repositories: async () => {
        await installations.apply(GITHUB, { ...CREATED, action: "removed" });
        return ok([API]);
      },
    });
    expect(await installations.known(slow, installationId("7"))).toMatchObject({ value: { state: "removed" } });
    expect(recorded?.state).toBe("removed");
  });
});
