/** What GitHub could not deliver: it is fetched, and becomes what it would have become, once. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Build } from "../../src/core/model.ts";
import type { DeliverySource, MissedStore } from "../../src/engine/missed-port.ts";
import type { Parts } from "../../src/server-parts.ts";
import type { HostAccount, HostRepository, PushResult } from "../hosts/github/index.ts";
import { ADMIN_TOKEN, createWorld, eventually, SECRET, type World, type WorldOptions } from "../support/world.ts";

const FILES = {
  Dockerfile: "FROM scratch\n",
  ".wharfinger.yml":
    "version: 1\nimages:\n  - name: api\n    rules:\n" +
    "      - { branch: main, tags: [latest] }\n      - { branch: '**', tags: ['{branch}'] }\n      - { pull_request: main }\n",
};

interface ApiDelivery {
  readonly deliveryId: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly missed: { readonly sentAt: string; readonly status: number | null } | null;
  readonly builds: readonly string[];
}

let world: World;
let acme: HostAccount;
let repository: HostRepository;
/** Wraps what the program is given at its next start. */
let wrap: (parts: Parts) => Parts;

async function begin(options: Pick<WorldOptions, "missedMs" | "enterprise"> = {}): Promise<void> {
  world = await createWorld({ ...options, parts: (parts) => wrap(parts) });
  acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api");
  await repository.commit({ message: "Begin", files: FILES });
  const { delivery } = await world.github.install(acme, { repositories: [repository] });
  await processed(delivery.guid);
}

beforeEach(() => {
  wrap = (parts) => parts;
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

async function journal(): Promise<readonly ApiDelivery[]> {
  return (await world.api<{ items: readonly ApiDelivery[] }>("/deliveries?limit=100")).items;
}

function processed(guid: string): Promise<ApiDelivery> {
  return eventually(`delivery ${guid} processed`, async () => {
    const found = (await journal()).filter(({ deliveryId }) => deliveryId === guid);
    expect(found.length).toBeLessThan(2);
    return found[0] === undefined || found[0].outcome === "pending" ? null : found[0];
  });
}

function concluded(sha: string): Promise<string> {
  return eventually(`a conclusion on ${sha}`, () => repository.checkRuns(sha).at(-1)?.conclusion ?? null);
}

async function builds(): Promise<readonly Build[]> {
  return (await world.store().listBuilds({ limit: 100, cursor: null })).items;
}

function push(branch: string, text = branch): Promise<PushResult> {
  return world.github.push(repository, { branch, files: { [`${branch}.txt`]: text } });
}

/** Three pushes and a pull request, of which nothing is heard. */
async function unheard() {
  const pushes = [await push("main"), await push("one"), await push("two")];
  const { pull, delivery } = await world.github.openPull(repository, { head: "one" });
  expect([...pushes.map((one) => one.delivery.status), delivery.status]).toEqual([null, null, null, null]);
  const guids = [...pushes.map((one) => one.delivery.guid), delivery.guid];
  return { pushes, pull, guids, shas: pushes.map(({ sha }) => sha) };
}

/** Each led to its builds, of which every commit of a lane has one, and each commit shows how it ended. */
async function expectAll({ guids, shas }: Awaited<ReturnType<typeof unheard>>): Promise<void> {
  for (const guid of guids) expect(await processed(guid)).toMatchObject({ outcome: "planned" });
  for (const sha of shas) expect(await concluded(sha)).toBe("success");
  const listed = await eventually("all builds ended", async () => {
    const found = await builds();
    return found.every(({ state }) => state === "succeeded") ? found : null;
  });
  const work = listed.map(({ planned, state }) => `${planned.sha} ${planned.kind} ${planned.ref} ${state}`);
  expect(work.length).toBe(new Set(work).size);
  expect(new Set(listed.map(({ planned }) => planned.sha))).toEqual(new Set(shas));
  const ids = (await journal()).map(({ deliveryId }) => deliveryId);
  for (const guid of guids) expect(ids.filter((id) => id === guid)).toEqual([guid]);
}

describe("what happens while the program is stopped", () => {
  it("becomes builds and concluded checks once it runs again, in its order", async () => {
    await begin();
    await world.stop();
    const told = await unheard();
    await world.restart();
    await expectAll(told);
    const fetched = (await journal()).filter(({ missed }) => missed !== null).map(({ deliveryId }) => deliveryId);
    expect(fetched.reverse()).toEqual(told.guids);
    expect((await journal()).find(({ deliveryId }) => deliveryId === told.guids[0])?.missed).toEqual({
      sentAt: expect.stringMatching(/Z$/),
      status: null,
    });
    const lines = world.lines.filter(({ message }) => message === "fetched what the host could not deliver");
    expect(lines.map(({ fields }) => fields)).toEqual([
      { provider: "github", host: "default", listed: expect.any(Number), missed: 4, fetched: 4 },
    ]);
    const { instance } = await world.api<{ instance: { missed: readonly object[] } }>("/status");
    expect(instance.missed).toEqual([
      { provider: "github", host: "default", lookedAt: expect.any(String), problem: null, fetched: 4, lost: 0 },
    ]);
    const metrics = await (await fetch(`${world.url}/metrics`)).text();
    expect(metrics).toContain('wharfinger_missed_deliveries_fetched_total{provider="github",host="default"} 4\n');
    expect(metrics).toMatch(/wharfinger_missed_deliveries_looked_seconds\{provider="github",host="default"\} \d/);
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    expect((await fetch(`${world.url}/api/v1/status`, { headers })).status).toBe(200);
  });

  it("is fetched once, also when GitHub delivers it again at the same time", async () => {
    await begin();
    await world.stop();
    const told = await unheard();
    const again: (number | null)[] = [];
    // Between its being fetched and stored, of every second one; the others are stored first and then come again.
    wrap = (parts) => ({
      ...parts,
      hosts: parts.hosts.map((one) => {
        const { missed } = one;
        if (missed === undefined) return one;
        const source: DeliverySource = {
          ...missed,
          async fetch(attempt) {
            const fetched = await missed.fetch(attempt);
            if (told.guids.indexOf(attempt.deliveryId) % 2 === 0) {
              again.push((await world.github.redeliver(attempt.deliveryId)).status);
            }
            return fetched;
          },
        };
        return { ...one, missed: source };
      }),
    });
    await world.restart();
    await eventually("two came again", () => (again.length === 2 ? again : null));
    await looked();
    for (const guid of told.guids) again.push((await world.github.redeliver(guid)).status);
    expect(again).toEqual([202, 202, 200, 200, 200, 200]);
    await expectAll(told);
    const fetched = (await journal()).filter(({ missed }) => missed !== null).map(({ deliveryId }) => deliveryId);
    expect(fetched.reverse()).toEqual([told.guids[1], told.guids[3]]);
  });

  it("is not fetched again after the next start", async () => {
    await begin();
    await world.stop();
    const told = await unheard();
    await world.restart();
    await expectAll(told);
    const before = (await journal()).length;
    const calls = () => world.github.calls.filter(({ route }) => route === "/app/hook/deliveries/{delivery_id}").length;
    expect(calls()).toBe(4);
    await world.restart();
    await looked();
    expect([(await journal()).length, calls()]).toEqual([before, 4]);
  });

  it("is fetched from every GitHub host, each from its own list", async () => {
    await begin({ enterprise: true });
    const ours = world.ghes.organization("acme");
    const theirs = await world.ghes.repository(ours, "web");
    await theirs.commit({ message: "Begin", files: FILES });
    const { delivery: installed } = await world.ghes.install(ours, { repositories: [theirs] });
    await processed(installed.guid);
    await world.stop();
    const far = await world.ghes.push(theirs, { files: { "a.txt": "far" } });
    const near = await push("main");
    world.ghes.inject({
      match: ({ route }) => route === "/app/hook/deliveries",
      effect: { status: 500, body: { message: "Server Error" } },
    });
    await world.restart();
    // One host that is away holds up no other.
    expect(await processed(near.delivery.guid)).toMatchObject({ outcome: "planned", missed: { status: null } });
    expect((await journal()).map(({ deliveryId }) => deliveryId)).not.toContain(far.delivery.guid);
    await world.restart();
    expect(await processed(far.delivery.guid)).toMatchObject({ missed: { status: null } });
    expect(world.ghes.violations).toEqual([]);
  });

  it("does not move tags back where a newer push of the branch has come since", async () => {
    await begin();
    // The first look of this start is held up until the newer push is published.
    await world.stop();
    const old = await push("main", "old");
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    wrap = (parts) => ({
      ...parts,
      hosts: parts.hosts.map((one) => {
        const { missed } = one;
        if (missed === undefined) return one;
        return { ...one, missed: { ...missed, list: (page) => gate.then(() => missed.list(page)) } };
      }),
    });
    await world.restart();
    world.clock.advance(60_000);
    const next = await push("main", "new");
    expect(await concluded(next.sha)).toBe("success");
    const published = await world.store().publishedDigest("acme/api", "latest");
    go();
    expect(await processed(old.delivery.guid)).toMatchObject({
      outcome: "ignored",
      note: "nothing to do: what it moved has moved on while its host could not deliver it",
    });
    expect(await world.store().publishedDigest("acme/api", "latest")).toBe(published);
    expect((await builds()).map(({ planned }) => planned.sha)).not.toContain(old.sha);
  });
});

/** A whole look since the last start. */
async function looked(): Promise<void> {
  const since = Date.now();
  await eventually("a look", async () => {
    const { instance } = await world.api<{ instance: { missed: readonly { lookedAt: string | null }[] } }>("/status");
    const [one] = instance.missed;
    return one !== undefined && one.lookedAt !== null && Date.parse(one.lookedAt) >= since - 50 ? one : null;
  });
}

describe("a process that is killed while it fetches", () => {
  /** From the call of this number on nothing answers it any more: as if it were gone, with its lease held. */
  function dying(after: number): (parts: Parts) => Parts {
    let calls = 0;
    const step = () => {
      calls += 1;
      if (calls > after) throw new Error("gone");
    };
    return (parts) => ({
      ...parts,
      store: {
        ...parts.store,
        holdLook: async (...given: Parameters<MissedStore["holdLook"]>) => {
          step();
          return parts.store.holdLook(...given);
        },
        endLook: async (...given: Parameters<MissedStore["endLook"]>) => {
          step();
          return parts.store.endLook(...given);
        },
      },
      hosts: parts.hosts.map((one) => {
        const { missed } = one;
        if (missed === undefined) return one;
        const source: DeliverySource = {
          ...missed,
          async list(page) {
            step();
            return missed.list(page);
          },
          async fetch(attempt) {
            step();
            return missed.fetch(attempt);
          },
        };
        return { ...one, missed: source };
      }),
    });
  }

  it.each([0, 1, 3, 6, 7])("at call %i loses nothing, and nothing is done twice", async (after) => {
    await begin();
    await world.stop();
    const told = await unheard();
    wrap = dying(after);
    await world.restart();
    await eventually(
      "it has died",
      () => world.lines.find(({ message }) => message === "looking for missed deliveries failed") ?? null,
    );
    wrap = (parts) => parts;
    await world.restart();
    await expectAll(told);
  });
});

describe("a webhook whose secret is wrong for a while", () => {
  it("loses nothing: what was refused is fetched", async () => {
    await begin({ missedMs: 100 });
    const url = `${world.url}/webhooks/github`;
    world.github.setWebhook({ url, secret: "another secret of more than thirty-two characters" });
    const first = await push("main");
    expect(first.delivery.status).toBe(401);
    expect(await processed(first.delivery.guid)).toMatchObject({ outcome: "planned", missed: { status: 401 } });
    expect(await concluded(first.sha)).toBe("success");
    world.github.setWebhook({ url, secret: SECRET });
    const second = await push("main", "again");
    expect(await processed(second.delivery.guid)).toMatchObject({ outcome: "planned", missed: null });
    expect(await concluded(second.sha)).toBe("success");
  });

  it("is said on the status while GitHub does not let us look", async () => {
    await begin({ missedMs: 100 });
    world.github.inject({
      match: ({ route }) => route === "/app/hook/deliveries",
      times: 100_000,
      effect: { status: 403, body: { message: "Resource not accessible by integration" } },
    });
    const page = await eventually("the page says so", async () => {
      const { instance } = await world.api<{ instance: { missed: readonly { problem: string | null }[] } }>("/status");
      return instance.missed[0]?.problem ?? null;
    });
    expect(page).toBe("GitHub answered 403 to GET /app/hook/deliveries: Resource not accessible by integration.");
    const warnings = world.lines.filter(({ message }) => message.startsWith("missed deliveries could not"));
    expect(warnings).toHaveLength(1);
  });
});
