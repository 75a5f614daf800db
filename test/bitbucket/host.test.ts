import { describe, expect, it } from "@jest/globals";
import { createBitbucketHost } from "../../src/bitbucket/host.ts";
import type { HostEvent } from "../../src/core/events.ts";
import { type HostId, ok, type Repository } from "../../src/core/model.ts";
import type { Logger } from "../../src/engine/ports.ts";
import {
  ACME,
  type Answering,
  accessAnswering,
  CLIENT,
  CONNECTION,
  type Granted,
  NOT_FOUND,
  OF_ONE,
  OTHER,
  OTHER_REPO,
  REPO,
  WEB_URL,
} from "./recorded-fetch.ts";

const installation: HostId = { provider: "bitbucket", host: "default", id: ACME };

const repository: Repository = {
  provider: "bitbucket",
  host: "default",
  id: REPO,
  fullName: "acme/api",
  private: true,
  defaultBranch: "main",
  cloneUrl: `${WEB_URL}/acme/api.git`,
  webUrl: `${WEB_URL}/acme/api`,
};

function setUp(granted: Granted = { clients: [CLIENT] }, answer: Answering = () => NOT_FOUND) {
  const side = accessAnswering(answer, granted);
  const logged: string[] = [];
  function keep(...parts: unknown[]): void {
    logged.push(JSON.stringify(parts));
  }
  const log: Logger = { info: keep, warn: keep, error: keep };
  const host = createBitbucketHost({ ...side, log });
  async function eventsOf(event: string, payload: unknown, installationId: string | null = ACME) {
    const events: HostEvent[] = [];
    const body = Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
    await host.receive({ deliveryId: "d", event, installationId, body }, async (item) => void events.push(item));
    return events;
  }
  return { ...side, host, logged, eventsOf };
}

const push = {
  push: {
    changes: [
      {
        old: { type: "branch", name: "main", target: { type: "commit", hash: "a".repeat(40) } },
        new: { type: "branch", name: "main", target: { type: "commit", hash: "b".repeat(40), message: "M" } },
        forced: false,
      },
    ],
  },
  repository: { type: "repository", uuid: REPO, full_name: "acme/api", is_private: true, workspace: { uuid: ACME } },
};

function lifecycle(event: string) {
  return { event, data: { workspace: { uuid: ACME, slug: "acme", kind: "organization" }, door: "connect" } };
}

describe("deliveries", () => {
  it.each([
    ["plain", push],
    ["in the add-on's envelope", { event: "repo:push", data: push }],
  ])("%s reach the handler once, in the project's words, without a call to Bitbucket", async (_, payload) => {
    const { eventsOf, network, logged } = setUp();
    expect(await eventsOf("repo:push", payload)).toMatchObject([
      {
        type: "push",
        installation,
        repository: { id: REPO, cloneUrl: repository.cloneUrl },
        changes: [{ name: "main", commit: "b".repeat(40) }],
      },
    ]);
    expect(network.calls).toEqual([]);
    expect(logged).toEqual([]);
  });

  it("belong to the workspace that the door proved, whatever they say", async () => {
    const { eventsOf } = setUp();
    expect(await eventsOf("repo:push", push, OTHER)).toMatchObject([{ installation: { id: OTHER } }]);
  });

  it.each<[string, unknown]>([
    ["repo:fork", push],
    ["repo:push", {}],
    ["repo:push", [1]],
    ["repo:push", null],
    ["an:event_of_next_year", { done: true }],
    ["installed", { event: "installed", data: {} }],
  ])("of %s %j are answered with a sentence, not thrown", async (event, payload) => {
    const { eventsOf } = setUp();
    expect(await eventsOf(event, payload)).toMatchObject([
      { type: "ignored", reason: "unsupported-event", detail: expect.stringMatching(/\.$/) },
    ]);
  });

  it("fail with the handler's own error", async () => {
    const { host } = setUp();
    const broken = new Error("the database is away");
    const delivery = { deliveryId: "d", event: "repo:push", body: Buffer.from(JSON.stringify(push)) };
    await expect(host.receive(delivery, () => Promise.reject(broken))).rejects.toBe(broken);
  });

  it("that are not JSON fail without quoting it", async () => {
    const { eventsOf } = setUp();
    await expect(eventsOf("repo:push", '{"marker')).rejects.toThrow("The stored body of the delivery is not JSON.");
  });
});

describe("the end of a grant", () => {
  it.each(["uninstalled", "disconnected"])(
    "(%s) is the end of the installation when it was the last",
    async (event) => {
      const { eventsOf } = setUp({});
      expect(await eventsOf(event, lifecycle(event))).toMatchObject([{ type: "installation", action: "removed" }]);
    },
  );

  it.each<[string, Granted]>([
    ["a client", { clients: [CLIENT] }],
    ["a connection of the workspace", { connections: [CONNECTION] }],
    ["both, and a repository's", { clients: [CLIENT], connections: [CONNECTION, OF_ONE] }],
  ])("changes nothing as long as %s is left", async (_, granted) => {
    const { eventsOf, logged } = setUp(granted);
    expect(await eventsOf("uninstalled", lifecycle("uninstalled"))).toMatchObject([
      { type: "ignored", detail: expect.stringContaining("acme") },
    ]);
    expect(logged).toHaveLength(1);
  });

  it("leaves what connections of single repositories open, which is then asked for", async () => {
    const { eventsOf } = setUp({ connections: [OF_ONE] });
    expect(await eventsOf("uninstalled", lifecycle("uninstalled"))).toMatchObject([
      { type: "installation", action: "permissions", installation },
    ]);
  });

  it("of another workspace is no grant of this one", async () => {
    const { eventsOf } = setUp({ clients: [{ ...CLIENT, workspace: OTHER }] });
    expect(await eventsOf("uninstalled", lifecycle("uninstalled"))).toMatchObject([{ action: "removed" }]);
  });
});

describe("a grant that has just been given", () => {
  it("is used at once, though a moment ago there was none", async () => {
    const side = setUp({}, () => ({ status: 200, body: { values: [] } }));
    expect(await side.host.look(installation, repository)).toMatchObject({ value: { kind: "gone" } });
    side.state.clients = [CLIENT];
    expect(await side.eventsOf("installed", lifecycle("installed"))).toMatchObject([{ action: "created" }]);
    expect(await side.host.repositories(installation)).toEqual({ ok: true, value: [] });
  });
});

describe("a workspace that installs anew", () => {
  it("is told as it was proven, without a call: what is true of it is asked by who hears of it", async () => {
    const { eventsOf, network } = setUp(undefined, () => ({ status: 503 }));
    expect(await eventsOf("installed", lifecycle("installed"))).toMatchObject([
      { action: "created", account: { login: "acme" }, repositories: null },
    ]);
    expect(network.calls).toEqual([]);
  });
});

describe("a repository as it is now", () => {
  const now = { uuid: REPO, full_name: "acme/renamed", is_private: false, workspace: { uuid: ACME }, mainbranch: null };

  it("is asked for by its uuid, whatever it was called", async () => {
    const { host, network } = setUp(undefined, () => ({ status: 200, body: now }));
    expect(await host.repository(installation, { ...installation, id: REPO })).toEqual(
      ok({
        provider: "bitbucket",
        host: "default",
        id: REPO,
        fullName: "acme/renamed",
        private: false,
        defaultBranch: null,
        cloneUrl: "https://bitbucket.test/acme/renamed.git",
        webUrl: "https://bitbucket.test/acme/renamed",
        archived: false,
      }),
    );
    expect(network.calls.at(-1)?.url).toContain(
      `/repositories/${encodeURIComponent(ACME)}/${encodeURIComponent(REPO)}`,
    );
  });

  it.each([
    ["is another workspace's", { status: 200, body: { ...now, workspace: { uuid: OTHER } } }],
    ["is not there", { status: 404 }],
  ])("is not covered where it %s", async (_what, answer) => {
    const { host } = setUp(undefined, () => answer);
    expect(await host.repository(installation, { ...installation, id: REPO })).toEqual(ok(null));
  });

  it("is not known while Bitbucket is away", async () => {
    const { host } = setUp(undefined, () => ({ status: 503 }));
    expect(await host.repository(installation, { ...installation, id: REPO })).toMatchObject({
      ok: false,
      retryable: true,
    });
  });
});

describe("the credential for a clone", () => {
  const shared = { id: OTHER_REPO, fullName: "acme/shared", cloneUrl: `${WEB_URL}/acme/shared.git` };

  it("is one for each further repository, which opens that one only", async () => {
    const { host, network } = setUp({ clients: [CLIENT], connections: [CONNECTION] });
    const credential = await host.cloneCredential(installation, repository, [shared]);
    expect(credential).toMatchObject({
      ok: true,
      value: { username: "x-token-auth", further: [{ username: "x-token-auth" }] },
    });
    const forms = network.calls.map((call) => Object.fromEntries(new URLSearchParams(call.body ?? "")));
    expect(forms).toMatchObject([
      { scope: "repository", bitbucket_repository: REPO },
      { scope: "repository", bitbucket_repository: OTHER_REPO },
    ]);
    const passwords = credential.ok
      ? [credential.value, ...(credential.value.further ?? [])].map((one) => one.password)
      : [];
    expect(new Set(passwords).size).toBe(2);
  });

  it("is none where a further repository is elsewhere, or nothing opens it", async () => {
    const { host } = setUp({ connections: [OF_ONE] });
    const elsewhere = { ...shared, cloneUrl: "https://elsewhere.test/acme/shared.git" };
    expect(await host.cloneCredential(installation, repository, [elsewhere])).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("acme/shared"),
    });
    expect(await host.cloneCredential(installation, repository)).toMatchObject({ ok: true });
    expect(await host.cloneCredential(installation, repository, [shared])).toMatchObject({
      ok: false,
      message: expect.stringMatching(/^acme\/shared: /),
    });
  });

  it.each([
    "https://elsewhere.test/acme/api.git",
    "http://bitbucket.test/acme/api.git",
    "https://bitbucket.test.elsewhere.test/acme/api.git",
    "https://bitbucket.test:8443/acme/api.git",
    "git@bitbucket.test:acme/api.git",
  ])("is not given out for %s", async (cloneUrl) => {
    const { host, network } = setUp({ clients: [CLIENT], connections: [CONNECTION] });
    const credential = await host.cloneCredential(installation, { ...repository, cloneUrl });
    expect(credential).toMatchObject({ ok: false, retryable: false });
    expect(network.calls).toEqual([]);
  });

  it("is another one after the workspace was forgotten", async () => {
    const { host } = setUp();
    const first = await host.cloneCredential(installation, repository);
    expect(first).toMatchObject({ ok: true, value: { username: "x-token-auth" } });
    expect(await host.cloneCredential(installation, repository)).toEqual(first);
    host.forget(installation);
    expect(await host.cloneCredential(installation, repository)).not.toEqual(first);
  });
});

describe("what was just seen of a repository", () => {
  it("is forgotten with its installation", async () => {
    const hash = "c".repeat(40);
    const { host, network } = setUp(undefined, (call) => ({
      status: 200,
      body: call.path.includes("/refs/")
        ? { name: "main", target: { hash } }
        : { ...push.repository, mainbranch: { name: "main", target: { hash } } },
    }));
    await host.look(installation, repository);
    host.forget({ ...installation, id: OTHER });
    await host.file(installation, repository, { branch: "main" }, "f");
    expect(network.asked().some((call) => call.path.includes("/refs/"))).toBe(false);
    host.forget(installation);
    await host.file(installation, repository, { branch: "main" }, "f");
    expect(network.asked().some((call) => call.path.includes("/refs/"))).toBe(true);
  });

  it("is forgotten when it is not there any more", async () => {
    const hash = "c".repeat(40);
    let there = true;
    const { host, network } = setUp(undefined, (call) => {
      if (call.path.includes("/refs/") || !there) return NOT_FOUND;
      return { status: 200, body: { ...push.repository, mainbranch: { name: "main", target: { hash } } } };
    });
    await host.look(installation, repository);
    there = false;
    await host.look(installation, repository);
    await host.file(installation, repository, { branch: "main" }, "f");
    expect(network.asked().at(-1)?.path).toContain("/refs/branches/main");
  });
});
