import { describe, expect, it } from "@jest/globals";
import type { HostEvent } from "../../src/core/events.ts";
import type { HostId, Repository } from "../../src/core/model.ts";
import type { Logger } from "../../src/engine/ports.ts";
import { createGithubHost } from "../../src/github/host.ts";
import { createRandom, mutate } from "../support/mutate.ts";
import { examplePayloads } from "./examples.ts";
import { accessAnswering } from "./recorded-fetch.ts";

const installation: HostId = { provider: "github", host: "default", id: "7" };

const repository: Repository = {
  provider: "github",
  host: "default",
  id: "5",
  fullName: "acme/api",
  private: true,
  defaultBranch: "main",
  cloneUrl: "https://github.test/acme/api.git",
  webUrl: "https://github.test/acme/api",
};

function setUp() {
  const { access, network } = accessAnswering(() => ({ status: 404, body: { message: "Not Found" } }));
  const logged: string[] = [];
  function keep(...parts: unknown[]): void {
    logged.push(JSON.stringify(parts));
  }
  const log: Logger = { info: keep, warn: keep, error: keep };
  return { host: createGithubHost({ access, webUrl: "https://github.test", log }), network, logged, access };
}

function delivery(event: string, payload: unknown, deliveryId = "guid-1") {
  return { deliveryId, event, body: Buffer.from(JSON.stringify(payload)) };
}

const push = {
  ref: "refs/heads/main",
  before: "a".repeat(40),
  after: "b".repeat(40),
  repository: {
    id: 5,
    full_name: "acme/api",
    private: true,
    default_branch: "main",
    clone_url: "https://github.test/acme/api.git",
    html_url: "https://github.test/acme/api",
    description: "payload-marker",
  },
  installation: { id: 7 },
};

describe("deliveries through Probot", () => {
  it("reach the handler once, in the project's words, without a call to GitHub", async () => {
    const { host, network, logged } = setUp();
    const events: HostEvent[] = [];
    await host.receive(delivery("push", push), async (event) => void events.push(event));
    expect(events).toMatchObject([{ type: "push", changes: [{ name: "main", commit: "b".repeat(40) }] }]);
    expect(network.calls).toEqual([]);
    expect(logged).toEqual([]);
  });

  it.each([
    ["ping", { zen: "x" }, "ping"],
    ["merge_group", { action: "checks_requested" }, "unsupported-event"],
    ["pull_request", { action: "opened" }, "unsupported-event"],
    ["an_event_of_next_year", { action: "done" }, "unsupported-event"],
    ["push", { ref: 1 }, "unsupported-event"],
    ["push", {}, "unsupported-event"],
    ["installation", { action: "deleted", installation: { id: 7 } }, "unsupported-event"],
    ["check_run", { action: "created", check_run: { app: { id: 42 } } }, "echo"],
    ["error", { action: "x" }, "unsupported-event"],
  ])("of %s %j are answered with %s", async (event, payload, reason) => {
    const { host } = setUp();
    const events: HostEvent[] = [];
    await host.receive(delivery(event, payload), async (item) => void events.push(item));
    expect(events).toMatchObject([{ type: "ignored", reason }]);
  });

  it("resolve only when they were handled", async () => {
    const { host } = setUp();
    let handled = false;
    await host.receive(delivery("push", push), async () => {
      await new Promise((resolve) => setImmediate(resolve));
      handled = true;
    });
    expect(handled).toBe(true);
  });

  it("fail with the handler's own error, freed of the payload", async () => {
    const { host, logged } = setUp();
    const broken = new Error("the database is away");
    const failure = host.receive(delivery("push", push), () => Promise.reject(broken));
    await expect(failure).rejects.toBe(broken);
    expect(Object.keys(broken)).toEqual([]);
    expect(logged.join()).not.toContain("payload-marker");
  });

  it("keep to their own handlers, also when one id is in progress twice", async () => {
    const { host } = setUp();
    const seen: string[] = [];
    const one = (name: string) => async (event: HostEvent) => {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`${name} ${event.type}`);
    };
    await Promise.all([
      host.receive(delivery("push", push), one("first")),
      host.receive(delivery("ping", { zen: "" }), one("second")),
      host.receive(delivery("push", push, "guid-2"), one("third")),
    ]);
    expect(seen.sort()).toEqual(["first push", "second ignored", "third push"]);
  });

  it("are each handled once, whatever GitHub publishes as an example", async () => {
    const { host, network } = setUp();
    for (const { event, payload } of examplePayloads()) {
      const events: HostEvent[] = [];
      await host.receive(delivery(event, payload), async (item) => void events.push(item));
      expect([event, events.length]).toEqual([event, 1]);
    }
    expect(network.calls).toEqual([]);
  });

  it("are each handled once, however broken the payload is", async () => {
    const { host } = setUp();
    const random = createRandom(11);
    for (let round = 0; round < 300; round += 1) {
      const mutated = mutate(push, random);
      const isObject = typeof mutated === "object" && mutated !== null && !Array.isArray(mutated);
      // Probot itself refuses to make a context for an installation that has no usable id.
      const payload = { ...(isObject ? mutated : {}), installation: push.installation };
      const events: HostEvent[] = [];
      await host.receive(delivery("push", payload), async (item) => void events.push(item));
      expect(events).toHaveLength(1);
    }
  });

  it("that are not JSON fail without quoting it", async () => {
    const { host } = setUp();
    const broken = { deliveryId: "guid-1", event: "push", body: Buffer.from('{"marker') };
    await expect(host.receive(broken, () => Promise.resolve())).rejects.toThrow("not JSON");
  });
});

describe("the credential for a clone", () => {
  const shared = { id: "9", fullName: "acme/shared", cloneUrl: "https://github.test/acme/shared.git" };

  it("reads further repositories that are asked for, and nothing else", async () => {
    const { host, network } = setUp();
    const wide = await host.cloneCredential(installation, repository, [shared, { ...shared, id: "11" }, shared]);
    expect(wide).toMatchObject({ ok: true, value: { username: "x-access-token" } });
    expect(network.calls.map((call) => call.body)).toEqual([
      { repository_ids: [5, 9, 11], permissions: { contents: "read" } },
    ]);
    // What was asked for less is never given the wider one.
    const narrow = await host.cloneCredential(installation, repository);
    expect(narrow).toMatchObject({ ok: true });
    expect(narrow).not.toEqual(wide);
    expect(network.calls.at(-1)?.body).toEqual({ repository_ids: [5], permissions: { contents: "read" } });
  });

  it("is not given out where a further repository is elsewhere", async () => {
    const { host, network } = setUp();
    const elsewhere = { ...shared, cloneUrl: "https://github.test.elsewhere.test/acme/shared.git" };
    expect(await host.cloneCredential(installation, repository, [shared, elsewhere])).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("acme/shared"),
    });
    expect(network.calls).toEqual([]);
  });

  it("reads this one repository", async () => {
    const { host, network } = setUp();
    const credential = await host.cloneCredential(installation, repository);
    expect(credential).toEqual({
      ok: true,
      value: { username: "x-access-token", password: expect.stringMatching(/^ghs_/) },
    });
    expect(network.calls.map((call) => call.body)).toEqual([
      { repository_ids: [5], permissions: { contents: "read" } },
    ]);
  });

  it.each([
    "https://elsewhere.test/acme/api.git",
    "http://github.test/acme/api.git",
    "https://github.test.elsewhere.test/acme/api.git",
    "https://github.test:8443/acme/api.git",
    "git@github.test:acme/api.git",
  ])("is not given out for %s", async (cloneUrl) => {
    const { host, network } = setUp();
    const credential = await host.cloneCredential(installation, { ...repository, cloneUrl });
    expect(credential).toMatchObject({ ok: false, retryable: false });
    expect(network.calls).toEqual([]);
  });

  it("is another one after the installation's tokens were forgotten", async () => {
    const { host } = setUp();
    const first = await host.cloneCredential(installation, repository);
    expect(await host.cloneCredential(installation, repository)).toEqual(first);
    host.forget(installation);
    expect(await host.cloneCredential(installation, repository)).not.toEqual(first);
  });
});
